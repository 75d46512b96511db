//! What a file is instead of an agency file, and how to save it right: one sentence, before the bad rows.
//!
//! In comes [`Evidence`]: the first bytes of the file, its first bad rows, and what all bad rows show together. Out comes
//! [`Advice`] where the bytes show what is wrong with the whole file, and nothing where only single rows are wrong. Decides
//! nothing about what is sent: a file with advice is refused all the same. No sentence holds a value of the file.

mod date_form;
mod encoding;
mod evidence;
mod finding;
mod format;
mod layout;
mod values;

use std::fmt;

pub use evidence::{Clues, Evidence, HEAD, Quotes, SAMPLES, Sample};
pub use finding::{Finding, Kind};
use layout::Layout;
pub(crate) use layout::names_columns;

/// What is wrong with a whole file, and what to do. Displays as one sentence without the name of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// At least one.
    findings: Vec<Finding>,
    is_another: bool,
}

impl Advice {
    /// Returns what the evidence shows of the whole file.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let head = &evidence.head;
        let another = format::find(head).or_else(|| encoding::wide(head));
        if let Some(finding) = another.or_else(|| format::find_text(evidence)) {
            return Some(Self {
                findings: vec![finding],
                is_another: true,
            });
        }
        let layout = Layout::of(evidence);
        let mut findings: Vec<Finding> = layout.findings().collect();
        findings.extend(encoding::not_utf8(
            evidence.clues.encodings(),
            evidence.has_utf8,
        ));
        findings.extend(values::quotes(evidence));
        findings.extend(values::dates(&layout, &evidence.clues));
        findings.extend(values::numbers_and_blanks(&layout));
        (!findings.is_empty()).then_some(Self {
            findings,
            is_another: false,
        })
    }

    /// Returns everything that is wrong, at least one thing.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns whether the file is something else altogether, so that its rows say nothing.
    pub fn is_another_format(&self) -> bool {
        self.is_another
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        finding::sentence(&self.findings).fmt(f)
    }
}
