//! The head of a request: the bytes up to the empty line, as values; and the hosts that it may name.
//!
//! HTTP/1.0 and 1.1 (RFC 9112). A request may have a body, which nobody reads: the connection closes after its answer.

use std::net::{Ipv4Addr, Ipv6Addr};

use httparse::{EMPTY_HEADER, Error, Status};

/// The most bytes of a head.
pub const MAX_HEAD: usize = 8 * 1024;

/// The most header fields.
const MAX_FIELDS: usize = 64;

/// The media type of the OpenMetrics text format.
const OPENMETRICS: &str = "application/openmetrics-text";

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET: the whole answer.
    Get,
    /// HEAD: the head of the answer alone.
    Head,
    /// Any other method: it is not allowed.
    Other,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'b> {
    /// The method.
    pub method: Method,
    /// The path that is asked for, without a query; begins with `/`, unless the method is not allowed.
    pub path: &'b str,
    /// The host that the client means to ask, with a port if it names one; `None`: it names no host.
    pub host: Option<&'b str>,
    /// Whether the OpenMetrics format is preferred to the older one of Prometheus.
    pub openmetrics: bool,
    /// Whether the connection may carry another request after this one.
    pub keep_alive: bool,
    /// The client speaks HTTP/1.0, where a connection ends unless both sides say that it does not.
    pub http_1_0: bool,
}

/// The head that bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head<'b> {
    /// A part of a head; more bytes have to come.
    Partial,
    /// A request, and the bytes of its head.
    Whole(Request<'b>, usize),
    /// A head that is too long, or has too many fields.
    TooLong,
    /// No request, and why not.
    Bad(&'static str),
}

/// Reads the head that bytes begin with.
pub fn parse(bytes: &[u8]) -> Head<'_> {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let visible = &bytes[..bytes.len().min(MAX_HEAD)];
    match request.parse(visible) {
        Ok(Status::Complete(size)) => match read(&request) {
            Ok(request) => Head::Whole(request, size),
            Err(why) => Head::Bad(why),
        },
        Ok(Status::Partial) if visible.len() == MAX_HEAD => Head::TooLong,
        Ok(Status::Partial) => Head::Partial,
        Err(Error::TooManyHeaders) => Head::TooLong,
        Err(Error::Version) => Head::Bad("the version is neither HTTP/1.0 nor HTTP/1.1"),
        Err(Error::Token) => Head::Bad("the method or the target holds a byte that it may not"),
        Err(Error::HeaderName) => Head::Bad("the name of a field holds a byte that it may not"),
        Err(Error::HeaderValue) => Head::Bad("the value of a field holds a byte that it may not"),
        Err(Error::NewLine | Error::Status) => Head::Bad("a line does not end as it has to"),
    }
}

fn read<'b>(request: &httparse::Request<'_, 'b>) -> Result<Request<'b>, &'static str> {
    let http_1_0 = request.version == Some(0);
    let (mut hosts, mut host, mut body) = (0, None, false);
    let mut openmetrics = Preference::default();
    let (mut close, mut stay) = (false, false);
    for field in request.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("host") {
            hosts += 1;
            // A name that is not UTF-8 becomes one that no host has.
            host = Some(std::str::from_utf8(field.value).unwrap_or("?"));
        } else if is("transfer-encoding") {
            body = true;
        } else if is("content-length") {
            body |= field.value != b"0";
        } else if is("connection") {
            close |= has(field.value, "close");
            stay |= has(field.value, "keep-alive");
        } else if is("accept") {
            openmetrics.read(field.value);
        }
    }
    if hosts > 1 || hosts == 0 && !http_1_0 {
        return Err("there has to be one field Host");
    }
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let target = request.path.unwrap_or_default();
    let (authority, path) = match (split(target), method) {
        (Some(parts), _) => parts,
        // OPTIONS may have an asterisk as its target, CONNECT has a host.
        (None, Method::Other) => (None, target),
        (None, _) => return Err("the target is neither a path nor an http URL"),
    };
    Ok(Request {
        method,
        path,
        // The host of a URL wins over the field (RFC 9112, section 3.2.2).
        host: authority.or(host),
        openmetrics: openmetrics.is_openmetrics(),
        keep_alive: !body && !close && (stay || !http_1_0),
        http_1_0,
    })
}

/// Returns the host, if a target is an http URL, and its path without a query; `None`: it is neither a URL nor a path.
fn split(target: &str) -> Option<(Option<&str>, &str)> {
    let scheme = target.get(..7);
    let (host, path) = match scheme.filter(|scheme| scheme.eq_ignore_ascii_case("http://")) {
        Some(_) => {
            let rest = &target[7..];
            let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            (Some(host), path)
        }
        None => (None, target),
    };
    let path = path.split('?').next().unwrap_or_default();
    match (host, path) {
        (Some(_), "") => Some((host, "/")),
        _ => path.starts_with('/').then_some((host, path)),
    }
}

/// Returns whether a list of words, separated by commas, has this one.
fn has(list: &[u8], word: &str) -> bool {
    let mut words = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    words.any(|other| other.eq_ignore_ascii_case(word.as_bytes()))
}

