//! Let the program say which version of the library it was built with: that of the lock file.

use std::{env, fs};

fn main() {
    let package = env::var("CARGO_PKG_NAME").expect("set by cargo");
    let library = format!("name = \"{}\"", package.trim_start_matches("taxi-adapter-"));
    let lock = fs::read_to_string("Cargo.lock").expect("built with a lock file");
    let mut lines = lock.lines().skip_while(|line| *line != library).skip(1);
    let version = lines.next().and_then(|line| line.split('"').nth(1)).expect("the library is in the lock file");
    println!("cargo:rustc-env=LIBRARY_VERSION={version}");
    println!("cargo:rerun-if-changed=Cargo.lock");
}
