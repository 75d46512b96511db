//! Whether anything is shown beside the log: only to a person who looks at a terminal.

use std::ffi::OsStr;
use std::io::IsTerminal;

/// Whether a progress bar and what is waited for may be shown on standard error. With `json` a program reads the output. A
/// terminal without a name in `TERM`, and one that is called `dumb`, may not know how to move its cursor.
pub fn is_watched(json: bool) -> bool {
    let term = std::env::var_os("TERM");
    decide(std::io::stderr().is_terminal(), term.as_deref(), json)
}

fn decide(is_terminal: bool, term: Option<&OsStr>, json: bool) -> bool {
    is_terminal && !json && term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_can_move_its_cursor_is_drawn_on_and_never_with_json() {
        let term = |name| Some(OsStr::new(name));
        assert!(decide(true, term("xterm"), false));
        assert!(!decide(false, term("xterm"), false));
        for term in [term("dumb"), term(""), None] {
            assert!(!decide(true, term, false), "{term:?}");
        }
        assert!(!decide(true, term("xterm"), true));
    }
}
