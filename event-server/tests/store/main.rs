//! The store with files, over a disk that fails in every way, and on real folders.
//!
//! ```text
//! recovery    a log that is cut at every byte, and one with each byte flipped
//! reuse       a log that is written over
//! tail        what stands behind the log's last turn, and turns longer than the buffer
//! growth      how the log grows, when a checkpoint is due, which files are kept
//! calls       single calls that fail, and what is synced when
//! service     the store as the service uses it
//! full        a disk without room, at the start and at a checkpoint
//! draw        a disk that fails while the draw is counted or stored
//! reopen      an agency's bets are taken out: whole or not at all
//! simulation  the store alone, seeded: kills, power cuts, failed calls
//! beside      programs that read the folder slower than the server writes
//! export      exporting beside a store that is open
//! folder      a real folder: the format that Python wrote, files of others, modes, the lock
//! new_folder  a lottery that is written into a new folder as a whole
//! turn        the turn of equal bets that some of them store
//! ```

#[path = "../store_disk/mod.rs"]
mod store_disk;

mod beside;
mod calls;
mod draw;
mod export;
mod folder;
mod full;
mod growth;
mod new_folder;
mod recovery;
mod reopen;
mod reuse;
mod service;
mod simulation;
mod tail;
mod turn;
