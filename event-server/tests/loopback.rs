//! The story on real sockets: a server process, and peers that speak to it in every manner.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use common::{Peer, agency, batch, bet, encode, finished, one, reset, resume, row, winners};
use fixtures::programs::{self, Running};
use frame::{Frame, MessageId, Request};
use tempfile::TempDir;

const SUCCESS: &str = "{result:success}";
const FAILURE: &str = "{result:failure}";

struct Central {
    program: Running,
    address: SocketAddr,
    folder: TempDir,
}

impl Central {
    fn start(agencies: u32) -> Self {
        Self::with(agencies, &[])
    }

    fn with(agencies: u32, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agencies = agencies.to_string();
        let mut all = vec![
            ("SERVER_AGENCIES", agencies.as_str()),
            ("LOGGING_LEVEL", "DEBUG"),
        ];
        all.extend(environment);
        let (program, address) = programs::central(folder.path(), &all).unwrap();
        Self {
            program,
            address,
            folder,
        }
    }

    fn peer(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// Stops the server, which has to end well, and returns its log and the rows it stored.
    fn stop(self) -> (String, Vec<String>) {
        let (status, log) = self.program.stop().unwrap();
        assert!(status.success(), "{status}\n{log}");
        let stored = std::fs::read_to_string(self.folder.path().join("bets.csv")).unwrap();
        (
            log,
            stored.split_terminator("\r\n").map(str::to_owned).collect(),
        )
    }
}

/// Waits until the server has closed the connection; returns what it sent before.
fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(e) => panic!("{e} after {} bytes", bytes.len()),
    }
}

#[test]
fn text_is_echoed_line_by_line_one_connection_each_beside_frames() {
    let central = Central::start(1);
    let mut framed = central.peer();
    assert_eq!(framed.ask(&one(&bet(1, "1", false))), SUCCESS);
    let long = "x".repeat(2_000);
    for (sent, expected) in [
        ("hello\n", "hello\n"),
        ("  two  words \t\r\n", "  two  words\n"),
        ("\n", "\n"),
        ("ñandú\nignored\n", "ñandú\n"),
        (&long, &format!("{}\n", &long[..1024])),
    ] {
        let mut stream = TcpStream::connect(central.address).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        assert_eq!(read_to_end(&stream), expected.as_bytes());
    }
    let stream = TcpStream::connect(central.address).unwrap();
    (&stream).write_all(b"no newline").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&stream), b"no newline\n");
    assert_eq!(framed.ask(&one(&bet(1, "2", false))), SUCCESS);
    assert_eq!(central.stop().1.len(), 2);
}

#[test]
fn five_agencies_at_once_with_the_real_client_and_files_get_their_winners() {
    let central = Central::start(5);
    thread::scope(|scope| {
        for fixture in fixtures::FIXTURES {
            let (address, cwd) = (central.address, central.folder.path());
            scope.spawn(move || {
                let mut client =
                    programs::agency(fixture.agency, &fixture.path(), address, cwd).unwrap();
                let output = client.output().unwrap();
                let log = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{log}");
                let told = String::from_utf8(output.stdout).unwrap();
                assert_eq!(told.lines().collect::<Vec<_>>(), fixture.winners, "{log}");
            });
        }
    });
    let (log, mut stored) = central.stop();
    assert_eq!(log.matches("action: sorteo | result: success").count(), 1);
    assert_eq!(
        log.matches("action: consulta_ganadores | result: success")
            .count(),
        5
    );
    let mut expected = Vec::new();
    for fixture in fixtures::FIXTURES {
        let text = std::fs::read_to_string(fixture.path()).unwrap();
        expected.extend(
            text.lines()
                .map(|line| format!("{},{line}", fixture.agency)),
        );
    }
    stored.sort();
    expected.sort();
    assert!(
        stored == expected,
        "bets.csv is not the five files with the agency prepended"
    );
}

