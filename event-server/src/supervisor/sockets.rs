//! Sockets that a service manager opened and handed over (sd_listen_fds(3)): it keeps them while the central is restarted, and
//! connections that come meanwhile wait in them.
//!
//! It reads LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES, and gives a listener for each of the two ports. A socket is
//! known by its name, `lottery` or `http`. If none has such a name, the first is the lottery's, the second the HTTP
//! port's.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// The port that a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketName {
    /// The port of the agencies.
    Lottery,
    /// The HTTP port.
    Http,
}

impl SocketName {
    /// Both, in the order that counts without names.
    const ALL: [Self; 2] = [Self::Lottery, Self::Http];

    /// Returns the name in LISTEN_FDNAMES.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lottery => "lottery",
            Self::Http => "http",
        }
    }
}

/// The sockets that were handed over.
pub struct Handed {
    sockets: ListenFd,
    names: Vec<String>,
}

impl Handed {
    /// Takes them; none, if they are meant for another process.
    pub(super) fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        // The crate also takes sockets without this variable, which the protocol does not allow.
        let is_ours = std::env::var("LISTEN_PID").is_ok_and(|pid| !pid.is_empty());
        let sockets = match is_ours {
            true => ListenFd::from_env(),
            false => ListenFd::empty(),
        };
        Self {
            sockets,
            names: names.split(':').map(str::to_owned).collect(),
        }
    }

    /// Takes the listener of a port, which is non-blocking; `None` if none was handed over for it.
    ///
    /// # Errors
    /// What was handed over is no TCP socket that listens.
    pub fn take(&mut self, name: SocketName) -> io::Result<Option<TcpListener>> {
        let Some(at) = place(name, &self.names, self.sockets.len()) else {
            return Ok(None);
        };
        let listener = self.sockets.take_tcp_listener(at)?;
        if let Some(listener) = &listener {
            listener.set_nonblocking(true)?;
        }
        Ok(listener)
    }
}

/// Returns the index of a port's socket among `count` of them, if it is there.
fn place(wanted: SocketName, names: &[String], count: usize) -> Option<usize> {
    let of = |name: SocketName| names.iter().position(|other| other == name.name());
    let is_named = SocketName::ALL.into_iter().any(|name| of(name).is_some());
    let at = match is_named {
        true => of(wanted),
        false => SocketName::ALL.iter().position(|name| *name == wanted),
    };
    at.filter(|at| *at < count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_known_by_its_name_and_without_any_such_name_by_its_place() {
        use SocketName::{Http, Lottery};
        for (names, count, lottery, http) in [
            ("", 0, None, None),
            ("", 1, Some(0), None),
            ("", 2, Some(0), Some(1)),
            ("unknown", 1, Some(0), None),
            (
                "event-server.socket:event-server.socket",
                2,
                Some(0),
                Some(1),
            ),
            ("http:lottery", 2, Some(1), Some(0)),
            ("http", 1, None, Some(0)),
            ("other:lottery", 2, Some(1), None),
            ("other:lottery", 1, None, None),
        ] {
            let names: Vec<String> = names.split(':').map(str::to_owned).collect();
            let found = [Lottery, Http].map(|name| place(name, &names, count));
            assert_eq!(found, [lottery, http], "{names:?}");
        }
    }
}
