//! The SQL of a lottery that is under way: what is read, appended and drawn. Creating the tables is `schema`'s.
//!
//! Every text is one simple query; several statements in it are one implicit transaction. Kept to SQL that
//! CockroachDB and YugabyteDB speak too, but for `notify`, which they may lack: its loss costs a second.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use frame::{Agency, Number, UploadId};

use super::group::Part;
use super::known::VersionedAccount;
use super::scan::Slice;
use crate::facts::{Account, MAX_AGENCIES, Source};

/// How many of an agency's last versions are looked at for claims.
const LOOKED_AT: u32 = 1_000;

/// Columns of `bets`, in the order of a binary COPY tuple.
const BETS: &str = "agency, seq, first_name, last_name, document, birthdate, number";

/// How `commits.upload` says that an agency's batches belong to no upload.
const PLAIN: &str = "plain";

/// How it says that they were taken over from a bets.csv.
const TAKEN_OVER: &str = "taken over";

/// The statements of one lottery, spoken by one central.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    /// The schema, quoted.
    pub(super) schema: String,
    /// This central's name, quoted as a value.
    pub(super) central: String,
    /// The channel that tells the centrals to look again, quoted.
    pub(super) channel: String,
    agencies: u32,
    /// The session's row in `centrals`, quoted as a value.
    row: String,
}

impl Statements {
    /// The statements of the lottery of agencies 1 to `agencies` in this schema; 0: anyone may take part.
    pub(super) fn new(schema: &str, central: &str, agencies: u32) -> Self {
        Self {
            schema: identifier(schema),
            central: literal(central),
            channel: identifier(&format!("{schema}.draw")),
            agencies,
            row: literal(central),
        }
    }

    /// The same, as spoken in this session of the central: each has a row of its own in `centrals`, so that none waits for
    /// a lock that another one holds.
    pub(super) fn of_session(mut self, central: &str, session: u8) -> Self {
        self.row = literal(&row_of(central, session));
        self
    }

    /// Begins to listen to the channel that tells of finished agencies and of the draw, and tells there who does.
    pub(super) fn listen(&self, listener: &str) -> String {
        let channel = &self.channel;
        format!("listen {channel}; notify {channel}, {}", literal(listener))
    }

    /// The highest version of each of these agencies: `agency, version, upload, batched, bets, finished, barred`;
    /// `barred` are the uploads that were taken out, with blanks between them. Agencies without a row are left out.
    pub(super) fn read(&self, agencies: &BTreeSet<Agency>) -> String {
        let schema = &self.schema;
        let mut sql = String::new();
        for agency in agencies {
            if !sql.is_empty() {
                sql.push_str(" union all ");
            }
            let _ = write!(
                sql,
                "(select agency, version, upload, batched, bets, finished, \
                 (select string_agg(upload, ' ') from {schema}.barred where agency = {agency}) \
                 from {schema}.commits where agency = {agency} order by version desc limit 1)"
            );
        }
        sql
    }

    /// The same rows of all agencies from `first` to `last` that have one, with null for `barred`.
    pub(super) fn survey(&self, first: Agency, last: Agency) -> String {
        let schema = &self.schema;
        format!(
            "select c.agency, c.version, c.upload, c.batched, c.bets, c.finished, null \
             from generate_series({first}, {last}) as numbers (number) cross join lateral \
             (select * from {schema}.commits where agency = numbers.number \
             order by version desc limit 1) c"
        )
    }

