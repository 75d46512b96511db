//! The service manager that started the central, if one did: systemd, or another that speaks sd_notify(3).
//!
//! It is told that the central listens and its store is open, that it reads its files again, that it stops, how the
//! lottery stands, and, from the loop itself, that the loop turns. It hands over the sockets that it opened before the
//! central began: `sockets` takes them. Without a service manager all of this does nothing.
//!
//! A message is one datagram to a local socket, and sending it never waits. While the service manager reads nothing,
//! its queue is full; while it restarts, its socket is gone. What could not be sent is sent later, if it is still true.
//! The lottery goes on meanwhile. A socket that fails is one warning, which is not repeated before a message has
//! arrived.

mod sockets;

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::mem::replace;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

pub use self::sockets::{Handed, SocketName};
use crate::report;

/// The time between two looks at how the lottery stands.
const LOOK: Duration = Duration::from_secs(1);

/// How much longer a start may take, from the last message about its progress on.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the service manager was told, and when it is told more.
pub struct Supervisor {
    /// The sockets that it handed over.
    pub sockets: Handed,
    /// The socket that messages go to; `None`: nobody wants them.
    outlet: Option<Outlet>,
    /// A message failed for another reason than a full queue, and none has arrived since.
    is_failing: bool,
    /// It was told that the central is ready.
    is_ready: bool,
    watchdog: Option<Watchdog>,
    /// How the lottery stood when that was last told.
    status: String,
    /// When to look again at how the lottery stands, at the earliest.
    look_at: Instant,
    /// Something may have changed since the last look.
    is_news: bool,
}

/// The watchdog of the service manager, which ends a central that it hears nothing from in time.
struct Watchdog {
    /// Half of the time that it waits.
    period: Duration,
    next: Instant,
}

impl Supervisor {
    /// Reads what the service manager has left in the environment. To be called once, before there is another thread: the
    /// variables about sockets are removed.
    pub fn from_environment(now: Instant) -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let outlet = name.and_then(|name| match Outlet::new(&name) {
            Ok(outlet) => Some(outlet),
            Err(e) => {
                report::supervisor_lost(&e);
                None
            }
        });
        let period = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        let watchdog = period.filter(|period| !period.is_zero());
        Self {
            sockets: Handed::from_environment(),
            outlet,
            is_failing: false,
            is_ready: false,
            watchdog: watchdog.map(|period| Watchdog { period, next: now }),
            status: String::new(),
            look_at: now,
            is_news: true,
        }
    }

    /// Tells how many bytes of the stored bets are read, about once a second, and asks for more time for the start.
    pub fn recovering(&mut self, done: u64, of: u64, now: Instant) {
        if self.outlet.is_some() && now >= self.look_at {
            let percent = done.saturating_mul(100).checked_div(of).unwrap_or(100);
            self.starts_still(format!(
                "recovering: {percent} % of the stored bets are read"
            ));
            self.look_at = now + LOOK;
        }
    }

    /// Returns when [`turn`](Self::turn) is due without an event.
    pub fn due(&self) -> Option<Instant> {
        self.outlet.as_ref()?;
        let look = (self.is_news || !self.is_ready).then_some(self.look_at);
        let watchdog = self.watchdog.as_ref().map(|watchdog| watchdog.next);
        [look, watchdog].into_iter().flatten().min()
    }

    /// Tells that the loop turns, and how the lottery stands. To be called in each turn, and nowhere else. `is_open`
    /// says whether the store can be used, or could once; `standing` how the lottery stands, in a few words.
    pub fn turn(
        &mut self,
        now: Instant,
        is_open: impl FnOnce() -> bool,
        standing: impl FnOnce() -> String,
    ) {
        if self.outlet.is_none() {
            return;
        }
        if let Some(watchdog) = &mut self.watchdog
            && now >= watchdog.next
        {
            watchdog.next = now + watchdog.period;
            self.tell(&[NotifyState::Watchdog]);
        }
        let is_due = now >= self.look_at;
        let may_begin = !self.is_ready && (is_due || !self.is_failing);
        let begins = may_begin && is_open() && self.tell(&[NotifyState::Ready]);
        self.is_ready |= begins;
        self.is_news = !begins && !is_due;
        if self.is_news {
            return;
        }
        self.look_at = now + LOOK;
        let status = standing();
        if !self.is_ready {
            self.starts_still(status);
        } else if status != self.status {
            self.is_news = !self.tell_status(&[], status);
        }
    }

    /// Tells that the start goes on, and asks for more time for it.
    fn starts_still(&mut self, status: String) {
        let patience = u32::try_from(PATIENCE.as_micros()).unwrap_or(u32::MAX);
        self.tell_status(&[NotifyState::ExtendTimeoutUsec(patience)], status);
    }

    /// Tells how the lottery stands, in one message with what is `beside` it. Returns whether it was sent.
    fn tell_status(&mut self, beside: &[NotifyState<'_>], status: String) -> bool {
        let message = [beside, &[NotifyState::Status(&status)]].concat();
        let is_sent = self.tell(&message);
        if is_sent {
            self.status = status;
        }
        is_sent
    }

    /// Tells that the central begins to read its files again.
    pub fn reloading(&mut self) {
        if self.is_ready {
            let mut message = vec![NotifyState::Reloading];
            message.extend(NotifyState::monotonic_usec_now());
            self.tell(&message);
        }
    }

    /// Tells that it has read them. If that cannot be told now, a later [turn](Self::turn) does.
    pub fn reloaded(&mut self) {
        if self.is_ready {
            self.is_ready = self.tell(&[NotifyState::Ready]);
        }
    }

    /// Tells that the central stops.
    pub fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping]);
        self.is_news = true;
    }

    /// Sends a message. Returns whether the service manager has got it.
    fn tell(&mut self, message: &[NotifyState<'_>]) -> bool {
        let Some(outlet) = &self.outlet else {
            return false;
        };
        match outlet.send(message) {
            Ok(()) => {
                self.is_failing = false;
                true
            }
            Err(e) => {
                // A full queue is neither a failure nor the end of one.
                if e.kind() != ErrorKind::WouldBlock && !replace(&mut self.is_failing, true) {
                    report::supervisor_lost(&e);
                }
                false
            }
        }
    }
}

/// The socket that NOTIFY_SOCKET names. sd-notify's own way to send waits while its queue is full, and knows no abstract names.
struct Outlet {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Outlet {
    /// Makes a non-blocking socket for messages to `name`: a path, or an abstract name with `@` in front.
    fn new(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    fn send(&self, message: &[NotifyState<'_>]) -> io::Result<()> {
        let lines: String = message.iter().map(|state| format!("{state}\n")).collect();
        let sent = self.socket.send_to_addr(lines.as_bytes(), &self.address);
        sent.map(|_| ())
    }
}
