//! The command line: completions, manual pages, help and version.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fixtures::{programs, shells};

const COMMANDS: [&str; 11] = [
    "agencies",
    "backup",
    "config",
    "export",
    "finish",
    "move",
    "reopen",
    "status",
    "verify",
    "winners",
    "completions",
];

/// Runs the server with these arguments. No variable and no file of the caller configures it.
fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), arguments)
}

fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(programs::program("event-server").unwrap())
        .args(arguments)
        .env_clear()
        .current_dir(folder)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn the_completions_of_each_shell_name_every_command_and_flag() {
    for (shell, begin) in [
        ("bash", "_event_server() {"),
        ("zsh", "#compdef event-server\n"),
        ("fish", "# Print an optspec for argparse"),
    ] {
        let output = run(&["completions", shell]);
        let script = stdout(&output);
        assert!(script.starts_with(begin), "{shell}: {script:.60}");
        for name in COMMANDS {
            assert!(script.contains(name), "{shell} does not complete {name}");
        }
        for flag in ["data-dir", "agency", "check"] {
            assert!(script.contains(flag), "{shell} does not complete --{flag}");
        }
    }
}

#[test]
fn shells_complete_flags_behind_a_command_and_offer_no_hidden_one() {
    for shell in shells::SHELLS {
        let output = run(&["completions", shell]);
        let script = stdout(&output);
        let offered = |words: &[&str], until| shells::offered(shell, script, words, until).unwrap();
        let flags = offered(&["event-server", "reopen", "--"], "--store");
        for flag in ["--agency", "--data-dir", "--store"] {
            let found = flags.as_deref().is_none_or(|flags| flags.contains(flag));
            assert!(found, "{shell} does not complete {flag}: {flags:?}");
        }
        if let Some(commands) = offered(&["event-server", ""], "reopen") {
            assert!(commands.contains("export"), "{shell}: {commands}");
            let is_man = |word: &str| word == "man";
            assert!(
                !commands.split_whitespace().any(is_man),
                "{shell}: {commands}"
            );
        }
    }
}

#[test]
fn an_unknown_shell_is_refused_with_those_that_are_known() {
    let output = run(&["completions", "other"]);
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("bash, elvish, fish, powershell, zsh"),
        "{said}"
    );
}

#[test]
fn completions_that_cannot_be_written_are_an_error() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(programs::program("event-server").unwrap())
        .args(["completions", "bash"])
        .env_clear()
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(74));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("error: standard output cannot be written to: "),
        "{said}"
    );
}

#[test]
fn each_command_has_a_manual_page_that_manual_readers_accept() {
    let folder = tempfile::tempdir().unwrap();
    stdout(&run_in(folder.path(), &["man", "."]));
    let mut found: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let mut expected: Vec<String> = COMMANDS
        .iter()
        .map(|name| format!("event-server-{name}.1"))
        .chain(["event-server.1".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    for page in &found {
        let text = fs::read_to_string(folder.path().join(page)).unwrap();
        for section in [".SH FILES", ".SH \"EXIT STATUS\""] {
            assert!(text.contains(section), "{page} has no {section}");
        }
        for (reader, arguments) in [
            ("man", ["--warnings", "-l"].as_slice()),
            // Below errors are remarks on the generator's style.
            ("mandoc", ["-T", "lint", "-W", "error"].as_slice()),
        ] {
            let read = Command::new(reader)
                .args(arguments)
                .arg(page)
                .current_dir(folder.path())
                .output();
            match read {
                Ok(read) => {
                    assert!(read.status.success(), "{reader} {page}: {read:?}");
                    assert!(read.stderr.is_empty(), "{reader} {page}: {read:?}");
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    eprintln!("{reader} is not installed: it has not read {page}");
                }
                Err(e) => panic!("{reader}: {e}"),
            }
        }
    }
}

#[test]
fn manual_pages_for_which_there_is_no_folder_are_an_error() {
    let output = run(&["man", "none"]);
    assert_eq!(output.status.code(), Some(74));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("error: the manual pages cannot be written to none: "),
        "{said}"
    );
}

#[test]
fn the_version_and_examples_are_shown() {
    let version = format!("event-server {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&run(&["--version"])), version);
    assert!(stdout(&run(&["--help"])).contains("\nExamples:\n"));
}

#[test]
fn help_about_help_is_help() {
    for flag in ["--help", "-h", "help"] {
        let output = run(&["help", flag]);
        assert!(
            stdout(&output).contains("the help of the given subcommand"),
            "{output:?}"
        );
    }
}
