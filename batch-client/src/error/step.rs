//! What the client asks of the server, one step after another; and what a run with a plain server has left to do. Such a
//! server does not know what it was sent before, and stores twice what it is sent twice: so the next run is told where to begin.

use std::fmt;
use std::path::PathBuf;

use frame::Count;

/// What the client was doing with the server. Displays as what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A line of text that the server should send back.
    Echo,
    /// A single bet.
    Bet,
    /// A batch of bets.
    Batch,
    /// Saying that no more bets will come.
    Finished,
    /// Asking for the winners.
    Winners,
    /// Asking how much of an upload is stored.
    Resume,
}

impl Step {
    /// Returns the `action` of the log lines about this step.
    pub fn action(self) -> &'static str {
        match self {
            Self::Echo => "receive_message",
            Self::Bet => "apuesta_enviada",
            Self::Batch => "batch_enviado",
            Self::Finished => "notify_finished",
            Self::Winners => "consulta_ganadores",
            Self::Resume => "resume",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echo => "the message",
            Self::Bet => "the bet",
            Self::Batch => "a batch",
            Self::Finished => "\"finished\"",
            Self::Winners => "the winners query",
            Self::Resume => "\"resume\"",
        })
    }
}

/// What is left to do. Displays as the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// To send rows of the file, and all that comes after it.
    Rows {
        /// Which file.
        path: PathBuf,
        /// So many of its first rows are stored.
        stored: u64,
        /// Nobody knows whether so many rows behind them are stored, too.
        doubtful: u64,
    },
    /// To say that the agency has finished: all rows of a file are stored.
    Finish {
        /// Which file.
        path: PathBuf,
        /// How many rows it has.
        rows: u64,
    },
    /// To ask for the winners.
    Winners,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows {
                path,
                stored,
                doubtful,
            } => {
                let path = path.display();
                match stored {
                    0 => {}
                    1 => write!(f, "row 1 of {path} is stored, and ")?,
                    rows => write!(f, "rows 1 to {rows} of {path} are stored, and ")?,
                }
                if *stored > 0 {
                    f.write_str("a run from the beginning would store them again: ")?;
                }
                let next = stored + 1;
                match doubtful {
                    0 => write!(f, "go on with --from-row {next}"),
                    rows => write!(
                        f,
                        "go on with --from-row {} where what is in doubt is stored, else with --from-row {next}",
                        next + rows
                    ),
                }
            }
            Self::Finish { path, rows } => write!(
                f,
                "all of {} ({}) is stored, and a run from the beginning would store it again: go on with --from-row {}",
                path.display(),
                Count(*rows, "row"),
                rows + 1
            ),
            Self::Winners => {
                f.write_str("all is sent: ask for the winners with batch-client winners")
            }
        }
    }
}
