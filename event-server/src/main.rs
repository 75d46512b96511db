//! Arguments → configuration → command → exit code.

mod arguments;
mod commands;
mod failure;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::Parser;
use event_server::config::Config;
use event_server::report;
use frame::log::{Level, Logger};

use self::arguments::{Arguments, Command};
use self::failure::{CONFIGURATION, Failure, USAGE};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
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
    let Arguments {
        options,
        check,
        command,
    } = &arguments;
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(key, value)| (text(key), text(value)));
    let loaded = match Config::load(options.config.as_deref(), environment, &options.flags()) {
        Ok(loaded) => loaded,
        Err(e) => {
            Logger::immediate(Level::Info, io::stderr()).install();
            report::exit_failed(&e);
            return CONFIGURATION.into();
        }
    };
    let serves = command.is_none() && !check;
    let done = if serves {
        let logger = Logger::gathering(loaded.config.logging_level, io::stderr())
            .with_format(loaded.config.logging_format);
        logger.install();
        let done = commands::serve::run(&loaded, &logger);
        if done.is_ok() {
            report::exit();
        }
        report_failure(&done);
        logger.flush();
        done
    } else {
        Logger::immediate(Level::Info, io::stderr()).install();
        let done = match command {
            None => commands::check::run(&loaded.config),
            Some(Command::Config) => commands::settings::run(&loaded),
            Some(Command::Export) => commands::export::run(&loaded.config),
            Some(Command::Reopen { agency }) => commands::reopen::run(&loaded.config, *agency),
        };
        report_failure(&done);
        done
    };
    done.map_or_else(|failure| failure.code.into(), |()| ExitCode::SUCCESS)
}

fn report_failure(done: &Result<(), Failure>) {
    if let Err(failure) = done {
        report::exit_failed(&failure.reason);
    }
}
