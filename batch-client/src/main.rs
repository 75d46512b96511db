//! The program: reads arguments and configuration, runs a mode, and ends with its exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use batch_client::agency::{self, Outcome};
use batch_client::bet::{self, Bettor};
use batch_client::config::Config;
use batch_client::error::{Error, USAGE};
use batch_client::progress::Progress;
use batch_client::{echo, report};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use frame::Agency;
use frame::log::{Level, Logger};
use serde_json::json;

/// A lottery agency: it sends its bets to the central and learns its winners.
#[derive(Parser)]
struct Arguments {
    /// The configuration file [default: config.yaml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Send a few messages, and check that the server sends them back
    Echo,
    /// Send one bet, from the variables NOMBRE, APELLIDO, DOCUMENTO, NACIMIENTO and NUMERO
    Bet,
    /// Send the agency's file in batches, wait for the draw, and print the documents of its winners
    Batch {
        /// Print {"agency":N,"bets":N,"winners":["DOCUMENT",…]} instead of one document per line
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) => {
            // Where it cannot be printed, the exit code alone has to say it.
            let _ = e.print();
            return match e.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => USAGE.into(),
            };
        }
    };
    // A value that is not UTF-8 is never allowed; the error says so.
    let text = |raw: OsString| raw.to_string_lossy().into_owned();
    let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    let loaded = match Config::load(arguments.config.as_deref(), variables) {
        Ok(loaded) => loaded,
        Err(e) => {
            Logger::immediate(Level::Info, io::stderr()).install();
            return end(None, Err(e.into()));
        }
    };
    let config = loaded.config;
    let progress = match arguments.mode {
        Mode::Batch { .. } => Progress::bar(),
        Mode::Echo | Mode::Bet => Progress::hidden(),
    };
    let logger = Logger::gathering(config.log_level, progress.sink());
    logger.install();
    report::config(&config);
    loaded
        .warnings
        .iter()
        .for_each(|w| report::config_warning(w));
    let result = run(&arguments.mode, &config, &logger, &progress);
    progress.end();
    let code = end(Some(config.agency), result);
    logger.flush();
    code
}

fn run(mode: &Mode, config: &Config, logger: &Logger, progress: &Progress) -> Result<(), Error> {
    match mode {
        Mode::Echo => echo::run(config, logger.clone()),
        Mode::Bet => {
            let bettor = Bettor::from_variables(|name| std::env::var(name).ok())?;
            bet::run(config, logger.clone(), &bettor)
        }
        Mode::Batch { json } => {
            let outcome = agency::run(config, logger.clone(), progress)?;
            // Printing may block, so the log is written first.
            logger.flush();
            print(config.agency, outcome, *json).map_err(Error::Output)
        }
    }
}

/// Prints the result: a document per line, or one line of JSON.
fn print(agency: Agency, outcome: Outcome, json: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let Outcome { bets, winners } = outcome;
    if json {
        let object = json!({ "agency": agency.get(), "bets": bets, "winners": winners });
        writeln!(out, "{object}")?;
    } else {
        for document in winners {
            writeln!(out, "{document}")?;
        }
    }
    out.flush()
}

/// Logs the last line; returns the exit code.
fn end(agency: Option<Agency>, result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) | Err(Error::Stopped) => {
            report::exit(agency);
            ExitCode::SUCCESS
        }
        Err(error) => {
            report::failed(agency, &error);
            error.exit_code().into()
        }
    }
}
