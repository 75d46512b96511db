//! What was sent and what was answered: the ledger that the model clients keep, and what it says must hold.
//!
//! Clients write down every request before it leaves and every reply as it comes; a reply that could not rightly
//! be given fails the test at once. `ledger/audit.rs` compares what is stored with the ledger.

mod audit;
mod promises;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Write as _};
use std::hash::Hasher as _;

use frame::{Agency, Birthdate, Document, Name, Number, UploadId};

pub use self::promises::Promise;

/// A bet as it travels, and as it is stored.
#[derive(Clone)]
pub struct Bet {
    pub text: String,
    pub row: String,
    document: String,
    number: u32,
}

/// An agency's file, sent as an upload.
pub struct File {
    pub agency: u32,
    pub upload: UploadId,
    pub bets: Vec<Bet>,
    /// Where the batches end that were sent, as numbers of bets.
    ends: BTreeSet<usize>,
    /// How many of its bets were acknowledged, or told as stored.
    stored: usize,
    /// An operator has taken its bets out: it is not to be sent again.
    barred: bool,
    /// Its bets were taken out at some time.
    taken_out: bool,
}

/// Whether a request that is sent once is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not sent, refused, or known not to be stored.
    Out,
    /// Sent, and not answered.
    Doubt,
    /// Acknowledged, or found stored.
    In,
}

/// The bets of a request that belongs to no upload.
pub struct Parcel {
    pub agency: u32,
    pub bets: Vec<Bet>,
    /// A batch, not a single bet.
    pub batch: bool,
    fate: Fate,
}

/// The life of one server, as it was configured.
#[derive(Clone, Copy)]
pub struct Life {
    pub agencies: u32,
    pub winner: u32,
    /// The disk was full at some time.
    pub tight: bool,
    /// More than half of the connections that it may have were there at some time.
    pub crowded: bool,
    /// Its store is a database: a resume is stored, too, and something may be in the way for a while.
    pub remote: bool,
    /// It has begun to end in order.
    pub stopping: bool,
}

#[derive(Default)]
struct Account {
    /// How many uploads and clients of plain batches claim to be the agency's.
    sources: usize,
    finished_sent: bool,
    finished: bool,
    /// An operator has taken out its bets: its client may be refused whatever it sends.
    reopened: bool,
    /// How many rows the agency had when it was found to have finished.
    closed_at: Option<usize>,
    /// The winners, as they were told first.
    winners: Option<Vec<String>>,
    took_part: bool,
}

enum Home {
    File(usize, usize),
    Parcel(usize, usize),
}

/// The ledger of one world.
#[derive(Default)]
pub struct Ledger {
    pub files: Vec<File>,
    pub parcels: Vec<Parcel>,
    pub lives: Vec<Life>,
    /// How often an operator has reopened an agency.
    pub reopenings: usize,
    accounts: BTreeMap<u32, Account>,
    /// Where a stored row must come from. Only looked up, since its order is random.
    homes: HashMap<String, Home>,
    drawn: Option<(u64, u32)>,
    documents: u32,
    /// What was acknowledged may be lost: nobody waits for replication.
    pub lossy: bool,
    /// What clients were told, for those who look whether it is so.
    pub promises: Vec<Promise>,
    /// How many resumes of each file were answered.
    resumes: BTreeMap<usize, usize>,
    pub trace: Trace,
}

impl Ledger {
    /// A new bet, which no other equals.
    fn bet(&mut self, agency: u32, rng: &mut fastrand::Rng) -> Bet {
        const NAMES: [&str; 6] = ["Ana", "Pérez, h.", "O\"Higgins", "{a|b}", " x ", "\"q\""];
        self.documents += 1;
        let (first, last) = (NAMES[rng.usize(..6)], NAMES[rng.usize(..6)]);
        let (document, number) = (self.documents.to_string(), [7574, 1, 2][rng.usize(..3)]);
        let mut text = Vec::new();
        let bet = frame::Bet {
            agency: Agency::new(agency).unwrap(),
            first_name: Name::parse(first.as_bytes()).unwrap(),
            last_name: Name::parse(last.as_bytes()).unwrap(),
            document: Document::parse(document.as_bytes()).unwrap(),
            birthdate: Birthdate::parse(b"2000-02-29").unwrap(),
            number: Number::new(number).unwrap(),
        };
        bet.write(&mut text);
        let row = format!(
            "{agency},{},{},{document},2000-02-29,{number}",
            column(first),
            column(last)
        );
        Bet {
            text: String::from_utf8(text).unwrap(),
            row,
            document,
            number,
        }
    }

