//! A library in Rust behind the protocol of taxi-mlops: lines of JSON on standard input and output.

use serde_json::{json, Value};
use std::error::Error;
use std::fs;
use std::io::{stdin, stdout, BufRead, Write};

/// The points in radians, eps as an angle, and the radius of the earth. `min_samples` counts the point itself.
pub struct Problem {
    pub latitude: Vec<f64>,
    pub longitude: Vec<f64>,
    pub eps: f64,
    pub min_samples: usize,
    pub radius: f64,
}

pub trait Library {
    type Prepared;

    fn version(&self) -> &'static str;

    /// Convert the points to the form of the library; builds no index. Never called for no points.
    fn prepare(&self, problem: Problem) -> Self::Prepared;

    /// Return the labels, and what is shown with the trial.
    fn fit(&self, prepared: &Self::Prepared) -> Result<(Vec<Option<usize>>, Value), Box<dyn Error>>;
}

pub fn serve<L: Library>(library: L) -> Result<(), Box<dyn Error>> {
    let mut prepared = None;
    for line in stdin().lock().lines() {
        let answer = answer(&library, &mut prepared, &line?).unwrap_or_else(|error| {
            eprintln!("{error}");
            json!({"is": "error", "message": error.to_string()})
        });
        println!("{answer}");
        stdout().flush()?;
    }
    Ok(())
}

fn answer<L: Library>(
    library: &L,
    prepared: &mut Option<L::Prepared>,
    line: &str,
) -> Result<Value, Box<dyn Error>> {
    let request: Value = serde_json::from_str(line)?;
    match request["do"].as_str() {
        Some("hello") => Ok(json!({"is": "hello", "protocol": 1, "version": library.version()})),
        Some("prepare") => {
            let problem = read(&request)?;
            *prepared = if problem.latitude.is_empty() { None } else { Some(library.prepare(problem)) };
            Ok(json!({"is": "ready"}))
        }
        Some("fit") => {
            let (labels, about) = match prepared {
                Some(prepared) => library.fit(prepared)?,
                None => (Vec::new(), json!({})),
            };
            let bytes: Vec<u8> = labels
                .iter()
                .flat_map(|label| label.map_or(-1, |number| number as i32).to_le_bytes())
                .collect();
            fs::write(request["labels"].as_str().ok_or("no labels")?, bytes)?;
            Ok(json!({"is": "done", "about": about}))
        }
        _ => Err("unknown request".into()),
    }
}

fn read(request: &Value) -> Result<Problem, Box<dyn Error>> {
    let bytes = fs::read(request["points"].as_str().ok_or("no points")?)?;
    let radians: Vec<f64> = bytes
        .chunks_exact(8)
        .map(|value| f64::from_le_bytes(value.try_into().expect("eight bytes")).to_radians())
        .collect();
    let radius = request["earth_radius_metres"].as_f64().ok_or("no earth_radius_metres")?;
    Ok(Problem {
        latitude: radians.iter().step_by(2).copied().collect(),
        longitude: radians.iter().skip(1).step_by(2).copied().collect(),
        eps: request["eps_metres"].as_f64().ok_or("no eps_metres")? / radius,
        min_samples: request["min_samples"].as_u64().ok_or("no min_samples")? as usize,
        radius,
    })
}
