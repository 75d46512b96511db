//! Where the centrals are: one or more addresses, with commas between them.
//!
//! In comes the text of `server.address`; out come [`Addresses`], each of which may be connected to. Looks up no name.

use std::fmt;
use std::net::SocketAddr;

use super::keys::number;

/// The longest name that a host may have, in bytes (RFC 1035).
const MAX_NAME: usize = 253;

/// The longest part of a name between two dots, in bytes (RFC 1035).
const MAX_LABEL: usize = 63;

/// A host and a port: `central:12345`, `10.0.0.1:12345` or `[::1]:12345`. Displays as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        number(port, 1, 65_535)?;
        let valid = is_name(host) || matches!(text.parse(), Ok(SocketAddr::V6(_)));
        valid.then(|| Self(text.to_owned()))
    }

    /// Returns the host and the port, as they were written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name or the IP address of the host. An IPv6 address is without its brackets.
    pub fn host(&self) -> &str {
        let host = self.0.rsplit_once(':').map_or("", |(host, _)| host);
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        bare.unwrap_or(host)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a text has the form of a host's name, or of an IPv4 address. Container names may have a `_`.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=MAX_LABEL).contains(&label.len()) && label.chars().all(allowed)
    };
    let rooted = text.strip_suffix('.').unwrap_or(text);
    rooted.len() <= MAX_NAME && rooted.split('.').all(is_label)
}

/// At least one address. Displays as the addresses with commas between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(Vec<Address>);

impl Addresses {
    /// Reads addresses with commas between them; blanks around an address are removed. `None` where one of them is not
    /// an address, or is empty.
    pub fn parse(text: &str) -> Option<Self> {
        let addresses = text.split(',').map(|part| Address::parse(part.trim()));
        addresses.collect::<Option<Vec<_>>>().map(Self)
    }

    /// Returns the addresses, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }

    /// Returns the address at a place, counted from 0. After the last place the first one follows.
    pub fn at(&self, place: usize) -> &Address {
        &self.0[place % self.0.len()]
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, address) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ip_addresses_are_read_and_follow_each_other_in_a_circle() {
        let read =
            Addresses::parse("central-1:12345, 10.0.0.2:1 ,[::1]:65535,tp0_server.:7").unwrap();
        assert_eq!(
            read.to_string(),
            "central-1:12345,10.0.0.2:1,[::1]:65535,tp0_server.:7"
        );
        let hosts: Vec<&str> = (2..7).map(|place| read.at(place).host()).collect();
        assert_eq!(
            hosts,
            ["::1", "tp0_server.", "central-1", "10.0.0.2", "::1"]
        );
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        let (label, name) = ("a".repeat(64), "a.".repeat(127) + "com");
        for host in [
            "tcp://host",
            "http://host",
            "user@host",
            "host/",
            "a b",
            "ho\tst",
            "",
            ".",
            "a..b",
            ".a",
            "ñandú",
            "::1",
            "[::1",
            "::1]",
            "[host]",
            "[127.0.0.1]",
            "[]",
            "a:1",
            "$HOST",
            "host\u{7}",
            &label,
            &name,
        ] {
            assert_eq!(Addresses::parse(&format!("{host}:1")), None, "{host}");
        }
        for text in [
            "",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:x",
            "a:1,",
            ",a:1",
            "a:1,,b:1",
            "a:1;b:1",
        ] {
            assert_eq!(Addresses::parse(text), None, "{text}");
        }
    }
}
