//! What the loop does, as JSON: its connections, its turns, and the outcomes of its reads and writes.
//!
//! Connections are arrays of numbers, so that thousands of them are made and sent fast; `columns` names their elements.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Instant;

use frame::{Calls, ReadOutcome, WriteOutcome};

use super::history::History;
use super::json::{Central, text};
use crate::observe::{
    Bounds, CloseReason, ConnectionView, Figures, Observe, Phase, Second, Turns, Wait,
};

/// The most connections in an answer; further ones are only counted.
const MOST: usize = 20_000;

/// What a connection's array begins with. The outcomes of its reads and writes follow, and [`LAST_COLUMNS`].
const FIRST_COLUMNS: [&str; 9] = [
    "slot", "serial", "state", "agency", "age", "inbox", "outbox", "received", "sent",
];

const LAST_COLUMNS: [&str; 3] = ["frame_had", "frame_size", "waits"];

/// The connections of an answer, made slice by slice: thousands of them would take too much of one turn.
pub(super) struct ConnectionsArray {
    now: Instant,
    next: usize,
    slots: usize,
    count: usize,
    left_out: usize,
    text: String,
}

/// Slots that are looked at in one turn.
const SLICE: usize = 1_000;

impl ConnectionsArray {
    /// Begins with no connection. Ages of connections count until `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now,
            next: 0,
            slots: 0,
            count: 0,
            left_out: 0,
            text: String::new(),
        }
    }

    /// Returns when it began.
    pub(super) fn began(&self) -> Instant {
        self.now
    }

    /// Adds the connections of the next slice. Returns whether it was the last one.
    pub(super) fn advance(&mut self, central: &impl Observe) -> bool {
        let until = central.slots().min(self.next + SLICE);
        let slots = self.next..until;
        self.next = until;
        self.make(slots, central);
        until == central.slots()
    }

    fn make(&mut self, slots: Range<usize>, central: &impl Observe) {
        let Self {
            count,
            left_out,
            text,
            slots: last,
            ..
        } = self;
        central.connections(slots, self.now, &mut |view| {
            *last = view.slot + 1;
            if *count == MOST {
                *left_out += 1;
                return;
            }
            *count += 1;
            row(text, view);
        });
    }

    /// Returns the whole object of `/api/loop`.
    pub(super) fn finish(
        self,
        now: Instant,
        central: &impl Observe,
        history: &History<Calls>,
        about: &Central<'_>,
    ) -> String {
        let mut out = String::with_capacity(32 * 1024 + self.text.len());
        head(&mut out, &central.bounds(), about);
        totals(&mut out, &central.figures());
        out.push_str("\"connections\":{\"columns\":");
        let columns = FIRST_COLUMNS.map(str::to_owned).into_iter();
        names(
            &mut out,
            columns
                .chain(outcomes())
                .chain(LAST_COLUMNS.map(str::to_owned)),
        );
        // Writing to a String does not fail.
        let _ = write!(
            out,
            ",\"slots\":{},\"left_out\":{},\"rows\":[{}]}},",
            self.slots,
            self.left_out,
            self.text.trim_end_matches(',')
        );
        recent(&mut out, now, central.turns());
        out.push_str("\"history\":{\"columns\":");
        let columns = ["ago".to_owned()].into_iter().chain(outcomes());
        let bytes = ["received", "sent"].map(str::to_owned);
        names(&mut out, columns.chain(bytes));
        out.push_str(",\"rows\":[");
        for (ago, calls) in history.samples(now) {
            let _ = write!(out, "[{ago:.1},");
            numbers(&mut out, calls.reads.into_iter().chain(calls.writes));
            numbers(&mut out, [calls.received, calls.sent]);
            close(&mut out);
        }
        trim(&mut out);
        out.push_str("]}}");
        out
    }
}

/// Returns the columns of outcomes.
fn outcomes() -> impl Iterator<Item = String> {
    let reads = ReadOutcome::ALL
        .iter()
        .map(|outcome| format!("read_{}", outcome.name()));
    let writes = WriteOutcome::ALL.iter();
    reads.chain(writes.map(|outcome| format!("write_{}", outcome.name())))
}

