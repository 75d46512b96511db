//! What each parameter of libpq does here: followed, accepted without effect, or refused with what to write in its place.
//!
//! The names and the values are those of PostgreSQL's manual, "Parameter Key Words". One that would weaken a promise, or that
//! cannot be followed, is refused: a user of psql would rely on it. An error quotes plain words alone, since anything else
//! may be a part of a password.

use std::time::Duration;

use super::{RootCertificate, Secret, SslMode};

/// Letters of the longest word that an error quotes: no parameter and no value of one is longer.
const LONGEST_WORD: usize = 32;

/// Parameters that are followed, or accepted without effect.
const KNOWN: [&str; 34] = [
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "sslmode",
    "ssl",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslnegotiation",
    "channel_binding",
    "application_name",
    "connect_timeout",
    "options",
    "target_session_attrs",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "fallback_application_name",
    "gssencmode",
    "load_balance_hosts",
    "sslcompression",
    "sslsni",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "sslcertmode",
    "client_encoding",
    "krbsrvname",
    "gsslib",
    "gssdelegation",
];

/// Parameters that are refused whatever their value is, and what to write in their place.
const REFUSED: [(&str, &str); 15] = [
    ("hostaddr", "write the address as the host"),
    ("service", "write what the service's file says into the URL"),
    (
        "servicefile",
        "write what the service's file says into the URL",
    ),
    ("require_auth", "write channel_binding=require"),
    (
        "sslcrl",
        "lists of revoked certificates are not read, leave it out",
    ),
    (
        "sslcrldir",
        "lists of revoked certificates are not read, leave it out",
    ),
    (
        "sslpassword",
        "write a key without a password into the file of sslkey, and leave it out",
    ),
    (
        "sslkeylogfile",
        "the keys of a session are written nowhere, leave it out",
    ),
    (
        "requirepeer",
        "put the socket into a folder that only the database's user can write to, and leave it out",
    ),
    ("requiressl", "write sslmode=require"),
    ("replication", "a central is no replica, leave it out"),
    ("scram_client_key", "write the password in its place"),
    ("scram_server_key", "write the password in its place"),
    ("schema", "name the lottery's schema in SERVER_LOTTERY"),
    (
        "pgbouncer",
        "name the database itself, or a pooler in session mode, and leave it out",
    ),
];

/// Settings of the server that `options` may not change.
const PROMISED: [(&str, &str); 2] = [
    (
        "synchronous_commit",
        "how durable a bet is says SERVER_DURABILITY",
    ),
    (
        "session_replication_role",
        "it switches checks of the tables off",
    ),
];

/// What a URL says, before it is known whether the parts fit together.
#[derive(Default)]
pub(super) struct Parts {
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// Hosts and ports, as they were written.
    pub hosts: Vec<String>,
    pub ports: Vec<String>,
    pub database: Option<String>,
    pub ssl_mode: Option<SslMode>,
    pub root_certificate: Option<RootCertificate>,
    pub certificate: Option<String>,
    pub key: Option<String>,
    pub direct_tls: bool,
    pub channel_binding_required: bool,
    pub application: Option<String>,
    pub connect_timeout: Option<Duration>,
    pub options: Option<String>,
    pub password_file: Option<String>,
    pub without_effect: Vec<String>,
}

impl Parts {
    /// Takes a parameter.
    ///
    /// # Errors
    /// It is not taken: one sentence with what to write.
    pub fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        let list = |value: &str| value.split(',').map(str::to_owned).collect();
        let some = |value: String| (!value.is_empty()).then_some(value);
        match key {
            "host" => self.hosts = list(&value),
            "port" => self.ports = list(&value),
            "dbname" => self.database = some(value),
            "user" => self.user = some(value),
            "password" => self.password = some(value).map(Secret),
            "passfile" => self.password_file = some(value),
            "sslmode" => self.ssl_mode = Some(ssl_mode(&value)?),
            // How drivers of other languages write it.
            "ssl" if value == "true" => self.ssl_mode = Some(SslMode::Require),
            "ssl" => return Err("ssl is not true: write sslmode=disable".to_owned()),
            "sslrootcert" => {
                self.root_certificate = Some(match value.as_str() {
                    "" => return Err("sslrootcert names no file".to_owned()),
                    "system" => RootCertificate::System,
                    path => RootCertificate::File(path.into()),
                });
            }
            "sslcert" => self.certificate = some(value),
            "sslkey" => self.key = some(value),
            "sslnegotiation" => {
                self.direct_tls = choice(key, &value, &[("postgres", false), ("direct", true)])?;
            }
            "channel_binding" if value == "disable" => {
                return Err(
                    "channel_binding is disable, which lets anyone in between pass a password on: write \
                     channel_binding=prefer"
                        .to_owned(),
                );
            }
            "channel_binding" => {
                let choices = [("prefer", false), ("require", true)];
                self.channel_binding_required = choice(key, &value, &choices)?;
            }
            "application_name" => self.application = some(value),
            "connect_timeout" => {
                let seconds = number(key, &value)?;
                // 0 and less mean no timeout, as in libpq.
                self.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds as u64));
            }
            "options" => {
                let plain = value.to_lowercase().replace('-', "_");
                if let Some((name, why)) = PROMISED.iter().find(|(name, _)| plain.contains(name)) {
                    return Err(format!("options set {name}: {why}, take it out of options"));
                }
                self.options = some(value);
            }
            _ => {
                without_effect(key, &value)?;
                self.without_effect.push(key.to_owned());
            }
        }
        Ok(())
    }
}

