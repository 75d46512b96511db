//! `man`: a manual page for the program, and one for each of its commands.

use std::path::Path;

use crate::arguments::{Arguments, SECTIONS};
use crate::failure::{Failure, IO_ERROR};

pub fn run(folder: &Path) -> Result<(), Failure> {
    let written = manual::write_pages(&Arguments::definition(), &SECTIONS, folder);
    written.map_err(|e| {
        Failure::new(
            IO_ERROR,
            format_args!(
                "the manual pages cannot be written to {}: {e}",
                folder.display()
            ),
        )
    })
}