#[test]
fn fragments_of_one_byte_and_many_frames_in_one_segment_are_the_same_requests() {
    let central = Central::start(1);
    let requests = [
        one(&bet(1, "1", true)).clone_encoded(),
        batch(&bet(1, "2", false)).clone_encoded(),
    ];
    let mut slow = central.peer();
    for (bytes, id) in &requests {
        for byte in bytes {
            slow.stream.write_all(&[*byte]).unwrap();
        }
        assert_eq!(slow.answer().unwrap().id, *id);
    }
    let mut all = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..100 {
        for (bytes, id) in &requests {
            all.extend_from_slice(bytes);
            ids.push(*id);
        }
    }
    let mut fast = central.peer();
    fast.stream.write_all(&all).unwrap();
    for id in ids {
        let answer = fast.answer().unwrap();
        assert_eq!((answer.id, answer.payload.as_str()), (id, SUCCESS));
    }
    assert_eq!(central.stop().1.len(), 202);
}

trait CloneEncoded {
    fn clone_encoded(&self) -> (Vec<u8>, MessageId);
}

impl CloneEncoded for Request<'_> {
    fn clone_encoded(&self) -> (Vec<u8>, MessageId) {
        encode(self)
    }
}

#[test]
fn queries_before_during_and_after_the_draw_get_each_agency_its_own_winners() {
    let central = Central::start(2);
    let (mut first, mut second) = (central.peer(), central.peer());
    let bets = [bet(1, "11", true), bet(1, "12", false), bet(1, "013", true)].join("|");
    assert_eq!(first.ask(&batch(&bets)), SUCCESS);
    assert_eq!(second.ask(&one(&bet(2, "21", true))), SUCCESS);
    assert_eq!(first.ask(&finished(1)), SUCCESS);
    assert_eq!(first.ask(&finished(1)), SUCCESS, "finished is idempotent");
    // Held: behind it, nothing on this connection is served.
    let held = first.send(&winners(1));
    let behind = first.send(&finished(1));
    central
        .program
        .wait_for("consulta_ganadores | result: in_progress | agency: 1")
        .unwrap();
    assert_eq!(second.ask(&finished(2)), SUCCESS);
    let answer = first.answer().unwrap();
    assert_eq!(
        (answer.id, answer.payload.as_str()),
        (held, "{ganadores:11|013}")
    );
    assert_eq!(first.answer().unwrap().id, behind);
    assert_eq!(second.ask(&winners(2)), "{ganadores:21}");
    assert_eq!(central.peer().ask(&winners(1)), "{ganadores:11|013}");
    assert_eq!(
        second.ask(&one(&bet(2, "22", true))),
        FAILURE,
        "the draw is done"
    );
    let (log, stored) = central.stop();
    assert_eq!(stored.len(), 4);
    assert_eq!(log.matches("action: sorteo | result: success").count(), 1);
}

#[test]
fn a_half_closed_client_gets_its_replies_a_held_one_too() {
    let central = Central::start(1);
    let mut asking = central.peer();
    let query = asking.send(&winners(1));
    asking.finish_sending();
    let mut betting = central.peer();
    betting.send(&one(&bet(1, "1", true)));
    betting.send(&finished(1));
    betting.finish_sending();
    assert_eq!(betting.answer().unwrap().payload, SUCCESS);
    assert_eq!(betting.answer().unwrap().payload, SUCCESS);
    assert_eq!(betting.answer(), None);
    let answer = asking.answer().unwrap();
    assert_eq!(
        (answer.id, answer.payload.as_str()),
        (query, "{ganadores:1}")
    );
    assert_eq!(asking.answer(), None);
    central.stop();
}

#[test]
fn a_client_that_vanishes_while_held_leaves_the_others_their_winners() {
    let central = Central::start(1);
    for _ in 0..3 {
        central.peer().send(&winners(1));
    }
    let mut vanishing = central.peer();
    vanishing.send(&winners(1));
    central
        .program
        .wait_for("result: in_progress | agency: 1")
        .unwrap();
    reset(vanishing.stream);
    let mut patient = central.peer();
    patient.send(&winners(1));
    assert_eq!(central.peer().ask(&finished(1)), SUCCESS);
    assert_eq!(patient.answer().unwrap().payload, "{ganadores:}");
    central.stop();
}

