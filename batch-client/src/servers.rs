//! Which server the next connection goes to: one of `server.address`, and one of its IP addresses.
//!
//! ```text
//! server.address   central-1:12345        central-2:12345
//!                  10.0.0.1  10.0.0.2      10.0.0.3          after each loss the next name, and there the next IP address
//!                            unusable                        another attempt there would not help: it is skipped
//! ```
//!
//! In come the IP addresses of a name, and how attempts ended; out come the addresses to try, and an error once none is left.
//! Uses no socket and no clock.

use std::fmt::Write;
use std::net::SocketAddr;

use frame::TlsError;

use crate::config::{Address, Addresses};
use crate::error::Error;

/// A server that never completed a handshake counts as unusable once so many in a row have failed in a way that shows that it
/// will not complete one.
const HANDSHAKES: u32 = 3;

/// The servers of the configuration.
#[derive(Debug)]
pub struct Servers {
    list: Vec<Server>,
    /// The place in `list` of the server that is connected to, or will be.
    place: usize,
    /// The first error of an unusable server.
    first: Option<Error>,
}

#[derive(Debug)]
struct Server {
    address: Address,
    /// The IP addresses of its name, as it was looked up last. An IP address stands for itself.
    known: Vec<SocketAddr>,
    /// The IP address that was connected to last.
    last: Option<SocketAddr>,
    handshakes: Handshakes,
    /// The unusable IP addresses, each with the reason; at most one for each that is known.
    unusable: Vec<(SocketAddr, String)>,
}

/// How TLS handshakes with a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handshakes {
    /// None was completed. `refused`: how many in a row showed that none will be.
    Never { refused: u32 },
    /// One was completed: any later failure is a lost connection.
    Worked,
}

impl Server {
    fn is_unusable(&self, ip: SocketAddr) -> bool {
        self.unusable.iter().any(|(unusable, _)| *unusable == ip)
    }

    /// Returns whether an IP address is left to try. Before the name is looked up, one may be.
    fn is_left(&self) -> bool {
        self.known.is_empty() || self.known.iter().any(|ip| !self.is_unusable(*ip))
    }
}

impl Servers {
    /// Begins with the server at this place of the list. After the last one the first one follows.
    pub fn new(addresses: &Addresses, place: usize) -> Self {
        let server = |address: &Address| Server {
            address: address.clone(),
            known: Vec::new(),
            last: None,
            handshakes: Handshakes::Never { refused: 0 },
            unusable: Vec::new(),
        };
        let list: Vec<Server> = addresses.iter().map(server).collect();
        let place = place % list.len();
        let first = None;
        Self { list, place, first }
    }

    /// Returns the place in `server.address` of the one that is connected to, or will be.
    pub fn place(&self) -> usize {
        self.place
    }

    /// Returns the name and the port of the server that is connected to, or will be.
    pub fn address(&self) -> &Address {
        &self.list[self.place].address
    }

    /// Returns the IP addresses to try, in their order. First comes the one after the address that was connected to last.
    /// `known`: what the name stands for now.
    pub fn candidates(&mut self, known: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let server = &mut self.list[self.place];
        server.unusable.retain(|(ip, _)| known.contains(ip));
        server.known = known;
        let last = server
            .last
            .and_then(|last| server.known.iter().position(|ip| *ip == last));
        let (before, after) = server.known.split_at(last.map_or(0, |last| last + 1));
        let all = after.iter().chain(before).copied();
        all.filter(|ip| !server.is_unusable(*ip)).collect()
    }

    /// Notes that one of the candidates accepted the connection.
    pub fn connected(&mut self, ip: SocketAddr) {
        self.list[self.place].last = Some(ip);
    }

    /// Notes that a TLS handshake was completed.
    pub fn secured(&mut self) {
        self.list[self.place].handshakes = Handshakes::Worked;
    }

    /// Notes that a TLS handshake failed in this way. Returns whether another attempt would not help.
    pub fn is_without_tls(&mut self, error: &TlsError) -> bool {
        match (&mut self.list[self.place].handshakes, error) {
            (Handshakes::Worked, _) => false,
            // Behind a proxy the server may be away for a while, and the proxy closes the connection.
            (Handshakes::Never { .. }, TlsError::Cut { .. }) => false,
            (Handshakes::Never { refused }, _) => {
                *refused += 1;
                *refused >= HANDSHAKES
            }
        }
    }

    /// Chooses the next server for the next attempt, and skips those that are unusable.
    pub fn advance(&mut self) {
        for _ in 0..self.list.len() {
            self.place = (self.place + 1) % self.list.len();
            if self.list[self.place].is_left() {
                return;
            }
        }
    }

