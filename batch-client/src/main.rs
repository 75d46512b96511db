//! Arguments → configuration → mode → exit code.

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
    /// Send a few messages that the server sends back
    Echo,
    /// Send one bet: NOMBRE, APELLIDO, DOCUMENTO, NACIMIENTO and NUMERO of the environment
    Bet,
    /// Send the agency's file in batches, wait for the draw, and print the documents of its winners
    Batch {
        /// Print {"agency":N,"bets":N,"winners":["DOCUMENT",…]} instead of a document per line
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) => {
            // Where even this cannot be printed, the exit code has to do.
            let _ = e.print();
            return match e.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => USAGE.into(),
            };
        }
    };
    // What is no UTF-8 is no valid value either, and told as such.
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
            // Whoever reads the documents may take his time.
            logger.flush();
            print(config.agency, &outcome, *json).map_err(Error::Output)
        }
    }
}

fn print(agency: Agency, outcome: &Outcome, json: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if json {
        let Outcome { bets, winners } = outcome;
        write!(out, "{{\"agency\":{agency},\"bets\":{bets},\"winners\":[")?;
        for (i, document) in winners.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(out, "{comma}\"{}\"", json_escaped(document))?;
        }
        writeln!(out, "]}}")?;
    } else {
        for document in &outcome.winners {
            writeln!(out, "{document}")?;
        }
    }
    out.flush()
}

/// What stands between the quotes of a JSON string (RFC 8259, section 7).
fn json_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            c if c.is_control() => escaped += &format!("\\u{:04x}", u32::from(c)),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writes the last line, which says how it went.
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
