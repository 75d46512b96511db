//! Mode batch: an agency's day. It checks its file, sends it, says that it has finished, and waits for its
//! winners.

use frame::log::Logger;
use frame::{BetError, Documents};

use crate::batch::{Scan, Summary, Verdict};
use crate::config::{Config, Protocol};
use crate::error::Error;
use crate::event_loop::EventLoop;
use crate::file::AgencyFile;
use crate::progress::Progress;
use crate::tls::Connector;
use crate::{plain, report, resume};

/// Rows that are read before signals are looked for.
const ROWS_AT_ONCE: usize = 10_000;

/// What an agency knows at the end of its day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many bets it has sent, on this run or before.
    pub bets: u64,
    /// The documents of its winners, in the order their bets were stored.
    pub winners: Vec<String>,
}

/// What all steps of the day need.
pub(crate) struct Job<'a> {
    pub(crate) config: &'a Config,
    pub(crate) file: AgencyFile<'a>,
    pub(crate) progress: &'a Progress,
}

/// Runs mode batch. The log is written to the logger turn by turn, so it may gather its lines.
///
/// # Errors
/// Any [`Error`] but those of the other modes; [`Error::Stopped`] leaves for the next run what is not done.
pub fn run(config: &Config, logger: Logger, progress: &Progress) -> Result<Outcome, Error> {
    let connector = Connector::open(&config.server)?;
    let mut event_loop = EventLoop::new(config, logger, connector)?;
    let job = Job {
        config,
        file: AgencyFile(&config.batch.file),
        progress,
    };
    let summary = job.check_file(&mut event_loop)?;
    progress.begin(summary.bets);
    let winners = match config.server.protocol {
        Protocol::Resume => resume::run(&job, &mut event_loop, summary),
        Protocol::Plain => plain::run(&job, &mut event_loop, summary),
    }?;
    Ok(Outcome {
        bets: summary.bets,
        winners,
    })
}

impl Job<'_> {
    fn check_file(&self, event_loop: &mut EventLoop) -> Result<Summary, Error> {
        let plain = self.config.server.protocol == Protocol::Plain;
        let mut scan = Scan::new(self.file.open()?, self.config.agency, plain);
        let verdict = loop {
            event_loop.check()?;
            match scan.advance(ROWS_AT_ONCE) {
                Ok(None) => {}
                Ok(Some(verdict)) => break verdict,
                Err(e) => return Err(self.file.failed(e)),
            }
        };
        match verdict {
            Verdict::Good(summary) => {
                report::file_checked(summary);
                Ok(summary)
            }
            Verdict::Bad { first, count } => {
                for row in &first {
                    report::bad_row(self.file.0, row);
                }
                let path = self.file.0.to_owned();
                Err(Error::BadRows { path, count })
            }
        }
    }
}

/// The winners' documents, for keeping.
pub(crate) fn keep(documents: Documents<'_>) -> Result<Vec<String>, BetError> {
    let documents = documents.to_vec()?;
    Ok(documents.into_iter().map(|d| d.into_owned()).collect())
}
