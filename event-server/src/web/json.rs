//! How the lottery stands, as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use crate::observe::{AgencyView, LotteryView};

/// What every answer in JSON says of the central.
pub(super) struct Central<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) uptime: Duration,
}

/// Returns the object of `/api/lottery`. `history` has the samples: how many seconds ago, and how many bets there were
/// then; `unavailable` says why no bet would be taken now.
pub(super) fn lottery(
    view: &LotteryView,
    bets_per_second: f64,
    history: impl Iterator<Item = (f64, u64)>,
    central: &Central<'_>,
    unavailable: Option<&str>,
) -> String {
    let LotteryView {
        stage,
        winner,
        expected,
        agencies,
    } = view;
    let takes_part = |view: &&AgencyView| *expected == 0 || view.agency.get() <= *expected;
    let finished = agencies.iter().filter(takes_part);
    let finished = finished.filter(|view| view.finished).count();
    let bets: u64 = agencies.iter().map(|view| view.bets).sum();
    // About the size of the answer, so that it seldom has to grow.
    let mut out = String::with_capacity(8 * 1024 + 80 * agencies.len());
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "{{\"state\":\"{}\",\"winner_number\":{},\"agencies_expected\":{expected},\"agencies_finished\":{finished},\
         \"bets\":{bets},\"bets_per_second\":{bets_per_second:.1},\"central\":{{\"name\":{},\"version\":{},\
         \"uptime_seconds\":{},\"unavailable\":{}}},\"history\":[",
        stage.name(),
        winner.map_or("null".to_owned(), |winner| winner.to_string()),
        text(central.name),
        text(central.version),
        central.uptime.as_secs(),
        unavailable.map_or("null".to_owned(), text),
    );
    for (at, (ago, bets)) in history.enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(out, "{comma}[{ago:.1},{bets}]");
    }
    out.push_str("],\"agencies\":[");
    for (at, view) in agencies.iter().enumerate() {
        let AgencyView {
            agency,
            bets,
            finished,
            connected,
            winners,
        } = view;
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            out,
            "{comma}{{\"id\":{agency},\"bets\":{bets},\"finished\":{finished},\"connected\":{connected}"
        );
        if let Some(winners) = winners {
            let _ = write!(out, ",\"winners\":{winners}");
        }
        out.push('}');
    }
    out.push_str("]}");
    out
}

/// Returns a text as a JSON string.
pub(super) fn text(text: &str) -> String {
    frame::escape_json(&serde_json::Value::from(text).to_string())
}
