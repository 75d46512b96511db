//! Peers that send requests which are refused: bad bets, odd characters, requests for agencies that are not theirs.

use frame::{MAX_CLIENT_FRAME, kind};

use crate::common::{Peer, batch, bet, encode, finished, one, raw, resume, row, winners};
use crate::log::{tells, times};
use crate::lottery::{Abuse, endures};

const SUCCESS: &str = "{result:success}";
const FAILURE: &str = "{result:failure}";

/// Sends a frame, and returns its reply's payload.
fn ask(peer: &mut Peer, kind: u16, payload: &[u8]) -> String {
    std::io::Write::write_all(&mut peer.stream, &raw(kind, payload)).unwrap();
    peer.answer()
        .expect("the server closed the connection")
        .payload
}

/// Bets of agency 1 that fill a batch of 8 kB.
fn full_batch() -> Vec<String> {
    let mut bets = Vec::new();
    loop {
        bets.push(bet(1, &(1_000 + bets.len()).to_string(), true));
        if encode(&batch(&bets.join("|"))).0.len() > MAX_CLIENT_FRAME {
            bets.pop();
            return bets;
        }
    }
}

#[test]
fn a_batch_of_eight_kilobytes_with_one_bad_bet_at_any_place() {
    let good = full_batch();
    let first = &good[0];
    let bad = [
        (
            first.replace("1999-12-31", "1999-02-29"),
            "nacimiento is no calendar date in the form YYYY-MM-DD",
        ),
        (
            first.replace(":7574", ":x574"),
            "numero is not 1 to 9 decimal digits",
        ),
        (first.replace(",apellido:Paz", ""), "apellido is missing"),
        (
            first.replace("agency:1", "agency:0"),
            "agency is not a number from 1 to 4294967295",
        ),
        (
            bet(2, "1000", true),
            "agency is not the one of the batch's first bet",
        ),
    ];
    // Why it is refused, and the batch.
    let mut batches = Vec::new();
    for at in 0..good.len() {
        for (bad, why) in &bad {
            let mut bets = good.clone();
            bets[at].clone_from(bad);
            let other = at == 0 && bad.starts_with("{agency:2");
            let why = if other {
                "the connection speaks for agency 1, not 2".to_owned()
            } else {
                format!("bet {}: {why}", at + 1)
            };
            batches.push((why, bets.join("|")));
        }
    }
    let outcome = endures("a bad bet at any place", &[], |abuse| {
        for (why, text) in &batches {
            // Whoever carries an upload is told why; nothing of it is stored, so it never began.
            let mut peer = abuse.peer();
            assert_eq!(peer.ask(&resume(1, 1)), "{apuestas:0}");
            let reason = peer.ask(&batch(text)).replace('"', "");
            assert_eq!(reason, format!("{{result:failure,error:{why}}}"));
        }
        abuse.is_under_way();
        let mut peer = abuse.peer();
        while !abuse.is_over() {
            for (_, text) in &batches {
                assert_eq!(peer.ask(&batch(text)), FAILURE);
            }
        }
    });
    let refused = times(&outcome.log, "apuesta_recibida", "fail");
    assert!(refused >= batches.len(), "{refused}");
    let line = format!("| result: fail | cantidad: {} | error: bet 1: ", good.len());
    tells(&outcome.log, &line);
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}

/// Fields of a bet, in their order, and how many bytes of any text each takes.
const FIELDS: [(&str, usize); 6] = [
    ("agency", 0),
    ("nombre", 255),
    ("apellido", 255),
    ("dni", 32),
    ("nacimiento", 0),
    ("numero", 0),
];

/// Texts that are odd, and yet texts.
const ODD: [&str; 15] = [
    "\"",
    "\"\"",
    "a\"b",
    "'",
    "{",
    "}",
    "{}",
    "|",
    "a|b",
    ",",
    "a,agency:2",
    " a ",
    ":",
    "\u{2028}",
    "\\n",
];

/// What is no text.
const BAD: [&[u8]; 16] = [
    b"",
    b"\0",
    b"a\0b",
    b"\n",
    b"a\rb",
    b"a\r\n2024-01-01 00:00:00 INFO     action: x | result: success",
    b"\x1b[2J",
    b"\x7f",
    "\u{85}".as_bytes(),
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xe2\x82",
    b"\xf5\x80\x80\x80",
    &[b'x'; 256],
    &[b'x'; 60_000],
];

/// A bet of agency 5 with another value in one field, written in quotes.
fn with_value(field: usize, value: &[u8]) -> Vec<u8> {
    let plain = ["5", "Ana", "Paz", "99", "1999-12-31", "1"];
    let mut payload = b"{".to_vec();
    for (i, (name, _)) in FIELDS.iter().enumerate() {
        payload.extend_from_slice(name.as_bytes());
        payload.push(b':');
        if i == field {
            payload.push(b'"');
            for byte in value {
                payload.push(*byte);
                payload.extend((*byte == b'"').then_some(b'"'));
            }
            payload.push(b'"');
        } else {
            payload.extend_from_slice(plain[i].as_bytes());
        }
        payload.push(b',');
    }
    payload.pop();
    payload.push(b'}');
    payload
}

/// The row of such a bet.
fn row_with_value(field: usize, value: &str) -> String {
    let quoted = value.contains(['"', ',']);
    let value = if quoted {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    };
    let mut fields = ["5", "Ana", "Paz", "99", "1999-12-31", "1"];
    fields[field] = &value;
    fields.join(",")
}

