//! `status` and `verify`: how a stored lottery stands, and whether it is sound. Both may run while a central serves.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use event_server::config::{Config, StoreConfig};
use event_server::facts::Source;
use event_server::observe::Stage;
use event_server::report;
use event_server::store::files::{Contents, Progress as Read};
use event_server::store::postgres::Operator;
use event_server::store::{Audit, Holding, Snapshot};
use frame::{Agency, Count, Escaped};
use serde_json::{Value, json};

use super::failure::{Failure, IO_ERROR};
use super::store::{Progress, existing, place};

/// `status`: prints how the lottery stands.
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

/// Returns how far a lottery is, by what is stored.
fn stage(snapshot: &Snapshot) -> Stage {
    match snapshot.number {
        _ if snapshot.winner.is_some() => Stage::Drawn,
        Some(number) if number > 0 && snapshot.finished() == number as usize => Stage::Drawing,
        _ => Stage::Open,
    }
}

/// Returns the agencies that are listed: those that take part, and others that have stored something.
fn listed(snapshot: &Snapshot) -> impl Iterator<Item = (Agency, Option<&Holding>)> {
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

/// Returns a lottery as JSON.
fn object(snapshot: &Snapshot, place: &str) -> Value {
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

/// Returns in one word where an agency's batches come from, and the upload that they belong to.
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
    let mut empty = EmptyRange::default();
    for (agency, holding) in listed(snapshot) {
        let Some(holding) = holding else {
            empty.add(agency);
            continue;
        };
        empty.write(out)?;
        write_agency(snapshot, agency, holding, out)?;
    }
    empty.write(out)
}

/// Writes a line about an agency.
fn write_agency(
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

/// A range of agencies that have stored nothing, first and last: it becomes one line.
#[derive(Default)]
struct EmptyRange(Option<(Agency, Agency)>);

impl EmptyRange {
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

/// `verify`: reads all that is stored, and fails if it is not sound.
pub fn verify(config: &Config, json: bool) -> Result<(), Failure> {
    let audit = read(config, json)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write_audit(&audit, &place(config), json, &mut out).and_then(|()| out.flush());
    written.map_err(|e| Failure::output(&e))?;
    match audit.flaws.first() {
        None => Ok(()),
        Some(first) => {
            let flaws = audit.flaws.len() as u64 + audit.more;
            let count = Count(flaws, "thing");
            let is = if flaws == 1 { "is" } else { "are" };
            Err(Failure::new(
                IO_ERROR,
                format_args!(
                    "{count} {is} wrong, first: {first}; restore the lottery from a backup that was verified"
                ),
            ))
        }
    }
}

/// Reads and checks the whole lottery. With `quiet` no progress is shown.
fn read(config: &Config, quiet: bool) -> Result<Audit, Failure> {
    let mut progress = Progress::new("reading", quiet);
    match &config.store {
        StoreConfig::Files { data_dir, .. } => {
            let mut on_progress = |Read { done, of }| {
                progress.tell(done, of);
                ControlFlow::Continue(())
            };
            let mut files = existing(data_dir)?;
            let mut contents = Contents::read_with_progress(&mut files, Some(&mut on_progress))?;
            let warnings = contents.warnings().to_vec();
            let audit = contents.audit()?;
            drop(contents);
            drop(progress);
            let warnings = warnings.iter();
            warnings.for_each(|warning| report::store_warning(warning));
            Ok(audit)
        }
        StoreConfig::Postgres(options) => {
            let mut operator = Operator::connect(options)?;
            Ok(operator.audit(|done, of| progress.tell(done, of), |_| Ok(()))?)
        }
    }
}

fn write_audit(audit: &Audit, place: &str, json: bool, out: &mut impl Write) -> io::Result<()> {
    let Audit {
        snapshot,
        flaws,
        more,
    } = audit;
    if json {
        let mut object = object(snapshot, place);
        object["sound"] = flaws.is_empty().into();
        object["flaws"] = flaws.clone().into();
        object["more_flaws"] = (*more).into();
        return writeln!(out, "{}", frame::escape_json(&object.to_string()));
    }
    for (agency, holding) in listed(snapshot) {
        if let Some(holding) = holding {
            write_agency(snapshot, agency, holding, out)?;
        }
    }
    for flaw in flaws {
        writeln!(out, "wrong: {}", Escaped(flaw))?;
    }
    if *more > 0 {
        writeln!(out, "wrong: {more} more")?;
    }
    if flaws.is_empty() {
        let bets = Count(snapshot.bets(), "bet");
        writeln!(out, "sound: {bets} in {}", Escaped(place))?;
    }
    Ok(())
}
