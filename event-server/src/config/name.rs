//! Names: of this central, `SERVER_NAME`, and of a lottery in a database.

use super::error::ConfigError;
use super::keys::Keys;

/// The characters that a name may hold.
pub(super) const ALLOWED: &str = "1 to 63 letters, digits, '-', '_' and '.'";

/// This central's name; the host's where none is set.
pub(super) fn central(keys: &mut Keys) -> Result<String, ConfigError> {
    let (name, warning) = of_host(&host_name());
    let name = keys.get("SERVER_NAME", ALLOWED, &name, parse)?;
    if let Some(warning) = warning.filter(|_| !keys.is_set("SERVER_NAME")) {
        keys.warn(warning);
    }
    Ok(name)
}

pub(super) fn parse(text: &str) -> Option<String> {
    let wanted = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    ((1..=63).contains(&text.len()) && text.chars().all(wanted)).then(|| text.to_owned())
}

/// The name of the machine.
pub(super) fn host_name() -> String {
    let host = rustix::system::uname();
    host.nodename().to_string_lossy().into_owned()
}

/// The name of a central on this host, and what to warn about where it is not the host's.
fn of_host(host: &str) -> (String, Option<String>) {
    if let Some(name) = parse(host) {
        return (name, None);
    }
    let warning = format!(
        "SERVER_NAME is central, since the host's name, '{host}', is not {ALLOWED}: set SERVER_NAME, so that this central \
         is told from others"
    );
    ("central".to_owned(), Some(warning))
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
