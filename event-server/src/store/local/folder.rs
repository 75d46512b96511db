//! The real files: a folder of the operating system.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::files::{Files, Name, RandomAccess, failed};

/// What the owner alone may do.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A folder that is there.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folder itself, to be synced.
    handle: File,
}

impl Folder {
    /// Opens a folder, and makes it and its parents where they are not there, for the owner alone. One that
    /// is there keeps its mode; the files in it are made the owner's in any case.
    ///
    /// # Errors
    /// It cannot be made or opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|e| failed("find", path, e))?;
        create(&path).map_err(|e| failed("create the folder", &path, e))?;
        let handle = File::open(&path).map_err(|e| failed("open the folder", &path, e))?;
        Ok(Self { path, handle })
    }
}

/// A folder whose files are only read, beside a server that may be running there.
#[derive(Debug)]
pub struct ReadOnlyFolder(pub PathBuf);

impl ReadOnlyFolder {
    /// A folder that is there.
    ///
    /// # Errors
    /// It is not, or may not be looked into.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        fs::read_dir(path).map_err(|e| failed("open the folder", path, e))?;
        Ok(Self(path.to_owned()))
    }
}

impl Files for ReadOnlyFolder {
    type File = File;

    fn folder(&self) -> &Path {
        &self.0
    }

    fn open(&mut self, name: Name) -> io::Result<Option<File>> {
        match File::open(self.0.join(name.as_str())) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn create(&mut self, _name: Name) -> io::Result<File> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn rename(&mut self, _from: Name, _to: Name) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn keep_private(&mut self, _file: &File) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn is_named(&self, name: Name, file: &File) -> io::Result<bool> {
        is_at(&self.0.join(name.as_str()), file)
    }

    fn remove(&mut self, _name: Name) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn salt(&mut self) -> u64 {
        0
    }
}

/// Makes the folder where it is not there, each name durable in the folder above it.
fn create(path: &Path) -> io::Result<()> {
    let make = || DirBuilder::new().mode(FOLDER_MODE).create(path);
    let (mut made, parent) = (make(), path.parent());
    if let (Err(e), Some(parent)) = (&made, parent)
        && e.kind() == ErrorKind::NotFound
    {
        create(parent)?;
        // Once: there are folders, such as /proc, in which none can be made, and which say that they are not there.
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

    fn open(&mut self, name: Name) -> io::Result<Option<File>> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path.join(name.as_str()));
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn create(&mut self, name: Name) -> io::Result<File> {
        let path = self.path.join(name.as_str());
        if name.is_new() {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(path)
    }

    fn keep_private(&mut self, file: &File) -> io::Result<()> {
        let mode = file.metadata()?.permissions().mode();
        match mode & 0o777 == FILE_MODE {
            true => Ok(()),
            false => file.set_permissions(Permissions::from_mode(FILE_MODE)),
        }
    }

    fn rename(&mut self, from: Name, to: Name) -> io::Result<()> {
        fs::rename(self.path.join(from.as_str()), self.path.join(to.as_str()))
    }

    fn is_named(&self, name: Name, file: &File) -> io::Result<bool> {
        is_at(&self.path.join(name.as_str()), file)
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        fs::remove_file(self.path.join(name.as_str()))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn salt(&mut self) -> u64 {
        // Seeded by the system's random numbers.
        RandomState::new().hash_one(std::time::SystemTime::now())
    }
}

/// Whether this file is what stands at the path.
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
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
        match File::try_lock(self) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }
}
