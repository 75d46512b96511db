//! The scenes of the show: when each begins, what there is to see in it, and what its peers do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::Spec;
use frame::{HEADER, MAX_CLIENT_FRAME, kind};
use socket2::{Domain, Socket, Type};

use super::agencies::{SUCCESS, ask, batch, calm, finish, own};
use super::state::{Phase, Show};
use crate::peer::{self, Peer, frame};

/// Agencies of the lottery. The first are calm; of the others each has its scene.
pub(super) const AGENCIES: u32 = 31;
const CALM: u32 = 24;
const BYTE_BY_BYTE: u32 = 25;
const HELD: u32 = 26;
const HALF_CLOSED: u32 = 27;
const FLOOD: u32 = 28;
const FENCED: u32 = 29;
const MANY_WINNERS: u32 = 30;
const RESET: u32 = 31;

/// Bets of the agency with many winners; each of them wins.
const WINNERS: usize = 20_000;

/// Bets in a batch of that agency.
const BATCH: usize = 500;

/// Connections of the flood.
const FLOODING: usize = 3;

/// The receive buffer of a peer that is slow to read, and the longest segment that it takes: with little room on the way,
/// what it does not read waits in the central's outbox. In bytes.
const RECEIVE_BUFFER: usize = 4 * 1024;
const SEGMENT: u32 = 536;

/// Bytes that a peer which reads slowly takes at once.
const SIP: usize = 6 * 1024;