    /// Notes that the server that is connected to is unusable: another attempt there would fail again. The next one is chosen.
    ///
    /// # Errors
    /// No server is left. Where only this one was unusable, the error is its own; otherwise it names all of them.
    pub fn give_up_on(&mut self, error: Error) -> Result<(), Error> {
        let server = &mut self.list[self.place];
        if let Some(last) = server.last {
            let sentence = error.to_string();
            server.unusable.retain(|(ip, _)| *ip != last);
            server.unusable.push((last, sentence));
        }
        let first = self.first.take().unwrap_or(error);
        if self.list.iter().any(Server::is_left) {
            self.first = Some(first);
            self.advance();
            return Ok(());
        }
        let unusable = self.list.iter().map(|server| server.unusable.len());
        Err(match unusable.sum() {
            1_usize => first,
            _ => Error::NoneUsable {
                first: Box::new(first),
                unusable: self.unusable(),
            },
        })
    }

    /// Returns the unusable servers, each with the reason; empty where there is none.
    pub fn unusable(&self) -> String {
        let mut all = String::new();
        for server in &self.list {
            for (ip, why) in &server.unusable {
                let separator = if all.is_empty() { "" } else { "; " };
                let (name, ip) = (server.address.as_str(), ip.to_string());
                // Writing to a string never fails.
                let _ = match server.known.len() {
                    0 | 1 => write!(all, "{separator}{name}: {why}"),
                    _ => write!(all, "{separator}{name} ({ip}): {why}"),
                };
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What is behind an IP address.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Kind {
        /// It works, and is lost now and then.
        Central,
        /// Nobody accepts a connection.
        Closed,
        /// It accepts, and closes or says nothing.
        Mute,
        /// Its handshakes fail.
        NoTls,
        /// Its certificate is not trusted, or it is something else.
        Wrong,
    }

    const KINDS: [Kind; 5] = [
        Kind::Central,
        Kind::Closed,
        Kind::Mute,
        Kind::NoTls,
        Kind::Wrong,
    ];

    fn wrong() -> Error {
        let step = crate::error::Step::Resume;
        let reason = "it is something else".to_owned();
        Error::Protocol { step, reason }
    }

    fn ip(place: usize, index: usize) -> SocketAddr {
        SocketAddr::from(([10, 0, place as u8, index as u8], 1))
    }

    #[test]
    fn whatever_the_addresses_are_each_that_may_work_is_tried_again_and_none_that_cannot() {
        let broken = TlsError::Broken("what came is no TLS".to_owned());
        for seed in 0..5_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let names = rng.usize(1..4);
            let kinds: Vec<Vec<Kind>> = (0..names)
                .map(|_| {
                    (0..rng.usize(1..4))
                        .map(|_| rng.choice(KINDS).unwrap())
                        .collect()
                })
                .collect();
            let list: Vec<String> = (0..names).map(|n| format!("name-{n}:1")).collect();
            let list = Addresses::parse(&list.join(",")).unwrap();
            let mut servers = Servers::new(&list, rng.usize(..10));
            let mut tried: BTreeMap<SocketAddr, usize> = BTreeMap::new();
            let ended = (0..200).find_map(|_| {
                let place = servers.place();
                let kinds = &kinds[place];
                let known = (0..kinds.len()).map(|index| ip(place, index)).collect();
                let kind = |address: &SocketAddr| {
                    let index = (0..kinds.len()).find(|index| ip(place, *index) == *address);
                    kinds[index.unwrap()]
                };
                let mut candidates = servers.candidates(known).into_iter();
                let found = candidates.find(|address| kind(address) != Kind::Closed);
                let Some(address) = found else {
                    servers.advance();
                    return None;
                };
                servers.connected(address);
                *tried.entry(address).or_default() += 1;
                match kind(&address) {
                    Kind::Central => servers.secured(),
                    Kind::Mute => {
                        let cut = TlsError::Cut { handshake: true };
                        assert!(!servers.is_without_tls(&cut));
                    }
                    Kind::NoTls => {
                        if servers.is_without_tls(&broken) {
                            return servers.give_up_on(wrong()).err();
                        }
                    }
                    Kind::Wrong => return servers.give_up_on(wrong()).err(),
                    Kind::Closed => panic!("nobody accepts at {address}"),
                }
                servers.advance();
                None
            });
            println!("seed {seed}: {kinds:?}: {tried:?}");
            let all = || kinds.iter().flatten();
            let may_work = |kind: &&Kind| matches!(kind, Kind::Central | Kind::Closed | Kind::Mute);
            assert_eq!(ended.is_none(), all().any(|kind| may_work(&kind)));
            for (place, kinds) in kinds.iter().enumerate() {
                for (index, kind) in kinds.iter().enumerate() {
                    let tries = tried.get(&ip(place, index)).copied().unwrap_or_default();
                    match kind {
                        Kind::Central | Kind::Mute => assert!(tries > 5, "{kind:?}: {tries}"),
                        Kind::Wrong => assert_eq!(tries, 1),
                        // Where another IP address of the name has completed one, it may be away for a while.
                        Kind::NoTls if kinds.contains(&Kind::Central) => {}
                        Kind::NoTls => assert!((1..=3).contains(&tries)),
                        Kind::Closed => assert_eq!(tries, 0),
                    }
                }
            }
        }
    }
}