/// How much a client prefers each of the two formats of metrics, in thousandths; `None`: it does not name it.
#[derive(Default)]
struct Preference {
    openmetrics: Option<u32>,
    text: Option<u32>,
}

impl Preference {
    /// Reads a field Accept (RFC 9110, section 12.5.1).
    fn read(&mut self, value: &[u8]) {
        for range in value.split(|byte| *byte == b',') {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let media = parts.next().unwrap_or_default();
            let weight = parts.find_map(weight).unwrap_or(1_000);
            let kept = if media.eq_ignore_ascii_case(OPENMETRICS.as_bytes()) {
                &mut self.openmetrics
            } else if media.eq_ignore_ascii_case(b"text/plain") {
                &mut self.text
            } else {
                continue;
            };
            *kept = Some(kept.unwrap_or(0).max(weight));
        }
    }

    fn is_openmetrics(&self) -> bool {
        self.openmetrics > Some(0) && self.openmetrics >= self.text
    }
}

/// Returns the weight that a part of a range such as `q=0.5` says, in thousandths.
fn weight(part: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(part).ok()?;
    let (name, value) = text.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let weight: f32 = value.trim().parse().ok()?;
    Some((weight.clamp(0.0, 1.0) * 1_000.0) as u32)
}

/// The host names that a request may name, beside every IP address and `localhost`.
///
/// Without this, a page of another site could read the answers, if that site's name is made to resolve to this machine's address
/// (DNS rebinding).
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// Allows these names.
    pub(super) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Returns whether a request may name this host, with a port or without.
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

/// Returns whether this may follow a host: nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request<'_> {
        match parse(text.as_bytes()) {
            Head::Whole(request, size) => {
                assert_eq!(size, text.len());
                request
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_head_is_whole_at_its_last_byte_and_what_follows_is_not_a_part_of_it() {
        let text = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
        for cut in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..cut]), Head::Partial, "{cut}");
        }
        let twice = text.repeat(2);
        let Head::Whole(request, size) = parse(twice.as_bytes()) else {
            panic!("not whole");
        };
        assert_eq!((request.path, size), ("/metrics", text.len()));
        assert!(request.keep_alive && !request.openmetrics && !request.http_1_0);
    }

    #[test]
    fn a_target_may_be_a_path_or_a_url() {
        for (target, path, host) in [
            ("/", "/", ""),
            ("/?a", "/", ""),
            ("http://h:8080", "/", "h:8080"),
            ("HTTP://h?q", "/", "h"),
            ("http://h/healthz?x", "/healthz", "h"),
            ("//double", "//double", ""),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: f:1\r\n\r\n");
            let host = if target.starts_with('/') { "f:1" } else { host };
            let request = request(&text);
            assert_eq!((request.path, request.host), (path, Some(host)), "{target}");
        }
        for target in ["*", "host:80", "?", "https://h/", "ftp://h/"] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            assert!(matches!(parse(text.as_bytes()), Head::Bad(_)), "{target}");
        }
        let text = "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n";
        assert_eq!(request(text).method, Method::Other);
    }

    #[test]
    fn keep_alive_is_as_each_version_says_and_never_after_a_body() {
        for (version, fields, stays) in [
            ("1.1", "Host: h\r\n", true),
            ("1.1", "Host: h\r\nConnection: foo, Close\r\n", false),
            ("1.1", "Host: h\r\nContent-Length: 0\r\n", true),
            ("1.1", "Host: h\r\nContent-Length: 5\r\n", false),
            ("1.1", "Host: h\r\nTransfer-Encoding: chunked\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
        ] {
            let text = format!("GET / HTTP/{version}\r\n{fields}\r\n");
            let request = request(&text);
            assert_eq!(request.keep_alive, stays, "{text}");
            assert_eq!(request.http_1_0, version == "1.0");
        }
    }

    #[test]
    fn the_format_of_metrics_is_the_one_that_is_wanted_more() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, openmetrics) in [
            (prometheus, true),
            ("application/openmetrics-text; version=1.0.0", true),
            ("text/plain, application/openmetrics-text;q=0.5", false),
            ("application/openmetrics-text;q=0", false),
            ("*/*", false),
            ("text/html,;;,q=,=", false),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n");
            assert_eq!(request(&text).openmetrics, openmetrics, "{accept}");
        }
    }

    #[test]
    fn a_bad_head_is_told_apart_from_one_that_is_too_long() {
        for bad in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/2.0\r\n",
            "G\u{1}T / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            assert!(matches!(parse(bad.as_bytes()), Head::Bad(_)), "{bad:?}");
        }
        let head = |fill: usize| {
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
                "x".repeat(fill)
            )
        };
        let around = head(0).len();
        assert!(matches!(
            parse(head(MAX_HEAD - around).as_bytes()),
            Head::Whole(..)
        ));
        assert_eq!(parse(head(MAX_HEAD - around + 1).as_bytes()), Head::TooLong);
        let many = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(MAX_FIELDS)
        );
        assert_eq!(parse(many.as_bytes()), Head::TooLong);
    }
}
