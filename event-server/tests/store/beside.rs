//! Programs that read the folder while a server works in it, each as slow as can be: the server goes on before every call
//! of theirs. Seeded; BESIDE_SEED runs one seed.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;

use event_server::facts::{Fact, Source};
use event_server::lottery::Lottery;
use event_server::store::files::{
    Durability, FileName, Files, RandomAccess, StoreError, WalStore, export,
};
use frame::{Agency, Bet, Birthdate, Document, MessageId, Number};

use crate::store_disk::{Disk, DiskFiles};

/// A server that runs, and what it has acknowledged.
struct Server {
    store: WalStore<DiskFiles>,
    lottery: Lottery,
    rng: fastrand::Rng,
    /// How many calls of the reader there are to a turn, about: some servers are overtaken, and some are not.
    pace: u8,
    /// How long bets.csv was after each turn.
    turns: Vec<u64>,
}

impl Server {
    fn start(disk: &Disk, seed: u64) -> Self {
        let (store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).unwrap();
        let mut server = Self {
            store,
            lottery: Lottery::new(0),
            rng: fastrand::Rng::with_seed(seed),
            pace: [2, 4, 16, 64][seed as usize % 4],
            turns: vec![0],
        };
        (0..server.rng.usize(1..10)).for_each(|_| server.turn());
        server
    }

    /// Mostly nothing, a turn, or a checkpoint.
    fn go_on(&mut self) {
        match self.rng.u8(..self.pace) {
            0 => self.turn(),
            1 if self.rng.u8(..3) == 0 => self.store.checkpoint(self.lottery.facts()).unwrap(),
            _ => {}
        }
    }

    fn turn(&mut self) {
        let agency = Agency::new(1).unwrap();
        let bets = self.rng.u32(1..8);
        let fact = Fact::Batch {
            agency,
            source: Source::Plain,
            id: MessageId([7; 16]),
            bets,
        };
        let mut draft = self.store.draft(1_000).unwrap();
        for _ in 0..bets {
            draft.row(&Bet {
                agency,
                first_name: frame::Name::parse(b"Ana").unwrap(),
                last_name: frame::Name::parse(b"Diaz").unwrap(),
                document: Document::parse(self.rng.u32(..).to_string().into_bytes()).unwrap(),
                birthdate: Birthdate::parse(b"2000-02-29").unwrap(),
                number: Number::new(7).unwrap(),
            });
        }
        draft.stage(fact);
        self.lottery.apply(&fact);
        self.store.commit().unwrap();
        self.turns.push(self.store.position());
        if self.store.wants_checkpoint() {
            self.store.checkpoint(self.lottery.facts()).unwrap();
        }
    }
}

/// The server's files, as a slow reader sees them.
struct Slow {
    files: DiskFiles,
    server: Rc<RefCell<Server>>,
}

struct SlowFile {
    file: <DiskFiles as Files>::File,
    server: Rc<RefCell<Server>>,
}

impl Files for Slow {
    type File = SlowFile;

    fn folder(&self) -> &Path {
        self.files.folder()
    }

    fn open(&mut self, name: FileName) -> io::Result<Option<SlowFile>> {
        self.server.borrow_mut().go_on();
        let file = self.files.open(name)?;
        Ok(file.map(|file| SlowFile {
            file,
            server: Rc::clone(&self.server),
        }))
    }

    fn create(&mut self, name: FileName) -> io::Result<SlowFile> {
        panic!("a reader makes {name:?}")
    }

    fn rename(&mut self, from: FileName, _: FileName) -> io::Result<()> {
        panic!("a reader renames {from:?}")
    }

    fn keep_private(&mut self, _: &SlowFile) -> io::Result<()> {
        panic!("a reader changes a mode")
    }

    fn exchange(&mut self, one: FileName, _: FileName) -> io::Result<bool> {
        panic!("a reader renames {one:?}")
    }

    fn is_named(&self, name: FileName, file: &SlowFile) -> io::Result<bool> {
        self.files.is_named(name, &file.file)
    }

    fn remove(&mut self, name: FileName) -> io::Result<()> {
        panic!("a reader removes {name:?}")
    }

    fn sync(&mut self) -> io::Result<()> {
        panic!("a reader syncs the folder")
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        panic!("a reader locks the folder")
    }

