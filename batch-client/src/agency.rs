//! Mode batch: checks the agency's file, sends it, says that the agency has finished, and waits for its winners.
//!
//! In come the configuration and the file that it names; out comes an [`Outcome`]. Nothing is sent before every row of
//! the file was found to be a bet.

use frame::log::Logger;

use crate::batch::{Scan, Summary, Verdict};
use crate::config::{Config, Protocol};
use crate::error::Error;
use crate::event_loop::EventLoop;
use crate::file::AgencyFile;
use crate::job::Job;
use crate::progress::Progress;
use crate::tls::Connector;
use crate::{plain, report, resume};

/// How many rows are read before signals are looked for.
const ROWS_AT_ONCE: usize = 10_000;

/// What a run of mode batch ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many bets the central has of this file, those of earlier runs included.
    pub bets: u64,
    /// The documents of the agency's winners, in the order in which their bets were stored.
    pub winners: Vec<String>,
}

/// Runs mode batch. The log is written in each turn of the event loop, so that the logger may gather its lines.
///
/// # Errors
/// Any [`Error`] but those of the other modes. After [`Error::Stopped`] the next run does what is left to do.
pub fn run(config: &Config, logger: Logger, progress: &Progress) -> Result<Outcome, Error> {
    let connector = Connector::open(&config.server)?;
    let mut event_loop = EventLoop::new(config, logger, connector)?;
    let job = Job {
        config,
        file: AgencyFile(&config.batch.file),
        progress,
    };
    let summary = check_file(&job, &mut event_loop)?;
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

/// Reads the whole file once, and reports each bad row.
fn check_file(job: &Job<'_>, event_loop: &mut EventLoop) -> Result<Summary, Error> {
    let plain = job.config.server.protocol == Protocol::Plain;
    let mut scan = Scan::new(job.file.open()?, job.config.agency, plain);
    let verdict = loop {
        event_loop.check()?;
        match scan.advance(ROWS_AT_ONCE) {
            Ok(None) => {}
            Ok(Some(verdict)) => break verdict,
            Err(e) => return Err(job.file.failed(e)),
        }
    };
    match verdict {
        Verdict::Good(summary) => {
            report::file_checked(summary);
            Ok(summary)
        }
        Verdict::Bad { first, count } => {
            for row in &first {
                report::bad_row(job.file.0, row);
            }
            let path = job.file.0.to_owned();
            Err(Error::BadRows { path, count })
        }
    }
}
