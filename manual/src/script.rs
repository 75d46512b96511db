//! The completions of a shell.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::definition::shown;

/// The script that completes the command line of a program with this definition.
pub fn completions(definition: &Command, shell: Shell) -> String {
    let name = definition.get_name();
    let mut definition = shown(definition);
    let mut script = Vec::new();
    if shell != Shell::Bash {
        generate(shell, &mut definition, name, &mut script);
        return String::from_utf8_lossy(&script).into_owned();
    }
    // clap_complete 4.6 writes a name with a hyphen in two ways in one script, so that nothing is completed behind a command
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

/// A line of bash without the words `[FILE]` and `<FILE>`, which stand for what a person types and are no completions.
fn without_placeholders(line: &str) -> String {
    let Some((before, words)) = line.split_once("opts=\"") else {
        return line.to_owned();
    };
    let words = words.trim_end_matches('"').split(' ');
    let words: Vec<&str> = words.filter(|word| !word.starts_with(['[', '<'])).collect();
    format!("{before}opts=\"{}\"", words.join(" "))
}
