//! The disk as one program sees it: its operations, and how far each of them comes.

use std::cell::{Cell, RefMut};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;

use event_server::store::files::{FileName, Files, RandomAccess};

use super::{Change, Disk, Fault, Inode, Lock, State};

/// How far an operation comes.
enum Course {
    /// To its end.
    Done,
    /// A part of it may happen; then this is the error.
    Part(io::Error),
}

/// The folder as one program sees it.
pub struct DiskFiles {
    pub(super) disk: Disk,
    pub(super) program: u64,
    /// It has locked the folder.
    pub(super) locked: bool,
}

impl Drop for DiskFiles {
    fn drop(&mut self) {
        let mut state = self.disk.0.borrow_mut();
        if self.locked && state.program == self.program {
            state.folder_locked = false;
        }
    }
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

impl State {
    /// Releases the lock of an opened file, where it has one.
    fn unlock_inode(&mut self, inode: usize, locked: &Cell<bool>) {
        if !locked.replace(false) {
            return;
        }
        match self.locks.get_mut(&inode) {
            Some(Lock::Shared(others)) if *others > 1 => *others -= 1,
            _ => _ = self.locks.remove(&inode),
        }
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
            state.unlock();
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

    fn open(&mut self, name: FileName) -> io::Result<Option<DiskFile>> {
        self.rename_with(|state| Ok(state.names.get(&name).copied()))
    }

    fn create(&mut self, name: FileName) -> io::Result<DiskFile> {
        let created = self.rename_with(|state| {
            if name == FileName::Lock && std::mem::take(&mut state.lock_is_made_first) {
                let inode = state.add(b"");
                state.bind(None, vec![(name, inode)]);
            }
            if !name.is_new() && state.names.contains_key(&name) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            let inode = state.inodes.len();
            state.inodes.push(Inode::default());
            state.bind(None, vec![(name, inode)]);
            Ok(Some(inode))
        });
        created.map(|file| file.expect("just created"))
    }

    fn rename(&mut self, from: FileName, to: FileName) -> io::Result<()> {
        self.rename_with(|state| {
            if state.folder_full {
                return Err(ErrorKind::QuotaExceeded.into());
            }
            let inode = *state.names.get(&from).ok_or(ErrorKind::NotFound)?;
            state.bind(Some(from), vec![(to, inode)]);
            Ok(None)
        })
        .map(drop)
    }

    fn exchange(&mut self, one: FileName, other: FileName) -> io::Result<bool> {
        self.rename_with(|state| {
            if state.folder_full {
                return Err(ErrorKind::QuotaExceeded.into());
            }
            let inode = |name| state.names.get(name).copied().ok_or(ErrorKind::NotFound);
            let names = vec![(one, inode(&other)?), (other, inode(&one)?)];
            state.bind(None, names);
            Ok(None)
        })
        .map(|_| true)
    }

    fn keep_private(&mut self, _file: &DiskFile) -> io::Result<()> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        match course {
            Course::Done => Ok(()),
            Course::Part(error) => end(&mut state, error),
        }
    }

    fn is_named(&self, name: FileName, file: &DiskFile) -> io::Result<bool> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        match course {
            Course::Done => Ok(state.names.get(&name) == Some(&file.inode)),
            Course::Part(error) => end(&mut state, error),
        }
    }

    fn remove(&mut self, name: FileName) -> io::Result<()> {
        self.rename_with(|state| {
            state.bind(Some(name), Vec::new());
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

    fn try_lock(&mut self) -> io::Result<bool> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        if let Course::Part(error) = course {
            return end(&mut state, error);
        }
        self.locked = !std::mem::replace(&mut state.folder_locked, true);
        Ok(self.locked)
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
    locked: Cell<bool>,
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        let mut state = self.disk.0.borrow_mut();
        if state.program == self.program {
            state.unlock_inode(self.inode, &self.locked);
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
        state.written += written.len() as u64;
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
        state.unlock_inode(self.inode, &self.locked);
        let is_free = !state.locks.contains_key(&self.inode);
        if is_free {
            state.locks.insert(self.inode, Lock::Alone);
            self.locked.set(true);
        }
        Ok(is_free)
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        let (mut state, course) = begin(&self.disk, self.program)?;
        if let Course::Part(error) = course {
            return end(&mut state, error);
        }
        state.unlock_inode(self.inode, &self.locked);
        let others = match state.locks.get(&self.inode) {
            Some(Lock::Alone) => return Ok(false),
            Some(Lock::Shared(others)) => *others,
            None => 0,
        };
        state.locks.insert(self.inode, Lock::Shared(others + 1));
        self.locked.set(true);
        Ok(true)
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