/// What a peer of a scene does; those of one scene are numbered from 1 on.
type Act = fn(&Show<'_>, u32) -> io::Result<()>;

/// A scene.
#[derive(Debug)]
pub struct Scene {
    /// When it begins, in seconds of the show.
    pub at: f64,
    /// Its name.
    pub name: &'static str,
    /// Who plays it, and what to look at.
    pub line: &'static str,
    /// The phase of the show that it begins.
    pub(super) phase: Phase,
    /// What its peers do, and how many do so.
    pub(super) peers: &'static [(Act, u32)],
}

/// All scenes, in their order.
pub const SCENES: &[Scene] = &[
    Scene {
        at: 0.0,
        name: "calm agencies",
        line: "agencies 1 to 24 send a few bets every few seconds: each read is short, since it takes all that is \
               there; each write is whole",
        phase: Phase::Betting,
        peers: &[(calm, CALM), (silent, 1)],
    },
    Scene {
        at: 8.0,
        name: "a health check",
        line: "a line of text is typed every few seconds and comes back: a cell is echoing, then its slot is free",
        phase: Phase::Betting,
        peers: &[(health_check, 1)],
    },
    Scene {
        at: 16.0,
        name: "byte by byte",
        line: "agency 25 sends its frames byte by byte: a short read for each byte; the cell tells how much of the \
               frame is there",
        phase: Phase::Betting,
        peers: &[(byte_by_byte, 1)],
    },
    Scene {
        at: 28.0,
        name: "a held query",
        line: "agency 26 asks for its winners before the draw: the cell is held, and costs nothing until the draw",
        phase: Phase::Betting,
        peers: &[(held, 1)],
    },
    Scene {
        at: 38.0,
        name: "a half-close",
        line: "agency 27 asks too and shuts down its writing side: it is held like the other, and will be answered",
        phase: Phase::Betting,
        peers: &[(half_close, 1)],
    },
    Scene {
        at: 48.0,
        name: "a flood",
        line: "agency 28 sends over three connections as fast as it can, for ten seconds: full reads; serving takes \
               its part of the turn, and the others have theirs",
        phase: Phase::Betting,
        peers: &[(flood, 1)],
    },
    Scene {
        at: 64.0,
        name: "a fenced connection",
        line: "agency 29 connects a second time and resumes its upload: the older connection is fenced, its next \
               batch is refused, and its slot is free",
        phase: Phase::Betting,
        peers: &[(fenced, 1)],
    },
    Scene {
        at: 76.0,
        name: "a reset",
        line: "agency 31 resets its connection in the middle of a frame: half a frame in the inbox, then a free slot",
        phase: Phase::Betting,
        peers: &[(reset, 1)],
    },
    Scene {
        at: 88.0,
        name: "the agencies finish",
        line: "agencies 1 to 25 finish one after another, and ask for their winners: more and more cells are held",
        phase: Phase::Finishing,
        peers: &[],
    },
    Scene {
        at: 102.0,
        name: "the draw",
        line: "the last agencies finish: the central draws, and all held queries are answered at once",
        phase: Phase::Drawing,
        peers: &[(finish_others, 1)],
    },
    Scene {
        at: 110.0,
        name: "never reads",
        line: "agency 30 asks for 20,000 winners and never reads: one short write, then its outbox stays full, and \
               after 40 seconds the central closes it",
        phase: Phase::Drawing,
        peers: &[(never_reads, 1)],
    },
    Scene {
        at: 120.0,
        name: "reads slowly",
        line: "agency 30 asks twice more, and reads a little at a time: a short write whenever there is room on the \
               way again",
        phase: Phase::Drawing,
        peers: &[(reads_slowly, 2)],
    },
    Scene {
        at: 160.0,
        name: "replies are owed",
        line: "agency 30 asks once more and does not read: at the end the central owes it replies",
        phase: Phase::Drawing,
        peers: &[(never_reads, 1)],
    },
];

/// Sends nothing until the central closes the connection.
fn silent(show: &Show<'_>, _: u32) -> io::Result<()> {
    let stream = peer::connect(show.central, None)?;
    show.bear(until_closed(&stream))
}

/// Types a line, and reads it back, again and again.
fn health_check(show: &Show<'_>, _: u32) -> io::Result<()> {
    while show.pause(3.0, Phase::Drawing) {
        let mut stream = peer::connect(show.central, None)?;
        show.bear(type_line(show, &mut stream))?;
    }
    Ok(())
}

fn type_line(show: &Show<'_>, stream: &mut TcpStream) -> io::Result<()> {
    let line = b"are you there?\n";
    write_slowly(show, stream, line, 0.12, Phase::Drawing)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    expect(reply == line, "the echo is another line")
}

/// Sends single bets; once the agencies finish, it finishes, too, and asks for its winners.
fn byte_by_byte(show: &Show<'_>, _: u32) -> io::Result<()> {
    let spec = Spec::new(BYTE_BY_BYTE.into(), 1_000, 0).map_err(io::Error::other)?;
    let mut peer = Peer::connect(show.central, None)?;
    for row in spec.rows() {
        if show.phase() > Phase::Betting {
            break;
        }
        let request = frame(kind::BET, &batch(BYTE_BY_BYTE, std::iter::once(row)));
        write_slowly(show, peer.stream(), &request, 0.1, Phase::Betting)?;
        expect(peer.answer()? == SUCCESS, "a bet was refused")?;
        show.pause(1.0, Phase::Betting);
    }
    let finished = frame(kind::FINISHED, &own(BYTE_BY_BYTE));
    write_slowly(show, peer.stream(), &finished, 0.1, Phase::Finishing)?;
    expect(peer.answer()? == SUCCESS, "finished was refused")?;
    let query = frame(kind::WINNERS_QUERY, &own(BYTE_BY_BYTE));
    while show.phase() < Phase::Over {
        let written = write_slowly(show, peer.stream(), &query, 0.1, Phase::Drawing);
        let answered = written.and_then(|()| peer.answer().map(drop));
        show.bear(answered)?;
        show.pause(1.0, Phase::Drawing);
    }
    Ok(())
}

/// Writes a byte every so many seconds; once the show is past the phase, all the rest at once.
fn write_slowly(
    show: &Show<'_>,
    mut stream: &TcpStream,
    bytes: &[u8],
    seconds: f64,
    phase: Phase,
) -> io::Result<()> {
    for (at, byte) in bytes.iter().enumerate() {
        stream.write_all(&[*byte])?;
        if !show.pause(seconds, phase) {
            return stream.write_all(&bytes[at + 1..]);
        }
    }
    Ok(())
}

fn held(show: &Show<'_>, _: u32) -> io::Result<()> {
    let mut peer = Peer::connect(show.central, None)?;
    ask_and_wait(show, &mut peer, HELD)
}

/// Asks for its winners and waits, however long the draw takes.
fn ask_and_wait(show: &Show<'_>, peer: &mut Peer, agency: u32) -> io::Result<()> {
    peer.stream().set_read_timeout(None)?;
    let asked = ask(peer, kind::WINNERS_QUERY, &own(agency), "{ganadores:");
    show.bear(asked)
}

fn half_close(show: &Show<'_>, _: u32) -> io::Result<()> {
    let mut peer = Peer::connect(show.central, None)?;
    peer.stream().set_read_timeout(None)?;
    peer.send(kind::WINNERS_QUERY, &own(HALF_CLOSED))?;
    peer.stream().shutdown(Shutdown::Write)?;
    let reply = peer.answer();
    let answered = reply.and_then(|reply| {
        expect(reply.starts_with("{ganadores:"), "the query was refused")?;
        until_closed(peer.stream())
    });
    show.bear(answered)
}

/// Sends batches that the central has to read whole and refuse, so that the show fills no disk; tells how long a health
/// check took meanwhile.
fn flood(show: &Show<'_>, _: u32) -> io::Result<()> {
    let until = Instant::now() + show.seconds(10.0);
    thread::scope(|scope| {
        let flooding: Vec<_> = (0..FLOODING)
            .map(|_| scope.spawn(move || send_and_read(show, until)))
            .collect();
        let mut slowest = Duration::ZERO;
        while Instant::now() < until && show.pause(0.3, Phase::Betting) {
            let began = Instant::now();
            crate::process::echo(show.central)?;
            slowest = slowest.max(began.elapsed());
        }
        let mut batches = 0;
        for peer in flooding {
            let sent = peer
                .join()
                .map_err(|_| io::Error::other("a thread failed"))?;
            batches += sent?;
        }
        show.came(&format!(
            "the flood was {batches} batches; beside it a health check took {:.1} ms at most",
            slowest.as_secs_f64() * 1e3
        ));
        Ok(())
    })
}

/// Sends batches until then, and reads their replies beside; returns how many there were.
fn send_and_read(show: &Show<'_>, until: Instant) -> io::Result<usize> {
    let stream = peer::connect(show.central, None)?;
    let spec = Spec::new(FLOOD.into(), 60, 0).map_err(io::Error::other)?;
    let mut payload = batch(FLOOD, spec.rows());
    // A bet without an agency makes the whole batch invalid.
    payload.extend_from_slice(b"|{}");
    let request = frame(kind::BATCH, &payload);
    expect(request.len() <= MAX_CLIENT_FRAME, "the batch is too long")?;
    let mut refusals = stream.try_clone()?;
    thread::scope(|scope| {
        let reading = scope.spawn(move || io::copy(&mut refusals, &mut io::sink()));
        let mut batches = 0;
        while Instant::now() < until && show.phase() == Phase::Betting {
            (&stream).write_all(&request)?;
            batches += 1;
        }
        stream.shutdown(Shutdown::Write)?;
        let read = reading
            .join()
            .map_err(|_| io::Error::other("a thread failed"))?;
        let least = batches * (HEADER + "{result:failure}".len());
        expect(
            read? as usize == least,
            "not every batch of the flood was refused",
        )?;
        Ok(batches)
    })
}

/// Resumes the same upload over a new connection, three times; the older connection is told with its next batch.
fn fenced(show: &Show<'_>, _: u32) -> io::Result<()> {
    let spec = Spec::new(FENCED.into(), 1_000, 0).map_err(io::Error::other)?;
    let mut rows = spec.rows();
    // The upload may have any name.
    let resume = format!("{{agency:{FENCED},envio:{FENCED:032x}}}");
    let mut older: Option<Peer> = None;
    for stored in [0, 10, 20, 30] {
        let mut peer = Peer::connect(show.central, None)?;
        let known = format!("{{apuestas:{stored}}}");
        ask(&mut peer, kind::RESUME, resume.as_bytes(), &known)?;
        show.pause(1.5, Phase::Betting);
        let next = batch(FENCED, rows.by_ref().take(10));
        if let Some(mut older) = older.take() {
            ask(&mut older, kind::BATCH, &next, "{result:failure")?;
            until_closed(older.stream())?;
        }
        ask(&mut peer, kind::BATCH, &next, SUCCESS)?;
        show.pause(1.5, Phase::Betting);
        older = Some(peer);
    }
    Ok(())
}

/// Resets its connection in the middle of a frame, three times.
fn reset(show: &Show<'_>, _: u32) -> io::Result<()> {
    let spec = Spec::new(RESET.into(), 60, 0).map_err(io::Error::other)?;
    for _ in 0..3 {
        let mut peer = Peer::connect(show.central, None)?;
        let first = batch(RESET, spec.rows().take(1));
        ask(&mut peer, kind::BET, &first, SUCCESS)?;
        let request = frame(kind::BATCH, &batch(RESET, spec.rows()));
        peer.stream().write_all(&request[..request.len() / 2])?;
        show.pause(2.5, Phase::Betting);
        peer::reset(peer.into_stream())?;
        show.pause(0.5, Phase::Betting);
    }
    Ok(())
}

/// Finishes for all agencies that have not, so that the central draws. Before that, one of them sends its winning bets.
fn finish_others(show: &Show<'_>, _: u32) -> io::Result<()> {
    let spec = Spec::new(MANY_WINNERS.into(), WINNERS, WINNERS).map_err(io::Error::other)?;
    let rows: Vec<_> = spec.rows().collect();
    let mut peer = Peer::connect(show.central, None)?;
    for rows in rows.chunks(BATCH) {
        let payload = batch(MANY_WINNERS, rows.iter().copied());
        ask(&mut peer, kind::BATCH, &payload, SUCCESS)?;
    }
    for agency in HELD..=AGENCIES {
        finish(show, agency)?;
    }
    Ok(())
}

/// Returns a connection with small buffers that has asked for the many winners.
fn ask_for_many(show: &Show<'_>) -> io::Result<Peer> {
    let socket = Socket::new(Domain::for_address(show.central), Type::STREAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_tcp_mss(SEGMENT)?;
    socket.connect(&show.central.into())?;
    let mut peer = Peer::over(socket.into());
    peer.send(kind::WINNERS_QUERY, &own(MANY_WINNERS))?;
    Ok(peer)
}

/// Asks for the many winners and reads nothing until the central has ended.
fn never_reads(show: &Show<'_>, _: u32) -> io::Result<()> {
    let peer = ask_for_many(show)?;
    while show.pause(1.0, Phase::Over) {}
    drop(peer);
    Ok(())
}

/// Reads the list a little at a time, and asks again; when the central stops, it reads all that it is owed at once.
fn reads_slowly(show: &Show<'_>, number: u32) -> io::Result<()> {
    let mut space = vec![0; SIP];
    show.pause(f64::from(number), Phase::Drawing);
    loop {
        let peer = ask_for_many(show)?;
        peer.stream().shutdown(Shutdown::Write)?;
        let mut read = 0;
        loop {
            let slow = show.pause(0.25, Phase::Drawing);
            match peer.stream().read(&mut space)? {
                0 => break,
                count => read += count,
            }
            if !slow {
                read += io::copy(&mut peer.stream(), &mut io::sink())? as usize;
                break;
            }
        }
        let least = HEADER + WINNERS * "1234567|".len();
        expect(read > least, "the list of winners is not whole")?;
        if show.is_over() {
            show.came(&format!(
                "agency {MANY_WINNERS} was sent all {read} bytes that it was owed"
            ));
            return Ok(());
        }
    }
}

/// Reads until the central closes the stream, in order or with a reset.
fn until_closed(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(None)?;
    match io::copy(&mut stream, &mut io::sink()) {
        Err(e) if e.kind() != ErrorKind::ConnectionReset => Err(e),
        _ => Ok(()),
    }
}

fn expect(so: bool, otherwise: &str) -> io::Result<()> {
    match so {
        true => Ok(()),
        false => Err(io::Error::other(otherwise.to_owned())),
    }
}
