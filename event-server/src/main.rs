//! Arguments → configuration → command → exit code.

mod arguments;
mod commands;
mod failure;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use event_server::config::{Config, Flag, Loaded};
use event_server::report;
use event_server::server::bear_file_limits;
use frame::log::{Level, Logger};

use self::arguments::{Arguments, Command, Options};
use self::failure::{CLOSED_PIPE, CONFIGURATION, Failure, USAGE};

fn main() -> ExitCode {
    // Where the system would not, a full file ends the program without a word: that is no reason not to begin.
    let _ = bear_file_limits();
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(e) => {
            // Help and version are no errors. Where standard output is closed, nobody reads them.
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
        None if arguments.check => tool(|| commands::check::run(&load(options)?.config)),
        None => serve(options),
        Some(Command::Config) => tool(|| commands::settings::run(&load(options)?)),
        Some(Command::Export) => tool(|| commands::export::run(&load(options)?.config)),
        Some(Command::Status { json }) => {
            tool(|| commands::status::run(&load(options)?.config, json))
        }
        Some(Command::Verify { json }) => {
            tool(|| commands::verify::run(&load(options)?.config, json))
        }
        Some(Command::Backup { target, json }) => {
            tool(|| commands::backup::run(&load(options)?.config, &target, json))
        }
        Some(Command::Move { from, to, json }) => tool(|| {
            let from = load_store(options, "--from", &from)?;
            let to = load_store(options, "--to", &to)?;
            commands::moving::run(&from.config, &to.config, json)
        }),
        Some(Command::Winners { agency, json }) => {
            tool(|| commands::winners::run(&load(options)?.config, agency, json))
        }
        Some(Command::Agencies { number }) => {
            tool(|| commands::agencies::run(&load(options)?.config, number))
        }
        Some(Command::Reopen {
            agency,
            allow_same_file,
        }) => tool(|| commands::reopen::run(&load(options)?.config, agency, allow_same_file)),
        Some(Command::Finish { agency }) => {
            tool(|| commands::finish::run(&load(options)?.config, agency))
        }
        Some(Command::Completions { shell }) => tool(|| commands::completions::run(shell)),
        Some(Command::Man { folder }) => tool(|| commands::man::run(&folder)),
    }
}

/// Reads every layer of the configuration.
fn load(options: &Options) -> Result<Loaded, Failure> {
    load_with(options, &options.flags())
}

/// The same, with the store that a flag names: a folder, or the URL of a database.
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
    load_with(options, &flags)
}

fn load_with(options: &Options, flags: &[Flag]) -> Result<Loaded, Failure> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(key, value)| (text(key), text(value)));
    Config::load(options.config.as_deref(), environment, flags)
        .map_err(|e| Failure::new(CONFIGURATION, e))
}

/// Runs a command that does not serve. Its log is written at once.
fn tool(run: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    Logger::immediate(Level::Info, io::stderr()).install();
    let done = run();
    report_failure(&done);
    exit_code(&done)
}

/// Runs the server, whose log is gathered in a turn and written by a thread: the loop never waits for it.
fn serve(options: &Options) -> ExitCode {
    let loaded = match load(options) {
        Ok(loaded) => loaded,
        Err(failure) => return tool(|| Err(failure)),
    };
    let (level, format) = (loaded.config.logging_level, loaded.config.logging_format);
    let logger = Logger::background(level, format, io::stderr, report::lines_lost);
    logger.install();
    let done = commands::serve::run(&loaded, &logger);
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
        // Whoever read the output has seen enough: the end of other programs, too.
        Ok(())
        | Err(Failure {
            code: CLOSED_PIPE, ..
        }) => {}
        Err(failure) => report::exit_failed(&failure.reason),
    }
}
