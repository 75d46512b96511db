//! The tables of the model's database, and what a statement appends to them.

use crate::rules::Rules;

/// The agencies of every lottery here.
pub const AGENCIES: usize = 2;

/// What is known of an agency: its row of highest version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    pub version: u8,
    /// How many uploads of the agency were taken out, which is the number of the upload that the bets are of.
    pub upload: u8,
    pub bets: u8,
    pub finished: bool,
}

/// What an agency has in the draw: the number of its upload, and its bets.
pub type Entry = (u8, u8);

/// The next version of an agency, as a transaction appends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    pub agency: usize,
    pub account: Account,
    /// How many bets it builds on.
    pub before: u8,
    /// Which bet of the agency's file is stored with it, if it stores one.
    pub bet: u8,
}

/// What one transaction appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transaction {
    Versions([Option<Row>; AGENCIES]),
    Draw,
    /// A row that means nothing to the lottery; once it is acknowledged, what was read before it counts.
    Barrier,
}

/// The tables, after some transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tables {
    pub accounts: [Account; AGENCIES],
    /// Rows of bets of each agency's upload.
    pub stored: [u8; AGENCIES],
    pub draw: Option<[Entry; AGENCIES]>,
    /// A bet was stored at another place than in its file.
    pub is_mixed: bool,
}

impl Tables {
    pub fn all_finished(&self) -> bool {
        self.accounts.iter().all(|account| account.finished)
    }

    /// What each agency would have in a draw that is done now.
    pub fn entries(&self) -> [Entry; AGENCIES] {
        std::array::from_fn(|agency| (self.accounts[agency].upload, self.stored[agency]))
    }

    /// Whether a row may be appended: its version is free, the one before it is there with as many bets as this one builds
    /// on, and behind `finished` nothing is stored.
    fn takes(&self, row: &Row, rules: &Rules) -> bool {
        let last = &self.accounts[row.agency];
        let version = row.account.version;
        let reopens = row.account.upload > last.upload;
        let fits = version == last.version + 1 && (reopens || row.before == last.bets);
        let stores_nothing = row.account.finished && row.account.bets == row.before;
        let follows = match rules.the_version_before_must_fit {
            true => fits,
            false => version > last.version,
        };
        (follows || !rules.a_version_follows_what_its_central_knows)
            && (!last.finished || reopens || stores_nothing || !rules.nothing_follows_finished)
    }

    /// Appends a transaction, whole or not at all; says whether it did.
    pub fn append(&mut self, transaction: &Transaction, rules: &Rules) -> bool {
        match transaction {
            Transaction::Versions(rows) => {
                if !rows.iter().flatten().all(|row| self.takes(row, rules)) {
                    return false;
                }
                for Row {
                    agency,
                    account,
                    before,
                    bet,
                } in rows.iter().flatten()
                {
                    let last = &mut self.accounts[*agency];
                    if account.upload > last.upload {
                        self.stored[*agency] = 0;
                    }
                    if account.bets > *before {
                        self.is_mixed |= *bet != self.stored[*agency];
                        self.stored[*agency] += 1;
                    }
                    *last = *account;
                }
                true
            }
            Transaction::Draw => {
                let due =
                    self.draw.is_none() && (self.all_finished() || !rules.the_draw_looks_once_more);
                if due {
                    self.draw = Some(self.entries());
                }
                due
            }
            Transaction::Barrier => true,
        }
    }
}
