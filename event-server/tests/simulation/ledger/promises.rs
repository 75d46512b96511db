//! What clients were told, noted for those who can look at once whether it is so; and what is forgiven where acknowledged
//! bets may be lost.

use super::{Fate, Ledger};

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// By the server of this life: so many bets of this file are stored, and the client may go on after them.
    Resumed {
        life: usize,
        file: usize,
        stored: u64,
        /// How many resumes of the file were answered before this one was sent.
        asked: usize,
    },
    /// The bet of this row is stored.
    Stored(String),
    /// The agency has finished.
    Finished(u32),
    /// The draw is done.
    Drawn,
}

impl Ledger {
    pub(super) fn promise(&mut self, promise: Promise) {
        if !self.lossy {
            self.promises.push(promise);
        }
    }

    /// So many bets of a file are stored: the last of them is, and with it those before.
    pub(super) fn promise_rows(&mut self, file: usize, stored: usize) {
        let last = stored.checked_sub(1).map(|i| &self.files[file].bets[i]);
        let promise = last.map(|bet| Promise::Stored(bet.row.clone()));
        promise
            .into_iter()
            .for_each(|promise| self.promise(promise));
    }

    /// What was acknowledged so far may be lost; from now on nothing is. What is stored is still to be audited.
    pub fn forgive(&mut self) {
        self.lossy = false;
        self.drawn = None;
        self.files.iter_mut().for_each(|file| file.stored = 0);
        for parcel in &mut self.parcels {
            if parcel.fate == Fate::In {
                parcel.fate = Fate::Doubt;
            }
        }
        for account in self.accounts.values_mut() {
            (account.finished, account.winners) = (false, None);
        }
    }
}
