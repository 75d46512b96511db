//! `completions`: the completions for a shell.

use std::io::{self, Write as _};

use crate::arguments::{Arguments, Shell};
use crate::failure::Failure;

pub fn run(shell: Shell) -> Result<(), Failure> {
    let script = manual::completions(&Arguments::definition(), shell);
    let written = io::stdout().lock().write_all(script.as_bytes());
    written.map_err(|e| Failure::output(&e))
}
