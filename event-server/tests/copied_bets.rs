//! A central copies nearly all bets of a batch from the payload to its file without reading them. Whatever a batch looks
//! like, it is accepted where a second reader, which goes by the letter of the grammar, finds nothing but bets of one agency
//! in it, and the file gets their rows.

use std::net::{IpAddr, Ipv4Addr};

use event_server::lottery::Lottery;
use event_server::service::{Attempt, ConnectionId, Identity, Peer, Service, Verdict};
use event_server::store::files::{Durability, FileStore, Folder};
use fastrand::Rng;
use frame::{Ack, Batch, Frame, Number, Reply, Request};

/// How many batches are sent.
const BATCHES: u64 = 20_000;

/// The keys of a bet, in the order of the columns.
const KEYS: [&str; 6] = [
    "agency",
    "nombre",
    "apellido",
    "dni",
    "nacimiento",
    "numero",
];

/// Reads a payload byte by byte; `None` where it leaves the grammar.
fn objects(mut text: &str) -> Option<Vec<Vec<(String, String)>>> {
    let mut objects = Vec::new();
    loop {
        let mut pairs = Vec::new();
        text = text.strip_prefix('{')?.trim_start_matches([' ', '\t']);
        if !text.starts_with('}') {
            loop {
                let end = text.find([':', ',', '|', '{', '}'])?;
                let (key, rest) = text.split_at(end);
                let key = key.trim_matches([' ', '\t']);
                let (value, rest) = value(rest.strip_prefix(':')?)?;
                if key.is_empty() {
                    return None;
                }
                pairs.push((key.to_owned(), value));
                text = rest;
                match text.strip_prefix(',') {
                    Some(rest) => text = rest,
                    None => break,
                }
            }
        }
        text = text.strip_prefix('}')?;
        objects.push(pairs);
        match text.strip_prefix('|') {
            Some(rest) => text = rest,
            None => return text.is_empty().then_some(objects),
        }
    }
}

/// Reads a value, quoted or not; returns it with what follows.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '|', '{', '}']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((value.trim_end_matches([' ', '\t']).to_owned(), rest));
    };
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        rest = after;
        match rest.strip_prefix('"') {
            Some(after) => rest = after,
            None => return Some((value, rest.trim_start_matches([' ', '\t']))),
        }
        value.push('"');
    }
}

/// The row of a bet; `None` where the object is none.
fn row(pairs: &[(String, String)]) -> Option<(u32, String)> {
    let mut columns = Vec::new();
    for key in KEYS {
        let mut values = pairs.iter().filter(|(name, _)| name == key);
        let (_, value) = values.next()?;
        columns.push(value.clone());
        if values.next().is_some() {
            return None;
        }
    }
    let agency: u32 = columns[0].parse().ok()?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let are_texts = [(1, 255), (2, 255), (3, 32)].iter().all(|(at, most)| {
        let text = &columns[*at];
        (1..=*most).contains(&text.len()) && !text.contains(char::is_control)
    });
    let is_valid = agency.to_string() == columns[0]
        && agency > 0
        && are_texts
        && is_day(&columns[4])
        && is_number(&columns[5])
        && columns[5].len() <= 9;
    if !is_valid {
        return None;
    }
    columns[5] = columns[5].parse::<u32>().ok()?.to_string();
    let quoted = columns.iter().map(|text| match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.clone(),
    });
    Some((agency, quoted.collect::<Vec<_>>().join(",") + "\r\n"))
}

fn is_day(text: &str) -> bool {
    let mut parts = [0; 3];
    let mut found = text.split('-');
    for (part, digits) in parts.iter_mut().zip([4, 2, 2]) {
        let text = found.next().unwrap_or_default();
        if text.len() != digits || !text.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
        *part = text.parse().unwrap();
    }
    let [year, month, day] = parts;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    found.next().is_none() && year > 0 && (1..=days).contains(&day)
}

/// The rows of a batch; `None` where it has to be refused.
fn rows(payload: &[u8]) -> Option<String> {
    // Bytes that are no UTF-8 are in no valid bet, unless under a key that nobody reads, which no batch here has.
    let text = std::str::from_utf8(payload).ok()?;
    let bets: Option<Vec<_>> = objects(text)?.iter().map(|pairs| row(pairs)).collect();
    let bets = bets?;
    let is_one = bets.iter().all(|(agency, _)| *agency == bets[0].0);
    (is_one && !bets.is_empty()).then(|| bets.into_iter().map(|(_, row)| row).collect())
}

