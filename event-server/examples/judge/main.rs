//! Judges histories: whether there is an order of what was asked in which all that clients were told is right.
//!
//! `judge FILE…`; the form of a file is that of [`fixtures::history`]. A sentence for whatever is not right, and 1; 2 where a
//! file cannot be read.

mod verdict;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).map_err(|e| e.to_string());
        let events = text.and_then(|text| fixtures::history::parse(&text));
        match events {
            Ok(events) => {
                for sentence in verdict::judge(&events) {
                    println!("{path}: {sentence}");
                    code = ExitCode::FAILURE;
                }
            }
            Err(e) => {
                eprintln!("{path}: {e}");
                return ExitCode::from(2);
            }
        }
    }
    code
}
