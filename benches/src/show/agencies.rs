//! Peers that do what the protocol asks for: calm agencies, and the requests that all peers are made of.

use std::io;

use fastrand::Rng;
use fixtures::Spec;
use frame::{Agency, kind};

use super::state::{Phase, Show};
use crate::peer::Peer;
use crate::{bet, write_payload};

/// Rows of which an agency picks its bets, and how many of them win.
const ROWS: usize = 1_000;
const WINNERS: usize = 5;

pub(super) const SUCCESS: &str = "{result:success}";

/// Returns the payload of a batch of the agency's next bets.
pub(super) fn batch(agency: u32, rows: impl Iterator<Item = fixtures::Row>) -> Vec<u8> {
    let agency = Agency::new(agency).expect("an agency's number");
    let bets: Vec<_> = rows.map(|row| bet(agency, &row)).collect();
    let mut payload = Vec::new();
    write_payload(&bets, &mut payload);
    payload
}

/// Returns the payload of `finished` and of a winners query.
pub(super) fn own(agency: u32) -> Vec<u8> {
    format!("{{agency:{agency}}}").into_bytes()
}

/// Sends a request; its reply has to begin with `expected`.
pub(super) fn ask(peer: &mut Peer, kind: u16, payload: &[u8], expected: &str) -> io::Result<()> {
    let reply = peer.ask(kind, payload)?;
    match reply.starts_with(expected) {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{reply} was answered, not {expected}"
        ))),
    }
}

/// Says over a connection of its own that the agency has finished.
pub(super) fn finish(show: &Show<'_>, agency: u32) -> io::Result<()> {
    let mut peer = Peer::connect(show.central, None)?;
    ask(&mut peer, kind::FINISHED, &own(agency), SUCCESS)
}

/// Plays an agency at human speed: some bets every few seconds, then finished, then the winners, for which it waits until the
/// draw; after the draw it asks for them again now and then.
pub(super) fn calm(show: &Show<'_>, agency: u32) -> io::Result<()> {
    let mut rng = Rng::with_seed(agency.into());
    let spec = Spec::new(agency.into(), ROWS, WINNERS).map_err(io::Error::other)?;
    let mut rows = spec.rows();
    let mut peer = Peer::connect(show.central, None)?;
    while show.pause(0.5 + 3.5 * rng.f64(), Phase::Betting) {
        let some = rows.by_ref().take(rng.usize(1..=12));
        let payload = batch(agency, some);
        // Once all rows were sent it sends nothing until it finishes.
        if !payload.is_empty() {
            ask(&mut peer, kind::BATCH, &payload, SUCCESS)?;
        }
    }
    show.pause(9.0 * rng.f64(), Phase::Drawing);
    ask(&mut peer, kind::FINISHED, &own(agency), SUCCESS)?;
    loop {
        ask(&mut peer, kind::WINNERS_QUERY, &own(agency), "{ganadores:")?;
        if !show.pause(3.0 + 5.0 * rng.f64(), Phase::Drawing) {
            return Ok(());
        }
    }
}
