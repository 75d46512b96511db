//! Every reader is tested with whole input, byte by byte, in seeded pieces, and with bytes left over; the inbox also at
//! the bounds of its lengths and of its memory.

use frame::{
    Ack, Agency, Batch, Documents, Frame, FramingError, HEADER, Inbox, LENGTH_FIELD, MAX_LENGTH,
    MIN_LENGTH, MessageId, Reply, Request, UploadId, Winners,
};

/// Bytes that an inbox allocates first.
const SMALL: usize = 4 * 1024;

const BET: &[u8] =
    b"{agency:1,nombre:Tiago,apellido:Salda\xc3\xb1a,dni:1,nacimiento:2000-02-29,numero:0}";

/// A frame of each type and one of an unknown type; payloads of 0 bytes, of more than an inbox allocates first, and of
/// sizes in between.
fn frames() -> Vec<Vec<u8>> {
    let agency = Agency::new(7).unwrap();
    let upload = UploadId([0xa5; 16]);
    let id = MessageId::of(BET);
    let documents = "30904465|".repeat(2000) + "1";
    let reason = Some("no space, ask the operator".into());
    let requests = [
        Request::Batch(Batch::new(BET)),
        Request::Batch(Batch::new(b"")),
        Request::Finished { agency, bets: None },
        Request::Winners { agency },
        Request::Resume { agency, upload },
    ];
    let replies = [
        Reply::Ack(Ack::Success),
        Reply::Ack(Ack::Failure { reason }),
        Reply::Winners(Winners::InProgress),
        Reply::Winners(Winners::Drawn(Documents::new(documents.as_bytes()))),
        Reply::Resumed(26_936),
    ];
    let mut frames = Vec::new();
    for request in &requests {
        let mut frame = Vec::new();
        request.encode(&mut frame);
        frames.push(frame);
    }
    for reply in &replies {
        let mut frame = Vec::new();
        reply.encode(id, &mut frame);
        frames.push(frame);
    }
    let payload = [BET, b"|", BET].concat();
    for kind in [1, 2, 8, 9, 0, u16::MAX] {
        frames.push(raw(kind, MessageId::of(&payload), &payload));
    }
    frames
}

fn raw(kind: u16, id: MessageId, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(MIN_LENGTH + payload.len()).unwrap();
    [
        &length.to_be_bytes()[..],
        &kind.to_be_bytes(),
        &id.0,
        payload,
    ]
    .concat()
}

fn inbox() -> Inbox {
    Inbox::new(65_536, 2 * 65_536)
}

/// Puts all of `piece` into the inbox, and the messages that come out meanwhile into `said`.
fn give(inbox: &mut Inbox, mut piece: &[u8], said: &mut Vec<String>) {
    while !piece.is_empty() {
        let given = inbox.fill(|space| {
            let count = piece.len().min(space.len());
            space[..count].copy_from_slice(&piece[..count]);
            Ok(count)
        });
        let count = given
            .unwrap()
            .expect("an inbox without whole frames has room");
        piece = &piece[count..];
        while inbox.has_frame() {
            let frame = inbox.frame().unwrap().unwrap();
            said.push(format!(
                "{frame:?} {:?} {:?}",
                Request::decode(frame),
                Reply::decode(frame)
            ));
        }
        assert_eq!(inbox.frame(), Ok(None));
    }
}

/// What each frame is as a request and as a reply, read alone and without an inbox.
fn said_alone(frames: &[Vec<u8>]) -> Vec<String> {
    let say = |bytes: &Vec<u8>| {
        let frame = Frame::split(bytes).unwrap();
        format!(
            "{frame:?} {:?} {:?}",
            Request::decode(frame),
            Reply::decode(frame)
        )
    };
    frames.iter().map(say).collect()
}

#[test]
fn frames_come_out_the_same_whole_byte_by_byte_and_at_any_split() {
    let frames = frames();
    let stream = frames.concat();
    let expected = said_alone(&frames);
    for size in [stream.len(), 1460, 2, 1] {
        let (mut inbox, mut said) = (inbox(), Vec::new());
        for piece in stream.chunks(size) {
            give(&mut inbox, piece, &mut said);
        }
        assert!(said == expected, "pieces of {size}");
        assert!(inbox.is_empty(), "pieces of {size}");
    }
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let largest = 1 << rng.u32(1..14);
        let (mut inbox, mut said) = (inbox(), Vec::new());
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rng.usize(1..=largest.min(rest.len())));
            give(&mut inbox, piece, &mut said);
            rest = later;
        }
        assert!(said == expected, "seed {seed}");
        assert!(inbox.is_empty(), "seed {seed}");
    }
}

#[test]
fn what_is_left_over_stays_until_the_rest_has_come() {
    let first = raw(4, MessageId::of(b"{agency:2}"), b"{agency:2}");
    let second = raw(1, MessageId::of(BET), BET);
    let expected = said_alone(&[first.clone(), second.clone()]);
    for cut in 0..second.len() {
        let (begun, rest) = second.split_at(cut);
        let (mut inbox, mut said) = (inbox(), Vec::new());
        give(&mut inbox, &[&first, begun].concat(), &mut said);
        assert_eq!(said, expected[..1], "cut at {cut}");
        assert_eq!(inbox.unread(), begun, "cut at {cut}");
        assert_eq!(Frame::split(begun).is_some(), cut >= HEADER, "cut at {cut}");
        give(&mut inbox, rest, &mut said);
        assert_eq!(said, expected, "cut at {cut}");
    }
}

