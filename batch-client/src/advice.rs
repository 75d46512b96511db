//! What a file is instead of an agency file, and how to save it right: one sentence, before the bad rows.
//!
//! In comes [`Evidence`]: the first bytes of the file, and its first bad rows. Out comes a sentence where the bytes show what
//! is wrong with the whole file, and nothing where only single rows are wrong. Decides nothing about what is sent: a file
//! with advice is refused all the same. No sentence holds a value of the file.

mod date_form;
mod dates;
mod encoding;
mod evidence;
mod finding;
mod format;
mod layout;
mod quotes;
mod values;

pub use evidence::{Evidence, HEAD, SAMPLES, Sample};
use finding::Finding;
use layout::Layout;

/// One sentence about what the file is and how to save it right, without the name of the file.
pub fn sentence(evidence: &Evidence) -> Option<String> {
    if let Some(finding) = format::find(&evidence.head).or_else(|| encoding::wide(&evidence.head)) {
        return Some(finding::sentence(&[finding]));
    }
    let layout = Layout::of(evidence);
    let mut findings: Vec<Finding> = layout.findings().collect();
    findings.extend(encoding::not_utf8(layout.rows()));
    findings.extend(quotes::find(evidence));
    findings.extend(dates::find(&layout));
    findings.extend(values::find(&layout));
    (!findings.is_empty()).then(|| finding::sentence(&findings))
}