    /// Appends these parts; where any has bets, a binary COPY of `bets` is the last statement.
    ///
    /// A version is appended only where the one before it is there, with as many bets as this one builds on. If that
    /// one has finished, this one has to have finished, too, with no more bets. Else `central` is null, which the table
    /// refuses: behind a pooler the session may go on with another server, which has less than was read. Where anyone
    /// may take part, an agency's first version is appended only while not too many do.
    pub(super) fn append<'p>(&self, parts: impl Iterator<Item = &'p Part> + Clone) -> String {
        let Self {
            schema, central, ..
        } = self;
        let first = self.first(parts.clone());
        let mut sql = String::new();
        for (i, part) in parts.clone().enumerate() {
            sql += &match i {
                0 => format!(
                    "insert into {schema}.commits \
                     (agency, version, upload, batched, bets, finished, central, at) \
                     select v.agency, v.version, v.upload, v.batched, v.bets, v.finished, \
                     case when v.version = 1 then {first} else (select {central} from {schema}.commits c \
                     where c.agency = v.agency and c.version = v.version - 1 and c.bets = v.before \
                     and (not c.finished or v.finished and v.bets = v.before)) end, \
                     now() from (values "
                ),
                _ => ", ".to_owned(),
            };
            let Account {
                source,
                batched,
                bets,
                finished,
            } = part.account;
            let upload = source.map_or("null".to_owned(), |source| literal(&source_text(source)));
            let (agency, version) = (part.agency, part.version);
            let before = bets - part.bets;
            let _ = write!(
                sql,
                "({agency}, {version}, {upload}, {batched}, {bets}, {finished}, {before})"
            );
        }
        sql += ") v (agency, version, upload, batched, bets, finished, before)";
        if parts.clone().any(|part| part.account.finished) {
            let _ = write!(sql, "; notify {}", self.channel);
        }
        if parts.clone().any(Part::has_bets) {
            let _ = write!(
                sql,
                "; copy {schema}.bets ({BETS}) from stdin (format binary)"
            );
        }
        sql
    }

    /// This central's name, or null where the first versions among these parts would be those of too many agencies.
    /// Centrals that do this at the same moment do not count what the others append.
    fn first<'p>(&self, parts: impl Iterator<Item = &'p Part>) -> String {
        let Self {
            schema, central, ..
        } = self;
        let new = parts.filter(|part| part.version == 1).count();
        if self.agencies > 0 || new == 0 {
            return central.clone();
        }
        let most = MAX_AGENCIES.saturating_sub(new);
        format!(
            "(select {central} where (select count(*) from \
             (select 1 from {schema}.commits where version = 1 limit {MAX_AGENCIES}) first) <= {most})"
        )
    }

    /// Takes out versions of an agency that changed nothing, among its last thousand: of a run of equal versions the
    /// first two and the last stay. The second one gets -1 bets, so that no version can be appended behind it; the
    /// first one says how many bets there are.
    ///
    /// A version that is missing must not be appended again by a central that knew less. What keeps it out is the
    /// version before it: it is missing, too, or has -1 bets. A statement sees only what was there when it began,
    /// though, so nobody may be in the middle of appending: the lock waits for them. It is given back without a wait
    /// for a standby.
    pub(super) fn drop_claims(&self, agency: Agency) -> String {
        let schema = &self.schema;
        // A run is versions behind each other with the same state. Those with -1 bets are left out.
        let runs = format!(
            "with states as (select version, concat_ws(' ', upload, batched, bets, finished) as state \
             from {schema}.commits where agency = {agency} and bets >= 0 and version > \
             (select max(version) from {schema}.commits where agency = {agency}) - {LOOKED_AT}), \
             changes as (select version, state is distinct from lag(state) over w as is_first, \
             state is distinct from lead(state) over w as is_last from states window w as (order by version)), \
             runs as (select version, is_first or is_last as stays, \
             max(version) filter (where is_first) over (order by version) as first from changes)"
        );
        format!(
            "set local synchronous_commit = off; lock table {schema}.commits in share row exclusive mode; \
             {runs} delete from {schema}.commits c using runs where c.agency = {agency} \
             and c.version = runs.version and not stays and runs.version > first + 1; \
             {runs} update {schema}.commits c set bets = -1 from runs where c.agency = {agency} \
             and c.version = runs.version and not stays"
        )
    }

    /// Ends the transactions of this lottery's centrals that have waited longer than this for what their central sends:
    /// one that vanished, or stands still, in the middle of a commit keeps its locks. One row: how many.
    pub(super) fn unblock(&self, timeout: Duration) -> String {
        let (schema, milliseconds) = (&self.schema, timeout.as_millis());
        let table = literal(&format!("{schema}.commits"));
        format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity \
             where pid <> pg_backend_pid() and usename = current_user and datname = current_database() \
             and application_name like 'event-server %' and state <> 'idle' and wait_event = 'ClientRead' \
             and xact_start < clock_timestamp() - interval '{milliseconds} milliseconds' \
             and pid in (select pid from pg_locks where relation = {table}::regclass)"
        )
    }

    /// A commit that stores nothing of the lottery: once it is done, what was read before counts. It writes this session's
    /// row, also where somebody has deleted it: a transaction that writes nothing waits for no standby.
    pub(super) fn barrier(&self) -> String {
        let Self { schema, row, .. } = self;
        let version = literal(env!("CARGO_PKG_VERSION"));
        format!(
            "insert into {schema}.centrals (name, version, started, seen) values ({row}, {version}, now(), now()) \
             on conflict (name) do update set seen = now()"
        )
    }

    /// Whether all agencies have finished, how many take part, and whether there is a draw: `finished, agencies, drawn`.
    pub(super) fn look(&self) -> String {
        let schema = &self.schema;
        let finished = self.all_finished();
        format!(
            "select {finished}, (select agencies from {schema}.lottery), exists (select from {schema}.draw)"
        )
    }

    /// Whether every agency's last version has finished. The first that has not ends the search.
    fn all_finished(&self) -> String {
        let Self {
            schema, agencies, ..
        } = self;
        format!(
            "({agencies} > 0 and not exists (select from generate_series(1, {agencies}) as numbers (number) \
             where (select finished from {schema}.commits where agency = numbers.number \
             order by version desc limit 1) is not true))"
        )
    }

    /// Draws where all agencies have finished and nobody has drawn, and tells the draw, if there is one: a row
    /// `winner, identity`. Its commit is the barrier after which that counts.
    pub(super) fn draw(&self, winner: Number) -> String {
        let Self {
            schema,
            central,
            channel,
            agencies,
            ..
        } = self;
        format!(
            "{lock}; insert into {schema}.draw (id, winner, at, central) \
             select 1, {winner}, now(), {central} where {finished} \
             and {agencies} = (select agencies from {schema}.lottery) on conflict do nothing; \
             select winner, extract(epoch from at) || ' ' || central from {schema}.draw; \
             {barrier}; notify {channel}",
            lock = self.lock_draw(),
            finished = self.all_finished(),
            barrier = self.barrier()
        )
    }

    /// The bets with this number in a slice of the table: rows `agency, seq, document` in any order. For a slice of
    /// blocks one more row follows: the table's file, its bytes, the bytes of a block, and how many milliseconds the
    /// query took. It is asked for last, while the lock of the first statement keeps the table as it is.
    pub(super) fn winners(&self, winner: Number, slice: &Slice) -> String {
        let schema = &self.schema;
        let won =
            format!("select agency, seq, document from {schema}.bets where number = {winner}");
        match slice {
            Slice::Whole => won,
            Slice::Blocks(Range { start, end }) => {
                let table = literal(&format!("{schema}.bets"));
                format!(
                    "{won} and ctid >= '({start},0)' and ctid < '({end},0)'; \
                     select pg_relation_filenode({table}::regclass), \
                     pg_relation_size({table}::regclass), current_setting('block_size'), \
                     greatest(0, extract(epoch from clock_timestamp() - statement_timestamp()) * 1000)::bigint"
                )
            }
        }
    }

    /// Makes the draw and a reopening wait for each other: neither may happen on what the other is about to change.
    pub(super) fn lock_draw(&self) -> String {
        format!("update {}.lottery set format = format", self.schema)
    }
}

