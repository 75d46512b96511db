//! Prints one table of what the benches have measured last: what criterion has kept, and the lines of `ingest` and
//! `database`.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use benches::table::{DATABASE, Goal, INGEST, Table, figures};
use serde_json::Value;

/// A bench of criterion: its name; what it does; the bench of the same bytes that it is compared with; and the goal, at most
/// how many times that one's time it may take.
type Bench = (&'static str, &'static str, &'static str, Option<f64>);

#[rustfmt::skip]
const BENCHES: [Bench; 27] = [
    ("frame/md5", "MD5 of the payloads, the yardstick", "", None),
    ("frame/md5_2_together", "… of two at once", "frame/md5", None),
    ("frame/md5_4_together", "… of four at once", "frame/md5", None),
    ("frame/md5_together", "… of eight at once", "frame/md5", None),
    ("frame/payload_read", "payloads read and validated", "frame/md5", None),
    ("frame/payload_write", "payloads written", "frame/md5", None),
    ("frame/encode", "frames encoded, with their MD5", "frame/md5", None),
    ("frame/encode_together", "… eight at once", "frame/md5", None),
    ("frame/decode", "frames decoded, with their MD5", "frame/md5", None),
    ("frame/decode_together", "… eight at once, out of a stream", "frame/md5", None),
    ("frame/stream_whole", "frames out of a whole stream", "frame/md5", None),
    ("frame/stream_in_segments", "… in pieces of 1,460 bytes", "frame/md5", None),
    ("frame/stream_byte_by_byte", "… byte by byte", "frame/md5", None),
    ("frame/bet_validated", "one bet read and validated", "", None),
    ("batch/md5", "MD5 of the batches, the yardstick", "", None),
    ("batch/server_rewrites", "server: read, validated, rewritten as rows", "batch/md5", Some(0.8)),
    ("batch/server", "server: with MD5, log, bets.csv and ack", "batch/md5", None),
    ("batch/client", "client: from its file to frames, with MD5", "batch/server", Some(1.0)),
    ("store/durable/1", "a turn of 1 batch, synced", "", None),
    ("store/durable/5", "a turn of 5 batches, synced", "", None),
    ("store/durable/64", "a turn of 64 batches, synced", "", None),
    ("store/durable/320", "a turn of 320 batches, synced", "", None),
    ("store/not_durable/1", "a turn of 1 batch", "store/durable/1", None),
    ("store/not_durable/5", "a turn of 5 batches", "store/durable/5", None),
    ("store/not_durable/64", "a turn of 64 batches", "store/durable/64", None),
    ("store/not_durable/320", "a turn of 320 batches", "store/durable/320", None),
    ("store/recovered", "recovery from the log", "", None),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = figures()?;
    let mut table = Table::default();
    for (name, what, beside, most) in BENCHES {
        let bench = Measured::of(&folder, name)?;
        let ratio = match beside {
            "" => None,
            beside => Some(bench.seconds / Measured::of(&folder, beside)?.seconds),
        };
        let of = beside.split_once('/').map_or(beside, |(_, name)| name);
        table.line(
            what,
            bench.rate(),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} × {of}")),
            ratio
                .zip(most)
                .map_or_else(String::new, |(ratio, most)| Goal::AtMost(most).judge(ratio)),
        );
    }
    let rows = Measured::of(&folder, "draw/rows")?;
    let goal = Goal::AtLeast(10.0).judge(rows.rate_of(rows.elements) / 1e6);
    table.line("draw: rows counted", rows.rate(), "", goal);
    let turn = Measured::of(&folder, "draw/longest_turn")?.seconds * 1e3;
    table.line(
        "draw: longest turn",
        format!("{turn:.2} ms"),
        "",
        Goal::AtMost(2.0).judge(turn),
    );
    table.append(Table::load(&folder.join(INGEST))?);
    // Where PostgreSQL is not installed there is none.
    if let Ok(database) = Table::load(&folder.join(DATABASE)) {
        table.append(database);
    }
    print!("{table}");
    Ok(())
}

/// A bench as criterion has kept it.
struct Measured {
    /// The median of its time.
    seconds: f64,
    /// What it does in that time.
    elements: f64,
    bytes: Option<f64>,
}

impl Measured {
    fn of(folder: &Path, name: &str) -> Result<Self, Box<dyn Error>> {
        let read = |file: &str| -> Result<Value, Box<dyn Error>> {
            let path = folder.join(name).join("new").join(file);
            let open = File::open(&path)
                .map_err(|e| format!("{}: {e}: run make bench", path.display()))?;
            Ok(serde_json::from_reader(open)?)
        };
        let (kept, estimates) = (read("benchmark.json")?, read("estimates.json")?);
        let throughput = &kept["throughput"];
        let both = &throughput["ElementsAndBytes"];
        let elements = throughput["Elements"]
            .as_f64()
            .or(both["elements"].as_f64());
        Ok(Self {
            seconds: estimates["median"]["point_estimate"]
                .as_f64()
                .ok_or("no estimate")?
                / 1e9,
            elements: elements.ok_or("no throughput")?,
            bytes: both["bytes"].as_f64(),
        })
    }

    fn rate_of(&self, count: f64) -> f64 {
        count / self.seconds
    }

    /// Returns bets, or rows, a second; and bytes a second.
    fn rate(&self) -> String {
        let bets = format!("{:.2} M/s", self.rate_of(self.elements) / 1e6);
        match self.bytes {
            Some(bytes) => format!("{:.0} MB/s  {bets}", self.rate_of(bytes) / 1e6),
            None => bets,
        }
    }
}
