//! One thing that is wrong with a whole file, and what to do about it.

/// Both parts are parts of a sentence: `WHAT: FIX`.
pub(super) struct Finding {
    /// What is wrong, as a clause about the file.
    pub(super) what: String,
    /// What to do, as an order.
    pub(super) fix: String,
}

impl Finding {
    pub(super) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        let (what, fix) = (what.into(), fix.into());
        Self { what, fix }
    }
}

/// All findings as one sentence.
pub(super) fn sentence(findings: &[Finding]) -> String {
    let what = listed(findings.iter().map(|finding| finding.what.as_str()));
    let fix = listed(findings.iter().map(|finding| finding.fix.as_str()));
    format!("{what}: {fix}")
}

/// `a`, `a and b`, `a, b and c`.
fn listed<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let last = parts.len().saturating_sub(1);
    let mut text = String::new();
    for (index, part) in parts.enumerate() {
        text += match index {
            0 => "",
            _ if index == last => " and ",
            _ => ", ",
        };
        text += part;
    }
    text
}
