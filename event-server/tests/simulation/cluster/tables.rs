//! What one node of the simulated database holds: `commits`, `bets` and `draw`, with the keys that the real tables have
//! and no other rule. What the centrals have promised of them is asserted at every transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use event_server::facts::{Account, Fact};
use event_server::store::postgres::{Answer, DrawRow, Layout, Slice, VersionedAccount};
use frame::{Agency, Number};

use super::link::Part;
use super::node::Outcome;
use crate::ledger::column;

/// A transaction that was committed.
#[derive(Clone, Debug)]
pub enum Change {
    /// These parts, by the central of this life.
    Append(Vec<Part>, usize),
    /// This number was drawn, by the central of this life.
    Draw(Number, usize),
    /// Nothing of the lottery.
    Seen,
    /// The rows of `bets` lie in other blocks now, of another file.
    Rewritten,
    /// Versions of this agency that changed nothing were taken out.
    ClaimsDropped(Agency),
}

/// A row of `commits`.
struct Commit {
    account: Account,
    /// The life of the central that appended it.
    by: usize,
    /// Where it stands in the node's log of transactions, counted from 1.
    position: usize,
}

/// A row of `bets`.
struct BetRow {
    document: Vec<u8>,
    number: u32,
    /// As bets.csv would have it.
    line: String,
}

struct Draw {
    winner: Number,
    /// The life of the central that drew.
    by: usize,
    position: usize,
}

#[derive(Default)]
pub struct Tables {
    /// Every row that ever was.
    commits: BTreeMap<(Agency, i64), Commit>,
    /// Those that were taken out.
    gone: BTreeSet<(Agency, i64)>,
    /// Those that have -1 bets: nothing can be appended behind them.
    spent: BTreeSet<(Agency, i64)>,
    bets: BTreeMap<(Agency, u64), BetRow>,
    draw: Option<Draw>,
    /// How often `bets` was rewritten.
    file: u64,
    /// Where in the log each bet was stored.
    stored: HashMap<String, usize>,
}

impl Tables {
    /// An agency's row of highest version.
    fn last(&self, agency: Agency) -> Option<&Commit> {
        let rows = self.commits.range((agency, 0)..=(agency, i64::MAX));
        rows.last().map(|(_, commit)| commit)
    }

    /// An agency's state, if it has any.
    pub fn account(&self, agency: Agency) -> Option<VersionedAccount> {
        let rows = self.commits.range((agency, 0)..=(agency, i64::MAX));
        rows.last().map(|((_, version), commit)| VersionedAccount {
            version: *version,
            account: commit.account,
            barred: Vec::new(),
        })
    }

    /// Whether a version exists that one of these parts brings.
    pub fn conflicts(&self, parts: &[Part]) -> bool {
        let mut keys = parts.iter().map(|part| (part.agency, part.version));
        keys.any(|key| self.commits.contains_key(&key) && !self.gone.contains(&key))
    }

    /// Whether the versions are there that these parts build on.
    pub fn are_founded(&self, parts: &[Part]) -> bool {
        let is_founded = |part: &Part| {
            let before = (part.agency, part.version - 1);
            let builds_on = part.account.bets - part.bets;
            let stays_closed = part.account.finished && part.bets == 0;
            let fits = |row: &Commit| {
                row.account.bets == builds_on && (!row.account.finished || stays_closed)
            };
            let is_there = !self.gone.contains(&before) && !self.spent.contains(&before);
            before.1 == 0 || is_there && self.commits.get(&before).is_some_and(fits)
        };
        parts.iter().all(is_founded)
    }

    /// Takes out versions of an agency that changed nothing, as the real statement does.
    fn drop_claims(&mut self, agency: Agency) {
        let rows = self.commits.range((agency, 0)..=(agency, i64::MAX));
        let rows = rows.filter(|(key, _)| !self.gone.contains(key) && !self.spent.contains(key));
        let rows: Vec<_> = rows
            .map(|((_, version), commit)| (*version, commit.account))
            .collect();
        let mut first = 0;
        for (i, (version, state)) in rows.iter().enumerate() {
            let is_same = |row: Option<&(i64, _)>| row.is_some_and(|(_, other)| other == state);
            let is_first = !is_same(i.checked_sub(1).and_then(|before| rows.get(before)));
            if is_first {
                first = *version;
            }
            if is_first || !is_same(rows.get(i + 1)) {
                continue;
            }
            match *version == first + 1 {
                true => self.spent.insert((agency, *version)),
                false => self.gone.insert((agency, *version)),
            };
        }
    }

