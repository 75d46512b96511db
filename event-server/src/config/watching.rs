//! The keys of what people and programs see of a running central: `SERVER_HTTP`, `SERVER_TRACE` and `LOGGING_…`.

use std::net::SocketAddr;
use std::path::PathBuf;

use frame::log::{Format, Level};

use super::error::ConfigError;
use super::keys::Keys;

/// Where the HTTP port is; `None`: nowhere.
pub(super) fn http(keys: &mut Keys) -> Result<Option<SocketAddr>, ConfigError> {
    keys.get(
        "SERVER_HTTP",
        "off, or an IP address and a port such as 127.0.0.1:8080 or [::1]:8080",
        "off",
        |text| match text {
            "off" => Some(None),
            address => address.parse().ok().map(Some),
        },
    )
}

/// The names by which the HTTP port may be asked: `own`, and those of the key.
pub(super) fn http_hosts(keys: &mut Keys, own: [String; 2]) -> Result<Vec<String>, ConfigError> {
    let further = keys.get(
        "SERVER_HTTP_HOSTS",
        "names of hosts with commas between, such as lottery.example,proxy",
        "",
        |text| match text {
            "" => Some(Vec::new()),
            names => names.split(',').map(|name| host(name.trim())).collect(),
        },
    )?;
    Ok(own.into_iter().chain(further).collect())
}

/// A host's name, without a port; it has at most 253 bytes (RFC 1035).
fn host(name: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = (1..=253).contains(&name.len()) && name.chars().all(is_plain);
    is_name.then(|| name.trim_end_matches('.').to_owned())
}

/// The file of a trace; `None`: there is none before a signal asks for it.
pub(super) fn trace(keys: &mut Keys) -> Result<Option<PathBuf>, ConfigError> {
    keys.get("SERVER_TRACE", "the path of a file", "", |text| {
        Some((!text.is_empty()).then(|| text.into()))
    })
}

/// The most bytes of a trace.
pub(super) fn trace_bytes(keys: &mut Keys) -> Result<u64, ConfigError> {
    const MIB: u64 = 1024 * 1024;
    keys.number("SERVER_TRACE_BYTES", 256 * MIB, 65_536..=u32::MAX)
}

/// The lowest level that is logged.
pub(super) fn logging_level(keys: &mut Keys) -> Result<Level, ConfigError> {
    keys.get(
        "LOGGING_LEVEL",
        "DEBUG, INFO, WARNING, ERROR or CRITICAL",
        "INFO",
        level,
    )
}

/// The form of log lines.
pub(super) fn logging_format(keys: &mut Keys) -> Result<Format, ConfigError> {
    keys.get(
        "LOGGING_FORMAT",
        "text or json",
        "text",
        |text| match text {
            "text" => Some(Format::Text),
            "json" => Some(Format::Json),
            _ => None,
        },
    )
}

fn level(text: &str) -> Option<Level> {
    let known = |level: &Level| *level != Level::Notice && level.name().eq_ignore_ascii_case(text);
    Level::ALL.into_iter().find(known)
}
