//! Reading the whole agency file once: for mode batch, before anything is sent, and for mode check, which sends nothing.
//!
//! In comes the file; out come a verdict on it, evidence of its kind, and the values that look damaged. Mode check handles no
//! signals: the system closes all that it has open.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use frame::{Agency, Birthdate};
use jiff::{Timestamp, ToSpan as _};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

use crate::advice::Advice;
use crate::config::{CheckConfig, Protocol};
use crate::damage::Damage;
use crate::error::Error;
use crate::file::{OpenFile, Reader};
use crate::rows::BadRow;
use crate::scan::{MAX_REPORTED, Scan, Summary, Verdict};

/// How many rows are read between two checks for a signal.
const ROWS_AT_ONCE: usize = 10_000;

/// What is allowed in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Whether every row has to be one that a plain server can read.
    pub(crate) plain: bool,
    /// Whether the file may have no bets.
    pub(crate) allow_empty: bool,
}

/// Reads the whole file. `look` is called every few thousand rows, and its error ends the reading. The returned scan has the
/// evidence of what the file is.
///
/// # Errors
/// The file cannot be read, or has no bets although it needs some; and those of `look`.
pub(crate) fn read<'f>(
    file: &'f OpenFile<'_>,
    agency: Agency,
    rules: Rules,
    mut look: impl FnMut() -> Result<(), Error>,
) -> Result<(Verdict, Scan<Reader<'f>>), Error> {
    let mut scan = Scan::new(file.reader(), agency, rules.plain);
    if let Some(today) = today() {
        scan = scan.inspecting(today);
    }
    let verdict = loop {
        look()?;
        match scan.advance(ROWS_AT_ONCE) {
            Ok(None) => {}
            Ok(Some(verdict)) => break verdict,
            Err(e) => return Err(file.failed(e)),
        }
    };
    match verdict {
        Verdict::Good(Summary { bets: 0, .. }, _) if !rules.allow_empty => {
            Err(Error::NoBets(file.path().to_owned()))
        }
        verdict => Ok((verdict, scan)),
    }
}

/// Returns the latest date that it is anywhere on earth; `None` where the clock is beyond the year 9999.
fn today() -> Option<Birthdate> {
    let later = Timestamp::now().checked_add(14.hours()).ok()?;
    let text = later.strftime("%Y-%m-%d").to_string();
    Birthdate::parse(text.as_bytes()).ok()
}

/// Returns the error of a file with so many bad rows. It repeats the advice, since a person reads it last.
pub(crate) fn bad_rows(path: &Path, count: u64, advice: Option<&Advice>) -> Error {
    let path = path.to_owned();
    match advice {
        Some(advice) if advice.is_another_format() => {
            let advice = advice.to_string();
            Error::AnotherFormat { path, advice }
        }
        _ => {
            let advice = advice.map(Advice::to_string);
            Error::BadRows {
                path,
                count,
                advice,
            }
        }
    }
}

/// Returns the error of values that look damaged, where these are refused.
pub(crate) fn strict(path: &Path, strict: bool, damages: &[Damage]) -> Result<(), Error> {
    if !strict || damages.is_empty() {
        return Ok(());
    }
    let path = path.to_owned();
    let kinds = damages.len() as u64;
    Err(Error::Damaged { path, kinds })
}

/// What mode check finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// The number of bets: every row is one.
    Bets(u64),
    /// What the file is instead, and how to save it right. Comes once, before the rows.
    Advice(&'a Advice),
    /// A row that is not a bet. Comes for every such row, in their order.
    Row(&'a BadRow),
    /// How many rows are not bets. Comes after them.
    BadRows(u64),
    /// Rows with values that look damaged. Comes last, once for each kind.
    Damage(&'a Damage),
}

/// Runs mode check: reads the file as mode batch would, and tells all that it finds.
///
/// # Errors
/// [`Error::BadRows`] after all of them were told; the file cannot be read or has no bets; [`Error::Output`], where `tell`
/// fails.
pub fn run(
    config: &CheckConfig,
    mut tell: impl FnMut(Found<'_>) -> io::Result<()>,
) -> Result<(), Error> {
    let file = OpenFile::open(&config.file, wait_for_input)?;
    let rules = Rules {
        plain: config.protocol == Protocol::Plain,
        allow_empty: config.allow_empty,
    };
    let (verdict, scan) = read(&file, config.agency, rules, || Ok(()))?;
    let path = file.path();
    let mut tell = |found: Found<'_>| tell(found).map_err(Error::Output);
    let damages = scan.damages();
    let (first, count) = match verdict {
        Verdict::Good(summary, _) => {
            tell(Found::Bets(summary.bets))?;
            tell_damages(&damages, tell)?;
            return strict(path, config.strict, &damages);
        }
        Verdict::Bad { first, count } => (first, count),
    };
    let advice = Advice::of(&scan.evidence());
    if let Some(advice) = &advice {
        tell(Found::Advice(advice))?;
    }
    let another = advice.as_ref().is_some_and(Advice::is_another_format);
    if !another {
        for row in &first {
            tell(Found::Row(row))?;
        }
        if count > first.len() as u64 {
            // Reads the file once more, so that memory does not grow with the number of bad rows.
            let mut scan = Scan::new(file.reader(), config.agency, rules.plain);
            // The file may have other rows by now: no more are told than were counted.
            for index in 0..count {
                let Some(row) = scan.next_bad().map_err(|e| file.failed(e))? else {
                    break;
                };
                if index >= MAX_REPORTED as u64 {
                    tell(Found::Row(&row))?;
                }
            }
        }
    }
    tell(Found::BadRows(count))?;
    tell_damages(&damages, tell)?;
    Err(bad_rows(path, count, advice.as_ref()))
}

/// Waits until a read does not block. A signal ends the program meanwhile, as it has no handler.
fn wait_for_input(input: BorrowedFd<'_>) -> Result<(), Error> {
    let mut ready = [PollFd::new(&input, PollFlags::IN)];
    retry_on_intr(|| poll(&mut ready, None)).map_err(|e| Error::System(e.into()))?;
    Ok(())
}

fn tell_damages(
    damages: &[Damage],
    tell: impl FnMut(Found<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    damages.iter().map(Found::Damage).try_for_each(tell)
}
