//! The real files: a folder of the operating system.
//!
//! The folder is opened once, and files are looked for in what was opened, wherever it is moved. No link is followed, and
//! only files that nobody else can have put there or written to [are trusted](Distrust).

use std::fs::{DirBuilder, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;

use super::disk::{FileName, Files, RandomAccess, failed};
use super::error::{Distrust, StoreError};

/// The modes of folders and files that are made: for their owner alone.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);

/// How everything is opened. A pipe that stands in a file's place is not waited for.
const FLAGS: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// The bits of a mode that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// An open folder whose files are read and written.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folder itself.
    handle: File,
    owners: Owners,
}

impl Folder {
    /// Opens a folder, and makes it and its parents where they are missing, for the owner alone. An existing folder
    /// keeps its mode; the files in it are [kept private](Files::keep_private) all the same.
    ///
    /// # Errors
    /// It cannot be made or opened, or it is not [trusted](Distrust).
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = absolute(path)?;
        create(&path).map_err(|e| failed("create the folder", &path, e))?;
        Self::find(path)
    }

    fn find(path: PathBuf) -> Result<Self, StoreError> {
        let opened = retry_on_intr(|| fs::open(&path, FLAGS | OFlags::DIRECTORY, Mode::empty()));
        let judged = opened.map_err(|e| refusal(e, &path)).and_then(|handle| {
            let owners = Owners::of(&fs::fstat(&handle)?).map_err(io::Error::other)?;
            Ok((File::from(handle), owners))
        });
        let (handle, owners) = judged.map_err(|e| failed("open the folder", &path, e))?;
        Ok(Self {
            path,
            handle,
            owners,
        })
    }

    fn open_file(&self, name: FileName, access: OFlags) -> io::Result<Option<File>> {
        let name = name.as_str();
        let opened =
            retry_on_intr(|| fs::openat(&self.handle, name, FLAGS | access, Mode::empty()));
        let handle = match opened {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened.map_err(|e| refusal(e, &self.path.join(name)))?,
        };
        self.owners
            .check(&fs::fstat(&handle)?)
            .map_err(io::Error::other)?;
        Ok(Some(handle.into()))
    }

    /// Whether a name is that of this file.
    fn is_named(&self, name: FileName, file: &File) -> io::Result<bool> {
        let own = fs::fstat(file)?;
        match fs::statat(&self.handle, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok((found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}

/// The absolute path of a folder, without a slash at its end: with one the system would follow a link.
fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    let whole = std::path::absolute(path).map_err(|e| failed("find", path, e))?;
    Ok(whole.components().collect())
}

/// What a failed opening means: some errors say that a link stands there.
fn refusal(e: Errno, path: &Path) -> io::Error {
    let is_link = path.is_symlink() && matches!(e, Errno::LOOP | Errno::NOTDIR);
    match is_link {
        true => io::Error::other(Distrust::Link),
        false => e.into(),
    }
}

/// A folder whose files are only read, beside a server that may be running there.
#[derive(Debug)]
pub struct ReadOnlyFolder(Folder);

impl ReadOnlyFolder {
    /// Opens an existing folder.
    ///
    /// # Errors
    /// It does not exist, cannot be opened, or is not [trusted](Distrust).
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Folder::find(absolute(path)?).map(Self)
    }
}

impl Files for ReadOnlyFolder {
    type File = File;

    fn folder(&self) -> &Path {
        self.0.folder()
    }

    fn open(&mut self, name: FileName) -> io::Result<Option<File>> {
        self.0.open_file(name, OFlags::RDONLY)
    }

    fn create(&mut self, _name: FileName) -> io::Result<File> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn rename(&mut self, _from: FileName, _to: FileName) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn keep_private(&mut self, _file: &File) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn exchange(&mut self, _one: FileName, _other: FileName) -> io::Result<bool> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn is_named(&self, name: FileName, file: &File) -> io::Result<bool> {
        self.0.is_named(name, file)
    }

    fn remove(&mut self, _name: FileName) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn salt(&mut self) -> u64 {
        0
    }
}

/// Makes the folder and its parents where they are missing, each name durable in the folder above it.
fn create(path: &Path) -> io::Result<()> {
    let make = || DirBuilder::new().mode(FOLDER_MODE).create(path);
    let (mut made, parent) = (make(), path.parent());
    if let (Err(e), Some(parent)) = (&made, parent)
        && e.kind() == ErrorKind::NotFound
    {
        create(parent)?;
        // Tried once more only: some folders, such as /proc, answer every try to make one in them with "not found".
        made = make();
    }
    match (made, parent) {
        (Err(e), _) if e.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        (Ok(()), Some(parent)) => File::open(parent)?.sync_all(),
        (made, _) => made,
    }
}

impl Files for Folder {
    type File = File;

    fn folder(&self) -> &Path {
        &self.path
    }

    fn open(&mut self, name: FileName) -> io::Result<Option<File>> {
        self.open_file(name, OFlags::RDWR)
    }

    fn create(&mut self, name: FileName) -> io::Result<File> {
        if name.is_new() {
            match self.remove(name) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        let flags = FLAGS | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file: File =
            retry_on_intr(|| fs::openat(&self.handle, name.as_str(), flags, FILE_MODE))?.into();
        if let Some(owner) = self.owners.chown_to() {
            match fs::fchown(&file, Some(Uid::from_raw(owner)), None) {
                // In a container even the superuser may have lost this right; the file then stays its own.
                Err(Errno::PERM) => {}
                given => given?,
            }
        }
        Ok(file)
    }

    fn keep_private(&mut self, file: &File) -> io::Result<()> {
        match Mode::from_raw_mode(fs::fstat(file)?.st_mode) == FILE_MODE {
            true => Ok(()),
            false => Ok(fs::fchmod(file, FILE_MODE)?),
        }
    }

    fn rename(&mut self, from: FileName, to: FileName) -> io::Result<()> {
        Ok(fs::renameat(
            &self.handle,
            from.as_str(),
            &self.handle,
            to.as_str(),
        )?)
    }

    fn exchange(&mut self, one: FileName, other: FileName) -> io::Result<bool> {
        let (one, other) = (one.as_str(), other.as_str());
        let exchange = RenameFlags::EXCHANGE;
        match fs::renameat_with(&self.handle, one, &self.handle, other, exchange) {
            Ok(()) => Ok(true),
            Err(e) if is_unsupported(&e.into()) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn is_named(&self, name: FileName, file: &File) -> io::Result<bool> {
        Folder::is_named(self, name, file)
    }

    fn remove(&mut self, name: FileName) -> io::Result<()> {
        Ok(fs::unlinkat(&self.handle, name.as_str(), AtFlags::empty())?)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        match taken(self.handle.try_lock()) {
            // A network file system locks only what is open for writing, which no folder can be: there only the lock
            // file is locked.
            Err(e) if is_unsupported(&e) => Ok(true),
            locked => locked,
        }
    }

    fn salt(&mut self) -> u64 {
        // Seeded by the system's random numbers.
        RandomState::new().hash_one(std::time::SystemTime::now())
    }
}

impl RandomAccess for File {
    fn length(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn try_lock(&self) -> io::Result<bool> {
        taken(self.try_lock())
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        match taken(self.try_lock_shared()) {
            // Where files cannot be locked, the server never takes a log for free.
            Err(e) if is_unsupported(&e) => Ok(true),
            taken => taken,
        }
    }
}

/// Whether a lock was taken; `false`: another has it.
fn taken(locked: Result<(), TryLockError>) -> io::Result<bool> {
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// Whether the file system does not support the call at all.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::BADF | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
    )
}

/// The users whose files are trusted in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owners {
    /// Who runs the program.
    user: u32,
    /// Whose the folder is.
    folder: u32,
}

impl Owners {
    /// Judges a folder by its owner and mode: it has to belong to the user who runs this program. The superuser may
    /// work in the folder of another user, and the files in it stay that user's.
    fn of(folder: &Stat) -> Result<Self, Distrust> {
        Self::judged(geteuid().as_raw(), folder.st_uid, folder.st_mode)
    }

    fn judged(user: u32, folder: u32, mode: u32) -> Result<Self, Distrust> {
        if user != folder && user != 0 {
            let owner = folder;
            return Err(Distrust::Owner { owner, user });
        }
        if mode & OTHERS_WRITE != 0 {
            return Err(Distrust::Writable);
        }
        Ok(Self { user, folder })
    }

    /// Judges a file that was found in the folder: it has to belong to the folder's owner or to the user who runs this
    /// program.
    fn check(self, file: &Stat) -> Result<(), Distrust> {
        if FileType::from_raw_mode(file.st_mode) != FileType::RegularFile {
            return Err(Distrust::Kind);
        }
        self.check_rights(file.st_uid, file.st_mode)
    }

    fn check_rights(self, owner: u32, mode: u32) -> Result<(), Distrust> {
        if owner != self.folder && owner != self.user {
            let user = self.folder;
            return Err(Distrust::Owner { owner, user });
        }
        match mode & OTHERS_WRITE {
            0 => Ok(()),
            _ => Err(Distrust::Writable),
        }
    }

    /// The user to whom a new file has to be given, where that is not the one who runs this program.
    fn chown_to(self) -> Option<u32> {
        (self.folder != self.user).then_some(self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_its_files_are_their_owners_alone_and_the_superuser_may_help() {
        let owner = |owner, user| Distrust::Owner { owner, user };
        let writable = Err(Distrust::Writable);
        for mode in [0o700, 0o755, 0o750] {
            assert!(Owners::judged(7, 7, mode).is_ok());
            assert_eq!(Owners::judged(7, 8, mode), Err(owner(8, 7)));
            assert_eq!(Owners::judged(7, 0, mode), Err(owner(0, 7)));
        }
        for mode in [0o777, 0o775, 0o702] {
            assert_eq!(Owners::judged(7, 7, mode), writable);
            assert_eq!(Owners::judged(0, 7, mode), writable);
        }
        let own = Owners::judged(7, 7, 0o700).unwrap();
        let helped = Owners::judged(0, 7, 0o700).unwrap();
        assert_eq!((own.chown_to(), helped.chown_to()), (None, Some(7)));
        for owners in [own, helped] {
            assert_eq!(owners.check_rights(7, 0o644), Ok(()));
            assert_eq!(owners.check_rights(8, 0o600), Err(owner(8, 7)));
            assert_eq!(owners.check_rights(7, 0o620), Err(Distrust::Writable));
        }
        assert_eq!(own.check_rights(0, 0o600), Err(owner(0, 7)));
        assert_eq!(helped.check_rights(0, 0o600), Ok(()));
    }

    #[test]
    fn a_call_that_the_file_system_does_not_support_is_told_from_one_that_fails() {
        for (errno, is_so) in [
            (Errno::BADF, true),
            (Errno::INVAL, true),
            (Errno::NOSYS, true),
            (Errno::OPNOTSUPP, true),
            (Errno::NOLCK, false),
            (Errno::IO, false),
        ] {
            assert_eq!(is_unsupported(&errno.into()), is_so, "{errno}");
        }
    }

    #[test]
    fn a_name_is_that_of_one_file_and_only_a_file_that_was_being_made_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let mut files = Folder::open(place.path()).unwrap();
        let log = files.create(FileName::Log).unwrap();
        let new = files.create(FileName::NewLog).unwrap();
        let reader = ReadOnlyFolder::open(place.path()).unwrap();
        let named = |name, file| {
            let both = [files.is_named(name, file), reader.is_named(name, file)];
            let [found, read] = both.map(Result::unwrap);
            assert_eq!(found, read);
            found
        };
        assert!(named(FileName::Log, &log) && named(FileName::NewLog, &new));
        assert!(!named(FileName::Log, &new) && !named(FileName::Bets, &log));

        let kept = files.create(FileName::Log).unwrap_err();
        assert_eq!(kept.kind(), ErrorKind::AlreadyExists);
        files.create(FileName::NewLog).unwrap();
        assert!(!files.is_named(FileName::NewLog, &new).unwrap());
        files.remove(FileName::NewLog).unwrap();
        let missing = files.exchange(FileName::NewLog, FileName::Log).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        std::fs::create_dir(place.path().join("bets.wal.new")).unwrap();
        let stays = files.create(FileName::NewLog).unwrap_err();
        assert_eq!(stays.kind(), ErrorKind::IsADirectory);

        RandomAccess::set_length(&log, 3).unwrap();
        assert_eq!(log.length().unwrap(), 3);
        assert_ne!(files.salt(), files.salt());
        let error = ReadOnlyFolder::open(&place.path().join("bets.wal"));
        assert!(matches!(error, Err(StoreError::Io { .. })));
    }
}
