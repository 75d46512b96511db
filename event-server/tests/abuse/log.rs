//! What must hold of every log: its form, and how much of it a peer can cause.

use std::collections::BTreeMap;

/// Lines about failures of one kind that are written between two sweeps of the server; more are counted.
const FAILURES: usize = 100;

/// The same of lines about what went well.
const SUCCESSES: usize = 1_000;

/// A batch is told each time, and a draw takes place once.
const UNBOUNDED: [&str; 2] = ["apuesta_recibida", "sorteo"];

/// More lines of a kind: the first one of each agency is always written.
const AGENCIES: usize = 5;

/// The parts of a line, in its order.
struct Line<'a> {
    second: &'a str,
    level: &'a str,
    parts: Vec<(&'a str, &'a str)>,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (second, rest) = line.split_at_checked(19)?;
        let (level, message) = rest.strip_prefix(' ')?.split_at_checked(9)?;
        let parts = message.split(" | ").map(|part| part.split_once(": "));
        Some(Self {
            second,
            level: level.trim_end(),
            parts: parts.collect::<Option<_>>()?,
        })
    }

    fn is_well_formed(&self) -> bool {
        const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
        const RESULTS: [&str; 3] = ["success", "fail", "in_progress"];
        let [("action", action), ("result", result), rest @ ..] = self.parts.as_slice() else {
            return false;
        };
        let known = |key: &str| ["source", "action", "result"].contains(&key);
        LEVELS.contains(&self.level)
            && RESULTS.contains(result)
            && action.bytes().all(|b| b == b'_' || b.is_ascii_lowercase())
            && rest
                .iter()
                .all(|(key, value)| !known(key) && !value.contains('|'))
    }
}

fn lines(log: &str) -> impl Iterator<Item = Line<'_>> {
    log.split_terminator('\n').map(|line| {
        let odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        assert!(!line.contains(odd), "{line:?}");
        let read = Line::read(line).filter(Line::is_well_formed);
        read.unwrap_or_else(|| panic!("no log line: {line:?}"))
    })
}

/// Asserts that every line is one, that no value could pass for more, and that no kind of line comes in floods;
/// the server sweeps `sweeps` times a second.
pub fn audit(log: &str, sweeps: usize) {
    let mut seconds: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for Line {
        second,
        level,
        parts,
    } in lines(log)
    {
        let (action, result) = (parts[0].1, parts[1].1);
        if level == "DEBUG" || result != "fail" && UNBOUNDED.contains(&action) {
            continue;
        }
        let count = seconds.entry((second, action, result)).or_default();
        *count += 1;
        let bound = if result == "fail" {
            FAILURES
        } else {
            SUCCESSES
        };
        // One that is under way when the second begins, and a line for what was only counted.
        let bound = (bound + 1) * (sweeps + 1) + AGENCIES;
        assert!(
            *count <= bound,
            "{second}: more than {bound} lines {action} {result}"
        );
    }
}

/// Asserts that the log tells of something.
pub fn tells(log: &str, what: &str) {
    assert!(
        log.contains(what),
        "the log does not tell of '{what}':\n{log}"
    );
}

/// How often that happened: the lines of it, and those that were only counted.
pub fn times(log: &str, action: &str, result: &str) -> usize {
    let of = |line: &Line<'_>| line.parts[0].1 == action && line.parts[1].1 == result;
    let count = |line: Line<'_>| match line.parts.get(2) {
        Some(("repeated", more)) => more.parse().unwrap(),
        _ => 1,
    };
    lines(log).filter(of).map(count).sum()
}
