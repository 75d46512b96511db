//! What is answered to which path.

use std::time::{Duration, Instant};

use bytes::Bytes;
use frame::{Calls, Escaped};

use super::head::{Method, Request};
use super::history::History;
use super::hosts::Hosts;
use super::json::{self, Central};
use super::loop_json;
use super::metrics::{Metrics, OPENMETRICS, TEXT};
use super::page;
use super::response::Response;
use crate::observe::Observe;

const JSON: &str = "application/json";

/// This program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long an answer of `/api/lottery` or `/api/loop` is given to others who ask, too: at any number of agencies and watchers it costs
/// the loop this often.
const SHARED: Duration = Duration::from_millis(500);

/// What was begun longer ago than this is not gone on with.
const STALE: Duration = Duration::from_secs(10);

/// Somebody counts as watching for so long after they have asked.
const WATCHED: Duration = Duration::from_secs(60);

const MISDIRECTED: &str = "this port answers requests for an IP address, localhost and its own names; \
                           SERVER_HTTP_HOSTS gives it further ones";

/// What answers are made of.
pub(super) struct Pages {
    /// This central's name.
    name: String,
    /// The names of hosts by which the port may be asked.
    hosts: Hosts,
    started: Instant,
    /// The live pages, `/` and `/loop`.
    lottery_page: Response,
    loop_page: Response,
    history: History<u64>,
    /// What reads and writes came to.
    calls: History<Calls>,
    /// The last answer of `/api/lottery`, and when it was made.
    lottery: Option<(Instant, Bytes)>,
    /// The last answer of `/api/loop`, and when it was made.
    made_loop: Option<(Instant, Bytes)>,
    /// The next one, while it is made.
    making: Option<loop_json::Rows>,
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
            lottery_page: page::lottery(),
            loop_page: page::turn(),
            history: History::new(now),
            calls: History::new(now),
            lottery: None,
            made_loop: None,
            making: None,
            asked: None,
            requests: 0,
        }
    }

    /// When [`advance`](Self::advance) is due.
    pub(super) fn deadline(&self) -> Instant {
        self.history.deadline()
    }

    /// Takes samples of the histories where they are due.
    pub(super) fn advance(&mut self, now: Instant, central: &mut impl Observe) {
        let asked = self.asked;
        self.history.advance(now, || {
            let watched = asked.is_some_and(|at| now.saturating_duration_since(at) < WATCHED);
            central.watch(watched);
            central.bets()
        });
        self.calls.advance(now, || Some(central.calls()));
    }

    /// The answer to a request; `None` while it is made: ask again in the next turn.
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
                let central = Central {
                    name: &self.name,
                    version: VERSION,
                    uptime: now.saturating_duration_since(self.started),
                    unavailable: unavailable.as_deref(),
                };
                let (speed, history) = (self.history.speed(now, bets), self.history.samples(now));
                let body = Bytes::from(json::lottery(&view, speed, history, &central));
                self.lottery = Some((now, body.clone()));
                body
            }
        };
        Response::new(200, JSON, body)
    }

    /// What the loop does; `None` where more slices of it are to be made.
    fn loop_state(&mut self, now: Instant, central: &impl Observe) -> Option<Bytes> {
        let is_within = |at: Instant, time: Duration| now.saturating_duration_since(at) < time;
        if let Some((made, body)) = &self.made_loop
            && is_within(*made, SHARED)
        {
            return Some(body.clone());
        }
        let begun = self.making.take();
        // Whoever asked for an older one has gone before it was made.
        let begun = begun.filter(|rows| is_within(rows.began(), STALE));
        let mut rows = begun.unwrap_or_else(|| loop_json::Rows::new(now));
        if !rows.advance(central) {
            self.making = Some(rows);
            return None;
        }
        let about = loop_json::Central {
            name: &self.name,
            version: VERSION,
            uptime: now.saturating_duration_since(self.started),
        };
        let body = Bytes::from(rows.finish(now, central, &self.calls, &about));
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

    /// Notes that somebody looks how the lottery stands.
    fn ask(&mut self, now: Instant, central: &mut impl Observe) {
        self.asked = Some(now);
        central.watch(true);
    }
}
