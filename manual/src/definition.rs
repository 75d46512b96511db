//! Definitions of command lines, as their users see them.

use clap::Command;

/// Returns the same definition without its hidden commands, and without those that only ask for help.
pub(crate) fn shown(definition: &Command) -> Command {
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
