//! A channel over streams that do everything a stream may do: take and give a few bytes, block, be interrupted, end,
//! fail. Each stream follows a script; after the script it always blocks.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use frame::{Calls, Channel, Inbox, MessageId, Outbox, ReadOutcome, Received, WriteOutcome};

/// What a stream does when it is read from or written to.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Gives or takes at most this many bytes; the rest of them next time.
    Bytes(usize),
    Fails(ErrorKind),
    /// A read finds the end of the stream; a write takes no byte, which is an error.
    Zero,
}

use Step::{Bytes, Fails, Zero};

const BLOCKS: Step = Fails(ErrorKind::WouldBlock);
const INTERRUPTED: Step = Fails(ErrorKind::Interrupted);
const RESET: Step = Fails(ErrorKind::ConnectionReset);

/// A stream that follows two scripts, one for reads and one for writes. As with an edge-triggered poll, a channel must not
/// read or write again after it blocked, until there is an event.
#[derive(Debug, Default)]
struct Scripted {
    reads: VecDeque<Step>,
    writes: VecDeque<Step>,
    /// The bytes from the peer that were not read yet; the bytes that were sent to it.
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// It has blocked, and there was no event since.
    read_blocked: bool,
    write_blocked: bool,
}

impl Read for Scripted {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        assert!(!self.read_blocked, "read again without an event");
        assert!(!space.is_empty(), "no room to read into");
        let allowed = space.len().min(self.incoming.len());
        let count = act(&mut self.reads, &mut self.read_blocked, allowed)?;
        space[..count].copy_from_slice(&self.incoming[..count]);
        self.incoming.drain(..count);
        Ok(count)
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.write_blocked, "written again without an event");
        let count = act(&mut self.writes, &mut self.write_blocked, bytes.len())?;
        self.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn act(script: &mut VecDeque<Step>, blocked: &mut bool, allowed: usize) -> io::Result<usize> {
    match script.pop_front().unwrap_or(BLOCKS) {
        Bytes(count) if count > allowed => {
            script.push_front(Bytes(count - allowed));
            Ok(allowed)
        }
        Bytes(count) => Ok(count),
        Zero => Ok(0),
        Fails(kind) => {
            *blocked = kind == ErrorKind::WouldBlock;
            Err(kind.into())
        }
    }
}

/// A channel after an event: it is readable and writable.
fn channel(reads: &[Step], writes: &[Step], incoming: &[u8]) -> Channel<Scripted> {
    let stream = Scripted {
        reads: reads.iter().copied().collect(),
        writes: writes.iter().copied().collect(),
        incoming: incoming.to_vec(),
        ..Scripted::default()
    };
    let mut channel = Channel::new(stream, Inbox::new(200, 300), Outbox::new(300));
    channel.mark(true, true);
    channel
}

/// The event that follows once a stream that blocked is ready again.
fn event(channel: &mut Channel<Scripted>) {
    let stream = channel.stream_mut();
    let ready = (stream.read_blocked, stream.write_blocked);
    (stream.read_blocked, stream.write_blocked) = (false, false);
    channel.mark(ready.0, ready.1);
}

/// A script that moves `bytes` bytes with short pieces, blocks and interruptions between them.
fn script(rng: &mut fastrand::Rng, mut bytes: usize) -> Vec<Step> {
    let mut script = Vec::new();
    while bytes > 0 {
        let count = rng.usize(1..=bytes.min(100));
        let step = *rng
            .choice(&[BLOCKS, INTERRUPTED, Bytes(count), Bytes(1)])
            .unwrap();
        if let Bytes(count) = step {
            bytes -= count;
        }
        script.push(step);
    }
    script
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame::MIN_LENGTH + payload.len()).unwrap();
    [
        &length.to_be_bytes()[..],
        &[0, 9],
        &MessageId::of(payload).0,
        payload,
    ]
    .concat()
}