#[test]
fn one_connection_per_request_and_one_for_all_are_served_alike() {
    let central = Central::start(2);
    let mut one_for_all = central.peer();
    for i in 0..20 {
        let document = i.to_string();
        assert_eq!(
            central.peer().ask(&batch(&bet(1, &document, false))),
            SUCCESS
        );
        assert_eq!(one_for_all.ask(&batch(&bet(2, &document, false))), SUCCESS);
    }
    assert_eq!(central.peer().ask(&finished(1)), SUCCESS);
    assert_eq!(one_for_all.ask(&finished(2)), SUCCESS);
    assert_eq!(central.peer().ask(&winners(1)), "{ganadores:}");
    assert_eq!(one_for_all.ask(&winners(2)), "{ganadores:}");
    assert_eq!(central.stop().1.len(), 40);
}

#[test]
fn a_bad_bet_anywhere_refuses_the_whole_batch_and_the_connection_goes_on() {
    let central = Central::start(2);
    let mut peer = central.peer();
    let good: Vec<String> = (0..5).map(|i| bet(1, &i.to_string(), false)).collect();
    for bad in [
        "{}",
        "x",
        "{agency:1}",
        &bet(2, "9", false),
        &good[0].replace("1999-12-31", "1999-02-29"),
    ] {
        for at in 0..=good.len() {
            let mut bets = good.clone();
            bets.insert(at, bad.to_owned());
            assert_eq!(peer.ask(&batch(&bets.join("|"))), FAILURE, "{bad} at {at}");
        }
    }
    let (mut bytes, _) = encode(&batch(&good[0]));
    bytes[10] ^= 1;
    peer.stream.write_all(&bytes).unwrap();
    assert_eq!(
        peer.answer().unwrap().payload,
        FAILURE,
        "the id is not the payload's MD5"
    );
    assert_eq!(peer.ask(&batch(&good.join("|"))), SUCCESS);
    let (log, stored) = central.stop();
    let expected: Vec<String> = (0..5).map(|i| row(1, &i.to_string(), false)).collect();
    assert_eq!(stored, expected);
    assert!(
        log.contains("| cantidad: 6 | error: bet 3: nacimiento is no calendar date"),
        "{log}"
    );
    assert!(
        !log.contains("Ana") && !log.contains("1999"),
        "names and dates never reach the log"
    );
}

#[test]
fn a_connection_speaks_for_one_agency_and_only_for_one_that_takes_part() {
    let central = Central::start(2);
    let mut peer = central.peer();
    assert_eq!(
        peer.ask(&one(&bet(3, "1", false))),
        FAILURE,
        "3 does not take part"
    );
    assert_eq!(peer.ask(&winners(9)), FAILURE);
    assert_eq!(
        peer.ask(&one(&bet(2, "1", false))),
        SUCCESS,
        "a refused message binds nothing"
    );
    assert_eq!(peer.ask(&one(&bet(1, "1", false))), FAILURE);
    assert_eq!(peer.ask(&finished(1)), FAILURE);
    assert_eq!(peer.ask(&winners(1)), FAILURE);
    assert_eq!(peer.ask(&finished(2)), SUCCESS);
    assert_eq!(
        peer.ask(&one(&bet(2, "2", false))),
        FAILURE,
        "2 has finished"
    );
    assert_eq!(central.stop().1, [row(2, "1", false)]);
}

#[test]
fn what_is_no_frame_is_logged_and_closed_and_an_unknown_type_answered_first() {
    let central = Central::start(1);
    for (bytes, error) in [
        (
            &b"\x00\x00\x00\x11"[..],
            "a frame of length 17 is announced, allowed are 18 to 65536",
        ),
        (b"\x00\x01\x00\x01", "a frame of length 65537 is announced"),
        (
            b"\x00\xff\xff\xff",
            "a frame of length 16777215 is announced",
        ),
        (
            b"\x01garbage",
            "byte 0x01 begins neither a frame nor a line of text",
        ),
        (b"\x1f", "byte 0x1f begins neither"),
    ] {
        let mut stream = TcpStream::connect(central.address).unwrap();
        stream.write_all(bytes).unwrap();
        assert_eq!(read_to_end(&stream), b"");
        central.program.wait_for(error).unwrap();
    }
    let peer = central.peer();
    (&peer.stream).write_all(b"\x00\x00\x00\x20\x00").unwrap();
    peer.finish_sending();
    assert_eq!(read_to_end(&peer.stream), b"");
    central
        .program
        .wait_for("the stream ended in the middle of a frame")
        .unwrap();

    for kind in [0u16, 2, 6, 8, 9, 65535] {
        let mut peer = central.peer();
        let mut bytes = encode(&finished(1)).0;
        bytes[4..6].copy_from_slice(&kind.to_be_bytes());
        let after = encode(&finished(1)).0;
        peer.stream.write_all(&[bytes, after].concat()).unwrap();
        let answer = peer.answer().unwrap();
        assert_eq!((answer.kind, answer.payload.as_str()), (2, FAILURE));
        assert_eq!(peer.answer(), None, "nothing behind it is served");
    }
    central.stop();
}

