//! The text of standard output: the results, for people or as JSON lines.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use batch_client::agency::{Outcome, WinnerList};
use batch_client::check::Found;
use batch_client::config::{Origin, Settings};
use frame::{Agency, Escaped, Validity, escape_json};
use serde_json::json;

/// Prints the outcome of mode batch: the winners, a document a line, or one object.
///
/// # Errors
/// It cannot be written.
pub fn print_outcome(agency: Agency, outcome: &Outcome, json: bool) -> io::Result<()> {
    let Outcome { bets, winners } = outcome;
    print_result(agency, Some(*bets), winners.as_ref(), json)
}

/// Prints the winners of mode winners: a document a line, or one object.
///
/// # Errors
/// They cannot be written.
pub fn print_winners(agency: Agency, winners: &WinnerList, json: bool) -> io::Result<()> {
    print_result(agency, None, Some(winners), json)
}

fn print_result(
    agency: Agency,
    bets: Option<u64>,
    winners: Option<&WinnerList>,
    json: bool,
) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        // The list may be long, so it is written directly, without a JSON value of all of it.
        write!(out, "{{\"agency\":{agency}")?;
        if let Some(bets) = bets {
            write!(out, ",\"bets\":{bets}")?;
        }
        match winners {
            None => writeln!(out, ",\"winners\":null}}")?,
            Some(winners) => {
                write!(out, ",\"winners\":[")?;
                for (index, document) in winners.iter().enumerate() {
                    let separator = if index > 0 { "," } else { "" };
                    let document = escape_json(&json!(document).to_string());
                    write!(out, "{separator}{document}")?;
                }
                writeln!(out, "]}}")?;
            }
        }
    } else {
        for document in winners.into_iter().flat_map(WinnerList::iter) {
            writeln!(out, "{}", Escaped(document))?;
        }
    }
    out.flush()
}

/// Prints an object on a line. Invisible characters of values from outside are escaped.
fn print_object(out: &mut impl Write, object: &serde_json::Value) -> io::Result<()> {
    writeln!(out, "{}", escape_json(&object.to_string()))
}

/// Prints one thing that mode check found in a file.
///
/// # Errors
/// It cannot be written.
pub fn print_found(
    out: &mut impl Write,
    path: &Path,
    found: Found<'_>,
    json: bool,
) -> io::Result<()> {
    let file = path.display().to_string();
    if json {
        let object = match found {
            Found::Bets(bets) => json!({ "file": file, "bets": bets }),
            Found::Advice(advice) => {
                return advice.findings().iter().try_for_each(|finding| {
                    let (kind, advice) = (finding.kind.name(), finding.to_string());
                    let object = json!({ "file": file, "kind": kind, "advice": advice });
                    print_object(out, &object)
                });
            }
            Found::Row(row) => json!({
                "file": file,
                "line": row.line,
                "column": row.column,
                "kind": row.fault.kind(),
                "error": row.fault.to_string(),
            }),
            Found::BadRows(count) => json!({ "file": file, "bad_rows": count }),
            Found::Damage(damage) => json!({
                "file": file,
                "line": damage.line,
                "column": damage.column,
                "kind": damage.kind.name(),
                "rows": damage.rows.number(),
                "warning": damage.to_string(),
            }),
        };
        return print_object(out, &object);
    }
    let file = Escaped(&file);
    match found {
        Found::Bets(1) => writeln!(out, "{file}: 1 bet"),
        Found::Bets(bets) => writeln!(out, "{file}: {bets} bets"),
        Found::Advice(advice) => writeln!(out, "{file}: {}", Escaped(advice)),
        Found::Row(row) => {
            let fault = Escaped(&row.fault);
            writeln!(out, "{file}:{}:{}: {fault}", row.line, row.column)
        }
        // The error that ends the program says how many.
        Found::BadRows(_) => Ok(()),
        Found::Damage(damage) => {
            let (line, column) = (damage.line, damage.column);
            let damage = Escaped(damage);
            writeln!(out, "{file}:{line}:{column}: warning: {damage}")
        }
    }
}

/// Prints until when the agency's certificate is valid; the last line of mode check.
///
/// # Errors
/// It cannot be written.
pub fn print_certificate(
    out: &mut impl Write,
    path: &Path,
    validity: Validity,
    json: bool,
) -> io::Result<()> {
    let path = path.display().to_string();
    if json {
        let object = json!({ "certificate": path, "valid_until": validity.to_string() });
        return print_object(out, &object);
    }
    writeln!(out, "{}: valid until {validity}", Escaped(&path))
}

/// Prints until when the agency's certificate is valid, as a comment after the keys.
///
/// # Errors
/// It cannot be written.
pub fn print_validity(validity: Validity) -> io::Result<()> {
    writeln!(
        io::stdout().lock(),
        "# server.tls.cert is valid until {validity}"
    )
}

/// Prints every key with its value and what set it.
///
/// # Errors
/// It cannot be written.
pub fn print_config(settings: &Settings) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for (key, value, origin) in settings.in_force() {
        let origin = match origin {
            Origin::Default => "default".to_owned(),
            other => other.to_string(),
        };
        let origin = Escaped(&origin);
        match value.as_deref() {
            Some("") => writeln!(out, "{key} =  # {origin}")?,
            Some(value) => writeln!(out, "{key} = {}  # {origin}", Escaped(value))?,
            None => writeln!(out, "{key} =  # not set")?,
        }
    }
    out.flush()
}
