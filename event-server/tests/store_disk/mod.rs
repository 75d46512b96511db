//! A disk that can fail in every way the store has to bear, seeded and reproducible.
//!
//! It keeps two images: what programs see, and what a power cut leaves. A write goes to the first at once and
//! is pending for the second until a sync. A power cut keeps, drops or tears each pending write, in any
//! combination: so writes of two files, and of one, are reordered wherever no sync orders them. Names are
//! pending in the same way until the folder is synced.
//!
//! [`Disk`] outlives the programs on it; [`Disk::boot`] starts one. A program that was killed gets nothing
//! but errors.

// Every test has its own use of the disk, and none can be reached from outside.
#![allow(dead_code, unreachable_pub)]

mod files;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use event_server::store::files::FileName;

pub use self::files::DiskFiles;

/// What happens to the program, or to all of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The program is killed within an operation, as by `kill -9`; the disk stays as it looks.
    Kill,
    /// The power fails within an operation.
    PowerCut,
    /// An operation fails, EIO. A sync of a file that fails writes what it likes, and never tries the rest
    /// again.
    Error,
}

#[derive(Clone)]
pub struct Disk(Rc<RefCell<State>>);

struct State {
    rng: fastrand::Rng,
    inodes: Vec<Inode>,
    names: BTreeMap<FileName, usize>,
    durable_names: BTreeMap<FileName, usize>,
    pending_names: Vec<Renaming>,
    /// Counts the programs; only the last one lives.
    program: u64,
    alive: bool,
    /// How each locked inode is locked.
    locks: BTreeMap<usize, Lock>,
    folder_locked: bool,
    /// Operations until the fault happens.
    fault: Option<(u64, Fault)>,
    operations: u64,
    /// Bytes that programs have written.
    written: u64,
    capacity: u64,
    bets_limit: u64,
    /// Whether no file gets another name, for lack of room in the folder.
    folder_full: bool,
    /// Whether another program makes the lock file right before the next one here is made.
    lock_is_made_first: bool,
    salts: u64,
}

/// How an inode is locked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lock {
    Alone,
    Shared(usize),
}

/// Names that come to inodes, and one that goes.
struct Renaming {
    gone: Option<FileName>,
    come: Vec<(FileName, usize)>,
}

#[derive(Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Disk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(State {
            rng: fastrand::Rng::with_seed(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            program: 0,
            alive: false,
            locks: BTreeMap::new(),
            folder_locked: false,
            fault: None,
            operations: 0,
            written: 0,
            capacity: u64::MAX,
            bets_limit: u64::MAX,
            folder_full: false,
            lock_is_made_first: false,
            // A salt that the tests know, so that rows may hold it.
            salts: u64::from_be_bytes(*b"SALT0000"),
        })))
    }

    /// A disk with these files, all durable.
    pub fn with(files: &[(FileName, &[u8])]) -> Self {
        let disk = Self::new(0);
        for (name, bytes) in files {
            disk.replace(*name, bytes);
        }
        disk
    }

    /// Starts a program; one that still lives is killed.
    pub fn boot(&self) -> DiskFiles {
        let mut state = self.0.borrow_mut();
        state.program += 1;
        state.alive = true;
        state.unlock();
        state.fault = None;
        DiskFiles {
            disk: self.clone(),
            program: state.program,
            locked: false,
        }
    }

    /// The program's files once more, as another program would open them.
    pub fn rival(&self) -> DiskFiles {
        DiskFiles {
            disk: self.clone(),
            program: self.0.borrow().program,
            locked: false,
        }
    }

    /// Lets a fault happen in the operation that comes after `operations` others.
    pub fn plan(&self, operations: u64, fault: Fault) {
        self.0.borrow_mut().fault = Some((operations, fault));
    }

    /// Whether every planned fault has happened.
    pub fn struck(&self) -> bool {
        self.0.borrow().fault.is_none()
    }

    /// Whether the last program that was started was not stopped by a fault.
    pub fn is_alive(&self) -> bool {
        self.0.borrow().alive
    }

    /// Cuts the power now.
    pub fn power_cut(&self) {
        self.0.borrow_mut().power_cut();
    }

    /// How many bytes all files may have together.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.borrow_mut().capacity = bytes;
    }

    /// How long bets.csv may become, as a quota or a file system says.
    pub fn limit_bets(&self, bytes: u64) {
        self.0.borrow_mut().bets_limit = bytes;
    }

    /// Says whether the folder is full: then no file gets another name.
    pub fn fill_folder(&self, full: bool) {
        self.0.borrow_mut().folder_full = full;
    }

    /// Lets another program make the lock file right before the program here makes it.
    pub fn make_lock_first(&self) {
        self.0.borrow_mut().lock_is_made_first = true;
    }

    /// Puts another file in the place of one, as an editor does.
    pub fn replace(&self, name: FileName, bytes: &[u8]) {
        let mut state = self.0.borrow_mut();
        let inode = state.add(bytes);
        state.names.insert(name, inode);
        state.durable_names.insert(name, inode);
    }

    /// The bytes of all files.
    pub fn used(&self) -> u64 {
        self.0.borrow().used()
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// How many bytes programs have written to files.
    pub fn written(&self) -> u64 {
        self.0.borrow().written
    }

    /// How many bytes of a file were written since it was last synced.
    pub fn unsynced(&self, name: FileName) -> u64 {
        let state = self.0.borrow();
        let written = |change: &Change| match change {
            Change::Write(_, bytes) => bytes.len() as u64,
            Change::Length(_) => 0,
        };
        state.names.get(&name).map_or(0, |inode| {
            state.inodes[*inode].pending.iter().map(written).sum()
        })
    }

    /// A file as programs see it.
    pub fn bytes(&self, name: FileName) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        state
            .names
            .get(&name)
            .map(|inode| state.inodes[*inode].seen.clone())
    }
}