#[test]
fn text_stays_unread_as_it_came() {
    let line = "[CLIENT 1] Message N°1\n".as_bytes();
    for size in 1..=line.len() {
        let mut inbox = inbox();
        for (i, piece) in line.chunks(size).enumerate() {
            inbox
                .fill(|space| {
                    space[..piece.len()].copy_from_slice(piece);
                    Ok(piece.len())
                })
                .unwrap();
            assert_eq!(inbox.unread(), &line[..i * size + piece.len()]);
        }
        inbox.clear();
        assert!(inbox.is_empty());
    }
}

#[test]
fn a_length_outside_the_bounds_is_an_error_from_the_header_alone() {
    for max in [MIN_LENGTH, 8192, 65_536, MAX_LENGTH] {
        let above = u32::try_from(max).unwrap() + 1;
        for length in [0, 17, above, u32::MAX] {
            let (mut inbox, header) = (Inbox::new(max, 0), length.to_be_bytes());
            give(&mut inbox, &header[..3], &mut Vec::new());
            inbox
                .fill(|space| {
                    space[0] = header[3];
                    Ok(1)
                })
                .unwrap();
            assert!(inbox.has_frame(), "{length} of {max}");
            let error = Err(FramingError::Length { length, max });
            assert_eq!(inbox.frame(), error);
            assert_eq!(inbox.frame(), error, "it stays one");
            assert!(inbox.allocated() <= SMALL);
        }
    }
}

#[test]
fn a_length_at_the_bounds_is_taken() {
    for (max, size) in [(MIN_LENGTH, 0), (8192, 0), (8192, 8192 - MIN_LENGTH)]
        .into_iter()
        .chain([
            (65_536, 65_536 - MIN_LENGTH),
            (MAX_LENGTH, MAX_LENGTH - MIN_LENGTH),
        ])
    {
        let frame = raw(9, MessageId([1; 16]), &vec![b'x'; size]);
        let (mut inbox, mut said) = (Inbox::new(max, 0), Vec::new());
        give(&mut inbox, &frame[..LENGTH_FIELD], &mut said);
        assert_eq!(inbox.frame(), Ok(None));
        give(&mut inbox, &frame[LENGTH_FIELD..], &mut said);
        assert_eq!(said.len(), 1, "{size} bytes of payload, at most {max}");
        assert!(inbox.allocated() <= max + LENGTH_FIELD);
    }
}

/// A peer that never stops: fills the inbox until it takes no more.
fn flood(inbox: &mut Inbox, mut check: impl FnMut(&Inbox)) {
    while inbox.fill(|space| Ok(space.len())).unwrap().is_some() {
        check(inbox);
    }
}

#[test]
fn an_inbox_never_allocates_above_its_bound_and_then_takes_no_more() {
    for (max, bound) in [
        (18, 0),
        (65_536, 0),
        (65_536, 70_000),
        (65_536, 1 << 20),
        (8192, 5000),
    ] {
        let allowed = bound.max(max + LENGTH_FIELD);
        let mut inbox = Inbox::new(max, bound);
        assert_eq!(inbox.allocated(), 0);
        flood(&mut inbox, |inbox| assert!(inbox.allocated() <= allowed));
        assert_eq!(inbox.unread().len(), allowed);
        assert_eq!(inbox.allocated(), allowed);
    }
}

#[test]
fn a_full_inbox_has_room_again_once_a_frame_is_taken_out() {
    let frame = raw(9, MessageId([1; 16]), &[b'x'; 1000]);
    let mut inbox = Inbox::new(65_536, 70_000);
    let mut stream = frame.iter().copied().cycle();
    let mut read = |space: &mut [u8]| {
        space.fill_with(|| stream.next().unwrap());
        Ok(space.len())
    };
    for _ in 0..1000 {
        while inbox.fill(&mut read).unwrap().is_some() {}
        assert_eq!(inbox.frame().unwrap(), Frame::split(&frame));
        assert!(inbox.fill(&mut read).unwrap().is_some());
        assert!(inbox.allocated() <= 70_000);
    }
}

#[test]
fn a_slow_peer_costs_little_until_a_frame_needs_more() {
    let frame = |size| raw(9, MessageId([1; 16]), &vec![b'x'; size - HEADER]);
    // The largest frames that fit first, and small frames, of which fills bring only parts.
    for (size, piece) in [(SMALL, 1), (1000, 1), (1000, 700), (1000, 1460)] {
        let mut inbox = inbox();
        for piece in frame(size).repeat(20).chunks(piece) {
            give(&mut inbox, piece, &mut Vec::new());
            assert_eq!(inbox.allocated(), SMALL);
        }
        for byte in frame(SMALL + 1) {
            give(&mut inbox, &[byte], &mut Vec::new());
        }
        assert!(inbox.is_empty());
        assert_eq!(inbox.allocated(), 2 * SMALL);
    }
}

#[test]
fn an_inbox_gives_its_memory_back_only_when_nothing_is_unread() {
    let mut inbox = inbox();
    flood(&mut inbox, |_| {});
    let full = inbox.allocated();
    inbox.release();
    assert_eq!(inbox.allocated(), full);
    inbox.clear();
    inbox.release();
    assert_eq!(inbox.allocated(), 0);
    give(&mut inbox, &frames().concat(), &mut Vec::new());
    assert!(inbox.is_empty(), "and it goes on from there");
}

#[test]
fn a_failed_read_leaves_the_inbox_as_it_was() {
    let mut inbox = inbox();
    give(&mut inbox, b"\0\0", &mut Vec::new());
    let failed = inbox.fill(|_| Err(std::io::ErrorKind::ConnectionReset.into()));
    assert!(failed.is_err());
    assert_eq!(inbox.unread(), b"\0\0");
}
