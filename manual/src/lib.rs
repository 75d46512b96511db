//! The completions and the manual pages of a program, made from the definition of its command line.
//!
//! In comes a [`clap::Command`]; out come a shell's script, and pages for `man`, one for the program and one for each of its
//! commands. Hidden commands are in neither. Knows neither of the two programs.

mod page;
mod script;

use clap::Command;
pub use clap_complete::Shell;

pub use page::{Section, write_pages};
pub use script::completions;

/// The same definition without its hidden commands, and without those that only ask for help.
fn shown(definition: &Command) -> Command {
    let mut shown = Command::new(definition.get_name().to_owned())
        .args(definition.get_arguments().cloned())
        .disable_help_subcommand(true);
    if let Some(version) = definition.get_version() {
        shown = shown.version(version.to_owned());
    }
    if let Some(about) = definition.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(examples) = definition.get_after_help() {
        shown = shown.after_help(examples.clone());
    }
    let commands = definition.get_subcommands();
    shown.subcommands(commands.filter(|command| !command.is_hide_set()).cloned())
}
