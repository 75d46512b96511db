//! How a link comes to a session: names, addresses, hosts in turn, pauses.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use frame::{Channel, Inbox, Outbox};

use super::{Address, Dial, End, HostRefusal, Link, Met, Open, Phase, State};
use crate::store::postgres::backends::Begun;
use crate::store::postgres::database::{Answer, Unusable};
use crate::store::postgres::session::{Login, Session};
use crate::store::postgres::url::{DatabaseUrl, Host};

/// How long a host may be silent while a session begins, where there are others: one of them may be the primary by now.
/// A machine that stands still accepts a connection, and then says nothing.
const OPENING: Duration = Duration::from_secs(3);

/// What is wrong where the backend of a session is not always the same.
const POOLED: &str = "a pooler in transaction mode stands between, which hands each transaction to another session of the \
     database: name the database itself in SERVER_STORE, or set the pooler to session mode (pool_mode = session)";

/// How long to wait before a pooler is looked at again.
const POOLED_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait before a place is asked for again, where another session has to come first.
const OTHERS_PAUSE: Duration = Duration::from_millis(200);

/// Bytes that wait in front of the session; it takes them at once.
const INBOX: usize = 64 * 1024;

/// Bytes that are handed to the stream's buffer before it has to take some.
const OUTBOX: usize = 256 * 1024;

impl<D: Dial> Link<D> {
    /// Whether it is the link of the central's first session, which listens.
    pub(super) fn is_first(&self) -> bool {
        self.listener.is_some()
    }

    pub(super) fn current_host(&self) -> &Host {
        &self.options.url.hosts[self.host]
    }

    /// Moves one step; returns whether another may follow at once.
    pub(super) fn step(&mut self) -> bool {
        let state = std::mem::replace(&mut self.state, State::Pausing { until: self.now });
        match state {
            State::Pausing { until } if self.now < until => {
                self.state = State::Pausing { until };
                false
            }
            State::Pausing { .. } => {
                let may_begin = self.is_first() || self.backends.unfit().is_none();
                let Some(place) = self.backends.begin().filter(|_| may_begin) else {
                    let until = self.now + OTHERS_PAUSE;
                    self.state = State::Pausing { until };
                    return false;
                };
                let host = self.current_host().clone();
                let Host { name, port, .. } = &host;
                match (host.socket(), name.parse()) {
                    (Some(path), _) => self.try_addresses([Address::Unix(path)].into(), place),
                    (None, Ok(ip)) => {
                        let address = SocketAddr::new(ip, *port);
                        self.try_addresses([Address::Tcp(address)].into(), place);
                    }
                    (None, Err(_)) => {
                        let since = self.now;
                        self.state = State::Resolving { since, place };
                        self.dial.resolve(name, *port);
                    }
                }
                true
            }
            State::Resolving { since, place } => match self.dial.resolved() {
                Some(Ok(addresses)) => {
                    let addresses = addresses.into_iter().map(Address::Tcp).collect();
                    self.try_addresses(addresses, place);
                    true
                }
                Some(Err(e)) => {
                    self.try_next_host(&format!("its name is not known: {e}"));
                    true
                }
                None if self.now >= since + self.options.timeout => {
                    self.try_next_host("its name was not found in time");
                    true
                }
                None => {
                    self.state = State::Resolving { since, place };
                    false
                }
            },
            State::Connecting {
                stream,
                since,
                rest,
                place,
            } => match self.dial.is_connected(&stream) {
                Ok(true) => {
                    self.open(stream, place);
                    true
                }
                Ok(false) if self.now >= since + self.opening_timeout() => {
                    self.failed_to_connect("it does not answer", rest, place);
                    true
                }
                Ok(false) => {
                    self.state = State::Connecting {
                        stream,
                        since,
                        rest,
                        place,
                    };
                    false
                }
                Err(e) => {
                    self.failed_to_connect(&e.to_string(), rest, place);
                    true
                }
            },
            State::Open(open)
                if !self.is_first()
                    && let Some(why) = self.backends.unfit() =>
            {
                self.ended(End::Lost(why), Some(open));
                true
            }
            State::Open(mut open) => match self.talk(&mut open) {
                Ok(moved) => {
                    self.state = State::Open(open);
                    moved
                }
                Err(end) => {
                    self.ended(end, Some(open));
                    true
                }
            },
        }
    }

    /// How long a host may be silent until it has said who it is.
    pub(super) fn opening_timeout(&self) -> Duration {
        let DatabaseUrl {
            connect_timeout,
            hosts,
            ..
        } = &self.options.url;
        match (connect_timeout, hosts.len()) {
            (Some(time), _) => self.options.timeout.min(*time),
            (None, 1) => self.options.timeout,
            (None, _) => self.options.timeout.min(OPENING),
        }
    }

