//! `status`: how a lottery stands, as it is stored; beside a running central, too.

use std::io::{self, BufWriter, Write};

use event_server::config::{Config, StoreConfig};
use event_server::fact::Source;
use event_server::observe::Stage;
use event_server::report;
use event_server::store::local::Contents;
use event_server::store::postgres::{LinkOptions, Operator};
use event_server::store::{Holding, Snapshot};
use frame::{Agency, Count, Escaped};
use serde_json::{Value, json};

use super::folder::existing;
use crate::failure::Failure;

pub fn run(config: &Config, json: bool) -> Result<(), Failure> {
    let snapshot = match &config.store {
        StoreConfig::Files { data_dir, .. } => {
            let mut contents = Contents::read(&mut existing(data_dir)?)?;
            let warnings = contents.warnings().iter();
            warnings.for_each(|warning| report::store_warning(warning));
            contents.snapshot()?
        }
        StoreConfig::Postgres(options) => Operator::connect(options)?.snapshot()?,
    };
    let place = place(config);
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match json {
        true => write_json(&snapshot, &place, &mut out),
        false => write_text(&snapshot, &place, config.agencies, &mut out),
    };
    let written = written.and_then(|()| out.flush());
    written.map_err(|e| Failure::output(&e))
}

/// Where the lottery is stored, in words.
pub fn place(config: &Config) -> String {
    match &config.store {
        StoreConfig::Files { data_dir, .. } => format!("the folder {}", data_dir.display()),
        StoreConfig::Postgres(LinkOptions { url, lottery, .. }) => {
            let hosts: Vec<String> = url.hosts.iter().map(ToString::to_string).collect();
            let (database, hosts) = (&url.database, hosts.join(","));
            format!("schema {lottery} of the database {database} at {hosts}")
        }
    }
}

/// How far a lottery is, by what is stored.
fn stage(snapshot: &Snapshot) -> Stage {
    match snapshot.number {
        _ if snapshot.winner.is_some() => Stage::Drawn,
        Some(number) if number > 0 && snapshot.finished() == number as usize => Stage::Drawing,
        _ => Stage::Open,
    }
}

/// The agencies that are listed: those that take part, and whoever has stored something.
pub fn listed(snapshot: &Snapshot) -> impl Iterator<Item = (Agency, Option<&Holding>)> {
    let number = snapshot.number.unwrap_or(0);
    let expected = (1..=number).filter_map(Agency::new);
    let expected = expected.map(|agency| (agency, snapshot.agencies.get(&agency)));
    let others = snapshot.agencies.iter();
    let others = others.filter(move |(agency, _)| agency.get() > number);
    expected.chain(others.map(|(agency, holding)| (*agency, Some(holding))))
}

fn write_json(snapshot: &Snapshot, place: &str, out: &mut impl Write) -> io::Result<()> {
    let object = object(snapshot, place).to_string();
    writeln!(out, "{}", frame::escape_json(&object))
}

/// A lottery as JSON.
pub fn object(snapshot: &Snapshot, place: &str) -> Value {
    let drawn = snapshot.winner.is_some();
    let empty = Holding::default();
    let agencies = listed(snapshot).map(|(agency, holding)| {
        let holding = holding.unwrap_or(&empty);
        let (source, upload) = source(holding.account.source);
        let barred: Vec<Value> = holding
            .barred
            .iter()
            .map(|id| id.to_string().into())
            .collect();
        let mut object = json!({
            "id": agency.get(),
            "bets": holding.account.bets,
            "finished": holding.account.finished,
            "source": source,
            "upload": upload,
            "barred": barred,
        });
        if drawn {
            object["winners"] = holding.winners.into();
        }
        object
    });
    json!({
        "store": place,
        "state": stage(snapshot).name(),
        "winner_number": snapshot.winner.map(|winner| winner.get()),
        "agencies_expected": snapshot.number,
        "agencies_finished": snapshot.finished(),
        "bets": snapshot.bets(),
        "agencies": agencies.collect::<Vec<_>>(),
    })
}

/// Where an agency's batches come from, in a word, and the upload that they are.
fn source(source: Option<Source>) -> (Option<&'static str>, Option<String>) {
    match source {
        None => (None, None),
        Some(Source::Upload(upload)) => (Some("upload"), Some(upload.to_string())),
        Some(Source::Plain) => (Some("plain"), None),
        Some(Source::TakenOver) => (Some("taken_over"), None),
    }
}

fn write_text(
    snapshot: &Snapshot,
    place: &str,
    configured: u32,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "store: {}", Escaped(place))?;
    let finished = snapshot.finished();
    match snapshot.number {
        Some(0) => writeln!(out, "agencies: any, there is no draw")?,
        Some(number) => writeln!(out, "agencies: {number}, of which {finished} have finished")?,
        None => writeln!(
            out,
            "agencies: not stored yet (SERVER_AGENCIES is {configured}), {finished} have finished"
        )?,
    }
    match (snapshot.winner, stage(snapshot)) {
        (Some(winner), _) => writeln!(out, "draw: done, the number {winner} won")?,
        (None, Stage::Drawing) => writeln!(out, "draw: due, all agencies have finished")?,
        (None, _) => writeln!(out, "draw: not yet")?,
    }
    writeln!(out, "bets: {}", snapshot.bets())?;
    let mut silent = Silent::default();
    for (agency, holding) in listed(snapshot) {
        let Some(holding) = holding else {
            silent.add(agency);
            continue;
        };
        silent.write(out)?;
        write_agency(snapshot, agency, holding, out)?;
    }
    silent.write(out)
}

/// Writes how an agency stands, on a line.
pub fn write_agency(
    snapshot: &Snapshot,
    agency: Agency,
    holding: &Holding,
    out: &mut impl Write,
) -> io::Result<()> {
    write!(
        out,
        "agency {agency}: {}",
        Count(holding.account.bets, "bet")
    )?;
    if snapshot.winner.is_some() {
        write!(out, ", {}", Count(holding.winners, "winner"))?;
    }
    if holding.account.finished {
        out.write_all(b", finished")?;
    }
    match holding.account.source {
        Some(Source::Upload(upload)) => write!(out, ", upload {upload}")?,
        Some(Source::Plain) => out.write_all(b", of a client that knows no resume")?,
        Some(Source::TakenOver) => out.write_all(b", taken over, of no upload")?,
        None => {}
    }
    for upload in &holding.barred {
        write!(out, ", barred {upload}")?;
    }
    out.write_all(b"\n")
}

/// Agencies in a row that have stored nothing.
#[derive(Default)]
struct Silent(Option<(Agency, Agency)>);

impl Silent {
    fn add(&mut self, agency: Agency) {
        let (first, _) = self.0.unwrap_or((agency, agency));
        self.0 = Some((first, agency));
    }

    fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        match self.0.take() {
            None => Ok(()),
            Some((first, last)) if first == last => writeln!(out, "agency {first}: nothing"),
            Some((first, last)) => writeln!(out, "agencies {first} to {last}: nothing"),
        }
    }
}