    /// How many rows `commits` has of an agency, and how many of those that ever were changed something.
    pub fn versions(&self, agency: Agency) -> (usize, usize) {
        let rows = || self.commits.range((agency, 0)..=(agency, i64::MAX));
        let there = rows().filter(|(key, _)| !self.gone.contains(key)).count();
        let mut before = Account::default();
        let mut changes = 0;
        for (_, Commit { account, .. }) in rows() {
            changes += usize::from(*account != before);
            before = *account;
        }
        (there, changes)
    }

    /// Whether agencies 1 to `agencies` have all finished.
    pub fn all_finished(&self, agencies: u32) -> bool {
        let finished = |agency| {
            let agency = Agency::new(agency).expect("a small number");
            self.last(agency)
                .is_some_and(|commit| commit.account.finished)
        };
        (1..=agencies).all(finished)
    }

    pub fn is_drawn(&self) -> bool {
        self.draw.is_some()
    }

    /// The draw, as a central is told.
    pub fn drawn(&self) -> Option<Answer> {
        let draw = self.draw.as_ref()?;
        Some(Answer::Drawn(DrawRow {
            winner: draw.winner,
            identity: format!("{} by {}", draw.position, draw.by),
        }))
    }

    /// How many blocks the table of bets has.
    pub fn blocks(&self) -> u32 {
        self.bets.len() as u32 / 2 + 1
    }

    /// The bets with this number in a slice of the table, block by block.
    pub fn winners(&self, winner: Number, slice: &Slice) -> Outcome {
        let draw = self.draw.as_ref().expect("winners without a draw");
        assert_eq!(draw.winner, winner, "winners of another draw");
        let blocks = self.blocks();
        let (range, layout) = match slice {
            Slice::Whole => (0..blocks, None),
            Slice::Blocks(range) => {
                let file = Some(self.file.to_string());
                let took = Duration::ZERO;
                let layout = Layout { file, blocks, took };
                (range.clone(), Some(Answer::Layout(layout)))
            }
        };
        // In a block are bets of all agencies, in any order.
        let place = |(agency, seq): &(Agency, u64)| {
            let mixed = (self.file + 1) * (31 * u64::from(agency.get()) + 7 * seq);
            (mixed % u64::from(blocks)) as u32
        };
        let mut won: Vec<_> = (self.bets.iter())
            .filter(|(key, bet)| range.contains(&place(key)) && bet.number == winner.get())
            .collect();
        won.sort_by_key(|((agency, seq), _)| (seq ^ self.file, *agency));
        let won = won.into_iter().map(|((agency, seq), bet)| Answer::Won {
            agency: *agency,
            seq: *seq,
            document: bet.document.clone(),
        });
        Outcome::read(won.chain(layout).collect())
    }

    /// Carries out a transaction that stands at this position of the log.
    pub fn apply(&mut self, change: &Change, position: usize) {
        match change {
            Change::Append(parts, by) => {
                for part in parts {
                    self.append(part, *by, position);
                }
            }
            Change::Draw(winner, by) => {
                let (winner, by) = (*winner, *by);
                self.draw = Some(Draw {
                    winner,
                    by,
                    position,
                });
            }
            Change::Seen => {}
            Change::Rewritten => self.file += 1,
            Change::ClaimsDropped(agency) => self.drop_claims(*agency),
        }
    }

