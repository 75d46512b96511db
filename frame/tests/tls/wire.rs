//! A wire that does everything a stream may do: it takes and gives a few bytes, blocks, is cut, alters a byte.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

/// One direction of a wire.
#[derive(Default)]
pub struct Way {
    pub bytes: VecDeque<u8>,
    /// How many bytes went in so far.
    pub count: usize,
    pub closed: bool,
    /// How many more bytes go in. The bytes after them are lost, and the wire is closed.
    pub budget: Option<usize>,
    /// The number of the byte that is altered.
    pub altered: Option<usize>,
    /// The wire takes nothing.
    pub stuck: bool,
    /// Whoever reads from it is told that the connection was reset.
    pub reset: bool,
}

/// An end of a wire. As with an edge-triggered poll, a channel must not read or write again after it blocked, until there
/// is an event.
pub struct End {
    pub from: Rc<RefCell<Way>>,
    pub to: Rc<RefCell<Way>>,
    pub rng: fastrand::Rng,
    /// It gives and takes at most this many bytes at once, and sometimes blocks.
    pub pieces: usize,
    pub read_blocked: bool,
    pub write_blocked: bool,
}

impl End {
    fn piece(&mut self, most: usize) -> usize {
        match self.pieces {
            usize::MAX => most,
            _ if self.rng.u8(..4) == 0 => 0,
            pieces => self.rng.usize(1..=pieces).min(most),
        }
    }
}

impl Read for End {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        assert!(!self.read_blocked, "read again without an event");
        assert!(!space.is_empty(), "no room to read into");
        let waiting = self.from.borrow().bytes.len();
        if waiting == 0 && self.from.borrow().reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let count = self.piece(space.len().min(waiting));
        if waiting == 0 && self.from.borrow().closed {
            return Ok(0);
        }
        if count == 0 {
            self.read_blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = self
            .from
            .borrow_mut()
            .bytes
            .drain(..count)
            .collect::<Vec<u8>>();
        space[..count].copy_from_slice(&taken);
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.write_blocked, "written again without an event");
        let count = self.piece(bytes.len());
        let mut way = self.to.borrow_mut();
        if count == 0 || way.stuck {
            self.write_blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        for byte in &bytes[..count] {
            if way.budget == Some(0) {
                way.closed = true;
                break;
            }
            way.budget = way.budget.map(|budget| budget - 1);
            let altered = way.altered == Some(way.count);
            way.bytes.push_back(if altered { byte ^ 1 } else { *byte });
            way.count += 1;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
