//! What `docs/protocol.md` shows is what the code reads and writes: every frame in it, every payload, every value, and
//! the bounds. A wrong byte in the document fails here.
//!
//! A fenced block of the document says by its first word what it holds: `frame`, `bet`, `no-bet`, `taken`, `refused`.

use std::collections::BTreeSet;

use frame::{
    Agency, Bet, Birthdate, Document, Frame, MAX_CLIENT_FRAME, MAX_LENGTH, MAX_REPLY, MIN_LENGTH,
    MessageId, Name, Number, Reply, Request, kind, payload::Objects,
};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

/// A frame as the document shows it.
#[derive(Default)]
struct Example {
    length: Vec<u8>,
    kind: Vec<u8>,
    id: Vec<u8>,
    payload: Vec<u8>,
    text: String,
    /// The payload of the request that a reply answers.
    answers: Option<String>,
}

/// The content of every fenced block of this kind, in their order.
fn blocks(wanted: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = false;
    for event in Parser::new(DOCUMENT) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) if &*kind == wanted => {
                open = true;
                found.push(String::new());
            }
            Event::End(TagEnd::CodeBlock) => open = false,
            Event::Text(text) if open => found.last_mut().unwrap().push_str(&text),
            _ => {}
        }
    }
    assert!(!found.is_empty(), "there is no block of kind {wanted}");
    found
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |digits| u8::from_str_radix(digits, 16).unwrap_or_else(|e| panic!("{digits}: {e}"));
    text.split_whitespace().map(byte).collect()
}

impl Example {
    fn parse(block: &str) -> Self {
        let mut example = Self::default();
        let mut label = "";
        for line in block.lines() {
            let (begin, rest) = line.split_at(9);
            if !begin.trim().is_empty() {
                label = begin.trim();
            }
            match label {
                "length" => example.length.extend(unhex(rest)),
                "type" => example.kind.extend(unhex(rest)),
                "id" => example.id.extend(unhex(rest)),
                "payload" => example.payload.extend(unhex(rest)),
                "text" => example.text = rest.to_owned(),
                "answers" => example.answers = Some(rest.to_owned()),
                _ => panic!("nobody knows what this line of a frame says: {line}"),
            }
        }
        example
    }

    fn bytes(&self) -> Vec<u8> {
        [&*self.length, &self.kind, &self.id, &self.payload].concat()
    }
}

fn examples() -> Vec<Example> {
    blocks("frame")
        .iter()
        .map(|block| Example::parse(block))
        .collect()
}

#[test]
fn every_documented_frame_is_read_and_written_byte_by_byte() {
    let mut kinds = BTreeSet::new();
    for example in examples() {
        let (bytes, text) = (example.bytes(), &example.text);
        assert_eq!(
            Frame::size(&bytes, MAX_REPLY),
            Ok(Some(bytes.len())),
            "{text}"
        );
        let frame = Frame::split(&bytes).unwrap();
        assert_eq!(frame.payload, text.as_bytes(), "{text}");
        kinds.insert(frame.kind);

        let mut written = Vec::new();
        match &example.answers {
            None => {
                let request = Request::decode(frame).unwrap_or_else(|e| panic!("{text}: {e}"));
                if let Request::Batch(batch) = &request {
                    assert!(batch.bets().all(|bet| bet.is_ok()), "{text}");
                }
                request.encode(&mut written);
            }
            Some(question) => {
                let id = MessageId::of(question.as_bytes());
                let reply = Reply::decode(frame).unwrap_or_else(|e| panic!("{text}: {e}"));
                reply.encode(id, &mut written);
            }
        }
        assert_eq!(written, bytes, "{text}");
    }
    assert_eq!(kinds, BTreeSet::from_iter(kind::BET..=kind::RESUMED));
}

#[test]
fn every_golden_frame_is_documented() {
    let documented: Vec<_> = examples().iter().map(Example::bytes).collect();
    let golden: Vec<Value> = serde_json::from_str(include_str!("vectors/frames.json")).unwrap();
    for vector in golden {
        let hex = vector["frame_hex"].as_str().unwrap();
        let pairs = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| str::from_utf8(pair).unwrap());
        let bytes = unhex(&pairs.collect::<Vec<_>>().join(" "));
        assert!(documented.contains(&bytes), "{}", vector["name"]);
    }
}

/// Whether the payload is one bet.
fn is_bet(payload: &str) -> bool {
    let mut objects = Objects::new(payload.as_bytes());
    matches!(Bet::read(&mut objects), Ok(Some(_))) && matches!(Bet::read(&mut objects), Ok(None))
}

#[test]
fn every_documented_payload_is_a_bet_or_none_as_the_document_says() {
    for (block, expected) in [("bet", true), ("no-bet", false)] {
        for payload in blocks(block).concat().lines() {
            assert_eq!(is_bet(payload), expected, "{block}: {payload}");
        }
    }
}

/// Whether a field of this name may hold the value.
fn is_valid(field: &str, value: &[u8]) -> bool {
    match field {
        "agency" => Agency::parse(value).is_ok(),
        "nombre" | "apellido" => Name::parse(value).is_ok(),
        "dni" => Document::parse(value).is_ok(),
        "nacimiento" => Birthdate::parse(value).is_ok(),
        "numero" => Number::parse(value).is_ok(),
        _ => panic!("there is no field {field}"),
    }
}

#[test]
fn every_documented_value_is_taken_or_refused_as_the_document_says() {
    for (block, expected) in [("taken", true), ("refused", false)] {
        for line in blocks(block).concat().lines() {
            let (field, value) = line.split_once(' ').unwrap_or((line, ""));
            assert_eq!(
                is_valid(field, value.trim_start().as_bytes()),
                expected,
                "{block}: {line}"
            );
        }
    }
}

/// A number with commas: 16,777,215.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(|group| str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn the_documented_bounds_are_those_of_the_code() {
    for (row, bounds) in [
        ("| our client sends |", &[MAX_CLIENT_FRAME][..]),
        ("| the server accepts |", &[MIN_LENGTH, MAX_LENGTH]),
        ("| our client accepts |", &[MAX_REPLY]),
    ] {
        let line = DOCUMENT.lines().find(|line| line.starts_with(row));
        let line = line.unwrap_or_else(|| panic!("there is no row {row}"));
        for bound in bounds {
            let bound = grouped(*bound);
            assert!(line.contains(&bound), "{line} does not say {bound}");
        }
    }
}
