//! The completions and the manual pages of a program, made from the definition of its command line.
//!
//! In comes a [`clap::Command`]; out come a shell's script, and pages for `man`, one for the program and one for each of its
//! commands. Hidden commands are in neither. Knows neither of the two programs.

mod definition;
mod page;
mod script;

pub use clap_complete::Shell;

pub use page::{Section, write_pages};
pub use script::completions;