/// A batch of one to five bets. Most are usual ones; some have something that a careless reader takes for usual.
fn payload(rng: &mut Rng) -> Vec<u8> {
    let any = |usual: &[&str], odd: &[&str], rng: &mut Rng| {
        let from = if rng.u8(..16) == 0 { odd } else { usual };
        from[rng.usize(..from.len())].to_owned()
    };
    let (long, longer) = ("é".repeat(127) + "e", "n".repeat(256));
    let agency = ["1", "5", "4294967295"][rng.usize(..3)];
    let mut payload = String::new();
    for at in 0..rng.usize(1..6) {
        let names = ["Ana", "María José", "Núñez", "O'Higgins", "x", &long];
        let odd_names = [
            "",
            " Ana",
            "Ana ",
            "\"Ana\"",
            "\"a,\"\"b\"",
            "A\"b",
            "€uro",
            "a:b",
            &longer,
            "\u{7f}",
            "\u{85}",
            "a|b",
            "a{b",
            "a\tb",
        ];
        let sixteen = "abcdefghijklmnop".repeat(2);
        let name = |rng: &mut Rng| match rng.bool() {
            true => any(&names, &odd_names, rng),
            false => sixteen[..rng.usize(1..=32)].to_owned(),
        };
        let digits = rng.u32(..1_000_000_000).to_string();
        let values = [
            any(&[agency], &["1", "2", "01", "0", "+1", "4294967296"], rng),
            name(rng),
            name(rng),
            any(
                &["012", "30904465"],
                &["", &"9".repeat(32), &"9".repeat(33), "1\u{0}"],
                rng,
            ),
            any(
                &["2000-02-29", "1999-12-31"],
                &["1999-02-29", "2000-2-29", "0000-01-01"],
                rng,
            ),
            any(
                &[&digits, "0"],
                &["0464", "1000000000", "000000000", "-1", "7 ", ""],
                rng,
            ),
        ];
        let mut pairs: Vec<String> = KEYS
            .iter()
            .zip(values)
            .map(|(k, v)| format!("{k}:{v}"))
            .collect();
        match rng.u8(..40) {
            0 => pairs.swap(1, 2),
            1 => pairs.push("numero:1".to_owned()),
            2 => pairs.push("x:{".to_owned()),
            3 => _ = pairs.pop(),
            _ => {}
        }
        let between = any(&["|"], &["", "||", "| ", ",", "|{}|", "|}"], rng);
        payload += if at == 0 { "" } else { &between };
        payload += &format!("{{{}}}", pairs.join(&any(&[","], &[" , ", ",,", ";"], rng)));
    }
    payload += &any(&[""], &["|", "}", " ", "\n", "{", "|{}"], rng);
    let mut payload = payload.into_bytes();
    if rng.u8(..4) == 0 {
        let at = rng.usize(..payload.len());
        payload[at] = *rng
            .choice(b"{}:,|\" \t0Az\x1f\x7f\xc2\x85\xc3\xe2")
            .unwrap();
    }
    payload
}

#[test]
fn a_batch_is_accepted_and_stored_as_a_second_reader_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = Folder::open(folder.path()).unwrap();
    let (store, _) = FileStore::open(files, Durability::Never, |_| {}).unwrap();
    let winner = Number::new(7_574).unwrap();
    let mut service = Service::new(Lottery::new(0), store, winner).unwrap();
    let (mut expected, mut accepted, mut frame) = (String::new(), 0, Vec::new());
    for seed in 0..BATCHES {
        let payload = payload(&mut Rng::with_seed(seed));
        frame.clear();
        let id = Request::Batch(Batch::new(&payload)).encode(&mut frame);
        let peer = Peer {
            id: ConnectionId {
                slot: 0,
                serial: seed,
            },
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            identity: &mut Identity::New(None),
        };
        let read = (Frame::split(&frame).unwrap(), id);
        let verdict = service.handle(peer, read, Attempt::First).verdict;
        service.commit(std::time::Instant::now()).unwrap();
        let is_accepted = matches!(verdict, Verdict::Reply(Reply::Ack(Ack::Success)));
        let rows = rows(&payload);
        let shown = String::from_utf8_lossy(&payload);
        assert_eq!(is_accepted, rows.is_some(), "seed {seed}: {shown}");
        accepted += u64::from(is_accepted);
        expected += rows.as_deref().unwrap_or_default();
    }
    service.close().unwrap();
    let stored = std::fs::read_to_string(folder.path().join("bets.csv")).unwrap();
    for (line, (stored, expected)) in stored.lines().zip(expected.lines()).enumerate() {
        assert_eq!(stored, expected, "line {line}");
    }
    assert_eq!(stored.len(), expected.len());
    let share = accepted * 100 / BATCHES;
    assert!((20..80).contains(&share), "{share} % are accepted");
}