    /// A new file of an agency.
    pub fn file(&mut self, agency: u32, bets: usize, rng: &mut fastrand::Rng) -> usize {
        let bets: Vec<Bet> = (0..bets).map(|_| self.bet(agency, rng)).collect();
        let number = self.files.len();
        for (i, bet) in bets.iter().enumerate() {
            self.homes.insert(bet.row.clone(), Home::File(number, i));
        }
        self.account(agency).sources += 1;
        self.files.push(File {
            agency,
            upload: UploadId(rng.u128(..).to_be_bytes()),
            bets,
            ends: BTreeSet::new(),
            stored: 0,
            barred: false,
            taken_out: false,
        });
        number
    }

    /// A request that is still to be sent.
    pub fn parcel(
        &mut self,
        agency: u32,
        bets: usize,
        batch: bool,
        rng: &mut fastrand::Rng,
    ) -> usize {
        let bets: Vec<Bet> = (0..bets).map(|_| self.bet(agency, rng)).collect();
        let number = self.parcels.len();
        for (i, bet) in bets.iter().enumerate() {
            self.homes.insert(bet.row.clone(), Home::Parcel(number, i));
        }
        self.parcels.push(Parcel {
            agency,
            bets,
            batch,
            fate: Fate::Out,
        });
        number
    }

    /// The agency has plain batches, too.
    pub fn plain_source(&mut self, agency: u32) {
        self.account(agency).sources += 1;
    }

    fn account(&mut self, agency: u32) -> &mut Account {
        self.accounts.entry(agency).or_default()
    }

    /// A batch of an upload leaves.
    pub fn send_rows(&mut self, file: usize, end: usize) {
        self.files[file].ends.insert(end);
        let agency = self.files[file].agency;
        self.account(agency).took_part = true;
    }

    /// The server said that `stored` bets of an upload are stored.
    pub fn rows_stored(&mut self, number: usize, stored: usize) {
        let file = &mut self.files[number];
        assert!(
            stored == 0 || file.ends.contains(&stored),
            "{stored} bets are stored, no batch that was sent ends there"
        );
        file.stored = file.stored.max(stored);
        self.promise_rows(number, stored);
    }

    /// A parcel leaves. Says whether it must not be taken: the server stops, or what forbids it was acknowledged.
    pub fn send_parcel(&mut self, life: usize, parcel: usize) -> bool {
        let Parcel { agency, fate, .. } = &mut self.parcels[parcel];
        assert_eq!(*fate, Fate::Out, "a batch in doubt is sent again");
        *fate = Fate::Doubt;
        let agency = *agency;
        let stopping = self.lives[life].stopping;
        let told = self.accounts.values().any(|a| a.winners.is_some());
        let account = self.account(agency);
        account.took_part = true;
        (account.finished || told) && !self.lossy || stopping
    }

    /// The reply to a parcel came.
    pub fn parcel_answered(&mut self, parcel: usize, stored: bool) {
        let fate = if stored { Fate::In } else { Fate::Out };
        let Parcel { bets, .. } = &self.parcels[parcel];
        let row = bets[0].row.clone();
        if stored {
            self.promise(Promise::Stored(row));
        }
        let known = std::mem::replace(&mut self.parcels[parcel].fate, fate);
        // The reply may come when the next server has been audited already.
        assert!(known == Fate::Doubt || known == fate, "not what is stored");
    }

    /// Finished leaves.
    pub fn send_finished(&mut self, agency: u32) {
        let account = self.account(agency);
        account.finished_sent = true;
        account.took_part = true;
    }

    /// Whether an agency has said that it finished.
    pub fn is_closing(&self, agency: u32) -> bool {
        let account = self.accounts.get(&agency);
        account.is_some_and(|account| account.finished_sent)
    }

    /// Finished was acknowledged.
    pub fn finished(&mut self, agency: u32) {
        self.account(agency).finished = true;
        self.promise(Promise::Finished(agency));
    }

    /// An agency was told its winners.
    pub fn told(&mut self, life: usize, agency: u32, winners: Vec<String>) {
        assert!(self.may_be_drawn(life), "winners before all have finished");
        if self.lossy {
            return;
        }
        self.promise(Promise::Drawn);
        let known = self.account(agency).winners.get_or_insert(winners.clone());
        assert_eq!(*known, winners, "the winners of agency {agency} changed");
    }

