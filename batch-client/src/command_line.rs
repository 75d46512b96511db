//! The command line: its modes and flags, their help, the completions for shells, and the manual pages.
//!
//! In come the arguments; out come a mode, and the flags as [`Flag`]s of the configuration. The only file that names clap.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use batch_client::config::Flag;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use manual::Section;
pub use manual::Shell;

const NAME: &str = env!("CARGO_BIN_NAME");

/// A lottery agency: it sends its bets to the central and learns its winners
#[derive(Parser)]
#[command(name = NAME, version, max_term_width = 100, after_help = EXAMPLES)]
pub struct CommandLine {
    /// The configuration file [default: config.yaml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub mode: Mode,
}

const EXAMPLES: &str = "\
Examples:
  batch-client check bets.csv
  batch-client batch bets.csv --id 3 --server central:12345
  batch-client batch bets.csv --id 3 --server central-1:12345,central-2:12345
  batch-client batch bets.csv --id 3 --no-wait && batch-client winners --id 3
  CLI_ID=3 CLI_SERVER_ADDRESS=central:12345 batch-client batch bets.csv
  batch-client config --id 3

A flag wins over the environment (CLI_ID, CLI_SERVER_ADDRESS, ...), the environment
over the configuration file, the file over the default.

Exit codes: 0 done, 64 usage, 65 bad file, 69 no server, 74 file not readable,
75 refused for now, 76 refused, 78 configuration, 130 ended by Ctrl-C.";

/// What every manual page ends with.
const SECTIONS: [Section<'static>; 2] = [
    Section {
        title: "FILES",
        terms: &[
            (
                "config.yaml",
                "The configuration, in the working directory, where --config names no other file. It may be missing.",
            ),
            (
                "/data/agency.csv",
                "The agency's bets, where neither FILE nor batch.file names another file.",
            ),
        ],
    },
    Section {
        title: "EXIT STATUS",
        terms: &[
            ("0", "Done, or ended by SIGTERM."),
            ("64", "The command line makes no sense."),
            ("65", "The agency's file, or a bettor's data, is bad."),
            ("69", "The central cannot be reached, or is gone."),
            ("74", "A file cannot be read or written."),
            ("75", "Refused for now: run it again later."),
            (
                "76",
                "The central refused a request, broke the protocol, or is not trusted.",
            ),
            ("78", "The configuration cannot be used."),
            ("130", "Ended by Ctrl-C before the result was out."),
        ],
    },
];

#[derive(Subcommand)]
pub enum Mode {
    /// Send the agency's file in batches, wait for the draw, and print the documents of its winners
    #[command(after_help = BATCH_EXAMPLES)]
    Batch {
        #[command(flatten)]
        file: FileFlags,
        #[command(flatten)]
        flags: Flags,
        /// Print {"agency":N,"bets":N,"winners":["DOCUMENT",...]} instead of one document a line
        #[arg(long)]
        json: bool,
        /// End once the agency has finished; batch-client winners asks for the winners later
        #[arg(long)]
        no_wait: bool,
        /// Begin at this row: only for server.protocol plain, after a run that ended in the middle
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        from_row: Option<u64>,
    },
    /// Wait for the draw, and print the documents of the agency's winners
    Winners {
        #[command(flatten)]
        flags: Flags,
        /// Print {"agency":N,"winners":["DOCUMENT",...]} instead of one document a line
        #[arg(long)]
        json: bool,
    },
    /// Read the agency's file as batch would, and send nothing: print the number of bets, or every bad row, and what looks damaged
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        #[command(flatten)]
        file: FileFlags,
        #[command(flatten)]
        flags: Flags,
        /// Print a JSON object a line: the number of bets, or the bad rows and their number, and what looks damaged
        #[arg(long)]
        json: bool,
    },
    /// Print the configuration that is in force, and where each value came from
    Config {
        #[command(flatten)]
        flags: Flags,
    },
    /// Send one bet, from the variables NOMBRE, APELLIDO, DOCUMENTO, NACIMIENTO and NUMERO
    Bet {
        #[command(flatten)]
        flags: Flags,
    },
    /// Send a few messages, and check that the server sends them back
    Echo {
        #[command(flatten)]
        flags: Flags,
    },
    /// Print the completions for a shell
    #[command(
        after_help = "Example:\n  batch-client completions bash > ~/.local/share/bash-completion/completions/batch-client"
    )]
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

const BATCH_EXAMPLES: &str = "\
Examples:
  batch-client batch bets.csv --id 3 --server central:12345
  batch-client batch bets.csv --id 3 --set batch.maxAmount=20 --json

