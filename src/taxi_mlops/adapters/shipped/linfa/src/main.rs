//! linfa's DBSCAN behind the protocol of taxi-mlops.

#[path = "../program.rs"]
mod program;

use linfa::traits::Transformer;
use linfa::ParamGuard;
use linfa_clustering::Dbscan;
use ndarray::Array2;
use program::{serve, Library, Problem};
use serde_json::{json, Value};
use std::error::Error;

struct Linfa;

struct Prepared {
    chords: Array2<f64>,
    eps: f64,
    min_samples: usize,
}

impl Library for Linfa {
    type Prepared = Prepared;

    fn version(&self) -> &'static str {
        env!("LIBRARY_VERSION")
    }

    fn prepare(&self, problem: Problem) -> Prepared {
        let chords = Array2::from_shape_fn((problem.latitude.len(), 3), |(i, axis)| {
            let (latitude, longitude) = (problem.latitude[i], problem.longitude[i]);
            match axis {
                0 => latitude.cos() * longitude.cos(),
                1 => latitude.cos() * longitude.sin(),
                _ => latitude.sin(),
            }
        });
        let eps = 2.0 * (problem.eps.min(std::f64::consts::PI) / 2.0).sin();
        Prepared { chords, eps, min_samples: problem.min_samples }
    }

    fn fit(&self, prepared: &Prepared) -> Result<(Vec<Option<usize>>, Value), Box<dyn Error>> {
        // linfa refuses 1.
        let parameters = Dbscan::params(prepared.min_samples.max(2)).tolerance(prepared.eps).check()?;
        let mut labels = parameters.transform(&prepared.chords).to_vec();
        if prepared.min_samples == 1 {
            // Every point is a core point: those without neighbours are clusters of their own.
            let mut lone = labels.iter().flatten().max().map_or(0, |last| last + 1);
            for label in labels.iter_mut().filter(|label| label.is_none()) {
                *label = Some(lone);
                lone += 1;
            }
        }
        Ok((labels, json!({})))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    serve(Linfa)
}