    pub(super) fn try_addresses(&mut self, mut addresses: VecDeque<Address>, place: Begun) {
        let Some(address) = addresses.pop_front() else {
            return self.try_next_host("its name has no address");
        };
        match self.dial.connect(&address) {
            Ok(stream) => {
                self.state = State::Connecting {
                    stream,
                    since: self.now,
                    rest: addresses,
                    place,
                };
            }
            Err(e) => self.failed_to_connect(&e.to_string(), addresses, place),
        }
    }

    pub(super) fn failed_to_connect(&mut self, why: &str, rest: VecDeque<Address>, place: Begun) {
        if rest.is_empty() {
            self.try_next_host(why);
        } else {
            self.try_addresses(rest, place);
        }
    }

    /// Goes on with the next host: at once, or after a pause where a session was lost or all hosts were tried.
    pub(super) fn try_next_host(&mut self, why: &str) {
        self.next_host(why, false);
    }

    fn next_host(&mut self, why: &str, is_final: bool) {
        let host = self.current_host().to_string();
        self.host = (self.host + 1) % self.options.url.hosts.len();
        let down = if std::mem::take(&mut self.is_up) {
            Some(format!("the database at {host} is lost: {why}"))
        } else {
            self.refusals.push(HostRefusal {
                why: why.to_owned(),
                host,
                is_final: is_final && !self.was_ready,
            });
            self.all_refused()
        };
        let mut until = self.now;
        if let Some(why) = down {
            until += self.pauses.next(self.rng.f64());
            self.answers.push_back(Answer::Down(why));
        }
        self.state = State::Pausing { until };
    }

    /// Why no host took a session, once all of them were tried. Where none can as configured, the central is to end.
    fn all_refused(&mut self) -> Option<String> {
        let hosts = self.options.url.hosts.len();
        if self.refusals.len() < hosts {
            return None;
        }
        if self.refusals.iter().all(|refusal| refusal.is_final) {
            let why = match &self.refusals[..] {
                [only] => only.why.clone(),
                _ => self.take_refusals(),
            };
            self.unusable = Some(Unusable(why));
            return None;
        }
        let what = match hosts {
            1 => "the database cannot be reached at",
            _ => "no host of the database takes bets:",
        };
        Some(format!("{what} {}", self.take_refusals()))
    }

    /// Why each host that was tried took no session.
    pub(super) fn take_refusals(&mut self) -> String {
        let refusals = std::mem::take(&mut self.refusals).into_iter();
        let refusals = refusals.map(|HostRefusal { host, why, .. }| format!("{host}: {why}"));
        refusals.collect::<Vec<_>>().join("; ")
    }

    /// The session or the attempt is over.
    pub(super) fn ended(&mut self, end: End, open: Option<Box<Open<D::Stream>>>) {
        // A backend that has nothing to do ends by itself, once it finds that the connection is gone.
        if let Some(open) = open
            && !matches!(end, End::Pooled)
            && !open.session.is_idle()
            && let Some(Met { backend, since, .. }) = open.met
        {
            self.backends.give_up(backend, since);
        }
        match end {
            End::Unusable(why) if !self.was_ready => self.unusable = Some(why),
            End::Unusable(Unusable(why)) => {
                if self.is_first() {
                    self.backends.set_unfit(Some(why.clone()));
                }
                self.next_host(&why, false);
            }
            End::Lost(why) => self.next_host(&why, false),
            End::Refused(why) => self.next_host(&why, true),
            End::Pooled => {
                self.next_host(POOLED, false);
                if let State::Pausing { until } = &mut self.state {
                    *until = self.now + POOLED_PAUSE;
                }
            }
        }
    }

    pub(super) fn open(&mut self, stream: D::Stream, place: Begun) {
        let inbox = Inbox::unframed(INBOX);
        let mut channel = Channel::new(stream, inbox, Outbox::new(OUTBOX));
        // The event that told of the connection is past.
        channel.mark(true, true);
        let (url, host) = (&self.options.url, self.current_host());
        let login = Login {
            password: self.access.password(self.host),
            ..Login::new(url, host, &self.options.central)
        };
        let session = Session::new(login, url.transport(host));
        self.state = State::Open(Box::new(Open {
            _place: place,
            channel,
            session,
            hash: None,
            heard: self.now,
            phase: Phase::Opening,
            met: None,
            is_identified: false,
            warned: false,
        }));
    }
}