#[test]
fn an_upload_resumes_where_it_was_and_fences_the_connection_that_carried_it() {
    let central = Central::start(1);
    let mut older = central.peer();
    assert_eq!(older.ask(&resume(1, 7)), "{apuestas:0}");
    assert_eq!(
        older.ask(&one(&bet(1, "0", false))).get(..24),
        Some("{result:failure,error:a ")
    );
    assert_eq!(
        older.ask(&batch(&[bet(1, "1", false), bet(1, "2", false)].join("|"))),
        SUCCESS
    );
    // Half a batch is under way when the upload goes on elsewhere.
    let (bytes, _) = encode(&batch(&bet(1, "x", false)));
    older.stream.write_all(&bytes[..50]).unwrap();
    let mut newer = central.peer();
    assert_eq!(newer.ask(&resume(1, 7)), "{apuestas:2}");
    // The older connection is told why, and closed.
    older.stream.write_all(&bytes[50..]).unwrap();
    older.send(&batch(&bet(1, "z", false)));
    assert_eq!(
        older.answer().unwrap().payload,
        "{result:failure,error:another client of agency 1 goes on with this upload}"
    );
    assert_eq!(older.answer(), None);
    assert!(
        newer
            .ask(&resume(1, 7))
            .contains("must be the first message")
    );
    assert_eq!(newer.ask(&batch(&bet(1, "3", false))), SUCCESS);

    let mut rival = central.peer();
    assert!(rival.ask(&resume(1, 8)).contains("belong to upload 0707"));
    assert_eq!(central.peer().ask(&batch(&bet(1, "y", false))), FAILURE);
    assert_eq!(
        central.peer().ask(&one(&bet(1, "4", false))),
        SUCCESS,
        "single bets may come beside it"
    );

    let total = |bets| Request::Finished {
        agency: agency(1),
        bets,
    };
    assert!(
        newer
            .ask(&total(Some(2)))
            .contains("the upload has 3 bets stored, not 2")
    );
    assert!(newer.ask(&total(None)).contains("has to say how many"));
    assert_eq!(newer.ask(&total(Some(3))), SUCCESS);
    assert_eq!(newer.ask(&winners(1)), "{ganadores:}");
    let mut again = central.peer();
    assert_eq!(again.ask(&resume(1, 7)), "{apuestas:3}");
    assert_eq!(again.ask(&total(Some(3))), SUCCESS);
    assert_eq!(again.ask(&winners(1)), "{ganadores:}");
    let documents = ["1", "2", "3", "4"].map(|document| row(1, document, false));
    assert_eq!(central.stop().1, documents);
}

#[test]
fn clients_of_one_agency_that_are_done_all_wait_for_the_draw_and_none_is_thrown_out() {
    const CLIENTS: usize = 3;
    let central = Central::start(2);
    let total = Request::Finished {
        agency: agency(1),
        bets: Some(1),
    };
    let mut waiting: Vec<Peer> = Vec::new();
    for i in 0..CLIENTS {
        let mut peer = central.peer();
        let stored = usize::from(i > 0);
        assert_eq!(peer.ask(&resume(1, 7)), format!("{{apuestas:{stored}}}"));
        if i == 0 {
            assert_eq!(peer.ask(&batch(&bet(1, "1", true))), SUCCESS);
        }
        assert_eq!(peer.ask(&total), SUCCESS);
        waiting.push(peer);
    }
    // Whoever came first may say again that it has finished.
    for peer in &mut waiting {
        assert_eq!(peer.ask(&total), SUCCESS);
        peer.send(&winners(1));
    }
    let held = "result: in_progress | agency: 1";
    central
        .program
        .wait_until(|log| log.matches(held).count() == CLIENTS)
        .unwrap();
    assert_eq!(central.peer().ask(&finished(2)), SUCCESS);
    for peer in &mut waiting {
        assert_eq!(peer.answer().unwrap().payload, "{ganadores:1}");
    }
    central.stop();
}