fn ssl_mode(value: &str) -> Result<SslMode, String> {
    match value {
        "prefer" | "allow" => Err(format!(
            "sslmode is {value}, which goes on in the clear where somebody in between says that there is no TLS: write \
             sslmode=verify-full with sslrootcert (a file, or system), or sslmode=disable for a database on this machine"
        )),
        _ => choice(
            "sslmode",
            value,
            &[
                ("disable", SslMode::Disable),
                ("require", SslMode::Require),
                ("verify-ca", SslMode::VerifyCa),
                ("verify-full", SslMode::VerifyFull),
            ],
        ),
    }
}

/// Accepts a parameter that changes nothing here, with a value that changes nothing.
fn without_effect(key: &str, value: &str) -> Result<(), String> {
    let allowed: &[&str] = match key {
        // The central has keepalives of its own, and SERVER_STORE_TIMEOUT finds a server that is silent.
        "keepalives"
        | "keepalives_idle"
        | "keepalives_interval"
        | "keepalives_count"
        | "tcp_user_timeout" => return number(key, value).map(drop),
        // It counts only without an application_name, and the central always has one.
        "fallback_application_name" => return Ok(()),
        // GSSAPI is not spoken.
        "krbsrvname" | "gsslib" | "gssdelegation" => return Ok(()),
        "gssencmode" => &["disable", "prefer"],
        // The primary is found anyway.
        "target_session_attrs" => &["read-write", "primary", "any"],
        // Hosts are tried in the order of the URL, and only one of them is the primary.
        "load_balance_hosts" => &["disable", "random"],
        "sslcompression" => &["0"],
        "sslsni" => &["1"],
        "sslcertmode" => &["allow"],
        "client_encoding" => &["UTF8", "utf8", "auto"],
        // TLS 1.3 alone is spoken.
        "ssl_min_protocol_version" => &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"],
        "ssl_max_protocol_version" => &["TLSv1.3"],
        _ => return Err(refused(key)),
    };
    match allowed.contains(&value) {
        true => Ok(()),
        false => Err(not_allowed(key, value, allowed)),
    }
}

fn refused(key: &str) -> String {
    if let Some((_, instead)) = REFUSED.iter().find(|(name, _)| *name == key) {
        return format!("parameter {key} is not followed here: {instead}");
    }
    let nearest = KNOWN.iter().min_by_key(|name| distance(key, name));
    match nearest {
        Some(name) if is_plain(key) && distance(key, name) <= 2 => {
            format!("parameter {key:?} is unknown: write {name}")
        }
        _ => format!(
            "parameter {} is unknown: leave it out, or write one of those that docs/cluster.md lists",
            quoted(key)
        ),
    }
}

fn choice<T: Copy>(key: &str, value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    match choices.iter().find(|(name, _)| *name == value) {
        Some((_, choice)) => Ok(*choice),
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Err(not_allowed(key, value, &names))
        }
    }
}

fn not_allowed(key: &str, value: &str, allowed: &[&str]) -> String {
    let allowed = match allowed {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => allowed.concat(),
    };
    format!("{key} is {}, allowed is {allowed}", quoted(value))
}

fn number(key: &str, value: &str) -> Result<i32, String> {
    let number = value.parse().ok();
    number.ok_or_else(|| format!("{key} is {}, allowed is a whole number", quoted(value)))
}

/// Letters, digits, `-` and `_`, as parameters and their values are. Anything else may be a part of a password.
fn is_plain(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    text.len() <= LONGEST_WORD && text.chars().all(is_plain)
}

/// A word as an error may show it.
fn quoted(text: &str) -> String {
    match is_plain(text) {
        true => format!("{text:?}"),
        false => "no plain word".to_owned(),
    }
}

/// How many letters have to be put in, taken out or changed to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_changes_nothing_is_taken_with_the_values_that_change_nothing_alone() {
        for (key, values, other) in [
            ("keepalives", &["0", "1"][..], Some("x")),
            ("fallback_application_name", &["any"], None),
            ("krbsrvname", &["any"], None),
            ("gsslib", &["any"], None),
            ("gssdelegation", &["any"], None),
            ("gssencmode", &["disable", "prefer"], Some("require")),
            (
                "target_session_attrs",
                &["read-write", "primary", "any"],
                Some("standby"),
            ),
            ("load_balance_hosts", &["disable", "random"], Some("x")),
            ("sslcompression", &["0"], Some("1")),
            ("sslsni", &["1"], Some("0")),
            ("sslcertmode", &["allow"], Some("require")),
            ("client_encoding", &["UTF8", "utf8", "auto"], Some("LATIN1")),
            (
                "ssl_min_protocol_version",
                &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"],
                Some("x"),
            ),
            ("ssl_max_protocol_version", &["TLSv1.3"], Some("TLSv1")),
        ] {
            for value in values {
                assert_eq!(without_effect(key, value), Ok(()), "{key}={value}");
            }
            if let Some(other) = other {
                let why = without_effect(key, other).unwrap_err();
                assert!(
                    why.starts_with(key) && why.contains(", allowed is "),
                    "{why}"
                );
            }
        }
    }

    #[test]
    fn the_values_that_are_allowed_are_listed_and_a_single_one_stands_alone() {
        let why = |allowed| not_allowed("key", "x", allowed);
        assert_eq!(why(&["a"]), "key is \"x\", allowed is a");
        assert_eq!(why(&["a", "b"]), "key is \"x\", allowed is a or b");
        assert_eq!(why(&["a", "b", "c"]), "key is \"x\", allowed is a, b or c");
    }

    #[test]
    fn the_distance_of_two_words_counts_the_letters_to_change() {
        for (one, other, changes) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "xabc", 1),
            ("abc", "ac", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(one, other), changes, "{one} {other}");
        }
    }
}
