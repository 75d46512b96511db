//! A store over a database that answers what a test says, when it says so.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use frame::Number;

use super::{agency, stage};
use crate::facts::Fact;
use crate::store::postgres::{Answer, Database, Failure, Part, PostgresStore, Query, Unusable};
use crate::store::{
    Declined, Draft as _, Event, Freshness, Knowledge, NoSpace, Store, Ticket, Wanted,
};

/// What a database was asked, and what it will tell.
#[derive(Default)]
pub(super) struct Told {
    pub(super) asked: Vec<String>,
    pub(super) answers: VecDeque<Answer>,
    pub(super) is_busy: bool,
    pub(super) given_up: Vec<String>,
    pub(super) deadline: Option<Instant>,
    pub(super) is_closed: bool,
}

pub(super) struct Scripted(Rc<RefCell<Told>>);

impl Database for Scripted {
    fn is_idle(&self) -> bool {
        !self.0.borrow().is_busy
    }

    fn submit(&mut self, query: &Query<'_>) {
        let part = |part: &&Part| format!(" {}v{}+{}", part.agency, part.version, part.bets);
        let what = match query {
            Query::Read(agencies, wait) => {
                let agencies: String = agencies.iter().map(|agency| format!(" {agency}")).collect();
                format!("read{agencies}, {wait:?}")
            }
            Query::Append(parts, _, wait) => {
                let parts: String = parts.iter().map(part).collect();
                format!("append{parts}, {wait:?}")
            }
            query => query.to_string(),
        };
        let mut told = self.0.borrow_mut();
        told.asked.push(what);
        told.is_busy = true;
    }

    fn poll(&mut self) -> Option<Answer> {
        let mut told = self.0.borrow_mut();
        let answer = told.answers.pop_front()?;
        if let Answer::Done | Answer::Failed(_) | Answer::Down(_) = answer {
            told.is_busy = false;
        }
        Some(answer)
    }

    fn mark(&mut self, _readable: bool, _writable: bool, _dead: bool) {}

    fn advance(&mut self, _now: Instant) -> Result<(), Unusable> {
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.borrow().deadline
    }

    fn give_up(&mut self, why: String) {
        self.0.borrow_mut().given_up.push(why);
    }

    fn close(&mut self) {
        self.0.borrow_mut().is_closed = true;
    }
}

pub(super) struct Scene {
    pub(super) store: PostgresStore<Scripted>,
    pub(super) told: Rc<RefCell<Told>>,
}

impl Scene {
    /// A store whose session is there, and that knows these agencies; no commit came after that.
    pub(super) fn with(known: impl IntoIterator<Item = u32>) -> Self {
        let mut scene = Self::keeping(2_000);
        known.into_iter().for_each(|number| scene.read(number));
        scene
    }

    /// A store whose session is there, and that keeps so many agencies.
    pub(super) fn keeping(most_known: usize) -> Self {
        let told = Rc::<RefCell<Told>>::default();
        let database = Scripted(Rc::clone(&told));
        let mut scene = Self {
            store: PostgresStore::new(vec![database], Number::new(7574).unwrap(), most_known),
            told,
        };
        scene.come_up();
        scene
    }

    /// An agency of which nothing is stored is read.
    pub(super) fn read(&mut self, number: u32) {
        self.store.know(agency(number), Freshness::Latest);
        self.advance();
        self.answer([Answer::Done]);
    }

    /// The session is there; what it looks at first is answered.
    pub(super) fn come_up(&mut self) {
        self.answer([Answer::Up(Vec::new())]);
        while self.asks().as_deref() == Some("look") {
            self.answer([Answer::Done]);
        }
    }

    pub(super) fn advance(&mut self) {
        self.store
            .advance(Instant::now(), Wanted::default())
            .unwrap();
    }

    /// The database tells this; what follows from it.
    pub(super) fn answer(&mut self, answers: impl IntoIterator<Item = Answer>) -> Vec<Event> {
        self.told.borrow_mut().answers.extend(answers);
        self.advance();
        std::iter::from_fn(|| self.store.poll()).collect()
    }

    pub(super) fn fail(&mut self, failure: Failure) -> Vec<Event> {
        self.answer([Answer::Failed(failure)])
    }

    /// The query under way.
    pub(super) fn asks(&self) -> Option<String> {
        let told = self.told.borrow();
        told.is_busy.then(|| told.asked.last().cloned()).flatten()
    }

    pub(super) fn stage(&mut self, number: u32, bets: u32) -> Ticket {
        stage(&mut self.store, number, bets)
    }

    pub(super) fn finish(&mut self, number: u32) {
        let agency = agency(number);
        let draft = self.store.draft(0).unwrap();
        draft.stage(Fact::Finished { agency });
    }

    /// Two agencies have sent a bet each, and their group is under way.
    pub(super) fn committing() -> Self {
        let mut scene = Self::with([1, 2]);
        scene.stage(1, 1);
        scene.stage(2, 1);
        scene.advance();
        assert_eq!(scene.asks().unwrap(), "append 1v1+1 2v1+1, Usual");
        scene
    }

    /// That group has failed, and the part of the first one is under way.
    pub(super) fn committing_alone() -> Self {
        let mut scene = Self::committing();
        assert_eq!(scene.fail(Failure::Conflict), []);
        assert_eq!(scene.asks().unwrap(), "append 1v1+1, Short");
        scene
    }

    pub(super) fn knows(&mut self, number: u32) -> bool {
        matches!(
            self.store.know(agency(number), Freshness::Cached),
            Knowledge::Known(_)
        )
    }
}

pub(super) fn why() -> String {
    "what the database says".to_owned()
}

pub(super) fn warning() -> Event {
    Event::Warning(why())
}

pub(super) fn declined(number: u32, why: Declined) -> Event {
    Event::Declined(agency(number), why)
}

pub(super) fn no_space() -> Declined {
    Declined::NoSpace(NoSpace::new(why()))
}

pub(super) fn forgotten(numbers: impl IntoIterator<Item = u32>) -> Vec<Event> {
    let forgotten = |number| Event::Forgotten(agency(number));
    numbers.into_iter().map(forgotten).collect()
}
