//! What the benches of whole programs share.

use std::error::Error;
use std::process::Command;

/// Whether `cargo bench` asks for this bench: for all, or for one whose name holds the filter.
pub fn wanted(name: &str) -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let measures = arguments.iter().any(|argument| argument == "--bench");
    measures && filter.is_none_or(|filter| name.contains(filter.as_str()))
}

/// Builds both programs, so that those of today are measured.
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

/// Bytes as MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// The value in the middle.
///
/// # Panics
/// There is none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
