//! Centrals and agencies between two steps, and what a step changes of them.

use crate::database::{AGENCIES, Account, Entry, Row, Tables, Transaction};
use crate::rules::Rules;

/// The one property that is an example rather than a promise.
pub const ENDS_WELL: &str = "all are told their winners after every fault";

/// The centrals, which are alike.
pub const CENTRALS: usize = 2;

/// The most sessions of a central.
pub const SESSIONS: usize = 2;

/// What an agency's connection with a central waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Connection {
    /// That its resume, which has read how its agency stands, is committed.
    Claiming,
    /// That this bet of its file, or behind the last one that it has finished, is committed.
    Asking(u8),
    /// The commit of what it asked for is under way.
    Committing,
    /// The draw.
    Held,
}

/// How far a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Appended; it is acknowledged once this number of transactions is replicated.
    Appended(usize),
    /// Replicated: the answer is on its way.
    Replicated,
}

/// A session of a central with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session {
    /// It is with a primary that is one no longer, and nobody has noticed.
    pub is_old: bool,
    pub query: Option<(Transaction, Stage)>,
}

/// What a central knows of the draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Drawn {
    No,
    /// All have finished, and it is to be drawn.
    Due,
    Read([Entry; AGENCIES]),
    Confirmed([Entry; AGENCIES]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Central {
    pub sessions: [Session; SESSIONS],
    /// Of each agency: what was read last of it, or acknowledged since.
    pub known: [Option<Account>; AGENCIES],
    pub connections: [Option<Connection>; AGENCIES],
    pub drawn: Drawn,
}

/// An agency, and what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agency {
    /// The central that it is connected to.
    pub at: Option<usize>,
    /// Which of its files it sends.
    pub upload: u8,
    /// Bets of this file that it was told are stored.
    pub told: u8,
    pub told_finished: bool,
    pub winners: Option<[Entry; AGENCIES]>,
    /// It was told less than before.
    pub was_told_less: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What a standby has, too.
    pub replicated: Tables,
    /// What the primary alone has.
    pub tail: Vec<Transaction>,
    /// What a primary that is one no longer still shows.
    pub old: Option<Tables>,
    /// Transactions of lost sessions: nobody knows whether they will be appended.
    pub abandoned: Vec<Transaction>,
    pub centrals: [Central; CENTRALS],
    pub agencies: [Agency; AGENCIES],
    /// How many more faults there may be.
    pub faults: u8,
    pub reopenings: u8,
}

/// The lottery to explore.
#[derive(Clone, Copy, Debug)]
pub struct Lottery {
    pub sessions: usize,
    /// The bets of each agency's file.
    pub files: [u8; AGENCIES],
    pub faults: u8,
    pub reopenings: u8,
    /// A pooler gives each transaction to a backend of the primary at that moment.
    pub has_a_pooler: bool,
    pub rules: Rules,
}

impl Lottery {
    /// An agency belongs to one session.
    pub fn session_of(&self, agency: usize) -> usize {
        agency % self.sessions
    }
}

impl State {
    /// What the primary has.
    pub fn primary(&self, rules: &Rules) -> Tables {
        let mut tables = self.replicated;
        for transaction in &self.tail {
            tables.append(transaction, rules);
        }
        tables
    }

    /// What a session reads.
    pub fn read(&self, session: &Session, rules: &Rules) -> Tables {
        match self.old {
            Some(old) if session.is_old => old,
            _ => self.primary(rules),
        }
    }

    /// Ends the connection of an agency with a central.
    pub fn close(&mut self, central: usize, agency: usize) {
        self.centrals[central].connections[agency] = None;
        let agency = &mut self.agencies[agency];
        if agency.at == Some(central) {
            agency.at = None;
        }
    }

