//! The golden vectors: bytes that other programs already send. Each frame is read as a value, which is written here by
//! hand, and that value is written as the same bytes.

use frame::{
    Ack, Agency, Batch, Bet, Birthdate, Document, Documents, Frame, MessageId, Name, Number, Reply,
    ReplyError, Request, RequestError, UploadId, Winners, kind, payload::Objects,
};
use serde_json::Value;

/// The meaning of a golden frame.
enum Meaning {
    Request(Request<'static>),
    Batch(Vec<Bet<'static>>),
    /// A reply, and the payload of the request that it answers.
    Reply(Reply<'static>, &'static str),
}

const BET: &str = "{agency:1,nombre:Santiago Lionel,apellido:Lorca,dni:30904465,nacimiento:1999-03-17,numero:7574}";
const RESUME: &str = "{agency:1,envio:0123456789abcdef0123456789abcdef}";

/// The meaning of the golden frame with this name.
fn meaning(name: &str) -> Meaning {
    let agency = |number| Agency::new(number).unwrap();
    let winners = |winners| Meaning::Reply(Reply::Winners(winners), "{agency:2}");
    match name {
        "bet" => Meaning::Request(Request::Bet(lorca())),
        "bet with accents (length counts bytes, not characters)" => {
            Meaning::Request(Request::Bet(saldana()))
        }
        "batch of two" => Meaning::Batch(vec![lorca(), saldana()]),
        "batch with quoted values" => Meaning::Batch(vec![
            bet(2, "Pérez, h.", "O\"Higgins", "20111222", "1985-07-28", 4426),
            bet(2, " Ana ", "\"La Flaca\" {b|c}", "9", "0001-01-01", 7),
        ]),
        "finished" => Meaning::Request(Request::Finished {
            agency: agency(2),
            bets: None,
        }),
        "finished with total, on a resumed connection" => Meaning::Request(Request::Finished {
            agency: agency(1),
            bets: Some(26_936),
        }),
        "winners query" => Meaning::Request(Request::Winners { agency: agency(2) }),
        "resume" => {
            let half = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
            Meaning::Request(Request::Resume {
                agency: agency(1),
                upload: UploadId([half, half].concat().try_into().unwrap()),
            })
        }
        "ack success to 'bet'" => Meaning::Reply(Reply::Ack(Ack::Success), BET),
        "ack failure to 'bet'" => Meaning::Reply(Reply::Ack(Ack::Failure { reason: None }), BET),
        "ack failure with a reason, on a resumed connection" => {
            let reason = "bet 3: nacimiento is no calendar date, nothing was stored";
            let reason = Some(reason.into());
            Meaning::Reply(Reply::Ack(Ack::Failure { reason }), BET)
        }
        "winners, two" => winners(Winners::Drawn(Documents::new(b"30904465|40222111"))),
        "winners with a quoted document" => {
            winners(Winners::Drawn(Documents::new(b"30904465|\"A|1\"")))
        }
        "winners, none" => winners(Winners::Drawn(Documents::default())),
        "winners, not yet: ask again" => winners(Winners::InProgress),
        "winners refused" => Meaning::Reply(
            Reply::Winners(Winners::Refused { reason: None }),
            "{agency:9}",
        ),
        "resumed" => Meaning::Reply(Reply::Resumed(26_936), RESUME),
        _ => panic!("a golden frame that nobody gave a meaning: {name}"),
    }
}

fn lorca() -> Bet<'static> {
    bet(
        1,
        "Santiago Lionel",
        "Lorca",
        "30904465",
        "1999-03-17",
        7574,
    )
}

fn saldana() -> Bet<'static> {
    bet(1, "Tiago Nicolás", "Saldaña", "34407251", "2000-02-29", 0)
}

fn bet(
    agency: u32,
    first: &str,
    last: &str,
    document: &str,
    birth: &str,
    number: u32,
) -> Bet<'static> {
    Bet {
        agency: Agency::new(agency).unwrap(),
        first_name: Name::parse(first.as_bytes().to_vec()).unwrap(),
        last_name: Name::parse(last.as_bytes().to_vec()).unwrap(),
        document: Document::parse(document.as_bytes().to_vec()).unwrap(),
        birthdate: Birthdate::parse(birth.as_bytes()).unwrap(),
        number: Number::new(number).unwrap(),
    }
}

/// The objects of a file of vectors.
fn vectors(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap()
}

