//! What becomes of a request, and when its reply may leave.

use std::sync::Arc;

use frame::{Ack, Agency, Reply, Winners};

use crate::store::Ticket;

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// Answer this.
    Reply(Reply<'static>),
    /// Answer this, then hang up.
    Last(Reply<'static>),
    /// Answer this, then hang up: another connection carries the upload now.
    Replaced(Reply<'static>),
    /// A winners query of this agency, with its number among all that were held:
    /// [`Service::winners`](super::Service::winners) answers it, once the draw is done.
    Hold(Agency, u64),
    /// Nothing was judged: the agency is being read. Hand in the same frame again once it was.
    Wait(Agency),
}

impl Verdict {
    /// Its name in traces.
    pub fn name(&self) -> &'static str {
        match self {
            _ if matches!(self, Self::Hold(..)) => "held",
            Self::Wait(_) => "waits",
            Self::Replaced(_) => "fenced",
            _ if self.is_accepted() => "accepted",
            _ => "refused",
        }
    }

    /// Whether the request is granted, or waits for the draw in order.
    pub(super) fn is_accepted(&self) -> bool {
        match self {
            Self::Reply(reply) => matches!(reply, Reply::Ack(Ack::Success) | Reply::Resumed(_)),
            Self::Hold(..) => true,
            Self::Last(_) | Self::Replaced(_) | Self::Wait(_) => false,
        }
    }
}

/// What a winners query is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// These winners, as the reply has them.
    Winners(Arc<Vec<u8>>),
    /// Something else.
    Reply(Winners<'static>),
}

/// A verdict, and what its reply has to wait for.
#[derive(Debug)]
pub struct Judged {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// The reply says something about this agency that is not durable yet: it may leave once the commit with this ticket
    /// is done, and must not leave at all where the agency is forgotten.
    pub waits: Option<(Agency, Ticket)>,
}