    fn salt(&mut self) -> u64 {
        panic!("a reader makes a log")
    }
}

impl RandomAccess for SlowFile {
    fn length(&self) -> io::Result<u64> {
        self.server.borrow_mut().go_on();
        self.file.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.server.borrow_mut().go_on();
        let most = buffer.len().min(300);
        self.file.read_at(&mut buffer[..most], offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        panic!("a reader writes")
    }

    fn set_length(&self, _: u64) -> io::Result<()> {
        panic!("a reader cuts")
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn try_lock(&self) -> io::Result<bool> {
        panic!("a reader locks alone")
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        self.server.borrow_mut().go_on();
        self.file.try_lock_shared()
    }
}

fn each_seed(test: impl Fn(u64)) {
    let seeds = match std::env::var("BESIDE_SEED") {
        Ok(seed) => seed.parse().unwrap()..=seed.parse().unwrap(),
        Err(_) => 1..=1_000,
    };
    for seed in seeds {
        println!("BESIDE_SEED={seed}");
        test(seed);
    }
}

/// A server, its files for a slow reader, and its disk.
fn beside(seed: u64) -> (Rc<RefCell<Server>>, Slow, Disk) {
    let disk = Disk::new(seed);
    let server = Rc::new(RefCell::new(Server::start(&disk, seed)));
    let files = Slow {
        files: disk.rival(),
        server: Rc::clone(&server),
    };
    (server, files, disk)
}

/// Asserts that these are the rows of whole turns, and of all that were acknowledged before.
fn assert_whole(rows: &[u8], before: u64, server: &Server, disk: &Disk) {
    let length = rows.len() as u64;
    assert!(length >= before, "acknowledged rows are missing");
    assert!(server.turns.contains(&length), "a part of a turn");
    assert!(
        disk.bytes(FileName::Bets).unwrap().starts_with(rows),
        "other rows"
    );
}

#[test]
fn an_export_slower_than_the_server_has_all_turns_from_before_it_and_whole_ones() {
    each_seed(|seed| {
        let (server, files, disk) = beside(seed);
        let before = *server.borrow().turns.last().unwrap();
        let mut rows = Vec::new();
        export(files, &mut rows).unwrap();
        assert_whole(&rows, before, &server.borrow(), &disk);
    });
}

/// Copies a file as `cp` does: from front to back, a piece at a time.
fn copy(files: &mut Slow, name: FileName) -> Vec<u8> {
    let file = files.open(name).unwrap().unwrap();
    let (mut copied, mut piece) = (Vec::new(), [0; 200]);
    loop {
        match file.read_at(&mut piece, copied.len() as u64) {
            Ok(0) => return copied,
            Ok(count) => copied.extend_from_slice(&piece[..count]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn a_copy_made_beside_a_server_has_all_turns_from_before_it_or_is_refused_by_an_export_and_a_start()
{
    let copies = RefCell::new((0, 0, 0));
    each_seed(|seed| {
        let (server, mut files, disk) = beside(seed);
        let before = *server.borrow().turns.last().unwrap();
        let (bets, log) = (
            copy(&mut files, FileName::Bets),
            copy(&mut files, FileName::Log),
        );
        let copied = Disk::with(&[(FileName::Bets, &bets), (FileName::Log, &log)]);
        let mut rows = Vec::new();
        let exported = export(copied.boot(), &mut rows);
        let started = WalStore::open(copied.boot(), Durability::Always, |_| {});
        assert_eq!(exported.is_ok(), started.is_ok());
        let copies = &mut copies.borrow_mut();
        match started.map(drop) {
            Ok(()) => {
                copies.0 += 1;
                assert_whole(&rows, before, &server.borrow(), &disk);
                assert_eq!(copied.bytes(FileName::Bets).unwrap(), rows);
            }
            // Something else where a turn came to stand later.
            Err(StoreError::Damage { .. }) => copies.1 += 1,
            // A checkpoint between the two.
            Err(StoreError::Short { .. }) => copies.2 += 1,
            // A log that was written over before it was copied to its end.
            Err(StoreError::Long { .. } | StoreError::Head { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    });
    let (good, holes, short) = copies.into_inner();
    println!("{good} good copies, {holes} with a hole, {short} with a checkpoint between");
    assert!(good.min(holes).min(short) > 0);
}
