//! What clients were told, noted for those who can look at once whether it is so; and what is forgiven where acknowledged
//! bets may be lost, or an operator has taken them out.

use super::{Fate, Ledger};

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// By the server of this life: `stored` bets of this file are stored, and the client may go on after them.
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

    /// `stored` bets of a file are stored: the last of them is, and with it those before.
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

    /// An operator has taken out all bets of an agency, which no client may have an unread reply about. Its upload is
    /// barred, unless it is allowed again.
    pub fn taken_out(&mut self, agency: u32, allowed: bool) {
        self.reopenings += 1;
        let files = self.files.iter_mut();
        for file in files.filter(|file| file.agency == agency) {
            file.barred = !allowed && (file.barred || file.stored > 0);
            file.taken_out |= file.stored > 0;
            file.stored = 0;
        }
        let parcels = self.parcels.iter_mut();
        for parcel in parcels.filter(|parcel| parcel.agency == agency) {
            parcel.fate = Fate::Out;
        }
        let account = self.account(agency);
        (account.finished_sent, account.finished, account.closed_at) = (false, false, None);
        account.reopened = true;
    }

    /// The agencies that an operator has reopened, and that have not finished since.
    pub fn reopened(&self) -> impl Iterator<Item = u32> {
        let accounts = self.accounts.iter();
        let open = accounts.filter(|(_, account)| account.reopened && !account.finished);
        open.map(|(agency, _)| *agency)
    }

    /// Whether a server may have fewer bets of a file than it has acknowledged.
    pub fn may_miss(&self, file: usize) -> bool {
        self.lossy || self.files[file].taken_out
    }
}
