//! What must be true of the files that a lottery leaves behind.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Lines of failures that the central writes a second at most: a hundred of each of its actions, and then one.
const FAILURES_A_SECOND: u64 = 1_000;

/// Lines of a connection at most: it is accepted, the listener waits again, it is closed.
const LINES_A_CONNECTION: u64 = 3;

/// Lines of a start, a draw and a stop, with something to spare.
const OTHER_LINES: u64 = 100;

/// The longest line, in bytes: the longest text that is echoed, each of its bytes escaped.
const LONGEST_LINE: usize = 16 * 1024;

/// What the central's log must hold.
pub(super) struct Expected {
    /// Bets that were stored in batches.
    pub(super) bets: u64,
    /// Connections that were made.
    pub(super) connections: u64,
    /// Requests other than batches that were accepted: each may have its line.
    pub(super) accepted: u64,
    /// How long it ran.
    pub(super) time: Duration,
}

/// What the log holds.
pub(super) struct Log {
    pub(super) lines: u64,
    pub(super) broken: Vec<String>,
}

/// Reads the log: all bets are in it, and it has no more lines, no longer ones and no other characters than it may.
pub(super) fn log(path: &Path, expected: &Expected) -> io::Result<Log> {
    let (mut lines, mut batches, mut bets) = (0, 0, 0);
    let mut broken = Vec::new();
    let mut last = String::new();
    for line in fs::read(path)?.split_inclusive(|byte| *byte == b'\n') {
        lines += 1;
        let text = line
            .strip_suffix(b"\n")
            .and_then(|line| std::str::from_utf8(line).ok());
        let odd = |text: &str| {
            text.len() > LONGEST_LINE
                || text.chars().any(char::is_control)
                || !text.contains(" action: ")
        };
        let Some(text) = text.filter(|text| !odd(text)) else {
            let line = String::from_utf8_lossy(&line[..line.len().min(200)]);
            broken.push(format!("the log has a line that is none: {line:?}"));
            continue;
        };
        if let Some((_, count)) =
            text.split_once("action: apuesta_recibida | result: success | cantidad: ")
        {
            batches += 1;
            bets += count.parse().unwrap_or(0);
        }
        text.clone_into(&mut last);
    }
    if bets != expected.bets {
        broken.push(format!(
            "the log tells of {bets} bets in batches, not of {}",
            expected.bets
        ));
    }
    if !last.ends_with("action: exit | result: success | container: server") {
        broken.push(format!("the log ends with: {last}"));
    }
    let bound = OTHER_LINES
        + batches
        + expected.accepted
        + expected.connections * LINES_A_CONNECTION
        + (expected.time.as_secs() + 1) * FAILURES_A_SECOND;
    if lines > bound {
        broken.push(format!(
            "the log has {lines} lines, {bound} at most are explained"
        ));
    }
    Ok(Log { lines, broken })
}

/// Reads bets.csv: of each agency it holds the rows of its file, in their order, and of the abusers the rows that
/// they were told are stored, in any order; nothing twice, and nothing else.
pub(super) fn stored(
    path: &Path,
    files: &BTreeMap<u32, &PathBuf>,
    abusers: Vec<String>,
) -> io::Result<Vec<String>> {
    let mut files = files
        .iter()
        .map(|(agency, file)| Ok((agency.to_string(), BufReader::new(File::open(file)?))))
        .collect::<io::Result<HashMap<_, _>>>()?;
    let mut others: HashMap<String, i64> = HashMap::new();
    for row in abusers {
        *others.entry(row).or_default() += 1;
    }
    let mut broken = Vec::new();
    let (mut row, mut sent) = (String::new(), String::new());
    let mut reader = BufReader::new(File::open(path)?);
    while reader.read_line(&mut row)? > 0 {
        let agency = row.split_once(',');
        if let Some((file, rest)) =
            agency.and_then(|(agency, rest)| Some((files.get_mut(agency)?, rest)))
        {
            sent.clear();
            file.read_line(&mut sent)?;
            if sent != rest {
                broken.push(format!("stored is {row:?}, the next to be was {sent:?}"));
                break;
            }
        } else {
            *others.entry(row.trim_end().to_owned()).or_default() -= 1;
        }
        row.clear();
    }
    for (agency, file) in &mut files {
        sent.clear();
        if file.read_line(&mut sent)? > 0 {
            broken.push(format!(
                "of agency {agency} is missing: {sent:?} and all behind it"
            ));
        }
    }
    others.retain(|_, balance| *balance != 0);
    if let Some((row, balance)) = others.iter().next() {
        let rows = others.len();
        broken.push(format!("{rows} rows of abusers are stored too often or too seldom, such as {row:?} by {balance}"));
    }
    Ok(broken)
}
