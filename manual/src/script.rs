//! The completions of a shell.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::definition::shown;

/// Returns the script that completes the command line of a program with this definition.
pub fn completions(definition: &Command, shell: Shell) -> String {
    let name = definition.get_name();
    let mut definition = shown(definition);
    let mut script = Vec::new();
    if shell != Shell::Bash {
        generate(shell, &mut definition, name, &mut script);
        let mut script = String::from_utf8_lossy(&script).into_owned();
        if shell == Shell::Fish {
            script.extend(
                definition
                    .get_subcommands()
                    .flat_map(|command| values(name, command)),
            );
        }
        return script;
    }
    // clap_complete 4.6 writes a name with a hyphen in two ways in one script, so that nothing is completed after a command
    // (clap-rs/clap, 6421). Only the last lines, which bind the script to a program, need the name itself.
    let plain = name.replace('-', "_");
    generate(shell, &mut definition, &plain, &mut script);
    let script = String::from_utf8_lossy(&script);
    let lines = script.lines().map(|line| {
        let bound = line.strip_suffix(&plain);
        let binds = line.trim_start().starts_with("complete -F ");
        match bound.filter(|_| binds) {
            Some(line) => format!("{line}{name}\n"),
            None => without_placeholders(line) + "\n",
        }
    });
    lines.collect()
}

/// Lines of fish for the values of a command's arguments without a flag, for which clap_complete 4.6 writes none: each is
/// offered until one of them is given.
fn values(program: &str, command: &Command) -> impl Iterator<Item = String> {
    let function = program.replace('-', "_");
    let arguments = command.get_positionals().map(|argument| {
        let values = argument.get_possible_values();
        let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        names.join(" ")
    });
    arguments
        .filter(|names| !names.is_empty())
        .map(move |names| {
            let command = command.get_name();
            format!(
                "complete -c {program} -n \"__fish_{function}_using_subcommand {command}; and not __fish_seen_subcommand_from {names}\" -f -a \"{names}\"\n"
            )
        })
}

/// A line of bash without the words `[FILE]` and `<FILE>`, which stand for what a person types and are no completions.
fn without_placeholders(line: &str) -> String {
    let Some((before, words)) = line.split_once("opts=\"") else {
        return line.to_owned();
    };
    let words = words.trim_end_matches('"').split(' ');
    let words: Vec<&str> = words.filter(|word| !word.starts_with(['[', '<'])).collect();
    format!("{before}opts=\"{}\"", words.join(" "))
}