fn number(vector: &Value, key: &str) -> u32 {
    vector[key].as_u64().unwrap().try_into().unwrap()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn every_golden_frame_is_read_and_written() {
    let golden = vectors(include_str!("vectors/frames.json"));
    assert_eq!(golden.len(), 17);
    for vector in golden {
        let name = text(&vector, "name");
        let bytes = unhex(text(&vector, "frame_hex"));
        assert_eq!(Frame::size(&bytes, 8192), Ok(Some(bytes.len())), "{name}");
        let frame = Frame::split(&bytes).unwrap();
        assert_eq!(u32::from(frame.kind), number(&vector, "type"), "{name}");
        assert_eq!(frame.payload, text(&vector, "payload").as_bytes(), "{name}");

        let mut written = Vec::new();
        match meaning(name) {
            Meaning::Request(request) => {
                assert_eq!(Request::decode(frame).as_ref(), Ok(&request), "{name}");
                assert_eq!(request.encode(&mut written), frame.id, "{name}");
                assert_eq!(
                    Reply::decode(frame),
                    Err(ReplyError::UnknownType(frame.kind)),
                    "{name}"
                );
            }
            Meaning::Batch(bets) => {
                let Ok(Request::Batch(batch)) = Request::decode(frame) else {
                    panic!("{name}: not read as a batch");
                };
                let read: Result<Vec<Bet>, _> = batch.bets().collect();
                assert_eq!(read.as_ref(), Ok(&bets), "{name}");
                assert_eq!(batch.apparent_len(), bets.len(), "{name}");
                let payload = joined(&bets);
                let request = Request::Batch(Batch::new(&payload));
                assert_eq!(request.encode(&mut written), frame.id, "{name}");
            }
            Meaning::Reply(reply, question) => {
                assert_eq!(Reply::decode(frame).as_ref(), Ok(&reply), "{name}");
                let id = MessageId::of(question.as_bytes());
                reply.encode(id, &mut written);
                assert_eq!(
                    Request::decode(frame),
                    Err(RequestError::UnknownType(frame.kind)),
                    "{name}"
                );
            }
        }
        assert_eq!(written, bytes, "{name}");
    }
}

#[test]
fn winners_come_out_of_their_quotes() {
    let documents = |list: &'static str| Documents::new(list.as_bytes()).to_vec();
    assert_eq!(documents(""), Ok(vec![]));
    assert_eq!(
        documents("30904465|\"A|1\""),
        Ok(vec!["30904465".into(), "A|1".into()])
    );
}

#[test]
fn every_golden_bet_is_written_and_read_back() {
    let bets: Vec<Bet> = vectors(include_str!("vectors/bets.json"))
        .iter()
        .map(|vector| {
            bet(
                number(vector, "agency"),
                text(vector, "first_name"),
                text(vector, "last_name"),
                text(vector, "document"),
                text(vector, "birthdate"),
                number(vector, "number"),
            )
        })
        .collect();
    assert_eq!(bets.len(), 6);
    for bet in &bets {
        let mut payload = Vec::new();
        bet.write(&mut payload);
        let mut objects = Objects::new(&payload);
        assert_eq!(Bet::read(&mut objects).as_ref(), Ok(&Some(bet.clone())));
        assert_eq!(Bet::read(&mut objects), Ok(None));
    }
    let payload = joined(&bets);
    let read: Result<Vec<Bet>, _> = Batch::new(&payload).bets().collect();
    assert_eq!(read, Ok(bets));
}

fn joined(bets: &[Bet]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (i, bet) in bets.iter().enumerate() {
        if i > 0 {
            payload.push(b'|');
        }
        bet.write(&mut payload);
    }
    payload
}

/// A request of this type, if the payload is one.
fn decode(kind: u16, payload: &str) -> Option<Request<'_>> {
    let id = MessageId::of(payload.as_bytes());
    let payload = payload.as_bytes();
    Request::decode(Frame { kind, id, payload }).ok()
}

#[test]
fn keys_that_a_type_does_not_know_are_ignored_whatever_they_hold() {
    let agency = Agency::new(2).unwrap();
    let finished = |bets| Some(Request::Finished { agency, bets });
    for (payload, bets) in [
        ("{apuestas:7,agency:2}", Some(7)),
        ("{agency:2,apuestas:-7}", None),
        ("{agency:2,apuestas:7,apuestas:7}", None),
        ("{agency:2,envio:x}", None),
    ] {
        assert_eq!(decode(kind::FINISHED, payload), finished(bets), "{payload}");
    }
    let query = decode(kind::WINNERS_QUERY, "{agency:2,apuestas:x,envio:x}");
    assert_eq!(query, Some(Request::Winners { agency }));
    for payload in ["{agency:2,agency:2}", "{apuestas:7}", "{agency:02}"] {
        assert_eq!(decode(kind::FINISHED, payload), None, "{payload}");
    }
}
