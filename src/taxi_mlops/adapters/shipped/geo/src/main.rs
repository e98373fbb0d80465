//! The DBSCAN of the crate geo behind the protocol of taxi-mlops.

#[path = "../program.rs"]
mod program;

use geo::{Dbscan, Point};
use program::{serve, Library, Problem};
use serde_json::{json, Value};
use std::error::Error;

struct Geo;

/// The points in a plane, in metres. error: by how much a distance of eps may be too long there.
struct Prepared {
    points: Vec<Point<f64>>,
    eps: f64,
    min_samples: usize,
    error: f64,
}

impl Library for Geo {
    type Prepared = Prepared;

    fn version(&self) -> &'static str {
        env!("LIBRARY_VERSION")
    }

    fn prepare(&self, problem: Problem) -> Prepared {
        let (points, stretch) = stereographic(&problem);
        let eps = problem.eps * problem.radius;
        Prepared { points, eps, min_samples: problem.min_samples, error: eps * (stretch - 1.0) }
    }

    fn fit(&self, prepared: &Prepared) -> Result<(Vec<Option<usize>>, Value), Box<dyn Error>> {
        let labels = prepared.points.dbscan(prepared.eps, prepared.min_samples);
        Ok((labels, json!({"projection_error_metres": prepared.error})))
    }
}

/// Project the points to the plane that touches the earth at their middle, conformally, and return the largest factor by
/// which lengths grow: 1 / cos²(c / 2) at the angle c from the middle.
fn stereographic(problem: &Problem) -> (Vec<Point<f64>>, f64) {
    let chords: Vec<[f64; 3]> = problem
        .latitude
        .iter()
        .zip(&problem.longitude)
        .map(|(latitude, longitude)| {
            [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
        })
        .collect();
    let sum = |axis: usize| chords.iter().map(|chord| chord[axis]).sum::<f64>();
    let (x, y, z) = (sum(0), sum(1), sum(2));
    let (latitude, longitude) = (z.atan2(x.hypot(y)), y.atan2(x));
    let (up_sin, up_cos) = latitude.sin_cos();
    let mut stretch = 1.0_f64;
    let points = problem
        .latitude
        .iter()
        .zip(&problem.longitude)
        .map(|(&north, &east)| {
            let (sin, cos) = north.sin_cos();
            let turn = east - longitude;
            // Without the differences of nearly equal products, which lose digits.
            let half = (turn / 2.0).sin();
            let along = (north - latitude).sin() + 2.0 * up_sin * cos * half * half;
            let near = (1.0 + up_sin * sin + up_cos * cos * turn.cos()) / 2.0;
            let factor = 1.0 / near.max(1e-12);
            stretch = stretch.max(factor);
            Point::new(problem.radius * factor * cos * turn.sin(), problem.radius * factor * along)
        })
        .collect();
    (points, stretch)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve(Geo)
}
