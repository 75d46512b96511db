//! The keys of the configuration: their names, defaults and allowed values.

/// What the names of the client's environment variables begin with.
pub const PREFIX: &str = "CLI_";

/// One key, as the documentation describes it.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Its value where nothing sets it.
    pub(super) default: Option<&'static str>,
    /// The values that it may have, in words.
    pub(super) allowed: &'static str,
}

impl Key {
    /// Returns whether any text may be its value, so that a number in the file may have been written otherwise.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.name, "server.address" | "batch.file" | "trace.file")
            || self.name.starts_with("server.tls.")
    }
}

/// Returns the environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "_"))
}

/// All keys.
pub(super) const KEYS: [Key; 19] = [
    Key {
        name: "id",
        default: None,
        allowed: "a whole number from 1 to 4294967295",
    },
    Key {
        name: "server.address",
        default: Some("server:12345"),
        allowed: "host:port, or several of them with commas between; nothing stands before the host, IPv6 stands in brackets, and the port is from 1 to 65535",
    },
    Key {
        name: "server.protocol",
        default: Some("resume"),
        allowed: "resume or plain",
    },
    Key {
        name: "server.timeout",
        default: Some("10s"),
        allowed: "a duration such as 10s, from 1ms to 24h",
    },
    Key {
        name: "server.retry",
        default: Some("5m"),
        allowed: "a duration such as 5m, from 0s to 8760h",
    },
    Key {
        name: "server.tls.ca",
        default: Some(""),
        allowed: TLS_FILE,
    },
    Key {
        name: "server.tls.cert",
        default: Some(""),
        allowed: TLS_FILE,
    },
    Key {
        name: "server.tls.key",
        default: Some(""),
        allowed: TLS_FILE,
    },
    Key {
        name: "loop.amount",
        default: Some("5"),
        allowed: "a whole number from 0 to 4294967295",
    },
    Key {
        name: "loop.period",
        default: Some("5s"),
        allowed: "a duration such as 100ms, 1.5h or 1m30s, from 0s to 8760h",
    },
    Key {
        name: "log.level",
        default: Some("INFO"),
        allowed: "DEBUG, INFO, NOTICE, WARNING, ERROR or CRITICAL",
    },
    Key {
        name: "log.format",
        default: Some("text"),
        allowed: "text or json",
    },
    Key {
        name: "trace.file",
        default: Some(""),
        allowed: "the path of a file",
    },
    Key {
        name: "trace.maxBytes",
        default: Some("268435456"),
        allowed: "a whole number from 65536 to 4294967295",
    },
    Key {
        name: "batch.maxAmount",
        default: Some("86"),
        allowed: "a whole number from 1 to 1000000",
    },
    Key {
        name: "batch.window",
        default: Some("64"),
        allowed: "a whole number from 1 to 1024",
    },
    Key {
        name: "batch.file",
        default: Some("/data/agency.csv"),
        allowed: "the path of a file",
    },
    Key {
        name: "batch.allowEmpty",
        default: Some("false"),
        allowed: "true or false",
    },
    Key {
        name: "batch.strict",
        default: Some("false"),
        allowed: "true or false",
    },
];

/// What each of the keys of mutual TLS may be.
pub(super) const TLS_FILE: &str = "the path of a file; mutual TLS needs all of server.tls.ca, server.tls.cert and server.tls.key, or none";
