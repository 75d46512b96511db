//! Arbitrary values are read back as they were written, and arbitrary bytes never make a reader panic.

use frame::{
    Ack, Agency, Batch, Bet, Birthdate, Document, Documents, Frame, Inbox, MessageId, Name, Number,
    Reply, Request, UploadId, Winners, kind, payload,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Text without control characters; many of its characters need quotes.
fn text(characters: usize) -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("([,|{{}}\": a-z]|\\PC){{1,{characters}}}"))
        .unwrap()
        .prop_filter("no control characters", |text| {
            !text.chars().any(char::is_control)
        })
}

fn agency() -> impl Strategy<Value = Agency> {
    (1..=u32::MAX).prop_map(|number| Agency::new(number).unwrap())
}

fn birthdate() -> impl Strategy<Value = Birthdate> {
    let date = (1..=9999, 1..=12, 1..=31).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    date.prop_filter_map("no such day", |date| Birthdate::parse(date.as_bytes()).ok())
}

fn bet() -> impl Strategy<Value = Bet<'static>> {
    let names = (text(63), text(63), text(8));
    (agency(), names, birthdate(), 0..=Number::MAX).prop_map(
        |(agency, (first_name, last_name, document), birthdate, number)| Bet {
            agency,
            first_name: Name::parse(first_name.into_bytes()).unwrap(),
            last_name: Name::parse(last_name.into_bytes()).unwrap(),
            document: Document::parse(document.into_bytes()).unwrap(),
            birthdate,
            number: Number::new(number).unwrap(),
        },
    )
}

/// Numbers of bets are read up to 19 digits, far more than any upload has.
fn count() -> impl Strategy<Value = u64> {
    0..10_000_000_000_000_000_000u64
}

/// Any request except a batch, which borrows from a payload.
fn request() -> impl Strategy<Value = Request<'static>> {
    prop_oneof![
        bet().prop_map(Request::Bet),
        (agency(), proptest::option::of(count()))
            .prop_map(|(agency, bets)| Request::Finished { agency, bets }),
        agency().prop_map(|agency| Request::Winners { agency }),
        (agency(), any::<[u8; 16]>()).prop_map(|(agency, upload)| Request::Resume {
            agency,
            upload: UploadId(upload)
        }),
    ]
}

/// Any reply except drawn winners, which borrow from a list.
fn reply() -> impl Strategy<Value = Reply<'static>> {
    prop_oneof![
        Just(Reply::Ack(Ack::Success)),
        proptest::option::of(any::<String>()).prop_map(|reason| {
            let reason = reason.map(Into::into);
            Reply::Ack(Ack::Failure { reason })
        }),
        Just(Reply::Winners(Winners::InProgress)),
        Just(Reply::Winners(Winners::Refused { reason: None })),
        count().prop_map(Reply::Resumed),
    ]
}

/// Values joined by `|`.
fn joined<T>(values: &[T], write: impl Fn(&T, &mut Vec<u8>)) -> Vec<u8> {
    let mut joined = Vec::new();
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            joined.push(b'|');
        }
        write(value, &mut joined);
    }
    joined
}

/// The one frame in `bytes`.
fn frame(bytes: &[u8]) -> Frame<'_> {
    assert_eq!(Frame::size(bytes, usize::MAX), Ok(Some(bytes.len())));
    Frame::split(bytes).unwrap()
}

/// Reads a frame with every reader.
fn read_all(frame: Frame<'_>) {
    if let Ok(Request::Batch(batch)) = Request::decode(frame) {
        let _ = (batch.bets().count(), batch.apparent_len());
    }
    if let Ok(Reply::Winners(Winners::Drawn(documents))) = Reply::decode(frame) {
        let _ = documents.to_vec();
    }
}

