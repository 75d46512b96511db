//! Bets as PostgreSQL's binary COPY has them (its manual, COPY, "Binary Format"). All numbers are big-endian.
//!
//! ```text
//! stream   signature (11 bytes) | flags u32 = 0 | extension u32 = 0 | tuple | tuple | … | -1 i16
//! tuple    7 i16 | 4 agency i32 | 8 seq i64 | n first_name | n last_name | n document | 4 birthdate i32 | 4 number i32
//! ```
//!
//! Each field has its length before it, an i32. A date is a number of days since 2000-01-01.

use frame::Bet;

/// What a stream begins with.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What a stream ends with.
pub(super) const TRAILER: &[u8] = &[0xff, 0xff];

const COLUMNS: i16 = 7;

/// Appends the tuple of a bet that is its agency's bet number `seq`, counted from 0. `agency` fits into an i32.
pub(super) fn write(bet: &Bet<'_>, seq: u64, tuples: &mut Vec<u8>) {
    tuples.extend_from_slice(&COLUMNS.to_be_bytes());
    field(tuples, &bet.agency.get().to_be_bytes());
    field(tuples, &seq.to_be_bytes());
    field(tuples, bet.first_name.as_bytes());
    field(tuples, bet.last_name.as_bytes());
    field(tuples, bet.document.as_bytes());
    field(tuples, &days(bet.birthdate.as_bytes()).to_be_bytes());
    field(tuples, &bet.number.get().to_be_bytes());
}

fn field(tuples: &mut Vec<u8>, value: &[u8]) {
    // Texts of a bet have 255 bytes at most.
    tuples.extend_from_slice(&(value.len() as u32).to_be_bytes());
    tuples.extend_from_slice(value);
}

/// Days from 2000-01-01 to a day of the Gregorian calendar, year 1 to 9999: whole years from a March 1, so that a leap
/// day is the last of its year.
fn days(date: &[u8; 10]) -> i32 {
    /// So many days after March 1 of year 0 the count begins.
    const EPOCH: i32 = 730_425;
    let number =
        |digits: &[u8]| (digits.iter()).fold(0, |sum, digit| 10 * sum + i32::from(digit - b'0'));
    let (year, month, day) = (number(&date[..4]), number(&date[5..7]), number(&date[8..]));
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let months = (153 * month + 2) / 5;
    365 * year + leap_days + months + day - 1 - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_goes() {
        for (date, count) in [
            (b"2000-01-01", 0),
            (b"2000-02-29", 59),
            (b"2000-03-01", 60),
            (b"1999-12-31", -1),
            (b"1970-01-01", -10_957),
            (b"0001-01-01", -730_119),
            (b"1900-02-28", -36_466),
            (b"1900-03-01", -36_465),
            (b"9999-12-31", 2_921_939),
        ] {
            assert_eq!(days(date), count, "{date:?}");
        }
    }
}