#[test]
fn bytes_arrive_whole_and_in_order_both_ways_whatever_the_stream_does() {
    for seed in 0..1000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut payload = || {
            (0..rng.usize(..=182))
                .map(|_| rng.u8(..))
                .collect::<Vec<u8>>()
        };
        let sent: Vec<Vec<u8>> = (0..20).map(|_| payload()).collect();
        let lines: Vec<Vec<u8>> = (0..20).map(|_| payload()).collect();
        let (incoming, outgoing) = (
            sent.iter().map(|p| frame(p)).collect::<Vec<_>>().concat(),
            lines.concat(),
        );
        let reads = script(&mut rng, incoming.len());
        let writes = script(&mut rng, outgoing.len());
        let mut channel = channel(&reads, &writes, &incoming);

        let (mut received, mut lines) = (Vec::new(), lines.iter());
        // Far more rounds than steps: a channel that makes no progress fails below instead of running for ever.
        for _ in 0..4 * (reads.len() + writes.len()) {
            if channel.outbox.has_room()
                && let Some(line) = lines.next()
            {
                channel.outbox.append(line);
            }
            // A caller with a budget does not always read, send or take out everything.
            for _ in 0..rng.u32(..4) {
                channel.receive().unwrap();
            }
            if rng.bool() {
                channel.send().unwrap();
            }
            while rng.u8(..8) > 0
                && let Some(frame) = channel.inbox.frame().unwrap()
            {
                assert_eq!(frame.id, MessageId::of(frame.payload), "seed {seed}");
                received.push(frame.payload.to_vec());
            }
            if rng.bool() {
                event(&mut channel);
            }
        }
        assert!(received == sent, "seed {seed}");
        assert!(channel.stream().outgoing == outgoing, "seed {seed}");
        assert!(
            channel.outbox.is_empty() && channel.inbox.is_empty(),
            "seed {seed}"
        );
    }
}

#[test]
fn a_block_at_any_place_loses_nothing() {
    let bytes = frame(b"{agency:2}");
    for place in 0..=bytes.len() {
        let mut script = vec![Bytes(place), BLOCKS, Bytes(bytes.len() - place)];
        script.retain(|step| !matches!(step, Bytes(0)));
        let mut channel = channel(&script, &script, &bytes);
        channel.outbox.append(&bytes);

        while let Received::Bytes(_) = channel.receive().unwrap() {}
        assert!(!channel.can_receive());
        assert_eq!(channel.inbox.unread(), &bytes[..place]);
        assert_eq!(channel.send().unwrap(), place == bytes.len());
        assert_eq!(channel.stream().outgoing, &bytes[..place]);

        event(&mut channel);
        while let Received::Bytes(_) = channel.receive().unwrap() {}
        assert_eq!(channel.inbox.unread(), bytes);
        assert!(channel.send().unwrap());
        assert_eq!(channel.stream().outgoing, bytes);
    }
}

#[test]
fn only_a_block_clears_readiness() {
    let (reads, writes) = (
        [INTERRUPTED, Bytes(300), Bytes(10)],
        [INTERRUPTED, Bytes(1), Bytes(9)],
    );
    let mut channel = channel(&reads, &writes, &[0; 310]);
    assert_eq!(channel.receive().unwrap(), Received::Bytes(300));
    assert_eq!(channel.receive().unwrap(), Received::Full);
    assert!(
        channel.can_receive(),
        "a full inbox says nothing about the stream"
    );
    channel.mark(false, false);
    assert!(channel.can_receive(), "an event never clears a bit");
    channel.inbox.clear();
    assert_eq!(channel.receive().unwrap(), Received::Bytes(10));
    assert!(channel.can_receive(), "a short read is no block");
    assert_eq!(channel.receive().unwrap(), Received::NotYet);
    assert!(!channel.can_receive());
    assert_eq!(
        channel.receive().unwrap(),
        Received::NotYet,
        "the stream is not asked"
    );

    assert!(!channel.can_send(), "nothing waits");
    channel.outbox.append(&[0; 10]);
    assert!(channel.send().unwrap());
    channel.outbox.append(b"more");
    assert!(channel.can_send());
    assert!(!channel.send().unwrap());
    assert!(!channel.can_send());
    assert!(!channel.send().unwrap(), "the stream is not asked");
}

#[test]
fn a_stream_is_not_asked_before_the_first_event() {
    let stream = Scripted {
        read_blocked: true,
        write_blocked: true,
        ..Scripted::default()
    };
    let mut channel = Channel::new(stream, Inbox::new(200, 300), Outbox::new(300));
    channel.outbox.append(b"hello");
    assert_eq!(channel.receive().unwrap(), Received::NotYet);
    assert!(!channel.send().unwrap());
}

