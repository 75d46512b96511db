//! Frames whose digests are computed together are the same frames as one after another: those that come in, with a wrong
//! id or a wrong length at its place in the stream, and those that go out.

use frame::{
    Batch, Frame, FramingError, HEADER, Inbox, LENGTH_FIELD, MessageId, Outbox, Request,
    RequestError, Requests, kind,
};

/// The bytes of a frame.
fn frame(kind: u16, id: MessageId, payload: &[u8]) -> Vec<u8> {
    let length = (HEADER - LENGTH_FIELD + payload.len()) as u32;
    [
        &length.to_be_bytes()[..],
        &kind.to_be_bytes(),
        &id.0,
        payload,
    ]
    .concat()
}

/// A frame of any type and size; one in eight has a wrong id.
fn any_frame(rng: &mut fastrand::Rng) -> Vec<u8> {
    let longest = *rng.choice(&[1, 70, 300, 8_170]).unwrap();
    let payload: Vec<u8> = (0..rng.usize(..longest)).map(|_| rng.u8(..)).collect();
    let mut id = MessageId::of(&payload);
    if rng.u8(..8) == 0 {
        id.0[rng.usize(..16)] ^= 1 << rng.u8(..8);
    }
    frame(rng.u16(0..10), id, &payload)
}

/// Puts a piece of `stream` into the inbox.
fn fill(inbox: &mut Inbox, stream: &mut &[u8], most: usize) {
    let filled = inbox.fill(|space| {
        let (piece, rest) = stream.split_at(most.min(space.len()).min(stream.len()));
        space[..piece.len()].copy_from_slice(piece);
        *stream = rest;
        Ok(piece.len())
    });
    assert!(filled.is_ok());
}

#[test]
fn a_frame_comes_with_its_own_digest_however_the_stream_is_cut_and_the_frames_are_taken() {
    for seed in 0..3_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let frames: Vec<_> = (0..rng.usize(..20)).map(|_| any_frame(&mut rng)).collect();
        let mut bytes = frames.concat();
        let broken = rng.bool();
        if broken {
            bytes.extend_from_slice(&[0, 0, 0, 17]);
            bytes.extend_from_slice(&any_frame(&mut rng));
        }
        let most = *rng.choice(&[30, 500, 5_000, 200_000]).unwrap();
        let (mut stream, mut expected) = (&bytes[..], frames.iter());
        let mut inbox = Inbox::new(20_000, 40_000);
        loop {
            // Frames may also be taken without their digests, be put back, and be thrown away.
            let taken = match rng.u8(..8) {
                0 => inbox.frame().map(|frame| frame.map(|frame| (frame, None))),
                _ => inbox
                    .hashed_frame()
                    .map(|hashed| hashed.map(|(frame, md5)| (frame, Some(md5)))),
            };
            match taken {
                Ok(Some((frame, md5))) => {
                    let size = HEADER + frame.payload.len();
                    if rng.u8(..4) == 0 {
                        inbox.put_back(size);
                        continue;
                    }
                    let alone = Frame::split(expected.next().unwrap()).unwrap();
                    assert_eq!(frame, alone, "seed {seed}");
                    if let Some(md5) = md5 {
                        assert_eq!(md5, MessageId::of(alone.payload), "seed {seed}");
                        let decoded = Request::decode_hashed(frame, md5);
                        assert_eq!(decoded, Request::decode(alone), "seed {seed}");
                    }
                }
                Ok(None) if stream.is_empty() => break,
                Ok(None) => {
                    let piece = rng.usize(1..=most);
                    fill(&mut inbox, &mut stream, piece);
                }
                Err(error) => {
                    assert!(matches!(error, FramingError::Length { length: 17, .. }));
                    assert!(
                        broken && expected.next().is_none(),
                        "seed {seed}: too early"
                    );
                    assert_eq!(inbox.hashed_frame(), Err(error), "it stays one");
                    break;
                }
            }
        }
        assert!(expected.next().is_none(), "seed {seed}: a frame is missing");
    }
}

#[test]
fn a_corrupted_frame_is_refused_at_its_place_and_the_frames_around_it_are_not() {
    let payload = |agency| format!("{{agency:{agency}}}").into_bytes();
    for wrong in 0..6 {
        let frames = (0..6).map(|i| {
            let mut bytes = frame(
                kind::FINISHED,
                MessageId::of(&payload(i + 1)),
                &payload(i + 1),
            );
            // The last byte of the payload's number, so that all else is as it was.
            let digit = bytes.len() - 2;
            bytes[digit] ^= u8::from(i == wrong);
            bytes
        });
        let bytes: Vec<u8> = frames.flatten().collect();
        let mut inbox = Inbox::new(20_000, 40_000);
        fill(&mut inbox, &mut &bytes[..], bytes.len());
        for i in 0..6 {
            let (frame, md5) = inbox.hashed_frame().unwrap().unwrap();
            let error = Request::decode_hashed(frame, md5).err();
            assert_eq!(error, (i == wrong).then_some(RequestError::WrongId), "{i}");
        }
    }
}

#[test]
fn what_is_cleared_takes_its_digests_with_it() {
    let mut inbox = Inbox::new(20_000, 40_000);
    for byte in 0..20 {
        let payload = [byte; 100];
        let frame = frame(3, MessageId::of(&payload), &payload);
        fill(&mut inbox, &mut &frame.repeat(3)[..], 1_000);
        let (_, md5) = inbox.hashed_frame().unwrap().unwrap();
        assert_eq!(md5, MessageId::of(&payload));
        inbox.clear();
    }
}

#[test]
fn requests_that_are_appended_together_are_the_same_bytes_as_one_after_another() {
    for seed in 0..500 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut together, mut alone) = (Outbox::new(1_000_000), Outbox::new(1_000_000));
        let mut ids = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let mut requests = together.requests();
            for _ in 0..rng.usize(..=Requests::MAX) {
                assert!(requests.has_room());
                let payload: Vec<u8> = (0..rng.usize(..300)).map(|_| rng.u8(..)).collect();
                let request = Request::Batch(Batch::new(&payload));
                requests.push(&request);
                ids.1.push(alone.request(&request));
            }
            ids.0.extend(requests.finish());
        }
        assert_eq!(ids.0, ids.1, "seed {seed}");
        assert_eq!(content(&mut together), content(&mut alone), "seed {seed}");
    }
}

#[test]
fn requests_end_at_their_number_and_at_the_bound_and_are_removed_where_they_are_not_finished() {
    let payload = [b'x'; 100];
    let request = Request::Batch(Batch::new(&payload));
    let mut outbox = Outbox::new(300);
    outbox.append(b"before");
    let mut requests = outbox.requests();
    for room in [true, true, true, false] {
        assert_eq!(requests.has_room(), room);
        if room {
            requests.push(&request);
        }
    }
    drop(requests);
    assert_eq!(content(&mut outbox), b"before");

    let mut outbox = Outbox::new(1_000_000);
    let mut requests = outbox.requests();
    let mut count = 0;
    while requests.has_room() {
        requests.push(&request);
        count += 1;
    }
    assert_eq!(
        (count, requests.finish().len()),
        (Requests::MAX, Requests::MAX)
    );
}

/// All bytes of the outbox.
fn content(outbox: &mut Outbox) -> Vec<u8> {
    let mut content = Vec::new();
    let drained = outbox.drain(|bytes| {
        content.extend_from_slice(bytes);
        Ok(bytes.len())
    });
    assert!(drained.is_ok());
    content
}