/// A row of [`Statements::read`], its columns as text; `None` where it is no such row.
pub(super) fn parse_account(columns: &[Option<&[u8]>]) -> Option<(Agency, VersionedAccount)> {
    let &[
        Some(agency),
        Some(version),
        upload,
        Some(batched),
        Some(bets),
        Some(finished),
        barred,
    ] = columns
    else {
        return None;
    };
    let versioned = VersionedAccount {
        version: parse(version)?,
        account: Account {
            source: match upload {
                Some(upload) => Some(parse_source(upload)?),
                None => None,
            },
            batched: parse(batched)?,
            bets: parse(bets)?,
            finished: finished == b"t",
        },
        barred: match barred {
            Some(barred) => barred
                .split(|byte| *byte == b' ')
                .map(|upload| UploadId::parse(upload).ok())
                .collect::<Option<_>>()?,
            None => Vec::new(),
        },
    };
    Some((Agency::parse(agency).ok()?, versioned))
}

/// A source as `commits.upload` has it: hexadecimal digits, or a word that no upload has.
pub(super) fn source_text(source: Source) -> String {
    match source {
        Source::Plain => PLAIN.to_owned(),
        Source::Upload(upload) => upload.to_string(),
        Source::TakenOver => TAKEN_OVER.to_owned(),
    }
}

/// The source of such a text.
pub(super) fn parse_source(text: &[u8]) -> Option<Source> {
    if text == PLAIN.as_bytes() {
        return Some(Source::Plain);
    }
    if text == TAKEN_OVER.as_bytes() {
        return Some(Source::TakenOver);
    }
    UploadId::parse(text).ok().map(Source::Upload)
}

/// A name, as `"name"`.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text, as `'text'`. The session has `standard_conforming_strings` on: a backslash is a character like any other.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The name in `centrals` of a central's session: the first has that of the central. No name of a central has a slash.
pub(super) fn row_of(central: &str, session: u8) -> String {
    match session {
        0 => central.to_owned(),
        _ => format!("{central}/{}", u16::from(session) + 1),
    }
}

/// A number in decimal digits.
pub(super) fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
