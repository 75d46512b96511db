//! The answer to each path; and the live pages, HTML documents that load nothing from elsewhere.

use std::time::{Duration, Instant};

use bytes::Bytes;
use frame::{Calls, Escaped};
use sha2::{Digest as _, Sha256};

use super::head::{Hosts, Method, Request};
use super::history::History;
use super::json::{self, Central};
use super::loop_json;
use super::metrics::{Metrics, OPENMETRICS, TEXT};
use super::response::Response;
use crate::observe::Observe;

const JSON: &str = "application/json";

/// This program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long an answer of `/api/lottery` or `/api/loop` is reused: however many watch, it is not made more often.
const SHARED: Duration = Duration::from_millis(500);

/// How long an unfinished answer is continued; an older one is begun again.
const STALE: Duration = Duration::from_secs(10);

/// How long somebody counts as watching after they have asked.
const WATCHED: Duration = Duration::from_secs(60);

const MISDIRECTED: &str = "this port answers requests for an IP address, localhost and its own names; \
                           SERVER_HTTP_HOSTS gives it further ones";

/// The answers, and what they are made of.
pub(super) struct Pages {
    /// This central's name.
    name: String,
    /// The host names that requests may name.
    hosts: Hosts,
    started: Instant,
    /// The live pages, `/` and `/loop`.
    lottery_page: Response,
    loop_page: Response,
    /// How many bets were stored.
    history: History<u64>,
    /// The outcomes of reads and writes.
    calls: History<Calls>,
    /// The last answer of `/api/lottery`, and when it was made.
    lottery: Option<(Instant, Bytes)>,
    /// The last answer of `/api/loop`, and when it was made.
    made_loop: Option<(Instant, Bytes)>,
    /// The next answer of `/api/loop`, while it is made.
    making: Option<loop_json::ConnectionsArray>,
    /// When somebody last asked how the lottery stands.
    asked: Option<Instant>,
    /// How many requests were answered.
    requests: u64,
}

impl Pages {
    pub(super) fn new(name: &str, hosts: Vec<String>, now: Instant) -> Self {
        Self {
            name: name.to_owned(),
            hosts: Hosts::new(hosts),
            started: now,
            lottery_page: lottery_page(),
            loop_page: loop_page(),
            history: History::new(now),
            calls: History::new(now),
            lottery: None,
            made_loop: None,
            making: None,
            asked: None,
            requests: 0,
        }
    }

    /// Returns when [`advance`](Self::advance) is due.
    pub(super) fn deadline(&self) -> Instant {
        self.history.deadline()
    }

    /// Takes samples of the histories if they are due.
    pub(super) fn advance(&mut self, now: Instant, central: &mut impl Observe) {
        let asked = self.asked;
        self.history.advance(now, || {
            let watched = asked.is_some_and(|at| now.saturating_duration_since(at) < WATCHED);
            central.watch(watched);
            central.bets()
        });
        self.calls.advance(now, || Some(central.calls()));
    }

    /// Returns the answer to a request; `None` while it is made: the caller asks again in the next turn.
    pub(super) fn answer(
        &mut self,
        request: &Request<'_>,
        now: Instant,
        central: &mut impl Observe,
    ) -> Option<Response> {
        self.requests += 1;
        if request.host.is_some_and(|host| !self.hosts.allow(host)) {
            return Some(Response::text(421, MISDIRECTED));
        }
        if request.method == Method::Other {
            let mut response = Response::text(405, "only GET and HEAD are allowed");
            response.fields.push("Allow: GET, HEAD".to_owned());
            return Some(response);
        }
        Some(match request.path {
            "/" => self.lottery_page.clone(),
            "/loop" => self.loop_page.clone(),
            "/healthz" => Response::text(200, "ok"),
            "/readyz" => match central.unavailable() {
                None => Response::text(200, "ready"),
                Some(why) => Response::text(503, &Escaped(&why).to_string()),
            },
            "/api/lottery" => self.lottery(now, central),
            "/api/loop" => {
                let Some(body) = self.loop_state(now, central) else {
                    self.requests -= 1;
                    return None;
                };
                Response::new(200, JSON, body)
            }
            "/metrics" => self.metrics(request, now, central),
            _ => Response::text(
                404,
                "there is nothing here: try /, /loop, /api/lottery, /api/loop, /metrics, /healthz or /readyz",
            ),
        })
    }

    fn lottery(&mut self, now: Instant, central: &mut impl Observe) -> Response {
        self.ask(now, central);
        let recent = |made: Instant| now.saturating_duration_since(made) < SHARED;
        let body = match &self.lottery {
            Some((made, body)) if recent(*made) => body.clone(),
            _ => {
                let (view, unavailable) = (central.lottery(), central.unavailable());
                let bets = view.agencies.iter().map(|view| view.bets).sum();
                let unavailable = unavailable.as_deref();
                let (speed, history) = (self.history.speed(now, bets), self.history.samples(now));
                let body = Bytes::from(json::lottery(
                    &view,
                    speed,
                    history,
                    &self.central(now),
                    unavailable,
                ));
                self.lottery = Some((now, body.clone()));
                body
            }
        };
        Response::new(200, JSON, body)
    }

