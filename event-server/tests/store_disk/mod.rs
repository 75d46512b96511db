//! A disk that can fail in every way the store has to bear, seeded and reproducible.
//!
//! It keeps two images: what programs see, and what a power cut leaves. A write goes to the first at once and
//! is pending for the second until a sync. A power cut keeps, drops or tears each pending write, in any
//! combination: so writes of two files, and of one, are reordered wherever no sync orders them. Names are
//! pending in the same way until the folder is synced.
//!
//! [`Disk`] outlives the programs on it; [`Disk::boot`] starts one. A program that was killed gets nothing but errors.

// Every test has its own use of the disk, and none can be reached from outside.
#![allow(dead_code, unreachable_pub)]

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use event_server::store::{Files, Name, RandomAccess};

/// What happens to the program, or to all of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The program is killed within an operation, as by `kill -9`; the disk stays as it looks.
    Kill,
    /// The power fails within an operation.
    PowerCut,
    /// An operation fails, EIO. A sync of a file that fails writes what it likes, and never tries the rest again.
    Error,
}

#[derive(Clone)]
pub struct Disk(Rc<RefCell<State>>);

struct State {
    rng: fastrand::Rng,
    inodes: Vec<Inode>,
    names: BTreeMap<Name, usize>,
    durable_names: BTreeMap<Name, usize>,
    pending_names: Vec<Renaming>,
    /// Counts the programs; only the last one lives.
    program: u64,
    alive: bool,
    lock: Option<usize>,
    /// Operations until the fault happens.
    fault: Option<(u64, Fault)>,
    operations: u64,
    capacity: u64,
    bets_limit: u64,
    salts: u64,
}

/// A name that comes to an inode, another that goes.
struct Renaming {
    gone: Option<Name>,
    comes: Option<(Name, usize)>,
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
            lock: None,
            fault: None,
            operations: 0,
            capacity: u64::MAX,
            bets_limit: u64::MAX,
            // A peer that knows the salt: its rows may hold it.
            salts: u64::from_be_bytes(*b"SALT0000"),
        })))
    }

    /// A disk with these files, all durable.
    pub fn with(files: &[(Name, &[u8])]) -> Self {
        let disk = Self::new(0);
        for (name, bytes) in files {
            let mut state = disk.0.borrow_mut();
            let inode = state.inodes.len();
            let (seen, durable) = (bytes.to_vec(), bytes.to_vec());
            state.inodes.push(Inode {
                seen,
                durable,
                pending: Vec::new(),
            });
            state.names.insert(*name, inode);
            state.durable_names.insert(*name, inode);
        }
        disk
    }

    /// Starts a program; one that still lives is killed.
    pub fn boot(&self) -> DiskFiles {
        let mut state = self.0.borrow_mut();
        state.program += 1;
        state.alive = true;
        state.lock = None;
        state.fault = None;
        DiskFiles {
            disk: self.clone(),
            program: state.program,
        }
    }

    /// The program's files once more, as another program would open them.
    pub fn rival(&self) -> DiskFiles {
        DiskFiles {
            disk: self.clone(),
            program: self.0.borrow().program,
        }
    }

    /// Lets a fault happen in the operation that comes after so many others.
    pub fn plan(&self, operations: u64, fault: Fault) {
        self.0.borrow_mut().fault = Some((operations, fault));
    }

    /// Whether no fault is planned that did not happen yet.
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

    /// The bytes of all files.
    pub fn used(&self) -> u64 {
        self.0.borrow().used()
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// A file as programs see it.
    pub fn bytes(&self, name: Name) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        state
            .names
            .get(&name)
            .map(|inode| state.inodes[*inode].seen.clone())
    }
}

impl State {
    fn used(&self) -> u64 {
        let bytes = |inode: &usize| self.inodes[*inode].seen.len() as u64;
        self.names.values().map(bytes).sum()
    }

    /// How many bytes at the end of a file there is no room for.
    fn excess(&self, inode: usize, length: u64) -> u64 {
        let growth = length.saturating_sub(self.inodes[inode].seen.len() as u64);
        let is_bets = self.names.get(&Name::Bets) == Some(&inode);
        let limit = if is_bets { self.bets_limit } else { u64::MAX };
        let excess = (self.used() + growth).saturating_sub(self.capacity);
        excess.max(length.saturating_sub(limit)).min(growth)
    }

