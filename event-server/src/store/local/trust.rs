//! Whose files are taken for the store's: what others could have put there is not.

use std::fmt;

use rustix::fs::{FileType, Stat};
use rustix::process::geteuid;

/// What others may not have: to write to it.
const OTHERS_WRITE: u32 = 0o022;

/// Why a file, or the folder, is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// A link stands there.
    Link,
    /// It is no ordinary file: another folder, a pipe, a device.
    Kind,
    /// It belongs to another user.
    Owner {
        /// Whose it is.
        owner: u32,
        /// Whose it has to be.
        user: u32,
    },
    /// Others may write to it.
    Writable,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str(
                "is a link, and links are not followed: name what it leads to, or put that in its place",
            ),
            Self::Kind => f.write_str("is no ordinary file: move it away"),
            Self::Owner { owner, user } => write!(
                f,
                "belongs to user {owner} and not to user {user}: run as the user whose it is, or change the owner (chown)"
            ),
            Self::Writable => f.write_str(
                "can be written to by others than its owner: make sure that nobody has, and take the right away (chmod go-w)",
            ),
        }
    }
}

impl std::error::Error for Distrust {}

/// The users whose files are trusted in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owners {
    /// Who runs the program.
    user: u32,
    /// Whose the folder is.
    folder: u32,
}

impl Owners {
    /// Judges a folder by its owner and mode: it has to belong to who runs this program. The superuser may work in the
    /// folder of another user: that one's files stay that one's.
    pub(super) fn of(folder: &Stat) -> Result<Self, Distrust> {
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

    /// Judges a file that was found in the folder: it has to be the folder's owner's, or who runs this program has made it.
    pub(super) fn check(self, file: &Stat) -> Result<(), Distrust> {
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

    /// Who has to get a file that is made, where that is not who runs this program.
    pub(super) fn heir(self) -> Option<u32> {
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
        assert_eq!((own.heir(), helped.heir()), (None, Some(7)));
        for owners in [own, helped] {
            assert_eq!(owners.check_rights(7, 0o644), Ok(()));
            assert_eq!(owners.check_rights(8, 0o600), Err(owner(8, 7)));
            assert_eq!(owners.check_rights(7, 0o620), Err(Distrust::Writable));
        }
        assert_eq!(own.check_rights(0, 0o600), Err(owner(0, 7)));
        assert_eq!(helped.check_rights(0, 0o600), Ok(()));
    }
}
