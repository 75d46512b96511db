//! What was sent and what came of it: the book that the model clients keep, and what it says must hold.
//!
//! Clients write down every request before it leaves and every reply as it comes. After each start, and at the
//! end, [`Book::audit`] holds the facts that the server recovered and the rows of bets.csv against it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Write as _};
use std::hash::Hasher as _;

use event_server::fact::{Fact, Source};
use event_server::lottery::{Draw, Lottery};
use frame::{Agency, Birthdate, Document, Name, Number, UploadId};

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
    /// Where batches ended that were sent.
    ends: BTreeSet<usize>,
    /// How many of its bets were acknowledged, or told as stored.
    stored: usize,
}

/// What became of a request that is sent once.
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
}

#[derive(Default)]
struct Account {
    /// An upload or plain batches, however many claim to be the agency's.
    sources: usize,
    finished_sent: bool,
    finished: bool,
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

/// The book of one world.
#[derive(Default)]
pub struct Book {
    pub files: Vec<File>,
    pub parcels: Vec<Parcel>,
    pub lives: Vec<Life>,
    accounts: BTreeMap<u32, Account>,
    /// Where a stored row must come from. Only looked up.
    homes: HashMap<String, Home>,
    drawn: Option<(u64, u32)>,
    documents: u32,
    pub trace: Trace,
}

impl Book {
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

    /// So many bets of an upload are stored: the server said so.
    pub fn rows_stored(&mut self, file: usize, stored: usize) {
        let file = &mut self.files[file];
        assert!(
            stored == 0 || file.ends.contains(&stored),
            "{stored} bets are stored, no batch that was sent ends there"
        );
        file.stored = file.stored.max(stored);
    }

    /// A parcel leaves. Says whether it must be refused, because what forbids it was acknowledged.
    pub fn send_parcel(&mut self, parcel: usize) -> bool {
        let Parcel { agency, fate, .. } = &mut self.parcels[parcel];
        assert_eq!(*fate, Fate::Out, "a batch in doubt is sent again");
        *fate = Fate::Doubt;
        let agency = *agency;
        let told = self.accounts.values().any(|a| a.winners.is_some());
        let account = self.account(agency);
        account.took_part = true;
        account.finished || told
    }

