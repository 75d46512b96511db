//! What the server needs of a peer's stream. Real ones are TCP streams; tests drive the loop with simulated ones.

use std::io::{self, Read, Write};

/// A non-blocking stream: a read or a write that would have to wait gives
/// [`WouldBlock`](io::ErrorKind::WouldBlock) instead.
pub trait Stream: Read + Write {
    /// Says that no more bytes will come; the peer may still send.
    ///
    /// # Errors
    /// The stream is not connected any more.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Why the stream failed, where it did.
    ///
    /// # Errors
    /// The system would not say.
    fn take_error(&self) -> io::Result<Option<io::Error>>;
}
