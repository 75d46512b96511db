//! What a lottery has to look like to its clients, and whether a history does.
//!
//! The search for an order is stateright's; here are only the two things whose order it looks for, each as if it were used by
//! one client at a time. An agency's upload: a count that grows by batches which begin where it stands. The draw: winners are
//! told when all agencies have finished, and are those of the stored rows. Agencies share nothing but the draw, so each is
//! judged alone: a history is right where that of each part is. The parts remember what was reached on every way that was tried, so that
//! the search ends soon where there is no order, too.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::Hash;
use std::rc::Rc;

use fixtures::history::{Ask, Event, Told};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// What a thread of the search does: an agency asks.
type Op = (u32, u32, Ask);

/// A part of a lottery, as it is to one client at a time.
trait Part: Clone + Eq + Hash {
    /// Does what is asked, if it can be done now; what is told.
    fn step(&mut self, agency: u32, ask: &Ask) -> Told;
}

/// An agency's upload.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Upload {
    bets: u64,
    has_finished: bool,
}

impl Part for Upload {
    fn step(&mut self, _agency: u32, ask: &Ask) -> Told {
        match *ask {
            Ask::Batch { first, bets } if first == self.bets && !self.has_finished => {
                self.bets += bets;
                Told::Done
            }
            Ask::Finished { bets } if bets == self.bets => {
                self.has_finished = true;
                Told::Done
            }
            Ask::Resume | Ask::Rows => Told::Count(self.bets),
            _ => Told::Refused,
        }
    }
}

/// The draw, for one client that asks for its agency's winners.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Draw {
    /// The agencies that have not finished.
    missing: BTreeSet<u32>,
    /// The agency's stored rows that win, where the store was asked.
    winners: Option<Told>,
}

impl Part for Draw {
    fn step(&mut self, agency: u32, ask: &Ask) -> Told {
        match ask {
            Ask::Finished { .. } => {
                self.missing.remove(&agency);
                Told::Done
            }
            Ask::Winners if self.missing.is_empty() => {
                self.winners.clone().unwrap_or(Told::Refused)
            }
            _ => Told::Refused,
        }
    }
}

/// How many operations of each thread have taken place.
type Taken = BTreeMap<u32, usize>;

/// A part while an order is looked for.
#[derive(Clone)]
struct Ordered<P> {
    part: P,
    taken: Taken,
    /// What has been reached on any way so far. Where the search comes back to it, that led nowhere.
    reached: Rc<RefCell<HashSet<(P, Taken)>>>,
    /// Nothing follows here: another way is as good.
    is_end: bool,
}

impl<P: Part> Ordered<P> {
    /// A thread has done its next thing. Returns whether this has not been reached before.
    fn is_new(&mut self, thread: u32) -> bool {
        *self.taken.entry(thread).or_default() += 1;
        let reached = (self.part.clone(), self.taken.clone());
        self.reached.borrow_mut().insert(reached)
    }
}

impl<P: Part> SequentialSpec for Ordered<P> {
    type Op = Op;
    type Ret = Told;

    /// A request without an answer takes place. Where it changes nothing, the order without it is as good.
    fn invoke(&mut self, (thread, agency, ask): &Op) -> Told {
        let before = self.part.clone();
        let told = self.part.step(*agency, ask);
        self.is_end = self.is_end || self.part == before || !self.is_new(*thread);
        told
    }

    fn is_valid_step(&mut self, (thread, agency, ask): &Op, told: &Told) -> bool {
        !self.is_end && self.part.step(*agency, ask) == *told && self.is_new(*thread)
    }
}

/// Returns a sentence for each part of the history that has no order in which all is right.
pub fn judge(events: &[Event]) -> Vec<String> {
    let operations = operations(events);
    let agencies: BTreeSet<u32> = operations
        .iter()
        .map(|operation| operation.agency)
        .collect();
    let mut broken = Vec::new();
    for agency in &agencies {
        let of_upload = operations.iter().filter(|operation| {
            let is_upload = !matches!(operation.ask, Ask::Winners | Ask::WinningRows);
            operation.agency == *agency && is_upload
        });
        if !has_order(Upload::default(), of_upload) {
            broken.push(format!(
                "agency {agency}: what was told of its bets fits no order of what was asked"
            ));
        }
    }
    // To ask for winners changes nothing, so each answer is judged without the others.
    for answer in operations
        .iter()
        .filter(|operation| operation.ask == Ask::Winners)
    {
        let agency = answer.agency;
        let stored = operations
            .iter()
            .find(|operation| operation.agency == agency && operation.ask == Ask::WinningRows);
        let draw = Draw {
            missing: agencies.clone(),
            winners: stored
                .and_then(|stored| stored.told.clone())
                .map(|(_, told)| told),
        };
        let finished = operations
            .iter()
            .filter(|operation| matches!(operation.ask, Ask::Finished { .. }));
        if !has_order(draw, finished.chain([answer])) {
            let client = answer.client;
            broken.push(format!(
                "agency {agency}: client {client} was told winners before all have finished, or others than are stored"
            ));
        }
    }
    broken
}

/// A request, and what was told of it.
struct Operation {
    client: u64,
    agency: u32,
    ask: Ask,
    /// Its place in the history.
    asked: usize,
    /// The place of its answer, where there is one.
    told: Option<(usize, Told)>,
}

fn operations(events: &[Event]) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    let mut last = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Ask {
                client,
                agency,
                ask,
            } => {
                last.insert(*client, operations.len());
                operations.push(Operation {
                    client: *client,
                    agency: *agency,
                    ask: ask.clone(),
                    asked: at,
                    told: None,
                });
            }
            Event::Told { client, told } => {
                if let Some(asked) = last.remove(client) {
                    operations[asked].told = Some((at, told.clone()));
                }
            }
        }
    }
    operations
}

/// Whether there is an order in which each of these operations takes place at one moment between what was asked and what was
/// told, and gives what was told. What was told of nothing may have taken place or not. What is refused may be so for reasons
/// that are no part of a history, and changes nothing.
fn has_order<'o>(part: impl Part, operations: impl Iterator<Item = &'o Operation>) -> bool {
    let mut steps = Vec::new();
    for operation in operations {
        let changes = matches!(operation.ask, Ask::Batch { .. } | Ask::Finished { .. });
        let answered = match &operation.told {
            Some((_, Told::Refused)) => continue,
            None if !changes => continue,
            Some((at, told)) => Some((*at, operation, Some(told))),
            None => None,
        };
        steps.push((operation.asked, operation, None));
        steps.extend(answered);
    }
    steps.sort_by_key(|(at, ..)| *at);
    let mut tester = LinearizabilityTester::new(Ordered {
        part,
        taken: BTreeMap::new(),
        reached: Rc::default(),
        is_end: false,
    });
    // A thread does one thing after the other: whoever asks takes one that has its answer.
    let (mut threads, mut free, mut busy) = (0, Vec::new(), BTreeMap::new());
    let is_history = steps.into_iter().all(|(_, operation, told)| {
        let Operation {
            agency, ask, asked, ..
        } = operation;
        if let Some(told) = told {
            return busy.remove(asked).is_some_and(|thread| {
                free.push(thread);
                tester.on_return(thread, told.clone()).is_ok()
            });
        }
        let thread = free.pop().unwrap_or_else(|| {
            threads += 1;
            threads
        });
        busy.insert(*asked, thread);
        tester
            .on_invoke(thread, (thread, *agency, ask.clone()))
            .is_ok()
    });
    is_history && tester.is_consistent()
}
