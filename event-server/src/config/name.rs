//! Names: of this central, `SERVER_NAME`, and of a lottery in a database.

use super::error::ConfigError;
use super::keys::Keys;

/// The characters that a name may hold.
pub(super) const ALLOWED: &str = "1 to 63 letters, digits, '-', '_' and '.'";

/// This central's name; the host's where none is set.
pub(super) fn central(keys: &mut Keys) -> Result<String, ConfigError> {
    keys.get("SERVER_NAME", ALLOWED, &host_name(), parse)
}

pub(super) fn parse(text: &str) -> Option<String> {
    let wanted = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    ((1..=63).contains(&text.len()) && text.chars().all(wanted)).then(|| text.to_owned())
}

/// The host's name, or a word in its place where it has characters that no name may have.
pub(super) fn host_name() -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_str().ok().and_then(parse);
    host.unwrap_or_else(|| "central".to_owned())
}
