//! Reading the whole agency file once: for mode batch, before anything is sent, and for mode check, which sends nothing.
//!
//! In comes the file; out come a verdict on it and what shows its kind. Mode check waits for no signal: it has nothing to close that the
//! system does not close.

use std::io;

use frame::Agency;

use crate::advice;
use crate::config::{CheckConfig, Protocol};
use crate::error::Error;
use crate::file::{OpenFile, Reader};
use crate::rows::BadRow;
use crate::scan::{MAX_REPORTED, Scan, Summary, Verdict};

/// How many rows are read before signals are looked for.
const ROWS_AT_ONCE: usize = 10_000;

/// What is allowed in the file, beside bets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Every row can be sent to a plain server.
    pub(crate) plain: bool,
    /// There may be no bets.
    pub(crate) allow_empty: bool,
}

/// Reads the whole file. `look` is called now and then, and may end it. The scan still has the file, and evidence of what
/// it is.
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

/// What mode check finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Every row is a bet, and there are so many of them.
    Bets(u64),
    /// What the file is instead, and how to save it right. Comes once, before the rows.
    Advice(&'a str),
    /// A row that is not a bet. Comes for every such row, in their order.
    Row(&'a BadRow),
    /// So many rows are not bets. Comes last.
    BadRows(u64),
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
    let file = OpenFile::open(&config.file)?;
    let rules = Rules {
        plain: config.protocol == Protocol::Plain,
        allow_empty: config.allow_empty,
    };
    let (verdict, scan) = read(&file, config.agency, rules, || Ok(()))?;
    let (first, count) = match verdict {
        Verdict::Good(summary, _) => return tell(Found::Bets(summary.bets)).map_err(Error::Output),
        Verdict::Bad { first, count } => (first, count),
    };
    if let Some(advice) = advice::sentence(&scan.evidence()) {
        tell(Found::Advice(&advice)).map_err(Error::Output)?;
    }
    for row in &first {
        tell(Found::Row(row)).map_err(Error::Output)?;
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
                tell(Found::Row(&row)).map_err(Error::Output)?;
            }
        }
    }
    tell(Found::BadRows(count)).map_err(Error::Output)?;
    let path = config.file.clone();
    Err(Error::BadRows { path, count })
}
