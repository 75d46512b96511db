//! The keys of the central itself: its name, HTTP port, trace, log, and TLS certificates.
//!
//! `SERVER_NAME`, `SERVER_HTTP…`, `SERVER_TRACE…`, `LOGGING_…` and `SERVER_TLS_…`.

use std::net::SocketAddr;
use std::path::PathBuf;

use frame::log::{Format, Level};

use super::keys::Keys;
use super::layers::ConfigError;

/// What is allowed as the name of a central or of a lottery in a database, in words for a message.
pub(super) const NAME: &str = "1 to 63 letters, digits, '-', '_' and '.'";

/// Reads this central's name; the default is the host's.
pub(super) fn name(keys: &mut Keys) -> Result<String, ConfigError> {
    let (name, warning) = of_host(&host_name());
    let name = keys.get("SERVER_NAME", NAME, &name, parse_name)?;
    if let Some(warning) = warning.filter(|_| !keys.is_set("SERVER_NAME")) {
        keys.warn(warning);
    }
    Ok(name)
}

/// Parses a name. [`NAME`] says what is allowed.
pub(super) fn parse_name(text: &str) -> Option<String> {
    let wanted = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    ((1..=63).contains(&text.len()) && text.chars().all(wanted)).then(|| text.to_owned())
}

/// Returns the name of the machine.
pub(super) fn host_name() -> String {
    let host = rustix::system::uname();
    host.nodename().to_string_lossy().into_owned()
}

/// Returns the default name of a central on this host, and a warning if the host's own name is not allowed.
fn of_host(host: &str) -> (String, Option<String>) {
    if let Some(name) = parse_name(host) {
        return (name, None);
    }
    let warning = format!(
        "SERVER_NAME is central, since the host's name, '{host}', is not {NAME}: set SERVER_NAME, so that this central \
         is told from others"
    );
    ("central".to_owned(), Some(warning))
}

/// Reads where the HTTP port listens; `None`: it is off.
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

/// Returns the host names that requests to the HTTP port may name: `own`, and those of the key.
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

/// Parses a host's name of at most 253 bytes (RFC 1035), without a port; removes a dot at its end.
fn host(name: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = (1..=253).contains(&name.len()) && name.chars().all(is_plain);
    is_name.then(|| name.trim_end_matches('.').to_owned())
}

/// Reads the file of a trace that begins with the central; `None`: no trace begins before a signal asks for one.
pub(super) fn trace(keys: &mut Keys) -> Result<Option<PathBuf>, ConfigError> {
    keys.get("SERVER_TRACE", "the path of a file", "", |text| {
        Some((!text.is_empty()).then(|| text.into()))
    })
}

/// Reads the largest size of a trace, in bytes.
pub(super) fn trace_bytes(keys: &mut Keys) -> Result<u64, ConfigError> {
    const MIB: u64 = 1024 * 1024;
    keys.number("SERVER_TRACE_BYTES", 256 * MIB, 65_536..=u32::MAX)
}

/// Reads the lowest level that is logged.
pub(super) fn logging_level(keys: &mut Keys) -> Result<Level, ConfigError> {
    keys.get(
        "LOGGING_LEVEL",
        "DEBUG, INFO, WARNING, ERROR or CRITICAL",
        "INFO",
        level,
    )
}

/// Reads the form of log lines.
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

/// The files of mutual TLS, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `SERVER_TLS_CERT`: our certificate, and those that lead to its authority.
    pub cert: PathBuf,
    /// `SERVER_TLS_KEY`: our private key.
    pub key: PathBuf,
    /// `SERVER_TLS_CLIENT_CA`: the authority that signs the agencies' certificates.
    pub client_ca: PathBuf,
}

/// Reads the three files of mutual TLS: all of them are set, or none.
pub(super) fn tls(keys: &mut Keys) -> Result<Option<TlsFiles>, ConfigError> {
    const NAMES: [&str; 3] = ["SERVER_TLS_CERT", "SERVER_TLS_KEY", "SERVER_TLS_CLIENT_CA"];
    let mut path = |key| keys.optional(key, "a file's path", |text| Some(PathBuf::from(text)));
    let paths = [path(NAMES[0])?, path(NAMES[1])?, path(NAMES[2])?];
    let missing = paths.iter().position(Option::is_none);
    match (paths, missing) {
        ([Some(cert), Some(key), Some(client_ca)], _) => Ok(Some(TlsFiles {
            cert,
            key,
            client_ca,
        })),
        ([None, None, None], _) | (_, None) => Ok(None),
        (_, Some(missing)) => Err(ConfigError(format!(
            "{} is not set: mutual TLS needs all of {}, or none",
            NAMES[missing],
            NAMES.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_whose_name_cannot_be_a_centrals_is_warned_about() {
        for host in ["central-1", "a", "db.example", &"x".repeat(63)] {
            assert_eq!(of_host(host), (host.to_owned(), None));
        }
        for host in ["", "ñandú", "my host", &"x".repeat(64)] {
            let (name, warning) = of_host(host);
            assert_eq!(name, "central");
            assert!(
                warning.is_some_and(|warning| warning.contains(host)),
                "{host}"
            );
        }
    }
}