/// Bytes, many of which have a meaning in a payload.
fn payload_like() -> impl Strategy<Value = Vec<u8>> {
    let words: &[&[u8]] = &[
        b"{",
        b"}",
        b"{",
        b"}",
        b":",
        b",",
        b"|",
        b"\"",
        b" ",
        b"\t",
        b"1",
        b"\xc3",
        b"agency:1,",
        b"nombre:",
        b"apellido:a",
        b",dni:1",
        b"nacimiento:2000-02-29",
        b"numero:",
        b"envio:",
        b"apuestas:",
        b"{ganadores:",
        b"result:",
        b"success",
        b"failure",
        b"error:",
    ];
    let word = prop_oneof![
        3 => proptest::sample::select(words).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn requests_are_read_as_they_were_written(request in request()) {
        let mut bytes = Vec::new();
        let id = request.encode(&mut bytes);
        prop_assert_eq!(frame(&bytes).id, id);
        prop_assert_eq!(Request::decode(frame(&bytes)), Ok(request));
    }

    #[test]
    fn batches_are_read_as_they_were_written(bets in vec(bet(), 1..6)) {
        let payload = joined(&bets, Bet::write);
        let mut bytes = Vec::new();
        let id = Request::Batch(Batch::new(&payload)).encode(&mut bytes);
        prop_assert_eq!(frame(&bytes).id, id);
        let Ok(Request::Batch(batch)) = Request::decode(frame(&bytes)) else {
            panic!("not read as a batch");
        };
        prop_assert_eq!(batch.bets().collect::<Result<Vec<_>, _>>(), Ok(bets));
    }

    #[test]
    fn replies_are_read_as_they_were_written(reply in reply(), id: [u8; 16]) {
        let mut bytes = Vec::new();
        reply.encode(MessageId(id), &mut bytes);
        prop_assert_eq!(frame(&bytes).id, MessageId(id));
        prop_assert_eq!(Reply::decode(frame(&bytes)), Ok(reply));
    }

    #[test]
    fn winners_are_read_as_they_were_written(documents in vec(text(8), 0..6)) {
        let list = joined(&documents, |document, out| payload::write_value(out, document.as_bytes()));
        let reply = Reply::Winners(Winners::Drawn(Documents::new(&list)));
        let mut bytes = Vec::new();
        reply.encode(MessageId([7; 16]), &mut bytes);
        let Ok(Reply::Winners(Winners::Drawn(read))) = Reply::decode(frame(&bytes)) else {
            panic!("not read as drawn winners");
        };
        prop_assert_eq!(read.to_vec().unwrap(), documents);
    }

    #[test]
    fn no_payload_makes_a_reader_panic(payload in payload_like(), kind in 0..10u16) {
        // With the right id, so that the payload is read.
        read_all(Frame { kind, id: MessageId::of(&payload), payload: &payload });
    }

    #[test]
    fn a_damaged_bet_is_refused_or_another_bet(bet in bet(), at: prop::sample::Index, byte in any::<u8>()) {
        let mut payload = Vec::new();
        bet.write(&mut payload);
        *at.get_mut(&mut payload) = byte;
        for kind in [kind::BET, kind::BATCH] {
            read_all(Frame { kind, id: MessageId::of(&payload), payload: &payload });
        }
        for bet in Batch::new(&payload).bets().flatten() {
            let mut written = Vec::new();
            bet.write(&mut written);
            let again: Vec<_> = Batch::new(&written).bets().collect();
            prop_assert_eq!(again, [Ok(bet)]);
        }
    }

    #[test]
    fn what_is_split_off_as_plain_is_a_plain_value(text in text(100), rest in vec(any::<u8>(), 0..20)) {
        let bytes = [text.as_bytes(), &rest].concat();
        if let Some((name, rest)) = Name::split_plain(&bytes) {
            prop_assert_eq!([name.as_bytes(), rest].concat(), bytes.clone());
            prop_assert!(name.is_plain() && !payload::needs_quotes(name.as_bytes()));
            prop_assert_eq!(Name::parse(name.as_bytes()), Ok(name.clone()));
        }
    }

    #[test]
    fn no_bytes_make_an_inbox_panic(
        pieces in vec(prop_oneof![vec(any::<u8>(), 0..50), Just(vec![0, 0, 0, 18, 0, 3])], 0..50),
        max_length in 0..2000usize,
        bound in 0..5000usize,
    ) {
        let mut inbox = Inbox::new(max_length, bound);
        for piece in &pieces {
            inbox.fill(|space| {
                let count = piece.len().min(space.len());
                space[..count].copy_from_slice(&piece[..count]);
                Ok(count)
            })?;
            let told = inbox.has_frame();
            let frame = inbox.frame();
            prop_assert_eq!(told, frame != Ok(None));
            if let Ok(Some(frame)) = frame {
                read_all(frame);
            }
        }
        prop_assert!(inbox.allocated() <= bound.max(max_length + frame::LENGTH_FIELD));
    }

    #[test]
    fn no_bytes_make_a_frame_panic(bytes in vec(any::<u8>(), 0..60), max_length: usize) {
        let _ = Frame::size(&bytes, max_length);
        prop_assert_eq!(Frame::split(&bytes).is_some(), bytes.len() >= frame::HEADER);
        Frame::split(&bytes).map(read_all);
    }
}