    fn append(&mut self, part: &Part, by: usize, position: usize) {
        let Part {
            agency,
            version,
            account,
            rows,
            bets,
        } = part;
        let before = self.account(*agency).unwrap_or_default();
        assert_eq!(*version, before.version + 1, "agency {agency}: versions");
        let before = before.account;
        let rows = decode(rows);
        assert_eq!(rows.len() as u64, *bets, "agency {agency}: bets of a part");
        for (i, (owner, seq, row)) in rows.into_iter().enumerate() {
            assert_eq!(owner, *agency, "a bet of another agency");
            assert_eq!(seq, before.bets + i as u64, "agency {agency}: seq");
            assert!(!before.finished, "agency {agency} goes on after finished");
            assert!(self.draw.is_none(), "a bet after the draw");
            let before = self.stored.insert(row.line.clone(), position);
            assert_eq!(before, None, "stored twice: {}", row.line);
            self.bets.insert((owner, seq), row);
        }
        let bets = self.bets.range((*agency, 0)..=(*agency, u64::MAX)).count();
        assert_eq!(account.bets, bets as u64, "agency {agency}: count");
        assert!(account.finished || !before.finished, "no longer finished");
        let same_source = before.source.is_none() || before.source == account.source;
        assert!(same_source, "agency {agency} has batches of two sources");
        let (account, key) = (*account, (*agency, *version));
        self.commits.insert(
            key,
            Commit {
                account,
                by,
                position,
            },
        );
    }

    /// The versions by the central of this life that may be the claim of a resume which was told `stored` bets, with
    /// their positions in the log. In the same turn another connection may have sent bets, before the claim or after
    /// it.
    pub fn claims(&self, by: usize, agency: Agency, stored: u64) -> Vec<(i64, usize)> {
        let rows = self.commits.range((agency, 0)..=(agency, i64::MAX));
        let mut before = 0;
        let mut claims = Vec::new();
        for ((_, version), commit) in rows {
            let batched = commit.account.batched;
            if commit.by == by && (before == stored || batched == stored) {
                claims.push((*version, commit.position));
            }
            before = batched;
        }
        claims
    }

    /// Where the bet of this row was stored.
    pub fn stored_at(&self, line: &str) -> Option<usize> {
        self.stored.get(line).copied()
    }

    /// Where an agency finished.
    pub fn finished_at(&self, agency: Agency) -> Option<usize> {
        let mut rows = self.commits.range((agency, 0)..=(agency, i64::MAX));
        let finished = rows.find(|(_, commit)| commit.account.finished);
        finished.map(|(_, commit)| commit.position)
    }

    /// Where the draw was done.
    pub fn drawn_at(&self) -> Option<usize> {
        self.draw.as_ref().map(|draw| draw.position)
    }

    /// All bets, as bets.csv would have them.
    pub fn text(&self) -> String {
        let lines = self.bets.values().flat_map(|bet| [&*bet.line, "\r\n"]);
        lines.collect()
    }

    /// What all adds up to, as the facts that a central recovers from its disk; and who has drawn.
    pub fn facts(&self) -> (Vec<Fact>, Option<usize>) {
        let agencies: BTreeSet<Agency> = self.commits.keys().map(|(agency, _)| *agency).collect();
        let mut facts = Vec::new();
        for agency in agencies {
            let account = self.account(agency).unwrap_or_default().account;
            facts.extend(account.source.map(|source| Fact::Stored {
                agency,
                source,
                bets: account.batched,
            }));
            facts.extend(account.finished.then_some(Fact::Finished { agency }));
        }
        let position = self.text().len() as u64;
        let draw = self.draw.as_ref();
        facts.extend(draw.map(|draw| Fact::Drawn {
            position,
            winner: draw.winner,
        }));
        (facts, draw.map(|draw| draw.by))
    }
}

/// Reads the tuples of a binary COPY.
fn decode(mut tuples: &[u8]) -> Vec<(Agency, u64, BetRow)> {
    let mut rows = Vec::new();
    while !tuples.is_empty() {
        assert_eq!(take(&mut tuples, 2), [0, 7], "columns");
        let [agency, seq, first, last, document, birthdate, number] = [(); 7].map(|()| {
            let length = number_of(take(&mut tuples, 4));
            take(&mut tuples, length as usize)
        });
        // 2000-02-29 as days after 2000-01-01: the only date that the clients use.
        assert_eq!(number_of(birthdate), 59, "the birthdate");
        let agency = Agency::new(number_of(agency) as u32).expect("an agency");
        let number = number_of(number) as u32;
        let texts = [first, last, document].map(String::from_utf8_lossy);
        let [first, last, shown] = texts.map(|text| column(&text));
        rows.push((
            agency,
            number_of(seq),
            BetRow {
                document: document.to_vec(),
                number,
                line: format!("{agency},{first},{last},{shown},2000-02-29,{number}"),
            },
        ));
    }
    rows
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn number_of(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