#[test]
fn a_stream_that_failed_stays_failed_both_ways() {
    // The kernel reports a reset once. After it, the stream looks as if it had ended without an error.
    let mut reader = channel(&[Bytes(3), RESET, Zero], &[Bytes(5)], b"abc");
    reader.outbox.append(b"reply");
    assert_eq!(reader.receive().unwrap(), Received::Bytes(3));
    for _ in 0..3 {
        assert_eq!(
            reader.receive().unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
        assert_eq!(
            reader.send().unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    }
    assert!(!reader.ended());
    assert_eq!(
        reader.inbox.unread(),
        b"abc",
        "what came before is still there"
    );

    let mut writer = channel(
        &[Bytes(3)],
        &[Bytes(2), Fails(ErrorKind::BrokenPipe), Bytes(3)],
        b"abc",
    );
    writer.outbox.append(b"reply");
    for _ in 0..3 {
        assert_eq!(writer.send().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(writer.receive().unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
    assert_eq!(writer.stream().outgoing, b"re");
}

#[test]
fn a_write_of_zero_bytes_is_a_failure() {
    let mut channel = channel(&[], &[Zero, Bytes(5)], b"");
    channel.outbox.append(b"reply");
    assert_eq!(channel.send().unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(channel.send().unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(channel.outbox.waiting(), 5);
}

#[test]
fn a_peer_that_shut_down_its_writing_side_still_gets_its_replies() {
    let mut channel = channel(&[Bytes(3), Zero, RESET], &[Bytes(5)], b"abc");
    assert_eq!(channel.receive().unwrap(), Received::Bytes(3));
    assert!(!channel.ended());
    for _ in 0..3 {
        assert_eq!(channel.receive().unwrap(), Received::End);
        assert!(channel.ended() && !channel.can_receive());
        channel.mark(true, true);
    }
    assert_eq!(channel.inbox.unread(), b"abc");
    channel.outbox.append(b"reply");
    assert!(channel.send().unwrap());
    assert_eq!(channel.stream().outgoing, b"reply");
}

#[test]
fn each_call_is_counted_under_its_outcome_with_the_bytes_that_it_moved() {
    let reads = [
        Bytes(7),
        BLOCKS,
        INTERRUPTED,
        Bytes(5),
        BLOCKS,
        Bytes(288),
        Zero,
    ];
    let writes = [Bytes(4), BLOCKS, Bytes(2), INTERRUPTED, BLOCKS, Bytes(4)];
    let mut one = channel(&reads, &writes, &[b'x'; 300]);
    one.outbox.append(&[b'x'; 10]);
    loop {
        match one.receive().unwrap() {
            Received::End => break,
            Received::Full => one.inbox.clear(),
            Received::Bytes(_) | Received::NotYet => event(&mut one),
        }
    }
    while !one.send().unwrap() {
        event(&mut one);
    }
    // In the order of all outcomes: all of the space was filled once, with the last bytes.
    let of_one = Calls {
        received: 300,
        sent: 10,
        reads: [1, 2, 2, 1, 0],
        writes: [1, 2, 2, 0],
    };
    assert_eq!(one.calls(), of_one);

    let mut failing = channel(&[Bytes(3), RESET], &[Bytes(1), RESET], b"abc");
    failing.outbox.append(b"xyz");
    assert_eq!(failing.receive().unwrap(), Received::Bytes(3));
    failing.receive().unwrap_err();
    assert!(failing.send().is_err());
    let mut refusing = channel(&[], &[Bytes(1), RESET], b"");
    refusing.outbox.append(b"xyz");
    refusing.send().unwrap_err();
    let mut zero = channel(&[], &[Zero], b"");
    zero.outbox.append(b"x");
    zero.send().unwrap_err();
    assert_eq!(zero.calls().writes, [0, 0, 0, 1]);

    let mut all = Calls::default();
    for calls in [&one, &failing, &refusing, &one] {
        all += calls.calls();
    }
    let expected = Calls {
        received: 603,
        sent: 21,
        reads: [2, 5, 4, 2, 1],
        writes: [2, 5, 4, 1],
    };
    assert_eq!(all, expected);
    let names = (
        ReadOutcome::ALL.map(ReadOutcome::name),
        WriteOutcome::ALL.map(WriteOutcome::name),
    );
    assert_eq!(names.0, ["full", "short", "would_block", "end", "error"]);
    assert_eq!(names.1, ["whole", "short", "would_block", "error"]);
}

#[test]
fn what_waits_on_either_side_is_known_and_no_more_is_sent_than_may_be() {
    let writes = [Bytes(4), Bytes(3), Bytes(100)];
    let mut channel = channel(&[Bytes(20)], &writes, &[b'x'; 20]);
    assert!(channel.needs_memory());
    assert_eq!(channel.receive().unwrap(), Received::Bytes(20));
    assert!(!channel.needs_memory());
    assert_eq!(channel.unread(), 20);
    channel.outbox.append(&[b'x'; 30]);
    assert_eq!(channel.unsent(), 30);
    assert!(!channel.send_at_most(10).unwrap() && channel.can_send());
    assert_eq!(channel.stream().outgoing.len(), 10);
    assert_eq!(channel.unsent(), 20);
}