Run it again after any failure: it goes on where it was, and no bet is stored twice. Only a server
that knows no resume (server.protocol: plain) stores twice what it is sent twice: there the error
says with which --from-row the next run has to begin.";

const CHECK_EXAMPLES: &str = "\
Examples:
  batch-client check bets.csv
  batch-client check bets.csv --strict
  batch-client check bets.csv --json";

/// Which file, and what it may be.
#[derive(Args)]
pub struct FileFlags {
    /// The agency's bets; - is standard input [default: batch.file of the configuration]
    file: Option<OsString>,
    /// Accept a file without bets: an agency that has finished cannot send bets later
    #[arg(long)]
    allow_empty: bool,
    /// Refuse a file with values that look damaged, which are only told otherwise
    #[arg(long)]
    strict: bool,
}

/// What every mode with a configuration takes.
#[derive(Args)]
pub struct Flags {
    /// The agency's number
    #[arg(long, value_name = "N")]
    id: Option<String>,
    /// The central, or several of one lottery: HOST:PORT[,HOST:PORT]...
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<String>,
    /// Write a trace of the event loop to this file, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE")]
    trace: Option<String>,
    /// Give any key of the configuration a value, as often as there are keys
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("a = is missing between key and value")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Flags {
    /// The flags as the configuration takes them: those with a name of their own come last, and win.
    fn settings(&self) -> impl Iterator<Item = Flag> {
        let set = self
            .set
            .iter()
            .map(|(key, value)| flag(&format!("--set {key}"), key, value));
        let named = [
            ("--id", "id", &self.id),
            ("--server", "server.address", &self.server),
            ("--trace", "trace.file", &self.trace),
        ];
        let named = named
            .into_iter()
            .filter_map(|(name, key, value)| value.as_ref().map(|value| flag(name, key, value)));
        set.chain(named)
    }
}

impl FileFlags {
    fn settings(&self) -> impl Iterator<Item = Flag> {
        let file = self
            .file
            .as_ref()
            .map(|file| flag("FILE", "batch.file", &file.to_string_lossy()));
        let switches = [
            ("--allow-empty", "batch.allowEmpty", self.allow_empty),
            ("--strict", "batch.strict", self.strict),
        ];
        let set = switches.into_iter().filter(|(_, _, set)| *set);
        let set = set.map(|(name, key, _)| flag(name, key, "true"));
        file.into_iter().chain(set)
    }
}

fn flag(flag: &str, key: &str, value: &str) -> Flag {
    let [flag, key, value] = [flag, key, value].map(str::to_owned);
    Flag { flag, key, value }
}

impl Mode {
    /// Returns whether the name of the file is text in UTF-8, as every value of the configuration is.
    pub fn is_utf8(&self) -> bool {
        match self {
            Self::Batch { file, .. } | Self::Check { file, .. } => file
                .file
                .as_ref()
                .is_none_or(|file| file.to_str().is_some()),
            _ => true,
        }
    }

    /// Returns the flags that set keys of the configuration.
    pub fn settings(&self) -> Vec<Flag> {
        match self {
            Self::Batch { file, flags, .. } | Self::Check { file, flags, .. } => {
                flags.settings().chain(file.settings()).collect()
            }
            Self::Config { flags }
            | Self::Winners { flags, .. }
            | Self::Bet { flags }
            | Self::Echo { flags } => flags.settings().collect(),
            Self::Completions { .. } | Self::Man { .. } => Vec::new(),
        }
    }
}

/// Reads the arguments. Where they ask for help, or cannot be understood, that is printed, and the error is the exit code.
pub fn parse(usage: u8) -> Result<CommandLine, u8> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    // clap knows no help about help but `help help`.
    if let [_, help, flag] = &mut arguments[..]
        && help == "help"
        && (flag == "--help" || flag == "-h")
    {
        *flag = "help".into();
    }
    CommandLine::try_parse_from(arguments).map_err(|e| {
        // Where it cannot be printed, the exit code alone has to say it.
        let _ = e.print();
        match e.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
            _ => usage,
        }
    })
}

/// Prints the completions of a shell.
///
/// # Errors
/// They cannot be written.
pub fn print_completions(shell: Shell) -> io::Result<()> {
    let script = manual::completions(&CommandLine::command(), shell);
    io::stdout().lock().write_all(script.as_bytes())
}

/// Writes a manual page for the program and one for each of its modes.
///
/// # Errors
/// They cannot be written.
pub fn write_man_pages(folder: &Path) -> io::Result<()> {
    manual::write_pages(&CommandLine::command(), &SECTIONS, folder)
}
