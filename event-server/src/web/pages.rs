//! What is answered to which path.

use std::time::{Duration, Instant};

use bytes::Bytes;
use frame::Escaped;

use super::head::{Method, Request};
use super::history::History;
use super::hosts::Hosts;
use super::json::{self, Central};
use super::metrics::{Metrics, OPENMETRICS, TEXT};
use super::page;
use super::response::Response;
use crate::observe::Observe;

const JSON: &str = "application/json";

/// This program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long an answer of `/api/lottery` is given to others who ask, too: at any number of agencies and watchers it costs
/// the loop this often.
const SHARED: Duration = Duration::from_millis(500);

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
    page: Response,
    history: History,
    /// The last answer of `/api/lottery`, and when it was made.
    lottery: Option<(Instant, Bytes)>,
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
            page: page::page(),
            history: History::new(now),
            lottery: None,
            asked: None,
            requests: 0,
        }
    }

    /// When [`advance`](Self::advance) is due.
    pub(super) fn deadline(&self) -> Instant {
        self.history.deadline()
    }

    /// Takes a sample of the history where one is due.
    pub(super) fn advance(&mut self, now: Instant, central: &mut impl Observe) {
        let asked = self.asked;
        self.history.advance(now, || {
            let watched = asked.is_some_and(|at| now.saturating_duration_since(at) < WATCHED);
            central.watch(watched);
            central.bets()
        });
    }

    /// The answer to a request.
    pub(super) fn answer(
        &mut self,
        request: &Request<'_>,
        now: Instant,
        central: &mut impl Observe,
    ) -> Response {
        self.requests += 1;
        if request.host.is_some_and(|host| !self.hosts.allow(host)) {
            return Response::text(421, MISDIRECTED);
        }
        if request.method == Method::Other {
            let mut response = Response::text(405, "only GET and HEAD are allowed");
            response.fields.push("Allow: GET, HEAD".to_owned());
            return response;
        }
        match request.path {
            "/" => self.page.clone(),
            "/healthz" => Response::text(200, "ok"),
            "/readyz" => match central.unavailable() {
                None => Response::text(200, "ready"),
                Some(why) => Response::text(503, &Escaped(&why).to_string()),
            },
            "/api/lottery" => self.lottery(now, central),
            "/metrics" => self.metrics(request, now, central),
            _ => Response::text(
                404,
                "there is nothing here: try /, /api/lottery, /metrics, /healthz or /readyz",
            ),
        }
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
