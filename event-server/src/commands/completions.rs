//! `completions`: the completions for a shell.

use std::io::{self, Write as _};

use crate::arguments::{Arguments, NAME, Shell};
use crate::failure::Failure;

pub fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::definition(), NAME, &mut script);
    let written = io::stdout().lock().write_all(&script);
    written.map_err(|e| Failure::output(&e))
}
