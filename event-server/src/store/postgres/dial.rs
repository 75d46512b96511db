//! What a link asks of the network: names, and streams. The server's file answers with mio; tests as they like.

use std::io;
use std::net::SocketAddr;

use crate::stream::Stream;

/// Finds addresses and opens streams, without waiting.
pub trait Dial {
    /// A stream that is being opened, and then open.
    type Stream: Stream;

    /// Begins to look up a name. The answer comes through [`resolved`](Self::resolved), after a wake-up of the loop; of
    /// an earlier name that is still being looked up, none comes.
    fn resolve(&mut self, name: &str, port: u16);

    /// The addresses of the name, once they are known.
    fn resolved(&mut self) -> Option<io::Result<Vec<SocketAddr>>>;

    /// Begins to open a stream, whose events are told as those of the store.
    ///
    /// # Errors
    /// It cannot even be begun.
    fn connect(&mut self, address: SocketAddr) -> io::Result<Self::Stream>;

    /// Whether a stream is open by now.
    ///
    /// # Errors
    /// It could not be opened.
    fn is_connected(&self, stream: &Self::Stream) -> io::Result<bool>;
}
