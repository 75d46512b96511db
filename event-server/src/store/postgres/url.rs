//! Where the database is: `postgresql://user:password@host:port,host:port/database?sslmode=…&sslrootcert=…`.
//!
//! The form is libpq's (PostgreSQL's manual, "Connection URIs"), with the parameters that are of use here; another one
//! is an error that names it. Neither `Debug` nor an error shows the password.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

const DEFAULT_PORT: u16 = 5432;

/// Letters of the longest word that an error quotes: no parameter and no value of one is longer.
const LONGEST_WORD: usize = 32;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all.
    Disable,
    /// Encrypted, whoever answers.
    Require,
    /// Encrypted, with a server whose certificate a given authority signed.
    VerifyCa,
    /// The same, and the certificate is for the host of the URL.
    VerifyFull,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name or an IP address, without brackets.
    pub name: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

/// A database, and as whom to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// Who.
    pub user: String,
    /// With which password, where the URL has one.
    pub password: Option<Secret>,
    /// Where; tried in this order.
    pub hosts: Vec<Host>,
    /// Which database.
    pub database: String,
    /// How the connection is protected.
    pub ssl_mode: SslMode,
    /// The authority whose signature a server's certificate needs, in PEM.
    pub root_certificate: Option<PathBuf>,
}

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it, without the password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = url
            .strip_prefix("postgresql://")
            .or_else(|| url.strip_prefix("postgres://"))
            .ok_or("it does not begin with postgresql://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        if rest[end..].contains('@') {
            return Err(
                "an @ stands behind the first / or ?: in a user, a password and what follows the hosts, write / as %2F, \
                 ? as %3F and @ as %40"
                    .to_owned(),
            );
        }
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        // A password may hold an @ that is not encoded: the last one ends it.
        let (user, hosts) = authority
            .rsplit_once('@')
            .ok_or("it names no user: postgresql://USER@HOST/DATABASE")?;
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(Secret(decoded(password, "the password")?))),
            None => (user, None),
        };
        let user = decoded(user, "the user")?;
        if user.is_empty() {
            return Err("it names no user: postgresql://USER@HOST/DATABASE".to_owned());
        }
        let hosts = hosts.split(',').map(host).collect::<Result<_, _>>()?;
        let database = match decoded(database, "the database")? {
            name if name.is_empty() => user.clone(),
            name => name,
        };
        let mut parsed = Self {
            user,
            password,
            hosts,
            database,
            ssl_mode: SslMode::VerifyFull,
            root_certificate: None,
        };
        for parameter in parameters.split('&').filter(|text| !text.is_empty()) {
            parsed.set(parameter)?;
        }
        if parsed.root_certificate.is_none() {
            let mode = match parsed.ssl_mode {
                SslMode::VerifyFull => "verify-full",
                SslMode::VerifyCa => "verify-ca",
                SslMode::Disable | SslMode::Require => return Ok(parsed),
            };
            return Err(format!(
                "sslmode {mode} needs sslrootcert=FILE, the authority that signed the database's certificate; \
                 sslmode=disable is for a database on this machine"
            ));
        }
        Ok(parsed)
    }

    fn set(&mut self, parameter: &str) -> Result<(), String> {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = decoded(value, "a parameter's value")?;
        match key {
            "sslmode" => {
                self.ssl_mode = match value.as_str() {
                    "disable" => SslMode::Disable,
                    "require" => SslMode::Require,
                    "verify-ca" => SslMode::VerifyCa,
                    "verify-full" => SslMode::VerifyFull,
                    _ => {
                        return Err(format!(
                            "sslmode is {}, allowed is disable, require, verify-ca or verify-full",
                            quoted(&value)
                        ));
                    }
                }
            }
            "sslrootcert" if !value.is_empty() => self.root_certificate = Some(value.into()),
            "sslrootcert" => return Err("sslrootcert names no file".to_owned()),
            _ => {
                return Err(format!(
                    "parameter {} is unknown, there are sslmode and sslrootcert",
                    quoted(key)
                ));
            }
        }
        Ok(())
    }
}

/// The URL with its password masked: for whoever looks at a configuration. Of one that cannot be used only the scheme
/// is shown.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let Ok(parsed) = DatabaseUrl::parse(url) else {
        return format!("{scheme}://***");
    };
    match (parsed.password, rest.split_once(':'), rest.rfind('@')) {
        (Some(_), Some((user, _)), Some(at)) => format!("{scheme}://{user}:***{}", &rest[at..]),
        _ => url.to_owned(),
    }
}

/// A word as an error may show it: one of letters, digits and `_`, as parameters and their values are. Anything else may be
/// a part of a password.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    match text.len() <= LONGEST_WORD && text.chars().all(is_plain) {
        true => format!("{text:?}"),
        false => "no plain word".to_owned(),
    }
}

