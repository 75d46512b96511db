//! Abuse below the messages: connections, and bytes that are no request.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use frame::{MAX_CLIENT_FRAME, kind};

use super::Abuser;
use crate::peer::{frame, reset};

/// Connections that send a byte now and then.
const TRICKLING: usize = 1_000;

/// Connections that never read.
const DEAF: usize = 20;

/// Bytes that a connection which never reads tries to send at once.
const BURST: usize = 4 * 1024;

/// Connections that are reset in one tick.
const RESETS: usize = 5;

/// Connections that go in one tick.
const LEAVING: usize = 500;

/// Connections that send text.
const TEXTS: usize = 8;

pub(super) fn silent(abuser: &mut Abuser<'_>) -> io::Result<()> {
    let crowd = abuser.crowd(abuser.scene.crowd, Abuser::connect)?;
    abuser.settle()?;
    while abuser.goes_on() {}
    drop(crowd);
    Ok(())
}

/// Closes all connections at once, and opens them again.
pub(super) fn leaving(abuser: &mut Abuser<'_>) -> io::Result<()> {
    let mut crowd = abuser.crowd(abuser.scene.crowd, Abuser::connect)?;
    abuser.settle()?;
    let mut comes = false;
    while abuser.goes_on() {
        if comes {
            crowd.push(abuser.connect()?);
            comes = crowd.len() < abuser.scene.crowd;
        } else {
            crowd.truncate(crowd.len().saturating_sub(LEAVING));
            comes = crowd.is_empty();
        }
    }
    Ok(())
}

/// Keeps each connection in the middle of a frame all the time.
pub(super) fn trickling(abuser: &mut Abuser<'_>) -> io::Result<()> {
    let frame = frame(kind::BATCH, &[b'x'; MAX_CLIENT_FRAME]);
    let mut crowd = abuser.crowd(TRICKLING, |abuser| {
        let mut stream = abuser.connect()?;
        stream.write_all(&frame[..1])?;
        Ok(stream)
    })?;
    abuser.settle()?;
    let mut sent = 0;
    while abuser.goes_on() {
        let byte = 1 + sent / TRICKLING;
        crowd[sent % TRICKLING].write_all(&frame[byte..=byte])?;
        sent += 1;
    }
    Ok(())
}

/// Sends requests again and again, and never reads a reply.
pub(super) fn deaf(abuser: &mut Abuser<'_>) -> io::Result<()> {
    let request = frame(kind::FINISHED, b"{agency:0}");
    let mut requests = request.repeat(BURST / request.len());
    let mut crowd = Vec::new();
    for _ in 0..DEAF {
        let stream = abuser.connect()?;
        stream.set_nonblocking(true)?;
        crowd.push((stream, 0));
    }
    requests.shrink_to_fit();
    abuser.settle()?;
    while abuser.goes_on() {
        for (stream, at) in &mut crowd {
            match stream.write(&requests[*at..]) {
                Ok(count) => *at = (*at + count) % requests.len(),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

pub(super) fn resetting(abuser: &mut Abuser<'_>) -> io::Result<()> {
    abuser.settle()?;
    while abuser.goes_on() {
        for _ in 0..RESETS {
            reset(abuser.connect()?)?;
        }
    }
    Ok(())
}

/// Sends lines without an end on each connection, until the central closes it.
pub(super) fn endless_text(abuser: &mut Abuser<'_>) -> io::Result<()> {
    let text = [b'x'; 16 * 1024];
    let connect = |abuser: &mut Abuser<'_>| {
        let stream = abuser.connect()?;
        stream.set_nonblocking(true)?;
        Ok::<_, io::Error>(stream)
    };
    let mut crowd = Vec::new();
    for _ in 0..TEXTS {
        crowd.push(connect(abuser)?);
    }
    abuser.settle()?;
    let mut next = 0;
    while abuser.goes_on() {
        match crowd[next].write(&text) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Ok(_) => {}
            Err(_) => crowd[next] = connect(abuser)?,
        }
        next = (next + 1) % TEXTS;
    }
    Ok(())
}

/// Sends noise, and frames that are cut off, too long, too short or empty: the central closes each connection.
pub(super) fn broken_frames(abuser: &mut Abuser<'_>) -> io::Result<()> {
    abuser.settle()?;
    while abuser.goes_on() {
        let mut bytes = frame(kind::BATCH, &[b'{'; 1_000]);
        match abuser.rng.u8(..5) {
            0 => bytes.truncate(abuser.rng.usize(1..bytes.len())),
            1 => bytes[..4].copy_from_slice(&abuser.rng.u32(65_537..1 << 24).to_be_bytes()),
            2 => bytes[..4].copy_from_slice(&abuser.rng.u32(1..18).to_be_bytes()),
            3 => bytes[..4].copy_from_slice(&0_u32.to_be_bytes()),
            _ => bytes.iter_mut().for_each(|byte| *byte = abuser.rng.u8(..)),
        }
        let stream = abuser.connect()?;
        match send_all_and_read_all(stream, &bytes) {
            // It has closed with our bytes unread.
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
            other => other?,
        }
    }
    Ok(())
}

fn send_all_and_read_all(mut stream: TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream.take(u64::MAX), &mut io::sink())?;
    Ok(())
}