#[test]
fn after_a_refused_batch_an_upload_stays_a_prefix_of_its_file() {
    let central = Central::start(1);
    let mut peer = central.peer();
    assert_eq!(peer.ask(&resume(1, 7)), "{apuestas:0}");
    let (good, bad) = (bet(1, "1", false), bet(1, "2", false).replace("1999", "x"));
    for text in [&good, &bad, &good] {
        peer.send(&batch(text));
    }
    peer.send(&Request::Finished {
        agency: agency(1),
        bets: Some(1),
    });
    assert_eq!(peer.answer().unwrap().payload, SUCCESS);
    assert!(
        peer.answer()
            .unwrap()
            .payload
            .contains("bet 1: nacimiento is no calendar date")
    );
    for _ in 0..2 {
        assert!(
            peer.answer()
                .unwrap()
                .payload
                .contains("an earlier batch of this connection")
        );
    }
    assert_eq!(central.peer().ask(&resume(1, 7)), "{apuestas:1}");
    assert_eq!(central.stop().1.len(), 1);
}

#[test]
fn two_connections_that_send_one_upload_at_once_store_it_once() {
    let central = Central::start(1);
    let bets: Vec<String> = (0..400).map(|i| bet(1, &i.to_string(), false)).collect();
    // Each goes on from what the server says until the file is stored, and resumes when the other one goes on.
    let run = || {
        loop {
            let mut peer = central.peer();
            peer.send(&resume(1, 7));
            let Some(answer) = peer.answer() else {
                continue;
            };
            let digits = answer
                .payload
                .trim_start_matches("{apuestas:")
                .trim_end_matches('}');
            let mut stored: usize = digits.parse().unwrap();
            while stored < bets.len() {
                let (bytes, _) = encode(&batch(&bets[stored]));
                if peer.stream.write_all(&bytes).is_err() {
                    break;
                }
                let answer = peer.answer().expect("a reply, whoever goes on");
                if answer
                    .payload
                    .contains("another client of agency 1 goes on")
                {
                    assert_eq!(peer.answer(), None);
                    break;
                }
                assert_eq!(answer.payload, SUCCESS);
                stored += 1;
            }
            if stored == bets.len() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(run);
        scope.spawn(run);
    });
    let expected: Vec<String> = (0..400).map(|i| row(1, &i.to_string(), false)).collect();
    assert_eq!(central.stop().1, expected);
}

#[test]
fn past_half_the_connections_a_query_is_told_to_ask_again() {
    let central = Central::with(2, &[("SERVER_MAX_CONNECTIONS", "8")]);
    let mut held: Vec<Peer> = Vec::new();
    for _ in 0..4 {
        let mut peer = central.peer();
        peer.send(&winners(1));
        held.push(peer);
    }
    let mut fifth = central.peer();
    fifth.send(&winners(1));
    let oldest = held[0].answer().unwrap();
    assert_eq!(
        (oldest.kind, oldest.payload.as_str()),
        (6, "{result:in_progress}")
    );
    assert_eq!(
        central.peer().ask(&winners(2)),
        "{result:in_progress}",
        "no other of agency 2 is held"
    );
    assert_eq!(central.peer().ask(&finished(1)), SUCCESS);
    assert_eq!(held[0].ask(&finished(1)), SUCCESS);
    assert_eq!(central.peer().ask(&finished(2)), SUCCESS);
    for peer in held[1..].iter_mut().chain([&mut fifth]) {
        assert_eq!(peer.answer().unwrap().payload, "{ganadores:}");
    }
    assert_eq!(held[0].ask(&winners(1)), "{ganadores:}");
    central.stop();
}

