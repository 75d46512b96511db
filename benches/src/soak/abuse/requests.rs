//! Abuse in well-made frames: requests that the central has to refuse, or to hold.

use std::io;

use frame::{HEADER, MAX_CLIENT_FRAME, kind};

use super::super::{ABUSERS, AGENCIES};
use super::Abuser;
use crate::peer::Peer;

/// Queries that are held at once.
const QUERIES: usize = 2_000;

/// Requests of one connection.
const REQUESTS: usize = 100;

/// A bet's fields as they travel, good ones; the document is its place to be told from others.
const FIELDS: [(&str, &str); 6] = [
    ("agency", "6"),
    ("nombre", "Ana"),
    ("apellido", "Paz"),
    ("dni", "30904465"),
    ("nacimiento", "1999-12-31"),
    ("numero", "1"),
];

/// Values that every field refuses as they stand.
const ODD: [&[u8]; 13] = [
    b"",
    b"\"",
    b"\"\"\"",
    b"{",
    b"}",
    b"|",
    b"a\0b",
    b"a\nb",
    b"a\x1b[2Jb",
    b"\xff\xfe",
    b"\xc0\xaf",
    b"x,agency:1",
    &[b'x'; 300],
];

/// Names that look odd and are valid: as they travel, and as they are stored.
const GOOD: [(&str, &str); 2] = [
    ("\"a, \"\"b\"\" {c|d}\"", "\"a, \"\"b\"\" {c|d}\""),
    ("O'Connor: \"el 10\"", "\"O'Connor: \"\"el 10\"\"\""),
];

/// Returns a bet in which one field, or none, holds something else.
fn bet(odd: Option<(usize, &[u8])>) -> Vec<u8> {
    let mut text = Vec::new();
    for (place, (key, value)) in FIELDS.iter().enumerate() {
        text.extend(if place == 0 { b"{" } else { b"," });
        text.extend(key.as_bytes());
        text.push(b':');
        match odd {
            Some((odd, value)) if odd == place => text.extend(value),
            _ => text.extend(value.as_bytes()),
        }
    }
    text.push(b'}');
    text
}

/// Returns a batch of as many good bets as it takes, with this one among them.
fn batch_around(abuser: &mut Abuser<'_>, bad: &[u8]) -> Vec<u8> {
    let good = bet(None);
    let most = (MAX_CLIENT_FRAME - HEADER - bad.len()) / (good.len() + 1);
    let place = abuser.rng.usize(..=most);
    let mut bets = vec![good.as_slice(); most];
    bets.insert(place, bad);
    bets.join(&b'|')
}

fn refused(reply: &str) -> io::Result<()> {
    if reply.starts_with("{result:failure") {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "what has to be refused was answered {reply}"
    )))
}

/// Has a single bet stored: `text` is the bet as it travels, `row` the row that is expected.
fn store(abuser: &mut Abuser<'_>, peer: &mut Peer, text: &[u8], row: String) -> io::Result<()> {
    match &*peer.ask(kind::BET, text)? {
        "{result:success}" => {
            abuser.actions.accepted += 1;
            abuser.actions.rows.push(row);
            Ok(())
        }
        other => Err(io::Error::other(format!("a good bet was answered {other}"))),
    }
}

pub(super) fn spoiled_batches(abuser: &mut Abuser<'_>) -> io::Result<()> {
    let bad = bet(Some((4, b"1999-02-29")));
    let mut peer = abuser.peer()?;
    abuser.settle()?;
    while abuser.goes_on() {
        let batch = batch_around(abuser, &bad);
        refused(&peer.ask(kind::BATCH, &batch)?)?;
    }
    Ok(())
}

pub(super) fn odd_fields(abuser: &mut Abuser<'_>) -> io::Result<()> {
    let mut peer = abuser.peer()?;
    abuser.settle()?;
    while abuser.goes_on() {
        let odd = ODD[abuser.rng.usize(..ODD.len())];
        let odd = bet(Some((abuser.rng.usize(..FIELDS.len()), odd)));
        refused(&peer.ask(kind::BET, &odd)?)?;
        let batch = batch_around(abuser, &odd);
        refused(&peer.ask(kind::BATCH, &batch)?)?;
        let (name, stored) = GOOD[abuser.rng.usize(..GOOD.len())];
        let row = format!("{ABUSERS},{stored},Paz,30904465,1999-12-31,1");
        store(abuser, &mut peer, &bet(Some((1, name.as_bytes()))), row)?;
    }
    Ok(())
}

/// Speaks for one agency on a connection, and then for others.
pub(super) fn for_others(abuser: &mut Abuser<'_>) -> io::Result<()> {
    abuser.settle()?;
    while abuser.goes_on() {
        let mut peer = abuser.peer()?;
        let row = format!("{ABUSERS},Ana,Paz,30904465,1999-12-31,1");
        store(abuser, &mut peer, &bet(None), row)?;
        for _ in 0..REQUESTS {
            let other = match abuser.rng.u32(..8) {
                0 => "0".to_owned(),
                6 => (ABUSERS + 1).to_string(),
                7 => u32::MAX.to_string(),
                agency => agency.min(AGENCIES).to_string(),
            };
            let its_bet = bet(Some((0, other.as_bytes())));
            let agency = format!("{{agency:{other}}}").into_bytes();
            let upload = format!("{{agency:{other},envio:{:032x}}}", abuser.rng.u128(..));
            let (kind, payload) = match abuser.rng.u8(..5) {
                0 => (kind::BET, its_bet),
                1 => (kind::BATCH, its_bet),
                2 => (kind::FINISHED, agency),
                3 => (kind::WINNERS_QUERY, agency),
                _ => (kind::RESUME, upload.into_bytes()),
            };
            refused(&peer.ask(kind, &payload)?)?;
            if !abuser.goes_on() {
                break;
            }
        }
    }
    Ok(())
}

/// Sends winners queries long before the draw; those that stay get their winners in the end.
pub(super) fn queries(abuser: &mut Abuser<'_>) -> io::Result<()> {
    let ask = |abuser: &mut Abuser<'_>| {
        let agency = abuser.rng.u32(1..=AGENCIES);
        let mut peer = abuser.peer()?;
        peer.send(
            kind::WINNERS_QUERY,
            format!("{{agency:{agency}}}").as_bytes(),
        )?;
        Ok((agency, peer))
    };
    let mut asked = abuser.crowd(QUERIES, ask)?;
    abuser.settle()?;
    let mut oldest = 0;
    while abuser.goes_on() {
        asked[oldest] = ask(abuser)?;
        oldest = (oldest + 1) % QUERIES;
    }
    abuser.stop_asking();
    for (agency, peer) in &mut asked {
        let winners = &abuser.scene.winners[*agency as usize - 1];
        if peer.answer()? != format!("{{ganadores:{}}}", winners.join("|")) {
            return Err(io::Error::other(format!(
                "agency {agency} was told other winners"
            )));
        }
    }
    abuser.actions.accepted += asked.len() as u64;
    Ok(())
}