    /// Returns the answer of `/api/loop`; `None`: more slices of it are to be made.
    fn loop_state(&mut self, now: Instant, central: &impl Observe) -> Option<Bytes> {
        let is_within = |at: Instant, time: Duration| now.saturating_duration_since(at) < time;
        if let Some((made, body)) = &self.made_loop
            && is_within(*made, SHARED)
        {
            return Some(body.clone());
        }
        let begun = self.making.take();
        // A stale one was left unfinished, since the client that asked for it has gone.
        let begun = begun.filter(|array| is_within(array.began(), STALE));
        let mut array = begun.unwrap_or_else(|| loop_json::ConnectionsArray::new(now));
        if !array.advance(central) {
            self.making = Some(array);
            return None;
        }
        let about = self.central(now);
        let body = Bytes::from(array.finish(now, central, &self.calls, &about));
        self.made_loop = Some((now, body.clone()));
        Some(body)
    }

    fn metrics(
        &mut self,
        request: &Request<'_>,
        now: Instant,
        central: &mut impl Observe,
    ) -> Response {
        self.ask(now, central);
        let metrics = Metrics {
            figures: central.figures(),
            lottery: central.lottery(),
            name: self.name.clone(),
            version: VERSION,
            http_requests: self.requests,
        };
        match request.openmetrics {
            true => Response::new(200, OPENMETRICS, metrics.openmetrics()),
            false => Response::new(200, TEXT, metrics.text()),
        }
    }

    /// Returns what every answer in JSON says of the central.
    fn central(&self, now: Instant) -> Central<'_> {
        Central {
            name: &self.name,
            version: VERSION,
            uptime: now.saturating_duration_since(self.started),
        }
    }

    /// Notes that somebody asks how the lottery stands.
    fn ask(&mut self, now: Instant, central: &mut impl Observe) {
        self.asked = Some(now);
        central.watch(true);
    }
}

/// Makes the answer to `/`: the live page of the lottery.
fn lottery_page() -> Response {
    document(
        include_str!("pages/lottery.html"),
        &[
            include_str!("pages/base.css"),
            include_str!("pages/lottery.css"),
        ],
        &[
            include_str!("pages/base.js"),
            include_str!("pages/lottery.js"),
        ],
    )
}

/// Makes the answer to `/loop`: the live page of the loop.
fn loop_page() -> Response {
    document(
        include_str!("pages/loop.html"),
        &[
            include_str!("pages/base.css"),
            include_str!("pages/loop.css"),
        ],
        &[
            include_str!("pages/base.js"),
            include_str!("pages/cells.js"),
            include_str!("pages/loop.js"),
        ],
    )
}

/// Makes the answer with a document, its styles and its scripts put in, and the policy that a browser holds it to.
fn document(html: &str, styles: &[&str], scripts: &[&str]) -> Response {
    let (style, script) = (styles.concat(), scripts.concat());
    let document = html
        .replace("<!-- style -->", &format!("<style>{style}</style>"))
        .replace("<!-- script -->", &format!("<script>{script}</script>"));
    let mut response = Response::new(200, "text/html; charset=utf-8", document);
    let policy = format!(
        "Content-Security-Policy: default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(&script),
        hash(&style)
    );
    response.fields = vec![policy, "Referrer-Policy: no-referrer".to_owned()];
    response
}

/// Returns how a policy names a script or a style that it allows: by its SHA-256 (CSP level 3, section 2.3.1).
fn hash(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text)))
}

/// Returns Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit)) & 63;
            let is_padding = digit > group.len();
            text.push(match is_padding {
                true => '=',
                false => char::from(DIGITS[at as usize]),
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn each_page_is_whole_and_names_no_other_resource_and_no_absolute_path() {
        for page in [lottery_page(), loop_page()] {
            let page = String::from_utf8(page.body.to_vec()).unwrap();
            assert_eq!(page.matches("<script>").count(), 1);
            assert_eq!(page.matches("<style>").count(), 1);
            assert!(!page.contains("<!-- "), "a part is not put in");
            let namespaces = page.replace("http://www.w3.org/2000/svg", "");
            for outside in [
                "http://",
                "https://",
                " src=",
                "@import",
                "url(",
                " style=",
                "onclick",
                "href=\"/",
                "fetch(\"/",
                "watch(\"/",
            ] {
                assert!(!namespaces.contains(outside), "{outside}");
            }
        }
    }
}