fn host(text: &str) -> Result<Host, String> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest
                .split_once(']')
                .ok_or("an IPv6 address needs both brackets: [::1]:5432")?;
            (name, port.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let name = decoded(name, "a host")?;
    if name.is_empty() || name.starts_with('/') {
        return Err("a host is missing: postgresql://USER@HOST/DATABASE".to_owned());
    }
    let wanted = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if !name.chars().all(wanted) {
        return Err("a host is no host name and no IP address".to_owned());
    }
    let port = match port.filter(|port| !port.is_empty()) {
        // Not quoted: a password may have been put there.
        Some(port) => (port.parse().ok())
            .filter(|port| *port > 0)
            .ok_or("the port of a host is none of 1 to 65535")?,
        None => DEFAULT_PORT,
    };
    Ok(Host { name, port })
}

fn decoded(text: &str, what: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| format!("{what} is not UTF-8"))?;
    match decoded.contains('\0') {
        true => Err(format!("{what} holds a zero byte")),
        false => Ok(decoded.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_user_hosts_database_and_protection() {
        let url = "postgresql://lot%40tery:p%3A%2F@s@db-1,[::1]:6432,10.0.0.1:7/bets?sslmode=verify-ca&sslrootcert=%2Fca.pem";
        let url = DatabaseUrl::parse(url).unwrap();
        assert_eq!((&*url.user, &*url.database), ("lot@tery", "bets"));
        assert_eq!(url.password, Some(Secret("p:/@s".to_owned())));
        let hosts: Vec<String> = url.hosts.iter().map(Host::to_string).collect();
        assert_eq!(hosts, ["db-1:5432", "[::1]:6432", "10.0.0.1:7"]);
        assert_eq!(url.ssl_mode, SslMode::VerifyCa);
        assert_eq!(url.root_certificate, Some("/ca.pem".into()));
        assert!(!format!("{url:?}").contains("p:/"));

        let short = DatabaseUrl::parse("postgres://a@h?sslmode=disable").unwrap();
        assert_eq!((&*short.database, short.password), ("a", None));
    }

    #[test]
    fn a_url_that_cannot_be_used_says_why_and_never_shows_the_password() {
        for (url, sentence) in [
            ("mysql://a:secret@h", "it does not begin with postgresql://"),
            ("postgresql://h/db", "it names no user"),
            ("postgresql://:secret@h/db", "it names no user"),
            ("postgresql://a:secret@/db", "a host is missing"),
            (
                "postgresql://a:secret@[::1/db",
                "an IPv6 address needs both",
            ),
            ("postgresql://a:secret@h:0/db", "the port of a host is none"),
            ("postgresql://a:secret@h h/db", "a host is no host name"),
            (
                "postgresql://a:secret@h/db",
                "sslmode verify-full needs sslrootcert",
            ),
            (
                "postgresql://a:secret@h/db?sslmode=prefer",
                "sslmode is \"prefer\"",
            ),
            (
                "postgresql://a:secret@h/db?sslmode=disable&x=1",
                "parameter \"x\"",
            ),
            ("postgresql://a:%FFsecret@h/db", "the password is not UTF-8"),
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err();
            assert!(error.starts_with(sentence), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_masked_url_keeps_all_but_the_password() {
        for (url, shown) in [
            (
                "postgresql://a:secret@h/db?sslmode=require",
                "postgresql://a:***@h/db?sslmode=require",
            ),
            (
                "postgresql://a:s:e@cret@h:1/db?sslmode=disable",
                "postgresql://a:***@h:1/db?sslmode=disable",
            ),
            ("postgresql://a:se/cret@h/db", "postgresql://***"),
            (
                "postgresql://a@h:5432/db?sslmode=disable",
                "postgresql://a@h:5432/db?sslmode=disable",
            ),
            ("files", "files"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }

    #[test]
    fn no_part_of_a_password_is_shown_whatever_stands_in_it_and_around_it() {
        const AROUND: [&str; 16] = [
            "a:{}@h/db?sslmode=disable",
            "a:{}@h:0/db",
            "a:{}@h h/db",
            "a:{}@[::1/db",
            "a:{}@h/db?sslmode=prefer",
            "a:{}@h/db?x=1",
            "a:{}@/db",
            ":{}@h/db",
            "a@h/db?password={}",
            "a@h/db?sslmode=disable{}",
            "a@h/db?sslmode=disable;password={}",
            "a@h/db?{}",
            "a@h:{}/db",
            "a@h:5432:{}/db",
            "a:{}",
            "a:{}/db?sslmode=disable",
        ];
        let marks = "?/#%&=;:,[]\\ \t'\"é";
        let mut secrets: Vec<String> = marks
            .chars()
            .map(|mark| format!("!left{mark}right!"))
            .collect();
        secrets.extend(
            [
                "!left@/right!",
                "!left/right!@",
                "!left%4right!",
                "!left%00right!",
                "!left%FFright!",
            ]
            .map(String::from),
        );
        for secret in &secrets {
            for around in AROUND {
                let url = format!("postgresql://{}", around.replace("{}", secret));
                let shown = match DatabaseUrl::parse(&url) {
                    Ok(parsed) => format!("{parsed:?}"),
                    Err(error) => error,
                };
                for shown in [shown, masked(&url)] {
                    assert!(
                        !shown.contains("left") && !shown.contains("right"),
                        "{url}: {shown}"
                    );
                }
            }
        }
    }
}