impl State {
    /// Releases all locks: who held them is gone.
    fn unlock(&mut self) {
        self.locks.clear();
        self.folder_locked = false;
    }

    /// A file without a name, all of it durable.
    fn add(&mut self, bytes: &[u8]) -> usize {
        self.inodes.push(Inode {
            seen: bytes.to_vec(),
            durable: bytes.to_vec(),
            pending: Vec::new(),
        });
        self.inodes.len() - 1
    }

    fn used(&self) -> u64 {
        let bytes = |inode: &usize| self.inodes[*inode].seen.len() as u64;
        self.names.values().map(bytes).sum()
    }

    /// How many bytes at the end of a file there is no room for.
    fn excess(&self, inode: usize, length: u64) -> u64 {
        let growth = length.saturating_sub(self.inodes[inode].seen.len() as u64);
        let is_bets = self.names.get(&FileName::Bets) == Some(&inode);
        let limit = if is_bets { self.bets_limit } else { u64::MAX };
        let excess = (self.used() + growth).saturating_sub(self.capacity);
        excess.max(length.saturating_sub(limit)).min(growth)
    }

    fn bind(&mut self, gone: Option<FileName>, come: Vec<(FileName, usize)>) {
        let renaming = Renaming { gone, come };
        renaming.apply(&mut self.names);
        self.pending_names.push(renaming);
    }

    fn power_cut(&mut self) {
        let Self {
            rng,
            inodes,
            durable_names,
            ..
        } = self;
        self.alive = false;
        self.locks.clear();
        self.folder_locked = false;
        for inode in inodes {
            inode.power_cut(rng);
        }
        for renaming in self.pending_names.drain(..) {
            if rng.bool() {
                renaming.apply(durable_names);
            }
        }
        self.names = durable_names.clone();
    }
}

impl Renaming {
    fn apply(&self, names: &mut BTreeMap<FileName, usize>) {
        if let Some(gone) = self.gone {
            names.remove(&gone);
        }
        names.extend(self.come.iter().copied());
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// All that is pending is written; by a sync that fails just some of it, and lengths, which are
    /// journaled.
    fn sync(&mut self, mut keep: impl FnMut() -> bool) {
        for change in self.pending.drain(..) {
            if keep() || matches!(change, Change::Length(_)) {
                change.apply(&mut self.durable);
            }
        }
    }

    fn power_cut(&mut self, rng: &mut fastrand::Rng) {
        for change in self.pending.drain(..) {
            match rng.u8(..3) {
                0 => {}
                1 => change.apply(&mut self.durable),
                _ => change.tear(&mut self.durable, rng),
            }
        }
        // The length may be written before the bytes are: then there are zeros.
        if self.durable.len() < self.seen.len() && rng.u8(..4) == 0 {
            self.durable.resize(self.seen.len(), 0);
        }
        self.seen.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => write(image, *offset, bytes),
            Self::Length(length) => image.resize(*length, 0),
        }
    }

    /// Some pieces of a write arrive, cut anywhere.
    fn tear(&self, image: &mut Vec<u8>, rng: &mut fastrand::Rng) {
        let Self::Write(offset, bytes) = self else {
            return;
        };
        let mut from = 0;
        while from < bytes.len() {
            let until = rng.usize(from + 1..=bytes.len());
            if rng.bool() {
                write(image, offset + from, &bytes[from..until]);
            }
            from = until;
        }
    }
}

fn write(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if image.len() < offset + bytes.len() {
        image.resize(offset + bytes.len(), 0);
    }
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
}
