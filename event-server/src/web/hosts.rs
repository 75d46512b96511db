//! By which names the port may be asked. A page of another site, whose name was made to stand for this machine's address,
//! could read the answers otherwise (DNS rebinding).

use std::net::{Ipv4Addr, Ipv6Addr};

/// The names of hosts, beside every IP address and `localhost`.
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether a request may name this host, with a port or without.
    pub(super) fn allow(&self, host: &str) -> bool {
        if let Some(rest) = host.strip_prefix('[') {
            let (address, port) = rest.split_once(']').unwrap_or_default();
            return address.parse::<Ipv6Addr>().is_ok() && is_port(port);
        }
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut names = self.0.iter().map(String::as_str).chain(["localhost"]);
        is_port(port)
            && (name.parse::<Ipv4Addr>().is_ok() || names.any(|own| own.eq_ignore_ascii_case(name)))
    }
}

/// Whether this can stand behind a host: nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}
