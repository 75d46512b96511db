//! How a URL is read, in libpq's form (PostgreSQL's manual, "Connection URIs"), and how it is shown.

use percent_encoding::percent_decode_str;

pub use super::defaults::Defaults;
use super::parameters::Parts;
use super::{
    ClientCertificate, DatabaseUrl, Host, RootCertificate, SOCKET_FOLDER, Secret, SslMode,
};

const DEFAULT_PORT: u16 = 5432;

/// What `config` shows in the place of a password.
const MASK: &str = "***";

impl DatabaseUrl {
    /// Reads a URL; `defaults` stand in for a user and a database that it leaves out.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it, without the password.
    pub fn parse(url: &str, defaults: &Defaults) -> Result<Self, String> {
        let Parts {
            user,
            password,
            hosts: names,
            ports,
            database,
            ssl_mode,
            root_certificate,
            certificate,
            key,
            direct_tls,
            channel_binding_required,
            application,
            connect_timeout,
            options,
            password_file,
            without_effect,
        } = parts(url)?;
        let user = user.map_or_else(|| defaults.user(), Ok)?;
        let database = database.unwrap_or_else(|| defaults.database(&user));
        let (ssl_mode, root_certificate) = protection(ssl_mode, root_certificate)?;
        let client_certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate {
                certificate: certificate.into(),
                key: key.into(),
            }),
            (None, None) => None,
            _ => return Err("sslcert and sslkey belong together: write both, or none".to_owned()),
        };
        if direct_tls && ssl_mode == SslMode::Disable {
            return Err(
                "sslnegotiation is direct, and sslmode is disable: write one of them".to_owned(),
            );
        }
        Ok(Self {
            user,
            password,
            hosts: hosts(&names, &ports)?,
            database,
            ssl_mode,
            root_certificate,
            client_certificate,
            direct_tls,
            channel_binding_required,
            application,
            connect_timeout,
            options,
            password_file: password_file.map(Into::into),
            without_effect,
        })
    }
}

/// Splits a URL at its delimiters, and decodes what stands between them.
fn parts(url: &str) -> Result<Parts, String> {
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
    let mut parts = Parts::default();
    // A password may hold an @ that is not encoded: the last one ends it.
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let some = |text: String| (!text.is_empty()).then_some(text);
    parts.user = some(decoded(user, "the user")?);
    parts.password = some(decoded(password, "the password")?).map(Secret);
    for host in hosts.split(',') {
        let (name, port) = name_and_port(host)?;
        parts.hosts.push(decoded(name, "a host")?);
        parts.ports.push(port.to_owned());
    }
    if database.contains('/') {
        // It may also be a password with an @ and a / in it: it is not quoted.
        return Err("a / stands behind the database: write it as %2F".to_owned());
    }
    parts.database = some(decoded(database, "the database")?);
    for parameter in parameters.split('&').filter(|text| !text.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        parts.set(key, decoded(value, "a parameter's value")?)?;
    }
    Ok(parts)
}

/// Splits `name:port` or `[address]:port`.
fn name_and_port(host: &str) -> Result<(&str, &str), String> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest
                .split_once(']')
                .ok_or("an IPv6 address needs both brackets: [::1]:5432")?;
            (name, port.strip_prefix(':'))
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    Ok((name, port.unwrap_or_default()))
}

fn hosts(names: &[String], ports: &[String]) -> Result<Vec<Host>, String> {
    let port_of = |place: usize| match ports {
        [one] => Ok(one.as_str()),
        all if all.len() == names.len() => Ok(&*all[place]),
        _ => Err(format!(
            "it has {} hosts and {} ports: write one port for all of them, or one for each",
            names.len(),
            ports.len()
        )),
    };
    let hosts = names.iter().enumerate();
    hosts
        .map(|(place, name)| host(name, port_of(place)?))
        .collect()
}

fn host(name: &str, port: &str) -> Result<Host, String> {
    let wanted = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if !name.starts_with('/') && !name.chars().all(wanted) {
        return Err("a host is no host name, no IP address and no folder of a socket".to_owned());
    }
    let port = match port {
        "" => DEFAULT_PORT,
        // Not quoted: a password may have been put there.
        port => (port.parse().ok())
            .filter(|port| *port > 0)
            .ok_or("the port of a host is none of 1 to 65535")?,
    };
    let name = if name.is_empty() { SOCKET_FOLDER } else { name };
    Ok(Host {
        name: name.to_owned(),
        port,
        password: None,
    })
}

/// What `sslmode` and `sslrootcert` mean together.
fn protection(
    mode: Option<SslMode>,
    root: Option<RootCertificate>,
) -> Result<(SslMode, Option<RootCertificate>), String> {
    match (mode, root) {
        (Some(SslMode::Disable), _) => Ok((SslMode::Disable, None)),
        (Some(SslMode::Require), None) => Ok((SslMode::Require, None)),
        (None | Some(SslMode::VerifyFull), root) => {
            let root = root.unwrap_or(RootCertificate::System);
            Ok((SslMode::VerifyFull, Some(root)))
        }
        (Some(SslMode::VerifyCa), None) => Err(
            "sslmode verify-ca needs sslrootcert=FILE, the authority that signed the database's certificate".to_owned(),
        ),
        // Anyone can have a certificate from one of them, for a host of their own.
        (Some(SslMode::Require | SslMode::VerifyCa), Some(RootCertificate::System)) => Err(
            "sslrootcert is system, whose authorities sign for anyone: write sslmode=verify-full, which asks for the \
             host's name"
                .to_owned(),
        ),
        // As in libpq: whoever names an authority wants the certificate checked against it.
        (Some(SslMode::Require | SslMode::VerifyCa), root) => Ok((SslMode::VerifyCa, root)),
    }
}

fn decoded(text: &str, what: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| format!("{what} is not UTF-8"))?;
    match decoded.contains('\0') {
        true => Err(format!("{what} holds a zero byte")),
        false => Ok(decoded.into_owned()),
    }
}

/// Returns the URL with its password masked: for whoever looks at a configuration. Of a URL that cannot be used only
/// the scheme is shown.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // Whose defaults these are does not matter: they are not shown.
    let defaults = Defaults {
        user: Some("user".to_owned()),
        database: None,
    };
    if DatabaseUrl::parse(url, &defaults).is_err() {
        return format!("{scheme}://{MASK}");
    }
    let (place, parameters) = match rest.split_once('?') {
        Some((place, parameters)) => (place, Some(parameters)),
        None => (rest, None),
    };
    let place = match place.rsplit_once('@') {
        Some((user, hosts)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{hosts}"),
            None => format!("{user}@{hosts}"),
        },
        None => place.to_owned(),
    };
    let mask = |parameter: &str| match parameter.split_once('=') {
        Some((key @ "password", _)) => format!("{key}={MASK}"),
        _ => parameter.to_owned(),
    };
    let parameters = parameters.map(|all| all.split('&').map(mask).collect::<Vec<_>>().join("&"));
    let parameters = parameters.map_or_else(String::new, |parameters| format!("?{parameters}"));
    format!("{scheme}://{place}{parameters}")
}