    /// The reply to a parcel came.
    pub fn parcel_answered(&mut self, parcel: usize, stored: bool) {
        let fate = if stored { Fate::In } else { Fate::Out };
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

    /// Finished was acknowledged.
    pub fn finished(&mut self, agency: u32) {
        self.account(agency).finished = true;
    }

    /// An agency was told its winners.
    pub fn told(&mut self, life: usize, agency: u32, winners: Vec<String>) {
        assert!(self.may_be_drawn(life), "winners before all have finished");
        let known = self.account(agency).winners.get_or_insert(winners.clone());
        assert_eq!(*known, winners, "the winners of agency {agency} changed");
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

    /// Asserts that a request could rightly be refused.
    pub fn refused(&self, life: usize, agency: u32, what: What) {
        let account = self.accounts.get(&agency);
        let account = |question: fn(&Account) -> bool| account.is_some_and(question);
        let rivals = account(|account| account.sources > 1);
        let closed = account(|account| account.finished_sent) || self.may_be_drawn(life);
        let allowed = self.takes_part(life, agency) != Some(true)
            || self.lives[life].tight && what != What::Query && what != What::Resume
            || match what {
                What::Bet => closed,
                What::Batch => closed || rivals,
                What::Resume => rivals,
                What::Finished { upload } => upload && rivals,
                What::Query => self.lives[life].agencies == 0,
            };
        assert!(
            allowed,
            "{what:?} of agency {agency} was refused without a reason"
        );
    }

    /// Asserts that a request could rightly be taken.
    pub fn taken(&self, life: usize, agency: u32) {
        assert_ne!(
            self.takes_part(life, agency),
            Some(false),
            "agency {agency} takes no part"
        );
    }

    /// A server has started on what the last one left: the facts that it recovered, and bets.csv where that has
    /// all rows already.
    pub fn audit(&mut self, facts: &[Fact], bets: Option<&str>) {
        let mut lottery = Lottery::new(0);
        facts.iter().for_each(|fact| lottery.apply(fact));
        self.audit_finished(facts);
        self.audit_draw(facts);
        if let Some(bets) = bets {
            self.audit_rows(&lottery, bets);
            self.audit_winners(bets);
        }
    }

    fn audit_finished(&mut self, facts: &[Fact]) {
        let mut finished = BTreeSet::new();
        for fact in facts {
            if let Fact::Finished { agency } = fact {
                finished.insert(agency.get());
            }
        }
        for (agency, account) in &mut self.accounts {
            let found = finished.remove(agency);
            assert!(found || !account.finished, "{agency} finished: forgotten");
            assert!(!found || account.finished_sent, "{agency} did not finish");
            account.finished = found;
        }
        assert!(finished.is_empty(), "{finished:?} did not finish");
    }

    fn audit_rows(&mut self, lottery: &Lottery, bets: &str) {
        let mut counts = vec![0; self.files.len()];
        let mut whole = BTreeSet::new();
        let mut rows: BTreeMap<u32, usize> = BTreeMap::new();
        let mut lines = bets.split_terminator("\r\n");
        while let Some(line) = lines.next() {
            let agency = match self.homes.get(line) {
                None => panic!("a row that nobody sent: {line}"),
                Some(Home::File(file, i)) => {
                    assert_eq!(counts[*file], *i, "not the file's next row: {line}");
                    counts[*file] += 1;
                    self.files[*file].agency
                }
                Some(Home::Parcel(parcel, i)) => {
                    assert_eq!(*i, 0, "a request is stored without its beginning: {line}");
                    assert!(whole.insert(*parcel), "stored twice: {line}");
                    let Parcel { agency, bets, .. } = &self.parcels[*parcel];
                    for bet in &bets[1..] {
                        assert_eq!(lines.next(), Some(&*bet.row), "not stored whole");
                    }
                    *rows.entry(*agency).or_default() += bets.len() - 1;
                    *agency
                }
            };
            *rows.entry(agency).or_default() += 1;
        }
        for (i, parcel) in self.parcels.iter_mut().enumerate() {
            let found = whole.contains(&i);
            match parcel.fate {
                Fate::In => assert!(found, "lost: {}", parcel.bets[0].row),
                Fate::Out => assert!(!found, "was refused: {}", parcel.bets[0].row),
                // Nobody is left who could still store it.
                Fate::Doubt => parcel.fate = if found { Fate::In } else { Fate::Out },
            }
        }
        for (file, count) in self.files.iter_mut().zip(&counts) {
            assert!(
                *count >= file.stored,
                "{count} rows of {} acknowledged ones",
                file.stored
            );
            assert!(
                *count == 0 || file.ends.contains(count),
                "not whole batches"
            );
            file.stored = *count;
        }
        self.audit_sources(lottery, &counts, &whole);
        for (agency, account) in &mut self.accounts {
            let rows = rows.get(agency).copied().unwrap_or(0);
            if account.finished {
                let closed_at = *account.closed_at.get_or_insert(rows);
                assert_eq!(rows, closed_at, "agency {agency} went on after finished");
            }
        }
    }

    /// One source of batches per agency, and the count that a resume would be told.
    fn audit_sources(&self, lottery: &Lottery, counts: &[usize], whole: &BTreeSet<usize>) {
        for agency in self.accounts.keys() {
            let files = (self.files.iter().zip(counts))
                .filter(|(file, count)| file.agency == *agency && **count > 0);
            let files: Vec<_> = files.map(|(file, count)| (file.upload, *count)).collect();
            let plain = whole
                .iter()
                .any(|i| self.parcels[*i].agency == *agency && self.parcels[*i].batch);
            let number = Agency::new(*agency).unwrap();
            match (&files[..], plain) {
                ([], false) => {}
                ([], true) => assert_eq!(lottery.check_batch(number, Source::Plain).err(), {
                    let closed = self.accounts[agency].finished || lottery.draw() != Draw::Waiting;
                    closed.then(|| lottery.check_bet(number).unwrap_err())
                }),
                ([(upload, count)], false) => {
                    assert_eq!(lottery.check_resume(number, *upload), Ok(*count as u64));
                }
                _ => panic!("agency {agency} has batches of two sources"),
            }
        }
    }

    fn audit_draw(&mut self, facts: &[Fact]) {
        let drawn = facts.iter().find_map(|fact| match fact {
            Fact::Drawn { position, winner } => Some((*position, winner.get())),
            _ => None,
        });
        let told = self.accounts.values().any(|a| a.winners.is_some());
        let Some((position, winner)) = drawn else {
            assert!(!told && self.drawn.is_none(), "the draw is forgotten");
            return;
        };
        if self.drawn.is_none() {
            let last = *self.lives.last().expect("a draw without a server");
            assert_eq!(winner, last.winner, "another number won");
            let finished = |agency| self.accounts.get(&agency).is_some_and(|a| a.finished);
            assert!(
                last.agencies > 0 && (1..=last.agencies).all(finished),
                "drawn before all had finished"
            );
        }
        let drawn = *self.drawn.get_or_insert((position, winner));
        assert_eq!(drawn, (position, winner), "another draw");
    }

    fn audit_winners(&mut self, bets: &str) {
        let Some((position, winner)) = self.drawn else {
            return;
        };
        assert_eq!(position, bets.len() as u64, "bets beside the draw");
        let mut winners: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for line in bets.split_terminator("\r\n") {
            let (agency, bet) = match &self.homes[line] {
                Home::File(file, i) => (self.files[*file].agency, &self.files[*file].bets[*i]),
                Home::Parcel(parcel, i) => (
                    self.parcels[*parcel].agency,
                    &self.parcels[*parcel].bets[*i],
                ),
            };
            if bet.number == winner {
                winners
                    .entry(agency)
                    .or_default()
                    .push(bet.document.clone());
            }
        }
        for (agency, account) in &mut self.accounts {
            let winners = winners.remove(agency).unwrap_or_default();
            let told = account.winners.get_or_insert(winners.clone());
            assert_eq!(*told, winners, "agency {agency} was told other winners");
        }
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

/// As Python's csv writer would.
fn column(text: &str) -> String {
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
