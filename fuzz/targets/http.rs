//! A connection of the HTTP port, from its first byte to its last: arbitrary bytes in arbitrary pieces, answers taken in
//! any, resets and time that passes.
//!
//! The same bytes are given to a second port at once, and both must answer the same. Every answer is one that HTTP knows,
//! none comes after a last one, and there are no more than requests.

#![no_main]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use event_server::web::{Head, MAX_HEAD, Method, parse};
use fuzz::input;
use fuzz::web_machine::Machine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, data) = input::split(bytes, 64 * 1024);
    let agencies = controls.choose(&[3, 0, 2_000]);
    let mut whole = Machine::new(agencies);
    whole.change(|wire| wire.input = data.clone());
    whole.rest();
    whole.change(|wire| wire.ended = true);
    whole.rest();
    assert!(whole.wire().dropped, "it stays");
    check(&data, &whole.wire().output);

    let mut pieces = Machine::new(agencies);
    pieces.change(|wire| wire.room = 0);
    let mut rest = &data[..];
    let mut in_time = true;
    while !rest.is_empty() && !pieces.wire().dropped {
        let (give, later) = rest.split_at(controls.piece().min(rest.len()));
        rest = later;
        let room = controls.piece();
        pieces.change(|wire| {
            wire.input.extend_from_slice(give);
            wire.room = room;
        });
        match controls.byte() {
            0..100 => pieces.rest(),
            100..250 => pieces.tick(),
            250.. => {
                in_time = false;
                pieces.wait(Duration::from_secs(7));
            }
        }
    }
    pieces.change(|wire| (wire.ended, wire.room) = (true, usize::MAX));
    pieces.rest();
    assert!(pieces.wire().dropped, "it stays");
    if in_time {
        assert_eq!(pieces.answers(), whole.answers());
    } else {
        check_form(&pieces.wire().output);
    }
});

/// Each answer belongs to a request, in their order.
fn check(data: &[u8], output: &[u8]) {
    let mut rest = data;
    let mut output = output;
    loop {
        let (status, body, last, size) = match parse(rest) {
            Head::Partial => {
                assert!(rest.len() < MAX_HEAD);
                assert!(output.is_empty(), "an answer to no request");
                return;
            }
            Head::Whole(request, size) => {
                assert!(
                    size <= MAX_HEAD && request.path.starts_with('/')
                        || request.method == Method::Other
                );
                let is_elsewhere = request.host.is_some_and(|host| !may_be_asked(host));
                let status = match (request.method, request.path) {
                    _ if is_elsewhere => 421,
                    (Method::Other, _) => 405,
                    (_, "/" | "/healthz" | "/metrics" | "/api/lottery") => 200,
                    (_, "/readyz") => 503,
                    _ => 404,
                };
                let body = request.method != Method::Head;
                (status, body, !request.keep_alive, size)
            }
            Head::TooLong => (431, true, true, 0),
            Head::Bad(_) => (400, true, true, 0),
        };
        rest = &rest[size..];
        output = answer(output, status, body, last);
        if last {
            assert!(output.is_empty(), "an answer after the last");
            return;
        }
    }
}

/// Whether a host is an address or `localhost`, with a port or without.
fn may_be_asked(host: &str) -> bool {
    let before_port = host.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = before_port.strip_suffix(':').unwrap_or(host);
    match name.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name.parse::<Ipv4Addr>().is_ok() || name.eq_ignore_ascii_case("localhost")
        }
    }
}

/// Takes an answer off the output; returns the rest.
fn answer(output: &[u8], status: u16, body: bool, last: bool) -> &[u8] {
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let (head, rest) = output.split_at(end.expect("a whole head") + 4);
    let head = std::str::from_utf8(head).expect("text");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert_eq!(head.contains("\r\nConnection: close\r\n"), last, "{head}");
    for field in [
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Date: ",
        "Content-Type: ",
    ] {
        assert!(head.contains(&format!("\r\n{field}")), "{head}");
    }
    let length = head.split_once("\r\nContent-Length: ").expect("a length").1;
    let length: usize = length
        .split("\r\n")
        .next()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    &rest[if body { length } else { 0 }..]
}

/// What was cut off by the time is the beginning of answers.
fn check_form(output: &[u8]) {
    let begin = b"HTTP/1.1 ";
    let length = output.len().min(begin.len());
    assert_eq!(&output[..length], &begin[..length]);
}
