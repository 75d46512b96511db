//! Whether anything is shown beside the log: only to a person who looks at a terminal.

use std::ffi::OsStr;
use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;

/// Returns whether a progress bar and what is waited for may be shown on standard error. With `json` a program reads the
/// output. A terminal without a name in `TERM`, and one that is called `dumb`, may not know how to move its cursor.
pub fn is_watched(json: bool) -> bool {
    let term = std::env::var_os("TERM");
    decide(std::io::stderr().is_terminal(), term.as_deref(), json)
}

/// Returns how many columns standard error has, where it is a terminal.
pub(crate) fn columns() -> Option<u16> {
    let size = tcgetwinsize(std::io::stderr()).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

/// Returns whether the terminal shows more letters than those of ASCII, as the locale says.
pub(crate) fn shows_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].map(std::env::var_os);
    names_utf8(set.each_ref().map(|value| value.as_deref()))
}

/// The first of these variables that is set and not empty counts.
fn names_utf8(variables: [Option<&OsStr>; 3]) -> bool {
    let mut set = variables.into_iter().flatten();
    let first = set.find(|value| !value.is_empty());
    first.is_some_and(|value| {
        let value = value.to_string_lossy().to_ascii_lowercase();
        value.ends_with("utf-8") || value.ends_with("utf8") || value.contains("utf-8@")
    })
}

fn decide(is_terminal: bool, term: Option<&OsStr>, json: bool) -> bool {
    is_terminal && !json && term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_says_whether_letters_beyond_ascii_are_shown() {
        let names = |values: [&str; 3]| names_utf8(values.map(|value| Some(OsStr::new(value))));
        assert!(names(["", "", "es_AR.UTF-8"]) && names(["C.utf8", "C", "C"]));
        assert!(names(["", "ca_ES.UTF-8@valencia", ""]));
        assert!(!names(["C", "es_AR.UTF-8", "es_AR.UTF-8"]) && !names(["", "", "es_AR"]));
        assert!(!names_utf8([None; 3]));
    }

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
