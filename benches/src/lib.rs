//! What the benches share: the bets of the first committed agency file, as they travel, the winners of any agency file, and
//! settings from the environment.

pub mod cluster;
pub mod database;
pub mod delay;
pub mod floor;
pub mod ingest;
mod peer;
pub mod process;
pub mod programs;
pub mod show;
pub mod soak;
pub mod table;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::str::FromStr;

use fixtures::{FIXTURES, Row, WINNER};
use frame::{Agency, Bet, Birthdate, Document, Name, Number};

/// Bets in a batch, as the client is configured by default.
pub const BATCH: usize = 86;

/// Returns all bets of agency 1: with the same few bets again and again, a processor would predict every branch, and look
/// faster than it is.
///
/// # Panics
/// A row of the fixture is no valid bet; the fixtures' own tests say that all are.
pub fn bets() -> Vec<Bet<'static>> {
    let fixture = &FIXTURES[0];
    let agency = Agency::new(fixture.agency).expect("an agency's number");
    fixture.spec.rows().map(|row| bet(agency, &row)).collect()
}

/// Returns the documents that win in an agency file, in its order.
///
/// # Errors
/// It cannot be read.
pub fn winners(file: &Path) -> io::Result<Vec<String>> {
    let mut winners = Vec::new();
    for row in BufReader::new(File::open(file)?).lines() {
        let row = row?;
        let mut columns = row.rsplit(',');
        if columns.next().and_then(|number| number.parse().ok()) == Some(WINNER) {
            winners.extend(columns.nth(1).map(str::to_owned));
        }
    }
    Ok(winners)
}

/// Returns a number of the environment, or `default` where it is not set.
///
/// # Errors
/// The value is no number. The error is a sentence.
pub fn setting<T: FromStr>(key: &str, default: T) -> Result<T, String> {
    match std::env::var(key) {
        Ok(value) => {
            let number = value.parse();
            number.map_err(|_| format!("{key} is '{value}', allowed is a number"))
        }
        Err(_) => Ok(default),
    }
}

fn bet(agency: Agency, row: &Row) -> Bet<'static> {
    let document = row.document.to_string().into_bytes();
    let birthdate = row.birthdate.to_string();
    Bet {
        agency,
        first_name: Name::parse(row.first_name.as_bytes()).expect("a name"),
        last_name: Name::parse(row.last_name.as_bytes()).expect("a name"),
        document: Document::parse(document).expect("a document"),
        birthdate: Birthdate::parse(birthdate.as_bytes()).expect("a date"),
        number: Number::new(row.number.into()).expect("a number"),
    }
}

/// Appends the bets as the payload of a batch.
pub fn write_payload(bets: &[Bet<'_>], out: &mut Vec<u8>) {
    for (i, bet) in bets.iter().enumerate() {
        if i > 0 {
            out.push(b'|');
        }
        bet.write(out);
    }
}