    /// Tells an agency how it stands, where it still listens, and sets what its connection waits for then.
    pub fn tell(&mut self, lottery: &Lottery, central: usize, agency: usize, account: &Account) {
        let number = agency;
        let agency = &mut self.agencies[number];
        if agency.at != Some(central) {
            self.centrals[central].connections[number] = None;
            return;
        }
        if account.upload > agency.upload && lottery.rules.an_upload_taken_out_is_barred {
            agency.upload = account.upload;
            (agency.told, agency.told_finished) = (0, false);
        }
        agency.was_told_less |= account.bets < agency.told;
        agency.told = account.bets;
        agency.told_finished = account.finished;
        let next = if account.finished {
            Connection::Held
        } else {
            Connection::Asking(account.bets)
        };
        self.centrals[central].connections[number] = Some(next);
        self.tell_winners(central);
    }

    /// Tells the winners to all that wait for them.
    pub fn tell_winners(&mut self, central: usize) {
        let Drawn::Confirmed(entries) = self.centrals[central].drawn else {
            return;
        };
        for number in 0..AGENCIES {
            if self.centrals[central].connections[number] == Some(Connection::Held) {
                self.centrals[central].connections[number] = None;
                let agency = &mut self.agencies[number];
                if agency.at == Some(central) {
                    agency.at = None;
                    agency.winners = Some(entries);
                }
            }
        }
    }

    /// Reads an agency while its connection goes on, which is against the rules.
    pub fn read_again(&mut self, lottery: &Lottery, central: usize, agency: usize) {
        let session = &self.centrals[central].sessions[lottery.session_of(agency)];
        let account = self.read(session, &lottery.rules).accounts[agency];
        self.centrals[central].known[agency] = Some(account);
    }

    /// Loses a session, and what its central knew through it.
    pub fn lose(&mut self, lottery: &Lottery, central: usize, session: usize) {
        let query = self.centrals[central].sessions[session].query.take();
        self.centrals[central].sessions[session].is_old = false;
        if let (Some((transaction, _)), false) =
            (query, lottery.rules.an_unknown_outcome_is_not_told)
        {
            self.acknowledge(lottery, central, session, &transaction);
        }
        for agency in (0..AGENCIES).filter(|agency| lottery.session_of(*agency) == session) {
            if lottery.rules.a_lost_session_closes_its_agencies {
                self.centrals[central].known[agency] = None;
                self.close(central, agency);
            } else {
                self.read_again(lottery, central, agency);
                if self.centrals[central].connections[agency] == Some(Connection::Committing) {
                    let told = self.agencies[agency].told;
                    self.centrals[central].connections[agency] = Some(Connection::Asking(told));
                }
            }
        }
        if session == 0 && matches!(self.centrals[central].drawn, Drawn::Read(_) | Drawn::Due) {
            self.centrals[central].drawn = Drawn::No;
        }
        let mut sessions = self.centrals.iter().flat_map(|central| &central.sessions);
        if !sessions.any(|session| session.is_old) {
            self.old = None;
        }
    }

    /// A commit of a session is done.
    pub fn acknowledge(
        &mut self,
        lottery: &Lottery,
        central: usize,
        session: usize,
        transaction: &Transaction,
    ) {
        if let Transaction::Versions(rows) = transaction {
            for Row {
                agency, account, ..
            } in rows.iter().flatten()
            {
                self.centrals[central].known[*agency] = Some(*account);
                if self.centrals[central].connections[*agency] == Some(Connection::Committing) {
                    self.tell(lottery, central, *agency, account);
                }
            }
        }
        // The draw is read and confirmed in the first session.
        let confirms = session == 0 || !lottery.rules.a_later_commit_of_the_same_session_confirms;
        if let (true, Drawn::Read(entries)) = (confirms, self.centrals[central].drawn) {
            self.centrals[central].drawn = Drawn::Confirmed(entries);
            self.tell_winners(central);
        }
    }

