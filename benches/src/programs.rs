//! What the benches of whole programs share.

use std::error::Error;
use std::process::Command;

/// Returns whether `cargo bench` asks for this bench: for all, or for those whose names hold the filter.
pub fn wanted(name: &str) -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let measures = arguments.iter().any(|argument| argument == "--bench");
    measures && filter.is_none_or(|filter| name.contains(filter.as_str()))
}

/// Builds both programs, so that the present code is measured.
///
/// # Errors
/// They cannot be built.
pub fn build() -> Result<(), Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let packages = ["-p", "event-server", "-p", "batch-client"];
    let mut build = Command::new(cargo);
    build
        .args(["build", "--release", "--locked", "--quiet"])
        .args(packages);
    match build.status()?.success() {
        true => Ok(()),
        false => Err("the programs cannot be built".into()),
    }
}

/// Returns bytes as MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// Returns the median.
///
/// # Panics
/// There are no values.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