/// Puts what is no value into every field, as bets and in batches, and without quotes; all is refused.
fn send_bad(abuse: &Abuse<'_>) {
    let mut peer = abuse.peer();
    for (field, (_, most)) in FIELDS.iter().enumerate() {
        let odd = ODD
            .iter()
            .map(|text| text.as_bytes())
            .filter(|_| *most == 0);
        for value in BAD.into_iter().chain(odd) {
            let payload = with_value(field, value);
            assert_eq!(ask(&mut peer, kind::BET, &payload), FAILURE, "{value:?}");
            assert_eq!(ask(&mut peer, kind::BATCH, &payload), FAILURE, "{value:?}");
        }
        let plain: [&[u8]; 4] = [b"\"a", b"\"a\"b", b"{", b"a|b"];
        for value in plain {
            let mut payload = with_value(field, b"?");
            let at = payload
                .windows(3)
                .position(|three| three == b"\"?\"")
                .unwrap();
            payload.splice(at..at + 3, value.iter().copied());
            assert_eq!(ask(&mut peer, kind::BET, &payload), FAILURE, "{value:?}");
        }
    }
    for value in BAD {
        let upload = [b"{agency:5,envio:", value, b"}"].concat();
        let answer = ask(&mut peer, kind::RESUME, &upload);
        assert!(answer.starts_with("{result:failure,error:"), "{answer}");
        for kind in [kind::FINISHED, kind::WINNERS_QUERY] {
            let agency = [b"{agency:5", value, b"5}"].concat();
            let agency = if value.is_empty() {
                b"{agency:}".to_vec()
            } else {
                agency
            };
            assert_eq!(ask(&mut peer, kind, &agency), FAILURE, "{value:?}");
        }
        // A line of text may hold anything; the log shows it.
        let mut line = Peer::connect(abuse.address);
        let text = [b"text ", value, b"\n"].concat();
        std::io::Write::write_all(&mut line.stream, &text).unwrap();
        std::io::copy(&mut line.stream, &mut std::io::sink()).unwrap();
    }
}

#[test]
fn odd_characters_in_every_field() {
    let mut expected = Vec::new();
    let environment = [("LOGGING_LEVEL", "DEBUG")];
    let outcome = endures("odd characters", &environment, |abuse| {
        let mut peer = abuse.peer();
        for (field, (_, most)) in FIELDS.iter().enumerate().filter(|(_, (_, most))| *most > 0) {
            let longest = "x".repeat(*most);
            for value in ODD.into_iter().chain([longest.as_str()]) {
                let payload = with_value(field, value.as_bytes());
                assert_eq!(ask(&mut peer, kind::BET, &payload), SUCCESS, "{value:?}");
                expected.push(row_with_value(field, value));
            }
            let longer = with_value(field, &[b'x'; 256][..most + 1]);
            assert_eq!(ask(&mut peer, kind::BET, &longer), FAILURE);
        }
        send_bad(abuse);
        abuse.is_under_way();
        while !abuse.is_over() {
            send_bad(abuse);
        }
    });
    expected.sort();
    assert_eq!(outcome.others, expected);
    for told in [
        "dni: a\\x7cb |",
        "dni: \\u{2028} |",
        "msg: text a\\rb\n",
        "msg: text \\u{0}\n",
        "msg: text \\u{1b}[2J\n",
        "msg: text \u{fffd}\n",
        "error: nombre holds a control character",
        "error: apellido is not UTF-8",
        "error: dni is longer than 32 bytes",
    ] {
        tells(&outcome.log, told);
    }
}

/// Asks for all that may be asked for in the name of an agency, in vain.
fn ask_in_vain(peer: &mut Peer, agency: u32) {
    let one_bet = bet(agency, "98", true);
    assert_eq!(peer.ask(&one(&one_bet)), FAILURE, "{agency}");
    assert_eq!(peer.ask(&batch(&one_bet)), FAILURE, "{agency}");
    let behind = [bet(5, "97", true), one_bet].join("|");
    assert_eq!(peer.ask(&batch(&behind)), FAILURE, "{agency}");
    assert_eq!(peer.ask(&finished(agency)), FAILURE, "{agency}");
    assert_eq!(peer.ask(&winners(agency)), FAILURE, "{agency}");
    let refused = peer.ask(&resume(agency, 7));
    assert!(refused.starts_with("{result:failure,error:"), "{refused}");
}

#[test]
fn requests_for_other_agencies() {
    let outcome = endures("other agencies", &[], |abuse| {
        let mut bound = abuse.peer();
        assert_eq!(bound.ask(&one(&bet(5, "99", false))), SUCCESS);
        let in_vain = |bound: &mut Peer| {
            for agency in [1, 2, 3, 4, 6, 65_536, u32::MAX] {
                ask_in_vain(bound, agency);
            }
            for agency in [6, 65_536, u32::MAX] {
                ask_in_vain(&mut abuse.peer(), agency);
            }
            let mut peer = abuse.peer();
            for text in [
                "0",
                "-1",
                "+1",
                "01",
                "1.0",
                "1e0",
                "4294967296",
                "１",
                "1,agency:2",
            ] {
                for kind in [kind::FINISHED, kind::WINNERS_QUERY] {
                    let payload = format!("{{agency:{text}}}");
                    assert_eq!(ask(&mut peer, kind, payload.as_bytes()), FAILURE, "{text}");
                }
            }
        };
        in_vain(&mut bound);
        abuse.is_under_way();
        while !abuse.is_over() {
            in_vain(&mut bound);
        }
        in_vain(&mut bound);
        assert_eq!(bound.ask(&winners(5)), "{ganadores:}", "its own it is told");
    });
    for why in [
        "error: the connection speaks for agency 5, not 1",
        "error: agency 6 does not take part",
        "error: bet 2: agency is not the one of the batch's first bet",
    ] {
        tells(&outcome.log, why);
    }
    assert_eq!(outcome.others, [row(5, "99", false)]);
}
