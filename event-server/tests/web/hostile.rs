//! Clients that are slow, send garbage, or come in numbers.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fixtures::{FIXTURES, programs};
use socket2::{Domain, Socket, Type};

use crate::central::{Central, Client};
use crate::common::{reset, status_of};

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A connection whose client takes little before it has read any of it.
fn with_little_room(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

#[test]
fn whoever_waits_for_a_request_gives_way_where_all_places_are_taken() {
    let central = Central::start(&[]);
    let mut first = central.connect();
    first.send(GET);
    assert_eq!(first.answer().text(), "ok");
    let mut crowd: Vec<Client> = (0..200).map(|_| central.connect()).collect();
    for (i, client) in crowd.iter_mut().enumerate().skip(150) {
        client.send(GET);
        assert_eq!(client.answer().text(), "ok", "client {i}");
    }
    // The oldest had to go.
    assert!(first.is_closed());
}

#[test]
fn slow_readers_in_every_place_are_closed_in_time_and_agencies_notice_nothing() {
    let central = Central::start(&[("SERVER_AGENCIES", "65536")]);
    // Megabytes each, which nobody takes.
    let slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = with_little_room(central.http);
            stream
                .write_all(b"GET /api/lottery HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .unwrap();
            stream
        })
        .collect();
    let fixture = &FIXTURES[0];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let file = root.join(format!("agency-{}.csv", fixture.agency));
    let mut agency =
        programs::agency(fixture.agency, &file, central.lottery, central.folder()).unwrap();
    let agency = programs::Running::start(agency.stdout(std::process::Stdio::null())).unwrap();
    agency
        .wait_for("action: notify_finished | result: success")
        .unwrap();
    let peak = status_of(central.running.pid(), "VmHWM");
    assert!(peak < 96 * 1024, "the central took {peak} kB");

    // They are closed, and a newcomer is served.
    let began = Instant::now();
    let mut client = central.connect();
    client.send(GET);
    assert_eq!(client.answer().text(), "ok");
    assert!(began.elapsed() < Duration::from_secs(40));
    drop(slow);
}

/// Asks once; `None` where the connection was refused, closed or silent for a second.
fn try_get(http: SocketAddr, path: &str) -> Option<String> {
    let second = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&http, second).ok()?;
    stream.set_read_timeout(Some(second)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

#[test]
fn a_probe_is_answered_while_slow_heads_are_renewed_and_readers_do_not_read() {
    let central = Central::start(&[("SERVER_AGENCIES", "65536")]);
    let http = central.http;
    let over = AtomicBool::new(false);
    let (all_in, begin) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let open = |bytes: &[u8]| {
                let mut stream = with_little_room(http);
                // It may be closed already.
                let _ = stream.write_all(bytes);
                stream
            };
            let greedy = b"GET /api/lottery HTTP/1.1\r\nHost: localhost\r\n\r\n";
            let mut heads: VecDeque<TcpStream> = (0..130).map(|_| open(b"G")).collect();
            let mut readers: VecDeque<TcpStream> = (0..80).map(|_| open(greedy)).collect();
            all_in.send(()).unwrap();
            while !over.load(Ordering::Relaxed) {
                for (crowd, bytes) in [(&mut heads, &b"G"[..]), (&mut readers, greedy)] {
                    crowd.pop_front();
                    crowd.push_back(open(bytes));
                }
                // As fast as a hundred of each a second.
                thread::sleep(Duration::from_millis(10));
            }
        });
        begin.recv().unwrap();
        // A probe is asked again where it fails; a central whose probes go on failing is restarted.
        let began = Instant::now();
        let in_time = || began.elapsed() < Duration::from_secs(20);
        let answers = ["/healthz", "/readyz"].repeat(5).into_iter().map(|path| {
            let mut tries = std::iter::from_fn(|| in_time().then(|| try_get(http, path)));
            tries.find_map(|answer| answer)
        });
        let answers: Vec<Option<String>> = answers.collect();
        over.store(true, Ordering::Relaxed);
        for answer in answers {
            let answer = answer.expect("no answer in time");
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
    });
}

#[test]
fn a_head_that_does_not_end_is_closed_in_time() {
    let central = Central::start(&[("LOGGING_LEVEL", "DEBUG")]);
    let mut slow = central.connect();
    slow.send("GET / HTTP/1.1\r\nHost: ");
    let began = Instant::now();
    assert!(slow.is_closed());
    let took = began.elapsed();
    assert!((9..20).contains(&took.as_secs()), "{took:?}");
    let why = "reason: timed out waiting for the rest of a request";
    central.running.wait_for(why).unwrap();
}

#[test]
fn garbage_and_resets_leave_a_central_that_answers() {
    let central = Central::start(&[]);
    let mut rng = fastrand::Rng::with_seed(7);
    let openings = [
        GET,
        "GET / HTTP/1.1\r\n",
        "HEAD ",
        "\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\n",
    ];
    for round in 0..2_000 {
        let mut stream = TcpStream::connect(central.http).unwrap();
        let mut bytes = openings[round % openings.len()].as_bytes().to_vec();
        for _ in 0..rng.usize(..40) {
            let at = rng.usize(..=bytes.len());
            bytes.insert(at, rng.u8(..));
        }
        // It may be closed already.
        let _ = stream.write_all(&bytes.repeat(rng.usize(1..20)));
        match round % 3 {
            0 => reset(stream),
            1 => drop(stream),
            _ => {
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let mut answers = Vec::new();
                match stream.read_to_end(&mut answers) {
                    Ok(_) => {}
                    Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset),
                }
                let text = String::from_utf8_lossy(&answers);
                assert!(text.is_empty() || text.starts_with("HTTP/1.1 "), "{text}");
            }
        }
    }
    assert_eq!(central.get("/healthz").text(), "ok");
    let (status, log) = central.running.stop().unwrap();
    assert!(status.success(), "{log}");
}
