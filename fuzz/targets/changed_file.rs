//! A file that changes between its check and its upload, and in the middle of that: whatever is sent, over however many
//! connections, is a prefix of the bets of the file that was checked.

#![no_main]

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use batch_client::batch::{Batches, Blocks};
use batch_client::rows::{RowError, Rows};
use frame::Agency;
use fuzz::input::{self, Controls};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, file) = input::split(bytes, 24 * 1024);
    let agency = Agency::new(1).expect("no agency is 0");
    let blocks = Blocks::of(&file[..], 1 + controls.below(256)).expect("memory can be read");
    let blocks = Arc::new(blocks);
    let checked = bets(&file, agency);
    let content = Rc::new(RefCell::new(file));
    let mut stored: Vec<u8> = Vec::new();
    let mut rows = 0_u64;
    for _ in 0..=controls.below(4) {
        let open = Open {
            content: Rc::clone(&content),
            at: 0,
            controls: controls.clone(),
        };
        let mut batches = Batches::new(
            open,
            Arc::clone(&blocks),
            agency,
            controls.choose(&[1, 2, 86]),
        );
        change(&content, &mut controls);
        if !matches!(batches.skip(rows), Ok(true)) {
            continue;
        }
        for _ in 0..=controls.below(16) {
            let Ok(Some((batch, count))) = batches.next_batch() else {
                break;
            };
            if !stored.is_empty() {
                stored.push(b'|');
            }
            stored.extend_from_slice(batch.payload());
            rows += u64::from(count);
            assert!(
                checked.starts_with(&stored),
                "a bet of another file is sent"
            );
            change(&content, &mut controls);
        }
    }
});

/// The bets of a file up to the first row that is none, as payload.
fn bets(file: &[u8], agency: Agency) -> Vec<u8> {
    let mut rows = Rows::new(file);
    let mut out = Vec::new();
    loop {
        let bet = match rows.next_row() {
            Ok(Some(row)) => row.bet(agency).map(|bet| {
                if !out.is_empty() {
                    out.push(b'|');
                }
                bet.write(&mut out);
            }),
            Ok(None) | Err(_) => return out,
        };
        if let Err(e) = bet {
            assert!(matches!(e, RowError::Bad(_)), "{e:?}");
            return out;
        }
    }
}

/// Changes the file, or leaves it as it is.
fn change(content: &RefCell<Vec<u8>>, controls: &mut Controls<'_>) {
    let mut content = content.borrow_mut();
    let length = content.len();
    let at = controls.below(256) * length.max(1) / 256;
    match controls.below(6) {
        0 => content.truncate(at),
        1 => content.push(controls.byte()),
        2 if length > 0 => content[at.min(length - 1)] = controls.byte(),
        3 => content.rotate_left(at.min(length)),
        _ => {}
    }
}

/// A reader of the file, which gives it in pieces of the sizes that the controls say.
struct Open<'a> {
    content: Rc<RefCell<Vec<u8>>>,
    at: usize,
    controls: Controls<'a>,
}

impl Read for Open<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let content = self.content.borrow();
        let rest = content.get(self.at..).unwrap_or_default();
        let count = rest.len().min(space.len()).min(self.controls.piece());
        space[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}
