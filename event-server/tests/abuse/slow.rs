//! Peers that send a byte now and then, never read, or say nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::common::{encode, finished};
use crate::log::{tells, times};
use crate::lottery::{Abuse, HURRY, NOBODY, crowd, endures};

/// The pause between two bytes on a connection: a tenth of a second stands for a second, as [`HURRY`] does for a
/// minute.
const PACE: Duration = Duration::from_millis(100);

/// Whether the server has closed it. Takes what came.
fn is_closed(mut stream: &TcpStream) -> bool {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => return true,
        }
    }
}

#[test]
fn a_thousand_connections_of_a_byte_now_and_then() {
    let outcome = endures("a byte now and then", &[HURRY], |abuse| {
        let frame = encode(&finished(1)).0;
        let texts = [
            frame.as_slice(),
            b"a line that does not end for a long while",
        ];
        let count = crowd(1_000);
        let connect = |i: usize| {
            let stream = abuse.connect();
            stream.set_nonblocking(true).unwrap();
            (stream, texts[i % 2].iter())
        };
        let mut slow: Vec<_> = (0..count).map(connect).collect();
        let mut closed = 0;
        abuse.is_under_way();
        while !abuse.is_over() || closed < count {
            let round = Instant::now();
            for (i, (stream, rest)) in slow.iter_mut().enumerate() {
                let gone = match rest.next() {
                    Some(byte) => stream.write_all(&[*byte]).is_err() || is_closed(stream),
                    // It was quick enough.
                    None => true,
                };
                if gone {
                    closed += 1;
                    (*stream, *rest) = connect(i);
                }
            }
            thread::sleep(PACE.saturating_sub(round.elapsed()));
        }
    });
    let why = "error: timed out waiting for the rest of what it began to send";
    tells(&outcome.log, why);
    assert!(times(&outcome.log, "receive_message", "fail") >= crowd(1_000));
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}

/// A connection whose client takes little before it has read any of it.
fn with_little_room(abuse: &Abuse<'_>) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(&abuse.address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.into()
}

#[test]
fn clients_that_send_and_never_read() {
    const GREEDY: usize = 50;
    let outcome = endures("sending, never reading", &[HURRY], |abuse| {
        let requests = encode(&finished(NOBODY)).0.repeat(1_000);
        let mut greedy: Vec<TcpStream> = (0..GREEDY).map(|_| with_little_room(abuse)).collect();
        let mut under_way = false;
        // Whole requests or parts of them: whatever goes out.
        while !greedy.is_empty() || !abuse.is_over() {
            greedy.retain_mut(|stream| match stream.write(&requests) {
                Ok(_) => true,
                Err(e) => e.kind() == ErrorKind::WouldBlock,
            });
            if !under_way {
                abuse.is_under_way();
                under_way = true;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    let why = "error: timed out waiting for the peer to take its replies";
    tells(&outcome.log, why);
    tells(&outcome.log, "error: agency 9 does not take part");
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}

#[test]
fn ten_thousand_connections_that_say_nothing_and_then_go() {
    let count = crowd(10_000);
    let most = (count + 10).to_string();
    let environment = [("SERVER_MAX_CONNECTIONS", most.as_str())];
    let outcome = endures("ten thousand say nothing", &environment, |abuse| {
        let silent: Vec<TcpStream> = abuse.connections(count);
        abuse.is_under_way();
        while !abuse.is_over() {
            thread::sleep(Duration::from_millis(1));
        }
        for (i, stream) in silent.into_iter().enumerate() {
            match i % 3 {
                0 => drop(stream),
                1 => stream.shutdown(Shutdown::Write).unwrap(),
                _ => crate::common::reset(stream),
            }
        }
    });
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}

#[test]
fn silent_connections_in_every_slot_delay_the_agencies_and_starve_nobody() {
    let environment = [HURRY, ("SERVER_MAX_CONNECTIONS", "50")];
    let outcome = endures("silence in every slot", &environment, |abuse| {
        let _silent: Vec<TcpStream> = (0..150).map(|_| abuse.connect()).collect();
        abuse.is_under_way();
        while !abuse.is_over() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    // They time out or give way; the last may go when all is done.
    let timed_out = times(&outcome.log, "receive_message", "fail");
    let gave_way = times(&outcome.log, "evict_connection", "success");
    let gone = timed_out + gave_way;
    assert!((101..=150).contains(&gone), "{gone} of 150");
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}
