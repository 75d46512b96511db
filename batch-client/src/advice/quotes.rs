//! Quotes that are never closed, and quotes that are none because a blank stands before them.

use super::evidence::{Evidence, Quotes};
use super::finding::{Finding, Kind};

/// What the quotes of the bad rows show.
pub(super) fn find(evidence: &Evidence) -> Option<Finding> {
    // No field may hold a line feed. A quoted one that does goes on to the next quote, which belongs to another row.
    let over_lines = |text: &[u8]| text.contains(&b'\n');
    let sample = evidence
        .samples
        .iter()
        .find(|sample| sample.quotes != Quotes::No && over_lines(&sample.text));
    if let Some(line) = sample.map(|sample| sample.line).or(evidence.endless) {
        return Some(Finding::new(
            Kind::OpenQuote,
            format!("a quote in line {line} is not closed in that line"),
            "close it, or delete it",
        ));
    }
    let blank_before = |text: &[u8]| {
        let columns = text.split(|b| *b == b',');
        columns
            .map(<[u8]>::trim_ascii_start)
            .zip(text.split(|b| *b == b','))
            .any(|(trimmed, column)| trimmed.len() < column.len() && trimmed.starts_with(b"\""))
    };
    let found = evidence
        .samples
        .iter()
        .any(|sample| blank_before(&sample.text));
    found.then(|| {
        Finding::new(
            Kind::BlankBeforeQuote,
            "it has blanks before quotes",
            "delete the blanks before quotes",
        )
    })
}
