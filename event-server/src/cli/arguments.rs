//! The definition of the command line: its commands, and the flags that set keys of the configuration. The completions
//! for shells and the manual pages are made from it.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use event_server::config::Flag;
use event_server::lottery::MAX_AGENCIES;
use manual::{Section, Shell};

use super::failure::{Failure, IO_ERROR};

/// The program's name, as shells and manual pages have it.
const NAME: &str = env!("CARGO_BIN_NAME");

/// The central of a lottery: stores the agencies' bets, draws when all have finished, and tells each agency its
/// winners.
#[derive(Debug, Parser)]
#[command(name = NAME, version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,

    /// Instead of serving, echo a line off the server that runs with this configuration
    #[arg(long)]
    pub check: bool,

    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Arguments {
    /// Parses the arguments, the first of which is the program's name.
    ///
    /// # Errors
    /// An argument is not valid, or the command line asks for help or the version.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut arguments: Vec<OsString> = arguments.into_iter().collect();
        // clap knows `help help`, but not `help --help`.
        if let [_, help, flag] = &mut arguments[..]
            && help == "help"
            && (flag == "--help" || flag == "-h")
        {
            *flag = "help".into();
        }
        Self::try_parse_from(arguments)
    }
}

/// The sections that every manual page ends with.
const SECTIONS: [Section<'static>; 2] = [
    Section {
        title: "FILES",
        terms: &[
            (
                "config.ini",
                "The configuration, in the working directory, where --config names no other file. It may be missing.",
            ),
            (
                "data/bets.csv, data/bets.wal, data/lock",
                "The bets, the log of what is acknowledged, and the lock of the running server, in SERVER_DATA_DIR.",
            ),
            (
                "data/bets.wal.new, data/bets.csv.new",
                "The next log, or the place for it, and the next bets while an agency's are taken out. They mean nothing alone.",
            ),
        ],
    },
    Section {
        title: "EXIT STATUS",
        terms: &[
            ("0", "Done, or ended by SIGTERM or SIGINT."),
            ("64", "The command line makes no sense."),
            ("65", "A row of bets.csv cannot be moved to a database."),
            (
                "69",
                "The address is taken, the database or the server cannot be reached, or the system refuses a resource.",
            ),
            ("74", "A file cannot be read, written or believed."),
            ("75", "Not yet: the draw is not done."),
            ("78", "The configuration cannot be used."),
        ],
    },
];

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the configuration that is in force, and where each value comes from
    Config,
    /// Write every committed bet to standard output, as bets.csv has them; also beside a running server
    Export,
    /// Show how the lottery stands, as it is stored; also beside a running server
    Status {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Read all that is stored, and say whether it is sound; also beside a running server
    Verify {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make a verified copy of the lottery as a new folder; also beside a running server
    Backup {
        /// The folder to make
        target: PathBuf,
        /// Tell the result as one JSON object, too
        #[arg(long)]
        json: bool,
    },
    /// Move the whole lottery from a folder to a database, or back
    Move {
        /// Where it is: a folder, or the URL of a database
        #[arg(long, value_name = "STORE")]
        from: String,
        /// Where it goes: the URL of a database, or a folder that is made
        #[arg(long, value_name = "STORE")]
        to: String,
        /// Tell the result as one JSON object, too
        #[arg(long)]
        json: bool,
    },
    /// Print the documents that won, once the draw is done; also beside a running server
    Winners {
        /// Of this agency alone
        #[arg(long, value_name = "N")]
        agency: Option<u32>,
        /// As one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Take out an agency's bets before the draw, so that it can send the right file
    Reopen {
        /// The agency's number
        #[arg(long, value_name = "N")]
        agency: u32,
        /// Let it send the same file again, too
        #[arg(long)]
        allow_same_file: bool,
    },
    /// Close an agency with the bets that are stored of it, before the draw, where its client cannot
    Finish {
        /// The agency's number
        #[arg(long, value_name = "N")]
        agency: u32,
    },
    /// Change how many agencies take part, before the draw; the server has to be stopped where bets are kept in files
    Agencies {
        /// 1 to this number take part; 0: anyone, and there is no draw
        #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_AGENCIES)))]
        number: u32,
    },
    /// Print the completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLE)]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man {
        /// Which folder; it has to exist
        folder: PathBuf,
    },
}

const COMPLETIONS_EXAMPLE: &str = "\
Example:
  event-server completions bash > ~/.local/share/bash-completion/completions/event-server";

const EXAMPLES: &str = "\
Examples:
  event-server --agencies 3 --data-dir /var/lib/lottery
  event-server --store 'postgresql://lottery@db1,db2/lottery?sslrootcert=ca.pem'
  event-server --http 127.0.0.1:8080
  event-server config --set LOGGING_LEVEL=DEBUG
  event-server export > bets.csv
  event-server status
  event-server verify
  event-server backup /backup/monday
  event-server move --from /var/lib/lottery --to 'postgresql://lottery@db1/lottery'
  event-server winners --agency 4
  event-server reopen --agency 4
  event-server agencies 12

A flag wins over the environment, the environment over the file, the file over the default.";

/// The options that every command takes.
#[derive(Args, Debug)]
pub struct Options {
    /// The configuration file [default: config.ini, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The address to listen on: SERVER_BIND
    #[arg(long, global = true, value_name = "IP")]
    bind: Option<String>,

    /// The port to listen on: SERVER_PORT
    #[arg(long, global = true, value_name = "N")]
    port: Option<String>,

    /// How many agencies take part: SERVER_AGENCIES
    #[arg(long, global = true, value_name = "N")]
    agencies: Option<String>,

    /// The folder that holds the bets: SERVER_DATA_DIR
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,

    /// The database that holds the bets instead: SERVER_STORE
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,

    /// Where the central can be watched, or off: SERVER_HTTP
    #[arg(long, global = true, value_name = "IP:PORT")]
    http: Option<String>,

    /// Write a trace of the loop to this file, for Perfetto or chrome://tracing: SERVER_TRACE
    #[arg(long, global = true, value_name = "FILE")]
    trace: Option<String>,

    /// Any key of the configuration; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

impl Options {
    /// Returns the keys that flags set. Of two for the same key the later one counts, so a key's own flag wins over
    /// `--set`.
    pub fn flags(&self) -> Vec<Flag> {
        let flag = |name: &str, key: &str, value: &str| Flag {
            name: name.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let set = self.set.iter();
        let mut flags: Vec<Flag> = set
            .map(|(key, value)| flag("--set", &key.to_uppercase(), value))
            .collect();
        for (name, key, value) in [
            ("--bind", "SERVER_BIND", &self.bind),
            ("--port", "SERVER_PORT", &self.port),
            ("--agencies", "SERVER_AGENCIES", &self.agencies),
            ("--data-dir", "SERVER_DATA_DIR", &self.data_dir),
            ("--store", "SERVER_STORE", &self.store),
            ("--http", "SERVER_HTTP", &self.http),
            ("--trace", "SERVER_TRACE", &self.trace),
        ] {
            flags.extend(value.as_ref().map(|value| flag(name, key, value)));
        }
        flags
    }
}

/// Splits `KEY=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("a key, an equals sign and a value are wanted, as in LOGGING_LEVEL=DEBUG")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Prints the completions for a shell.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let script = manual::completions(&Arguments::command(), shell);
    let written = io::stdout().lock().write_all(script.as_bytes());
    written.map_err(|e| Failure::output(&e))
}

/// Writes a manual page for the program and one for each of its commands into `folder`.
pub fn man(folder: &Path) -> Result<(), Failure> {
    let written = manual::write_pages(&Arguments::command(), &SECTIONS, folder);
    written.map_err(|e| {
        Failure::new(
            IO_ERROR,
            format_args!(
                "the manual pages cannot be written to {}: {e}",
                folder.display()
            ),
        )
    })
}