    /// A session sends a transaction; returns whether the database takes it. Behind a pooler it reaches the present
    /// primary, whose answer shows another backend.
    pub fn send(
        &mut self,
        lottery: &Lottery,
        central: usize,
        session: usize,
        transaction: Transaction,
    ) -> bool {
        let place = &mut self.centrals[central].sessions[session];
        let was_old = std::mem::take(&mut place.is_old);
        if was_old && !lottery.has_a_pooler {
            // It waits for a standby that this primary has lost.
            place.is_old = true;
            place.query = Some((transaction, Stage::Appended(usize::MAX)));
            return true;
        }
        let taken = self
            .primary(&lottery.rules)
            .append(&transaction, &lottery.rules);
        if taken {
            let writes = transaction != Transaction::Barrier;
            self.tail.extend(writes.then_some(transaction));
            let stage = match self.tail.len() {
                0 => Stage::Replicated,
                behind => Stage::Appended(behind),
            };
            self.centrals[central].sessions[session].query = Some((transaction, stage));
        }
        if was_old && lottery.rules.another_backend_ends_the_session {
            self.lose(lottery, central, session);
            return true;
        }
        taken
    }

    /// The group of a session: the next version of each agency that waits for one.
    pub fn group(
        &mut self,
        lottery: &Lottery,
        central: usize,
        session: usize,
    ) -> [Option<Row>; AGENCIES] {
        let mut rows = [None; AGENCIES];
        for agency in (0..AGENCIES).filter(|agency| lottery.session_of(*agency) == session) {
            let place = &mut self.centrals[central];
            let (Some(connection), Some(known)) = (place.connections[agency], place.known[agency])
            else {
                continue;
            };
            let mut account = Account {
                version: known.version + 1,
                ..known
            };
            let bet = match connection {
                Connection::Claiming => 0,
                Connection::Asking(bet) => {
                    match bet < lottery.files[agency] {
                        true => account.bets += 1,
                        false => account.finished = true,
                    }
                    bet
                }
                Connection::Committing | Connection::Held => continue,
            };
            place.connections[agency] = Some(Connection::Committing);
            rows[agency] = Some(Row {
                agency,
                account,
                before: known.bets,
                bet,
            });
        }
        rows
    }

    /// The database refuses a group: each of its rows is tried alone, and an agency whose row is refused again is
    /// forgotten.
    pub fn refuse(&mut self, central: usize, rows: &[Option<Row>], rules: &Rules) {
        let tables = self.primary(rules);
        for row in rows.iter().flatten() {
            let alone = Transaction::Versions([Some(*row), None]);
            if { tables }.append(&alone, rules) {
                let is_claim = row.account.bets == row.before && !row.account.finished;
                let again = match is_claim {
                    true => Connection::Claiming,
                    false => Connection::Asking(row.bet),
                };
                self.centrals[central].connections[row.agency] = Some(again);
            } else {
                self.centrals[central].known[row.agency] = None;
                self.close(central, row.agency);
            }
        }
    }

    /// What is known of an agency without a connection is read again before it is used; and who does not listen need not be
    /// told the winners.
    pub fn leave_out_what_is_not_used(&mut self) {
        for (number, central) in self.centrals.iter_mut().enumerate() {
            for (place, agency) in self.agencies.iter().enumerate() {
                let connection = &mut central.connections[place];
                if *connection == Some(Connection::Held) && agency.at != Some(number) {
                    *connection = None;
                }
                if connection.is_none() {
                    central.known[place] = None;
                }
            }
        }
    }

    /// Sorts the centrals: they are alike, so their order makes no difference.
    pub fn sort_centrals(&mut self) {
        let key = |place| {
            (
                self.agencies.map(|agency| agency.at == Some(place)),
                self.centrals[place],
            )
        };
        if key(1) < key(0) {
            self.centrals.swap(0, 1);
            for agency in &mut self.agencies {
                agency.at = agency.at.map(|at| 1 - at);
            }
        }
    }
}