    /// An agency was told to ask again: the server may do so where it has no place to hold the query.
    pub fn turned_away(&self, life: usize) {
        assert!(
            self.lives[life].crowded,
            "a query is not held, and there is room"
        );
    }

    /// Whether the draw may be done in this life.
    fn may_be_drawn(&self, life: usize) -> bool {
        let Life { agencies, .. } = self.lives[life];
        let finished = |agency| {
            self.accounts
                .get(&agency)
                .is_some_and(|account: &Account| account.finished_sent)
        };
        self.drawn.is_some() || agencies > 0 && (1..=agencies).all(finished)
    }

    /// Whether the agency takes part in this life, for certain (`Some`) or perhaps (`None`).
    fn takes_part(&self, life: usize, agency: u32) -> Option<bool> {
        let Life { agencies, .. } = self.lives[life];
        if agencies == 0 || agency <= agencies {
            return Some(true);
        }
        let took_part = self.accounts.get(&agency).is_some_and(|a| a.took_part);
        if self.may_be_drawn(life) && took_part {
            None
        } else {
            Some(false)
        }
    }

    /// Whether the draw was done while the agency took no part: it is refused for good.
    pub fn is_left_out(&self, life: usize, agency: u32) -> bool {
        self.drawn.is_some() && self.takes_part(life, agency) != Some(true)
    }

    /// A resume is sent. How many of the file were answered before.
    pub fn resumes(&self, file: usize) -> usize {
        self.resumes.get(&file).copied().unwrap_or_default()
    }

    /// A resume was answered: `stored` bets are stored. `asked`: what [`resumes`](Self::resumes) said when it was sent.
    pub fn resumed(&mut self, life: usize, file: usize, stored: usize, asked: usize) {
        self.taken(life, self.files[file].agency);
        assert!(
            !self.files[file].barred,
            "a file that was taken out goes on"
        );
        self.rows_stored(file, stored);
        if !self.lossy {
            *self.resumes.entry(file).or_default() += 1;
        }
        let stored = stored as u64;
        self.promise(Promise::Resumed {
            life,
            file,
            stored,
            asked,
        });
    }

    /// Asserts that a request could rightly be refused. Where only the agency's having finished explains it, that counts
    /// as acknowledged.
    pub fn refused(&mut self, life: usize, agency: u32, what: What) {
        let account = self.accounts.get(&agency);
        let account = |question: fn(&Account) -> bool| account.is_some_and(question);
        let rivals = account(|account| account.sources > 1 || account.reopened);
        let drawn = self.may_be_drawn(life);
        let closed = account(|account| account.finished_sent) || drawn;
        let beside = self.takes_part(life, agency) != Some(true)
            || self.lives[life].tight
                && match what {
                    What::Query => false,
                    What::Resume => self.lives[life].remote,
                    _ => true,
                }
            || match what {
                What::Bet => false,
                What::Batch | What::Resume => rivals,
                What::Finished { upload } => upload && rivals,
                What::Query => self.lives[life].agencies == 0,
            };
        let stores = matches!(what, What::Bet | What::Batch);
        assert!(
            beside || stores && closed,
            "{what:?} of agency {agency} was refused without a reason"
        );
        if !beside && !drawn {
            self.finished(agency);
        }
    }

    /// Asserts that a request could rightly be taken.
    pub fn taken(&self, life: usize, agency: u32) {
        assert_ne!(
            self.takes_part(life, agency),
            Some(false),
            "agency {agency} does not take part"
        );
    }

    /// Notes what happens, for two runs of a seed to be compared, and to be read.
    pub fn note(&mut self, what: fmt::Arguments<'_>) {
        let _ = writeln!(self.trace, "{what}");
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Bet,
    Batch,
    Resume,
    Finished { upload: bool },
    Query,
}

/// A column as Python's csv writer writes it.
pub fn column(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// All that happened, as a hash; printed as well where one seed is looked at.
#[derive(Default)]
pub struct Trace {
    pub hasher: std::hash::DefaultHasher,
    pub printed: bool,
}

impl fmt::Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.hasher.write(text.as_bytes());
        if self.printed {
            eprint!("{text}");
        }
        Ok(())
    }
}
