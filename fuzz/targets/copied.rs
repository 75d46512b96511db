//! What is copied without being read is what reading and writing it gives, and what a second reader finds: the bets of a batch
//! as rows, and the rows of an agency file as the objects of a batch.

#![no_main]

use std::io::{self, Read};

use batch_client::rows::{Row, RowError, Rows};
use frame::copy::FromColumns;
use frame::{Agency, Batch, Bets};
use fuzz::input::{self, Controls};
use fuzz::reference::{self, Bet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, text) = input::split(bytes, 24 * 1024);
    match controls.below(2) {
        0 => check_batch(&text, &mut controls),
        _ => check_file(&text, &mut controls),
    }
});

/// Copies each bet, or reads it where it cannot be copied, or where the controls want that.
fn check_batch(payload: &[u8], controls: &mut Controls<'_>) {
    let (expected, all) = reference::bets(payload);
    let mut reading = Batch::new(payload).bets();
    let mut copying = Batch::new(payload).bets();
    let mut room = [0; Bets::ROOM];
    let (mut at, mut agency) = (0, None);
    let well = loop {
        let copied = match controls.below(8) {
            7 => None,
            6 => copying.copy_row(b"\r\n", &mut room[..controls.piece().min(Bets::ROOM)]),
            _ => copying.copy_row(b"\r\n", &mut room),
        };
        let read = reading.next();
        let Some(length) = copied else {
            assert_eq!(copying.next(), read);
            match read {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(bet)) => {
                    assert_eq!(Bet::from(&bet), expected[at]);
                    agency = Some(bet.agency.get());
                }
            }
            at += 1;
            continue;
        };
        assert_eq!(room[..length], reference::rows(&expected[at..=at]));
        assert_eq!(Some(expected[at].agency), agency, "a bet of another agency");
        let bet = read
            .expect("what is copied is there")
            .expect("and is valid");
        assert_eq!(Bet::from(&bet), expected[at]);
        at += 1;
    };
    assert_eq!((at, well), (expected.len(), all));
}

/// Copies each row of a file, or reads it where it cannot be copied, or where the controls want that.
fn check_file(file: &[u8], controls: &mut Controls<'_>) {
    let agency = Agency::new(controls.choose(&[1, 7, u32::MAX])).expect("no agency is 0");
    let copy = FromColumns::new(agency);
    let pieces = Pieces {
        file,
        controls: controls.clone(),
    };
    let (mut copying, mut reading) = (Rows::new(pieces), Rows::new(file));
    let mut room = [0; FromColumns::ROOM];
    loop {
        let copied = match controls.below(8) {
            7 => None,
            _ => copying.copy_next(&copy, &mut room),
        };
        let read = row(reading.next_row(), agency);
        match copied {
            Some(length) => {
                let Ok(Some((_, Ok(bet)))) = read else {
                    panic!("{read:?} is copied");
                };
                assert_eq!(room[..length], reference::payload(&[bet]));
            }
            None => {
                assert_eq!(row(copying.next_row(), agency), read);
                if !matches!(read, Ok(Some(_))) {
                    return;
                }
            }
        }
    }
}

/// What a row is: its line, and its bet or what is wrong with it.
type Outcome = Result<Option<(u64, Result<Bet, String>)>, String>;

fn row(row: Result<Option<Row<'_>>, RowError>, agency: Agency) -> Outcome {
    let bet = |row: Row<'_>| match row.bet(agency) {
        Ok(bet) => (row.line(), Ok(Bet::from(&bet))),
        Err(e) => (row.line(), Err(format!("{e:?}"))),
    };
    row.map(|row| row.map(bet)).map_err(|e| format!("{e:?}"))
}

/// The file in pieces of the sizes that the controls say.
struct Pieces<'a> {
    file: &'a [u8],
    controls: Controls<'a>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let most = self.controls.piece().min(space.len());
        self.file.read(&mut space[..most])
    }
}
