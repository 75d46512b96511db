//! Requests cut into any pieces, and answers taken in any, over streams without sockets.

use std::time::Duration;

use crate::machine::Machine;

const PATHS: [&str; 4] = ["/healthz", "/readyz", "/api/lottery", "/nothing"];

/// Some requests, most of them sound, and what is no request at their end now and then.
fn requests(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..rng.usize(1..12) {
        let method = ["GET", "GET", "HEAD", "PUT"][rng.usize(..4)];
        let path = PATHS[rng.usize(..PATHS.len())];
        let fill = "x".repeat(rng.usize(..600));
        text += &format!("{method} {path}?{fill} HTTP/1.1\r\nHost: localhost\r\nX: {fill}\r\n\r\n");
    }
    let ends = [
        "",
        "",
        "GET / HTTP/1.1\r\n\r\n",
        "\0",
        "GET /x HTTP/1.0\r\n\r\n",
        "GET /half",
    ];
    text += ends[rng.usize(..ends.len())];
    text.into_bytes()
}

#[test]
fn however_requests_are_cut_and_answers_taken_the_answers_are_the_same() {
    for seed in 0..300 {
        let rng = &mut fastrand::Rng::with_seed(seed);
        let bytes = requests(rng);
        let mut whole = Machine::new(300);
        whole.change(|wire| wire.input = bytes.clone());
        whole.rest();
        whole.change(|wire| wire.ended = true);
        whole.rest();

        let mut pieces = Machine::new(300);
        pieces.change(|wire| wire.room = 0);
        let mut rest = &bytes[..];
        while !rest.is_empty() || pieces.wire().output.len() < whole.wire().output.len() {
            let piece = match rng.u8(..4) {
                0 => 0,
                1 => rest.len().min(1),
                _ => rng.usize(..=rest.len().min(3_000)),
            };
            let (give, later) = rest.split_at(piece);
            rest = later;
            let room = rng.usize(..5_000);
            pieces.change(|wire| {
                wire.input.extend_from_slice(give);
                wire.room = room;
            });
            match rng.bool() {
                true => pieces.rest(),
                false => pieces.tick(),
            }
        }
        pieces.change(|wire| (wire.ended, wire.room) = (true, usize::MAX));
        pieces.rest();
        assert_eq!(pieces.answers(), whole.answers(), "seed {seed}");
        for machine in [&whole, &pieces] {
            assert!(machine.wire().dropped, "seed {seed}: it stays");
        }
    }
}

#[test]
fn a_turn_answers_few_requests() {
    let mut machine = Machine::new(1);
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    machine.change(|wire| wire.input = request.repeat(100).into_bytes());
    for turn in 1..=25 {
        machine.tick();
        let answers = machine.answers().matches("HTTP/1.1 200").count();
        assert_eq!(answers, 4 * turn);
    }
}

#[test]
fn a_turn_sends_few_bytes() {
    let mut machine = Machine::new(20_000);
    let request = "GET /api/lottery HTTP/1.1\r\nHost: localhost\r\n\r\n";
    machine.change(|wire| wire.input = request.repeat(3).into_bytes());
    let mut before = 0;
    let mut turns = 0;
    while before < 3 * 1_000_000 {
        machine.tick();
        let sent = machine.wire().output.len() - before;
        assert!(sent <= 256 * 1024 + 4 * 1024, "{sent} bytes in a turn");
        before += sent;
        turns += 1;
    }
    assert!(turns > 10, "{turns}");
}

#[test]
fn who_begins_a_request_or_takes_no_answer_is_closed_in_time_and_who_waits_for_nothing_later() {
    let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // What is sent, how many bytes are taken, and for how many seconds it may last.
    for (sent, taken, seconds) in [
        (get, usize::MAX, 60),
        (&get[..20], usize::MAX, 10),
        (get, 10, 20),
        ("no request\n", usize::MAX, 2),
    ] {
        let mut machine = Machine::new(1);
        machine.change(|wire| (wire.input, wire.room) = (sent.into(), taken));
        machine.rest();
        machine.wait(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert!(!machine.wire().dropped, "{seconds}: too early");
        machine.wait(Duration::from_secs(2));
        assert!(machine.wire().dropped, "{seconds}: too late");
    }
}