fn row(out: &mut String, view: &ConnectionView) {
    out.push('[');
    numbers(out, [view.slot as u64, view.serial, view.state as u64]);
    match view.agency {
        Some(agency) => numbers(out, [u64::from(agency.get())]),
        None => out.push_str("null,"),
    }
    let tenths = view.age.as_millis() as u64 / 100;
    number(out, tenths / 10);
    out.push('.');
    numbers(out, [tenths % 10]);
    let Calls {
        received,
        sent,
        reads,
        writes,
    } = view.calls;
    numbers(out, [view.inbox as u64, view.outbox as u64, received, sent]);
    numbers(out, reads);
    numbers(out, writes);
    let (had, size) = view.begun.unwrap_or_default();
    let size = size.unwrap_or_default();
    numbers(out, [had as u64, size as u64, view.waits as u64]);
    close(out);
}

fn head(out: &mut String, bounds: &Bounds, about: &Central<'_>) {
    let _ = write!(
        out,
        "{{\"central\":{{\"name\":{},\"version\":{},\"uptime_seconds\":{:.1}}},\
         \"bounds\":{{\"connections\":{},\"inbox\":{},\"outbox\":{}}},",
        text(about.name),
        text(about.version),
        about.uptime.as_secs_f64(),
        bounds.connections,
        bounds.inbox,
        bounds.outbox
    );
    let owned = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    for (key, values) in [
        ("states", owned(bounds.states)),
        ("waits", owned(&Wait::NAMES)),
        ("reasons", owned(&CloseReason::ALL.map(CloseReason::name))),
        ("reads", owned(&ReadOutcome::ALL.map(ReadOutcome::name))),
        ("writes", owned(&WriteOutcome::ALL.map(WriteOutcome::name))),
    ] {
        let _ = write!(out, "\"{key}\":");
        names(out, values.into_iter());
        out.push(',');
    }
}

fn totals(out: &mut String, figures: &Figures) {
    let Figures {
        counters, calls, ..
    } = figures;
    let _ = write!(out, "\"totals\":{{\"accepted\":{}", figures.accepted);
    let closed: Vec<u64> = counters.closed().map(|(_, count)| count).collect();
    for (key, values) in [
        ("closed", &closed[..]),
        ("reads", &calls.reads),
        ("writes", &calls.writes),
    ] {
        let _ = write!(out, ",\"{key}\":[");
        numbers(out, values.iter().copied());
        trim(out);
        out.push(']');
    }
    for (key, value) in [
        ("received", calls.received),
        ("sent", calls.sent),
        ("polls", counters.polls),
        ("events", counters.events),
        ("partial_frames", figures.partial_frames),
        ("ready", figures.ready),
    ] {
        let _ = write!(out, ",\"{key}\":{value}");
    }
    out.push_str("},");
}

/// Writes the turns of the last seconds.
fn recent(out: &mut String, now: Instant, turns: &Turns) {
    let phases = Phase::ALL.map(|phase| phase.name().to_owned());
    out.push_str("\"turns\":{\"phases\":");
    names(out, phases.clone().into_iter());
    out.push_str(",\"columns\":");
    let columns = ["ago", "turns", "events", "served"].map(str::to_owned);
    names(out, columns.into_iter().chain(phases));
    out.push_str(",\"rows\":[");
    for second in turns.recent() {
        let Second {
            began,
            turns,
            events,
            served,
            phases,
        } = second;
        let ago = now.saturating_duration_since(*began).as_secs_f64();
        let _ = write!(out, "[{ago:.1},");
        numbers(out, [*turns, *events, *served]);
        for phase in phases {
            let _ = write!(out, "{:.6},", phase.as_secs_f64());
        }
        close(out);
    }
    trim(out);
    out.push_str("]},");
}

/// Writes an array of names.
fn names(out: &mut String, names: impl Iterator<Item = String>) {
    out.push('[');
    for name in names {
        let _ = write!(out, "\"{name}\",");
    }
    trim(out);
    out.push(']');
}

/// Ends an array, and puts a comma after it.
fn close(out: &mut String) {
    trim(out);
    out.push_str("],");
}

/// Removes a comma at the end.
fn trim(out: &mut String) {
    if out.ends_with(',') {
        out.pop();
    }
}

/// Writes numbers, each with a comma after it.
fn numbers(out: &mut String, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        number(out, n);
        out.push(',');
    }
}

/// Writes a number in decimal digits. There are so many of them that the formatter of the standard library would take most of the
/// time.
fn number(out: &mut String, mut n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_the_standard_library_does() {
        for n in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX] {
            let mut out = String::new();
            number(&mut out, n);
            assert_eq!(out, n.to_string());
        }
    }
}