    fn bind(&mut self, gone: Option<Name>, comes: Option<(Name, usize)>) {
        let renaming = Renaming { gone, comes };
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
        self.lock = None;
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
    fn apply(&self, names: &mut BTreeMap<Name, usize>) {
        if let Some(gone) = self.gone {
            names.remove(&gone);
        }
        if let Some((name, inode)) = self.comes {
            names.insert(name, inode);
        }
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// All that is pending is written; by a sync that fails just some of it, and lengths, which are journaled.
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

/// How far an operation comes.
enum Course {
    /// To its end.
    Done,
    /// A part of it may happen; then this is the error.
    Part(io::Error),
}

/// The folder as one program sees it.
pub struct DiskFiles {
    disk: Disk,
    program: u64,
}

impl DiskFiles {
    /// Does a change of names, with the faults that are due.
    fn rename_with(
        &self,
        change: impl FnOnce(&mut State) -> io::Result<Option<usize>>,
    ) -> io::Result<Option<DiskFile>> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        let inode = match course {
            Course::Done => change(&mut state)?,
            Course::Part(error) => {
                if state.rng.bool() {
                    change(&mut state)?;
                }
                return end(&mut state, error);
            }
        };
        let (disk, program) = (self.disk.clone(), self.program);
        Ok(inode.map(|inode| DiskFile {
            disk,
            program,
            inode,
            locked: false.into(),
        }))
    }
}

/// Counts an operation, and says how far it will come.
fn begin(disk: &Disk, program: u64) -> io::Result<(RefMut<'_, State>, Course)> {
    let mut state = disk.0.borrow_mut();
    if !state.alive || state.program != program {
        return Err(io::Error::other("the program is dead"));
    }
    state.operations += 1;
    let course = match &mut state.fault {
        Some((0, _)) => Course::Part(io::Error::other("injected")),
        Some((operations, _)) => {
            *operations -= 1;
            Course::Done
        }
        None => Course::Done,
    };
    Ok((state, course))
}

/// Lets the fault happen that is due now.
fn end<T>(state: &mut State, error: io::Error) -> io::Result<T> {
    match state.fault.take() {
        Some((_, Fault::PowerCut)) => state.power_cut(),
        Some((_, Fault::Kill)) => {
            state.alive = false;
            state.lock = None;
        }
        Some((_, Fault::Error)) | None => {}
    }
    Err(error)
}

impl Files for DiskFiles {
    type File = DiskFile;

    const ROOM: u64 = 512;
    const INTERVAL: u64 = 4096;
    const PORTION: u64 = 700;

    fn folder(&self) -> &Path {
        Path::new("disk")
    }

    fn open(&mut self, name: Name) -> io::Result<Option<DiskFile>> {
        self.rename_with(|state| Ok(state.names.get(&name).copied()))
    }

    fn create(&mut self, name: Name) -> io::Result<DiskFile> {
        let created = self.rename_with(|state| {
            let inode = state.inodes.len();
            state.inodes.push(Inode::default());
            state.bind(None, Some((name, inode)));
            Ok(Some(inode))
        });
        created.map(|file| file.expect("just created"))
    }

    fn rename(&mut self, from: Name, to: Name) -> io::Result<()> {
        self.rename_with(|state| {
            let inode = *state.names.get(&from).ok_or(ErrorKind::NotFound)?;
            state.bind(Some(from), Some((to, inode)));
            Ok(None)
        })
        .map(drop)
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        self.rename_with(|state| {
            state.bind(Some(name), None);
            Ok(None)
        })
        .map(drop)
    }

    fn sync(&mut self) -> io::Result<()> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        let State {
            rng,
            pending_names,
            durable_names,
            ..
        } = &mut *state;
        let part = matches!(course, Course::Part(_));
        // Names are journaled: those that a failed sync has not written stay pending.
        pending_names.retain(|renaming| {
            let keep = !part || rng.bool();
            if keep {
                renaming.apply(durable_names);
            }
            !keep
        });
        match course {
            Course::Done => Ok(()),
            Course::Part(error) => end(&mut state, error),
        }
    }

    fn salt(&mut self) -> u64 {
        let mut state = self.disk.0.borrow_mut();
        state.salts += 1;
        state.salts
    }
}

/// An open file of one program.
pub struct DiskFile {
    disk: Disk,
    program: u64,
    inode: usize,
    locked: std::cell::Cell<bool>,
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        let mut state = self.disk.0.borrow_mut();
        if self.locked.get() && state.program == self.program {
            state.lock = None;
        }
    }
}

impl RandomAccess for DiskFile {
    fn length(&self) -> io::Result<u64> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        match course {
            Course::Done => Ok(state.inodes[self.inode].seen.len() as u64),
            Course::Part(error) => end(&mut state, error),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        if let Course::Part(error) = course {
            return end(&mut state, error);
        }
        if state.rng.u8(..) == 0 {
            return Err(ErrorKind::Interrupted.into());
        }
        let part = some(&mut state.rng, buffer.len());
        let seen = &state.inodes[self.inode].seen;
        let from = seen.len().min(offset as usize);
        let bytes = &seen[from..seen.len().min(from + part.end)];
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        if state.rng.u8(..) == 0 && matches!(course, Course::Done) {
            return Err(ErrorKind::Interrupted.into());
        }
        let mut part = some(&mut state.rng, bytes.len());
        let excess = state.excess(self.inode, offset + part.end as u64);
        part.end = part.end.saturating_sub(excess as usize);
        if part.is_empty() && !bytes.is_empty() {
            return Err(ErrorKind::StorageFull.into());
        }
        let written = bytes[part.clone()].to_vec();
        state.inodes[self.inode].change(Change::Write(offset as usize, written));
        match course {
            Course::Done => Ok(part.end),
            Course::Part(error) => end(&mut state, error),
        }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        state.inodes[self.inode].change(Change::Length(length as usize));
        match course {
            Course::Done => Ok(()),
            Course::Part(error) => end(&mut state, error),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        let State { rng, inodes, .. } = &mut *state;
        match course {
            Course::Done => {
                inodes[self.inode].sync(|| true);
                Ok(())
            }
            Course::Part(error) => {
                inodes[self.inode].sync(|| rng.bool());
                end(&mut state, error)
            }
        }
    }

    fn try_lock(&self) -> io::Result<bool> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        if let Course::Part(error) = course {
            return end(&mut state, error);
        }
        let free = state.lock.is_none();
        state.lock = Some(self.inode);
        self.locked.set(free);
        Ok(free)
    }
}

/// All of it, or in one case of eight less, but something.
fn some(rng: &mut fastrand::Rng, length: usize) -> Range<usize> {
    if length > 1 && rng.u8(..8) == 0 {
        0..rng.usize(1..=length)
    } else {
        0..length
    }
}
