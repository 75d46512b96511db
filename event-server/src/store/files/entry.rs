//! The bytes of a fact, in a turn and in a checkpoint. All numbers are big-endian.
//!
//! ```text
//! 0      1        2   4        8        16   32       48
//! | kind | source | 0 | agency | number | id | upload |
//! ```
//!
//! | kind | fact | agency | number | id | source, upload |
//! |---|---|---|---|---|---|
//! | 1 | a bet | its agency | | | |
//! | 2 | a batch | its agency | its bets | its request | 0, or 1 and the upload |
//! | 3 | finished | its agency | | | |
//! | 4 | drawn | the number that won | the position in bets.csv | | |
//! | 5 | stored | its agency | all bets of its batches | | 0, or 1 and the upload; 2: taken over |
//! | 6 | agencies | | how many take part | | |
//! | 7 | barred | its agency | | | 1 and the upload |
//!
//! What has no meaning is zero, and no other bytes are a fact.

use frame::{Agency, MessageId, Number, UploadId};

use super::format::{FACT, Fields, put};
use crate::facts::{Fact, Source};

const NO_ID: MessageId = MessageId([0; 16]);

/// A fact's bytes.
pub(super) fn encode(fact: &Fact) -> [u8; FACT] {
    let (kind, agency, number, id, source) = match *fact {
        Fact::Bet { agency } => (1, agency.get(), 0, NO_ID, Source::Plain),
        Fact::Batch {
            agency,
            source,
            id,
            bets,
        } => (2, agency.get(), bets.into(), id, source),
        Fact::Finished { agency } => (3, agency.get(), 0, NO_ID, Source::Plain),
        Fact::Barred { agency, upload } => (7, agency.get(), 0, NO_ID, Source::Upload(upload)),
        Fact::Agencies { agencies } => (6, 0, agencies.into(), NO_ID, Source::Plain),
        Fact::Drawn { position, winner } => (4, winner.get(), position, NO_ID, Source::Plain),
        Fact::Stored {
            agency,
            source,
            bets,
        } => (5, agency.get(), bets, NO_ID, source),
    };
    let (of_upload, upload) = match source {
        Source::Plain => (0, [0; 16]),
        Source::Upload(upload) => (1, upload.0),
        Source::TakenOver => (2, [0; 16]),
    };
    let (agency, number) = (agency.to_be_bytes(), u64::to_be_bytes(number));
    let mut bytes = [0; FACT];
    put(
        &mut bytes,
        &[&[kind, of_upload, 0, 0], &agency, &number, &id.0, &upload],
    );
    bytes
}

/// The fact of these bytes; `None`: there is no such fact.
pub(super) fn decode(bytes: &[u8; FACT]) -> Option<Fact> {
    let mut fields = Fields(bytes);
    let [kind, of_upload, _, _] = fields.take();
    let (first, number) = (fields.u32(), fields.u64());
    let (id, upload) = (MessageId(fields.take()), UploadId(fields.take()));
    let agency = Agency::new(first);
    let source = match of_upload {
        0 => Source::Plain,
        1 => Source::Upload(upload),
        _ => Source::TakenOver,
    };
    let fact = match kind {
        1 => Fact::Bet { agency: agency? },
        2 => Fact::Batch {
            agency: agency?,
            source,
            id,
            bets: number.try_into().ok()?,
        },
        3 => Fact::Finished { agency: agency? },
        4 => Fact::Drawn {
            position: number,
            winner: Number::new(first)?,
        },
        5 => Fact::Stored {
            agency: agency?,
            source,
            bets: number,
        },
        6 => Fact::Agencies {
            agencies: number.try_into().ok()?,
        },
        7 => Fact::Barred {
            agency: agency?,
            upload,
        },
        _ => return None,
    };
    (encode(&fact) == *bytes).then_some(fact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_back_as_they_went_and_no_other_bytes_are_a_fact() {
        let agency = Agency::new(u32::MAX).unwrap();
        let upload = Source::Upload(UploadId([0xab; 16]));
        let id = MessageId([0xcd; 16]);
        for fact in [
            Fact::Bet { agency },
            Fact::Batch {
                agency,
                source: Source::Plain,
                id,
                bets: 1,
            },
            Fact::Batch {
                agency,
                source: upload,
                id,
                bets: u32::MAX,
            },
            Fact::Finished { agency },
            Fact::Barred {
                agency,
                upload: UploadId([0xef; 16]),
            },
            Fact::Stored {
                agency,
                source: Source::TakenOver,
                bets: 7,
            },
            Fact::Agencies { agencies: 0 },
            Fact::Agencies { agencies: u32::MAX },
            Fact::Drawn {
                position: u64::MAX,
                winner: Number::new(Number::MAX).unwrap(),
            },
            Fact::Stored {
                agency,
                source: Source::Plain,
                bets: 0,
            },
            Fact::Stored {
                agency,
                source: upload,
                bets: u64::MAX,
            },
        ] {
            let bytes = encode(&fact);
            assert_eq!(decode(&bytes), Some(fact));
            for i in 0..FACT {
                let mut other = bytes;
                other[i] ^= 0x80;
                assert_ne!(decode(&other), Some(fact), "byte {i} says nothing");
            }
        }
        assert_eq!(decode(&[0; FACT]), None);
    }
}
