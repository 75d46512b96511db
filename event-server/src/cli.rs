//! The command line: arguments → configuration → command → exit code.
//!
//! `serve` runs the central; every other command reads a stored lottery, or changes it, and ends. Each command is a function
//! that takes the configuration and returns a [`Failure`], whose reason becomes the last line of the log.

mod arguments;
mod change;
mod copy;
mod export;
mod failure;
mod serve;
mod status;
mod store;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::time::Instant;

use event_server::config::{Flag, Loaded, Sources};
use event_server::report;
use event_server::server::fail_writes_beyond_file_limit;
use event_server::supervisor::Supervisor;
use frame::log::{Level, Logger};
use frame::small_file;

use self::arguments::{Arguments, Command, Options};
use self::failure::{CLOSED_PIPE, CONFIGURATION, Failure, USAGE};

/// Runs the command that the arguments ask for, and returns the exit code. The first argument is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // If the system refuses this, the program still starts, but a write beyond the limit of file sizes ends it without
    // a message.
    let _ = fail_writes_beyond_file_limit();
    let arguments = match Arguments::read(arguments) {
        Ok(arguments) => arguments,
        Err(e) => {
            // Help and version come as an `Err`, too. An error of printing is ignored: there is nobody to tell.
            let _ = e.print();
            return if e.use_stderr() {
                USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let options = &arguments.options;
    match arguments.command {
        None if arguments.check => tool(|| serve::check(&load(options)?.config)),
        None => run_server(options),
        Some(Command::Config) => tool(|| serve::show_settings(&load(options)?)),
        Some(Command::Export) => tool(|| export::run(&load(options)?.config)),
        Some(Command::Status { json }) => tool(|| status::run(&load(options)?.config, json)),
        Some(Command::Verify { json }) => tool(|| status::verify(&load(options)?.config, json)),
        Some(Command::Backup { target, json }) => {
            tool(|| copy::backup(&load(options)?.config, &target, json))
        }
        Some(Command::Move { from, to, json }) => tool(|| {
            let from = load_store(options, "--from", &from)?;
            let to = load_store(options, "--to", &to)?;
            copy::relocate(&from.config, &to.config, json)
        }),
        Some(Command::Winners { agency, json }) => {
            tool(|| export::winners(&load(options)?.config, agency, json))
        }
        Some(Command::Agencies { number }) => {
            tool(|| change::agencies(&load(options)?.config, number))
        }
        Some(Command::Reopen {
            agency,
            allow_same_file,
        }) => tool(|| change::reopen(&load(options)?.config, agency, allow_same_file)),
        Some(Command::Finish { agency }) => tool(|| change::finish(&load(options)?.config, agency)),
        Some(Command::Completions { shell }) => tool(|| arguments::completions(shell)),
        Some(Command::Man { folder }) => tool(|| arguments::man(&folder)),
    }
}

/// Reads every layer of the configuration.
fn load(options: &Options) -> Result<Loaded, Failure> {
    read(&sources(options, options.flags()))
}

/// Reads every layer of the configuration, with `store` in place of the configured one: a folder, or the URL of a
/// database. `name` is the flag that it comes from.
fn load_store(options: &Options, name: &str, store: &str) -> Result<Loaded, Failure> {
    let is_url = store.starts_with("postgresql://") || store.starts_with("postgres://");
    let flag = |key: &str, value: &str| Flag {
        name: name.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let mut flags = options.flags();
    match is_url {
        true => flags.push(flag("SERVER_STORE", store)),
        false => {
            flags.push(flag("SERVER_STORE", "files"));
            flags.push(flag("SERVER_DATA_DIR", store));
        }
    }
    read(&sources(options, flags))
}

/// Returns the places that the configuration is read from, with these flags.
fn sources(options: &Options, flags: Vec<Flag>) -> Sources {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(key, value)| (text(key), text(value)));
    Sources {
        file: options.config.clone(),
        environment: environment.collect(),
        flags,
    }
}

fn read(sources: &Sources) -> Result<Loaded, Failure> {
    let loaded = sources.load(small_file::read);
    loaded.map_err(|e| Failure::new(CONFIGURATION, e))
}

/// Runs a command that does not serve. Its log lines are written at once.
fn tool(run: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    Logger::immediate(Level::Info, io::stderr()).install();
    let done = run();
    report_failure(&done);
    exit_code(&done)
}

/// Runs the server. Its log lines are collected during a turn and written by a thread, so the loop never waits for them.
fn run_server(options: &Options) -> ExitCode {
    let sources = sources(options, options.flags());
    let supervisor = Supervisor::from_environment(Instant::now());
    let loaded = match read(&sources) {
        Ok(loaded) => loaded,
        Err(failure) => return tool(|| Err(failure)),
    };
    let (level, format) = (loaded.config.logging_level, loaded.config.logging_format);
    let logger = Logger::background(level, format, io::stderr, report::lines_lost);
    logger.install();
    let done = serve::run(sources, &loaded, &logger, supervisor);
    if done.is_ok() {
        report::exit();
    }
    report_failure(&done);
    logger.finish();
    exit_code(&done)
}

fn exit_code(done: &Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.code.into(),
    }
}

fn report_failure(done: &Result<(), Failure>) {
    match done {
        // The reader of the output has closed it, as `head` does: other programs end silently too.
        Ok(())
        | Err(Failure {
            code: CLOSED_PIPE, ..
        }) => {}
        Err(failure) => report::exit_failed(&failure.reason),
    }
}
