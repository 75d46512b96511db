//! Mode batch: checks the agency's file, sends it, says that the agency has finished, and waits for its winners. Mode
//! winners: only waits for the winners.
//!
//! In come the configuration and the file that it names; out comes an [`Outcome`]. Nothing is sent before every row of
//! the file was found to be a bet.

use std::io;
use std::sync::Arc;

use frame::Count;
use frame::log::Logger;

use crate::advice::Advice;
use crate::blocks::Blocks;
use crate::check::{self, Rules};
use crate::config::{Config, Protocol};
use crate::error::Error;
use crate::event_loop::EventLoop;
use crate::file::OpenFile;
use crate::job::Job;
pub use crate::job::WinnerList;
use crate::progress::Progress;
use crate::scan::{Summary, Verdict};
use crate::tls::Connector;
use crate::{plain, report, resume};

/// The result of a run of mode batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many bets the central has of this file, those of earlier runs included.
    pub bets: u64,
    /// The documents of the agency's winners, in the order in which their bets were stored; `None` where the run did not
    /// wait for them.
    pub winners: Option<WinnerList>,
}

/// Which part of mode batch a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first row that is sent, counted from 1. Only for a plain server: any other server says how many rows it has.
    pub from_row: Option<u64>,
    /// Whether the run waits for the winners.
    pub waits: bool,
}

/// Runs mode batch. `deliver` gets the outcome on a thread of its own, since writing it may take any time. The event loop
/// flushes the log in each turn, so the logger may gather lines.
///
/// # Errors
/// Any [`Error`] but those of the other modes. After [`Error::Stopped`] the next run does the rest.
pub fn run(
    config: &Config,
    logger: Logger,
    progress: &Progress,
    part: Part,
    deliver: impl FnOnce(Outcome) -> io::Result<()> + Send + 'static,
) -> Result<(), Error> {
    if part.from_row.is_some() && config.server.protocol != Protocol::Plain {
        let reason = "the argument --from-row is for server.protocol plain: any other server knows which rows it has, so run without it";
        return Err(Error::Usage(reason.to_owned()));
    }
    let connector = Connector::open(&config.server)?;
    let mut event_loop = EventLoop::new(config, logger, connector, progress.clone())?;
    let outcome = run_upload(config, &mut event_loop, progress, part)?;
    event_loop.deliver(|| deliver(outcome))
}

/// Checks the file, sends it, and closes it.
fn run_upload(
    config: &Config,
    event_loop: &mut EventLoop,
    progress: &Progress,
    part: Part,
) -> Result<Outcome, Error> {
    let file = OpenFile::open(&config.batch.file, |input| event_loop.wait_for_input(input))?;
    let (summary, blocks) = check_file(config, &file, event_loop)?;
    let from_row = part.from_row.unwrap_or(1);
    if from_row > summary.bets + 1 {
        let (path, rows) = (file.path().display(), Count(summary.bets, "row"));
        let reason = format!("the argument --from-row is {from_row}, and {path} has {rows}");
        return Err(Error::Usage(reason));
    }
    let job = Job {
        config,
        file: &file,
        blocks: Arc::new(blocks),
        sent_before: from_row.saturating_sub(1),
        waits: part.waits,
        progress,
    };
    progress.begin(summary.bets);
    let winners = match config.server.protocol {
        Protocol::Resume => resume::run(&job, event_loop, summary),
        Protocol::Plain => plain::run(&job, event_loop),
    }?;
    Ok(Outcome {
        bets: summary.bets,
        winners,
    })
}

/// Runs mode winners: asks for the winners, and waits for the draw. `deliver` gets them, and the log is flushed, as in
/// [`run`].
///
/// # Errors
/// Any [`Error`] of a server or of standard output; [`Error::Stopped`].
pub fn winners(
    config: &Config,
    logger: Logger,
    progress: &Progress,
    deliver: impl FnOnce(WinnerList) -> io::Result<()> + Send + 'static,
) -> Result<(), Error> {
    let connector = Connector::open(&config.server)?;
    let mut event_loop = EventLoop::new(config, logger, connector, progress.clone())?;
    progress.waiting_for_draw();
    let winners = plain::ask_winners(config, &mut event_loop)?;
    event_loop.deliver(|| deliver(winners))
}

/// Reads the whole file once, and reports what is wrong with it.
fn check_file(
    config: &Config,
    file: &OpenFile<'_>,
    event_loop: &mut EventLoop,
) -> Result<(Summary, Blocks), Error> {
    let rules = Rules {
        plain: config.server.protocol == Protocol::Plain,
        allow_empty: config.batch.allow_empty,
    };
    let (verdict, scan) = check::read(file, config.agency, rules, || event_loop.check())?;
    let path = file.path();
    let damages = scan.damages();
    match verdict {
        Verdict::Good(summary, blocks) => {
            for damage in &damages {
                report::damaged(path, damage);
            }
            check::strict(path, config.batch.strict, &damages)?;
            report::file_checked(summary);
            Ok((summary, blocks))
        }
        Verdict::Bad { first, count } => {
            let advice = Advice::of(&scan.evidence());
            let another = advice.as_ref().is_some_and(Advice::is_another_format);
            if let Some(advice) = advice.as_ref().filter(|_| !another) {
                report::file_advice(path, &advice.to_string());
            }
            for row in first.iter().filter(|_| !another) {
                report::bad_row(path, row);
            }
            for damage in &damages {
                report::damaged(path, damage);
            }
            Err(check::bad_rows(path, count, advice.as_ref()))
        }
    }
}
