//! The store on this machine: bets.csv and the log beside it. Nothing acknowledged is ever lost or doubled.
//!
//! Rows and facts come in; when [`WalStore::commit`] returns, they outlive the process and the machine. At
//! the next start the facts go out again, in the same order, and bets.csv holds just the rows that belong to
//! them. Knows no rule of the lottery, no connection and no clock, and prints nothing.
//!
//! # The files
//!
//! | file | |
//! |---|---|
//! | `bets.csv` | a row for each bet that is stored, and nothing else |
//! | `bets.wal` | the log: a checkpoint, then each turn of the loop as one record; pictured in `format.rs` |
//! | `bets.wal.new` | the next log, or the previous one, kept to be written over; a start ignores it |
//! | `bets.csv.new` | the next bets.csv, while an agency's rows are taken out; it counts only if bets.wal fits it |
//! | `lock` | locked, as the folder is, while a server works here; says which turn was acknowledged last |
//!
//! # A turn
//!
//! 1. [`draft`](WalStore::draft): where the log is not long enough for the record, zeros are written behind it, so that
//!    what is staged cannot fail for space. Without room the request is refused, and nothing changes.
//! 2. [`commit`](WalStore::commit): the record is written to the log in one piece, and the log is synced once.
//! 3. The rows are written to bets.csv, and the turn is noted in the lock file. Then the replies may go.
//!
//! bets.csv is synced in portions of 8 MiB and at checkpoints. A checkpoint ([`WalStore::checkpoint`]) syncs
//! bets.csv, begins the next log beside the current one, syncs it, gives it its name, and syncs the folder. It is due at
//! the start, at the end, at the draw, and after every 16 MiB of log, or 64 MiB without durability. The next log is a new
//! file, or, with durability, the log before the current one is written over (`log.rs`).
//!
//! Where bets.csv has no room for rows that are in the log, their turn stays acknowledged and the store
//! [lags](WalStore::lagging): it takes no more rows until these are written. Only [`WalStore::retry`] tries that, once
//! a second, and goes on where the last try ended: a refused request costs nothing.
//!
//! # Recovery
//!
//! The log is read from its front. The first record that is not whole ends it: a turn that was cut off before
//! it was acknowledged. bets.csv is then written again from the checkpoint on. That, and only that, is mended
//! silently; each of these is refused, and the files left as they are:
//!
//! | [`StoreError`] | what it means |
//! |---|---|
//! | `Untrusted` | the folder or a file is a link, another user's, or can be written to by others |
//! | `Locked` | another server works in the folder |
//! | `Head` | the checkpoint is damaged: without it the log means nothing |
//! | `Damage` | a turn is damaged: a later one is whole, so it was acknowledged |
//! | `Lost` | the log ends before a turn that the lock file knows as acknowledged |
//! | `Short` | bets.csv lacks bytes that were synced |
//! | `Different` | bytes of bets.csv that were synced have changed |
//! | `Long` | bets.csv holds more than was ever stored |
//! | `Replaced` | bets.csv became another file while the server ran; the log is kept |
//! | `Row` | a bets.csv without a log has a row that is no bet |
//! | `Version`, `Nonsense` | the log was not written by this program |
//! | `Stopped` | the caller, who is told how far the reading is, has ended it |
//! | `Io` | a call on a file failed |
//!
//! # What is not promised
//!
//! A turn that was not acknowledged may be stored all the same, whole: the power failed between its sync and its
//! replies. If the last turn in the log is damaged, and a power cut has also taken back bets.csv and the lock file, it
//! looks like a turn that was never acknowledged. With [`Durability::Never`] a power cut may take back anything: the
//! log then is cut at its first bad record, with a warning.

mod contents;
mod disk;
mod draw;
mod entry;
mod error;
mod folder;
mod format;
mod lock;
mod log;
mod new_folder;
mod reading;
mod recovery;
mod reopen;
mod store;
mod turn;
mod wal;

pub use self::contents::{Contents, ExportError, export};
pub use self::disk::{FileName, Files, OnProgress, Progress, RandomAccess};
pub use self::draw::Scanner;
pub use self::error::{Distrust, StoreError};
pub use self::folder::{Folder, ReadOnlyFolder};
pub use self::format::Durability;
pub use self::lock::LockedFolder;
pub use self::new_folder::{NewFolder, NewFolderError};
pub use self::reading::{Recovery, Warning};
pub use self::store::{FileDraft, FileStore};
pub use self::turn::DraftRows;
pub use self::wal::WalStore;
pub use super::rows::{MAX_ROW, RowFlaw};
