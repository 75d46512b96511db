//! One connection to the server: a channel over a TCP stream, with the options of its socket.
//!
//! Its closing is logged. Waits for nothing: the event loop does.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use frame::{Channel, Inbox, MAX_REPLY, Outbox, trace};
use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use crate::report;

/// How many bytes an inbox holds before it must be read, unless one reply is larger.
const INBOX: usize = 64 * 1024;

/// An outbox has room for another request while fewer than these bytes wait in it.
const OUTBOX: usize = 256 * 1024;

/// A server that vanished while it held a query is noticed after a minute.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// How long bytes that were sent may stay without an acknowledgement of TCP.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// A connection to the server, used through the channel behind it. Dropping it closes it.
#[derive(Debug)]
pub struct Connection(Channel<TcpStream>);

impl Connection {
    /// Takes a stream that has just been connected, the one of this number.
    pub(super) fn new(stream: TcpStream, serial: u64) -> Self {
        trace::opened(0, serial, "open");
        trace::focus(Some(0));
        // Without these options a conversation is slower, and a server that vanished is noticed later. That is no reason
        // to fail.
        let socket = SockRef::from(&stream);
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_tcp_keepalive(&KEEPALIVE);
        let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let mut channel = Channel::new(stream, Inbox::new(MAX_REPLY, INBOX), Outbox::new(OUTBOX));
        // The event of the connect is past. If there is nothing to read, the first read says so.
        channel.mark(true, true);
        Self(channel)
    }
}

impl Deref for Connection {
    type Target = Channel<TcpStream>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Sends the closing message of a TLS session, as far as the stream takes it. Requests that wait stay unsent.
        self.0.outbox.clear();
        self.0.finish();
        let _ = self.0.send();
        trace::closed(0, "closed");
        report::connection_closed();
    }
}