#[test]
fn past_the_bound_of_connections_new_ones_wait_and_are_served_as_slots_free_up() {
    let central = Central::with(1, &[("SERVER_MAX_CONNECTIONS", "2")]);
    let (mut first, mut second, mut third) = (central.peer(), central.peer(), central.peer());
    assert_eq!(first.ask(&one(&bet(1, "1", false))), SUCCESS);
    assert_eq!(second.ask(&one(&bet(1, "2", false))), SUCCESS);
    third.send(&one(&bet(1, "3", false)));
    drop(first);
    assert_eq!(third.answer().unwrap().payload, SUCCESS);
    assert_eq!(central.stop().1.len(), 3);
}

#[test]
fn what_takes_too_long_is_closed_and_a_held_query_is_not() {
    let central = Central::with(2, &[("SERVER_IDLE_TIMEOUT", "200ms")]);
    let mut held = central.peer();
    held.send(&winners(1));
    let mut idle = central.peer();
    assert_eq!(idle.ask(&finished(1)), SUCCESS);
    let silent = central.peer();
    let partial = central.peer();
    (&partial.stream).write_all(b"\x00\x00").unwrap();
    assert_eq!(read_to_end(&silent.stream), b"");
    assert_eq!(read_to_end(&partial.stream), b"");
    central
        .program
        .wait_for("timed out waiting for a first byte")
        .unwrap();
    central
        .program
        .wait_for("timed out waiting for the rest of what it began to send")
        .unwrap();
    assert_eq!(
        idle.ask(&finished(1)),
        SUCCESS,
        "between requests nobody has to hurry"
    );
    assert_eq!(central.peer().ask(&finished(2)), SUCCESS);
    assert_eq!(held.answer().unwrap().payload, "{ganadores:}");
    central.stop();
}

#[test]
fn beyond_what_all_may_buffer_those_that_keep_bytes_waiting_longest_are_closed() {
    let central = Central::with(1, &[("SERVER_MAX_BUFFERED", "1048576")]);
    let mut good = central.peer();
    let slow: Vec<Peer> = (0..40).map(|_| central.peer()).collect();
    for peer in &slow {
        let mut begun = vec![0; 50_000];
        begun[..4].copy_from_slice(&65_000u32.to_be_bytes());
        // Those that come late find the earlier ones closed; nobody is closed while it is written to.
        (&peer.stream).write_all(&begun).unwrap();
        assert_eq!(good.ask(&finished(1)), SUCCESS);
    }
    central
        .program
        .wait_for("action: evict_connection | result: success")
        .unwrap();
    let held = slow.last().unwrap();
    held.finish_sending();
    central
        .program
        .wait_for("the stream ended in the middle of a frame")
        .unwrap();
    assert_eq!(good.ask(&winners(1)), "{ganadores:}");
    let (log, _) = central.stop();
    let evicted = log.matches("action: evict_connection").count();
    assert!((20..40).contains(&evicted), "{evicted} of 40 are closed");
}

#[test]
fn without_agencies_anyone_may_bet_and_nobody_can_wait_for_a_draw() {
    let central = Central::start(0);
    assert_eq!(
        central.peer().ask(&one(&bet(4_294_967_295, "1", true))),
        SUCCESS
    );
    assert_eq!(central.peer().ask(&winners(4_294_967_295)), FAILURE);
    assert_eq!(central.stop().1.len(), 1);
}

#[test]
fn frames_of_other_clients_above_eight_kilobytes_are_served_up_to_the_bound() {
    let central = Central::start(1);
    let count = 65_000 / (bet(1, "1000", false).len() + 1);
    let bets: Vec<String> = (0..count)
        .map(|i| bet(1, &(1000 + i).to_string(), false))
        .collect();
    let mut peer = central.peer();
    let text = bets.join("|");
    let (bytes, _) = encode(&batch(&text));
    assert!(Frame::size(&bytes, 65_536).unwrap().unwrap() > 64_000);
    assert_eq!(peer.ask(&batch(&text)), SUCCESS);
    assert_eq!(central.stop().1.len(), count);
}
