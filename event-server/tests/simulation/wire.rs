//! The two ends of a connection: the server's is a [`Stream`] for the hub, the other one is a model client's.
//! What happens in between is in `duplex.rs`.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use event_server::net::Stream;

use crate::duplex::Duplex;

/// The two ends of a new connection.
pub fn connect(duplex: Duplex) -> (ClientEnd, ServerEnd) {
    let duplex = Rc::new(RefCell::new(duplex));
    (ClientEnd(Rc::clone(&duplex)), ServerEnd(duplex))
}

/// The hub's end.
pub struct ServerEnd(Rc<RefCell<Duplex>>);

impl Read for ServerEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().server_reads(buffer)
    }
}

impl Write for ServerEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().server_writes(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for ServerEnd {
    fn shutdown_write(&self) -> io::Result<()> {
        self.0.borrow_mut().server_ends()
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.0.borrow_mut().take_error())
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.0.borrow_mut().server_closes();
    }
}

/// A model client's end.
pub struct ClientEnd(Rc<RefCell<Duplex>>);

impl ClientEnd {
    /// What the world knows of it.
    pub fn duplex(&self) -> Rc<RefCell<Duplex>> {
        Rc::clone(&self.0)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.borrow_mut().client_writes(bytes);
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        self.0.borrow_mut().client_ends();
    }

    pub fn is_excused(&self) -> bool {
        self.0.borrow().excused
    }
}

impl Read for ClientEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().client_reads(buffer)
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        self.0.borrow_mut().client_closes();
    }
}
