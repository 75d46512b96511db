//! What a store does at a time: the query under way, what is retried after it, and how far the draw is.

use std::collections::{BTreeSet, VecDeque};

use frame::Agency;

use super::group::{Group, Part};
use super::scan::{DrawRow, Layout, Slice, Winners};
use crate::store::Ticket;

/// The query under way.
pub(super) enum Work {
    /// These agencies are read.
    Read(BTreeSet<Agency>),
    /// The agencies up to this one are looked at, for those who watch.
    Survey(Agency),
    /// A group is committed; it confirms what was read before.
    Commit(Group),
    /// A part of a group that failed is committed alone.
    CommitAlone(Part),
    /// Versions of an agency that changed nothing are taken out.
    DropClaims,
    /// How the lottery stands.
    Look,
    /// The draw; it, where there is one.
    Draw(Option<DrawRow>),
    /// A slice of the scan for winners; what it has found.
    Slice {
        slice: Slice,
        winners: Winners,
        layout: Option<Layout>,
    },
}

/// A group that hit a version which exists: its parts are committed one after the other.
pub(super) struct Retry {
    pub(super) ticket: Ticket,
    pub(super) rest: VecDeque<Part>,
    /// Whose parts were committed. Their replies wait for the ticket: if it never comes, they are forgotten like the rest.
    pub(super) done: BTreeSet<Agency>,
    /// Those of the group that have no part: a commit confirms what was read of them.
    pub(super) depends: BTreeSet<Agency>,
}

impl Retry {
    /// Of a group of which nothing is stored.
    pub(super) fn of(group: Group) -> Self {
        Self {
            ticket: group.ticket,
            depends: group.depends().clone(),
            rest: group.into_parts().collect(),
            done: BTreeSet::new(),
        }
    }
}

/// The ticket that replies about this agency wait for, where a commit is under way.
pub(super) fn under_way(
    work: &Option<Work>,
    retry: &Option<Retry>,
    agency: Agency,
) -> Option<Ticket> {
    match (work, retry) {
        (Some(Work::Commit(group)), _) if group.concerns(agency) => Some(group.ticket),
        (Some(Work::CommitAlone(part)), Some(retry)) if part.agency == agency => Some(retry.ticket),
        (_, Some(retry)) => {
            let rest = retry.rest.iter().any(|part| part.agency == agency);
            (rest || retry.depends.contains(&agency)).then_some(retry.ticket)
        }
        _ => None,
    }
}

/// How far the draw is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Some agency has not finished, as far as is known here.
    Open,
    /// To be drawn, or the draw to be read.
    Due,
    /// The draw is done; its winners are looked for.
    Scanning,
    /// The winners were told.
    Done,
}
