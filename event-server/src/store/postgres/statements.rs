//! The SQL of a lottery that is under way: what is read, appended and drawn. Creating the tables is `schema`'s.
//!
//! Every text is one simple query; several statements in it are one implicit transaction. Kept to SQL that
//! CockroachDB and YugabyteDB speak too, but for `notify`, which they may lack: its loss costs a second.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use frame::{Agency, Number, UploadId};

use super::account::{Account, parse_source, source_text};
use super::group::Part;
use super::quote::{identifier, literal};
use super::scan::Slice;

/// Columns of `bets`, in the order of a binary COPY tuple.
const BETS: &str = "agency, seq, first_name, last_name, document, birthdate, number";

/// The statements of one lottery, spoken by one central.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    /// The schema, quoted.
    schema: String,
    /// This central's name, quoted as a value.
    central: String,
    /// The channel that tells the centrals to look again, quoted.
    channel: String,
    agencies: u32,
}

impl Statements {
    /// Those of the lottery of agencies 1 to `agencies` in this schema.
    pub(super) fn new(schema: &str, central: &str, agencies: u32) -> Self {
        Self {
            schema: identifier(schema),
            central: literal(central),
            channel: identifier(&format!("{schema}.draw")),
            agencies,
        }
    }

    /// Begins to listen to the channel that tells of finished agencies and of the draw.
    pub(super) fn listen(&self) -> String {
        format!("listen {}", self.channel)
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

    /// The same rows of all agencies from `first` to `last` that have one.
    pub(super) fn survey(&self, first: Agency, last: Agency) -> String {
        let schema = &self.schema;
        format!(
            "select c.agency, c.version, c.upload, c.batched, c.bets, c.finished, null \
             from generate_series({first}, {last}) as numbers (number) cross join lateral \
             (select * from {schema}.commits where agency = numbers.number \
             order by version desc limit 1) c"
        )
    }

    /// Appends these parts; where any has rows, a binary COPY of `bets` is the last statement.
    ///
    /// A version is appended only where the one before it is there, with as many bets as this one builds on: else
    /// `central` is null, which the table refuses. Behind a session whose server was exchanged there may be less than
    /// was read.
    pub(super) fn append<'p>(&self, parts: impl Iterator<Item = &'p Part> + Clone) -> String {
        let Self {
            schema, central, ..
        } = self;
        let mut sql = String::new();
        for (i, part) in parts.clone().enumerate() {
            sql += &match i {
                0 => format!(
                    "insert into {schema}.commits \
                     (agency, version, upload, batched, bets, finished, central, at) \
                     select v.agency, v.version, v.upload, v.batched, v.bets, v.finished, \
                     case when v.version = 1 then {central} else (select {central} from {schema}.commits c \
                     where c.agency = v.agency and c.version = v.version - 1 and c.bets = v.before) end, \
                     now() from (values "
                ),
                _ => ", ".to_owned(),
            };
            let Account {
                version,
                source,
                batched,
                bets,
                finished,
                ..
            } = &part.account;
            let upload = source.map_or("null".to_owned(), |source| literal(&source_text(source)));
            let (agency, before) = (part.agency, bets - part.bets);
            let _ = write!(
                sql,
                "({agency}, {version}, {upload}, {batched}, {bets}, {finished}, {before})"
            );
        }
        sql += ") v (agency, version, upload, batched, bets, finished, before)";
        if parts.clone().any(|part| part.account.finished) {
            let _ = write!(sql, "; notify {}", self.channel);
        }
        if parts.clone().any(|part| !part.rows.is_empty()) {
            let _ = write!(
                sql,
                "; copy {schema}.bets ({BETS}) from stdin (format binary)"
            );
        }
        sql
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

    /// A commit that stores nothing of the lottery: once it is done, what was read before counts. It writes this central's
    /// row, also where somebody has deleted it: a transaction that writes nothing waits for no standby.
    pub(super) fn barrier(&self) -> String {
        let Self {
            schema, central, ..
        } = self;
        let version = literal(env!("CARGO_PKG_VERSION"));
        format!(
            "insert into {schema}.centrals (name, version, started, seen) values ({central}, {version}, now(), now()) \
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

    /// The bets with this number in a slice of the table: rows `agency, seq, document` in any order. Of blocks then a row
    /// with the table's file and how many blocks it has: asked for last, while the rows' lock keeps it as it is.
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
                     pg_relation_size({table}::regclass) / current_setting('block_size')::bigint"
                )
            }
        }
    }

    /// Takes out all bets of an agency where nobody has drawn, as the agency's next version. Its upload is barred, or,
    /// where `allow_same_file` says so, none is any more. Two rows of one number: how many draws there are, and how many
    /// bets went. An agency without a version is left as it is.
    pub(super) fn reopen(&self, agency: Agency, allow_same_file: bool) -> String {
        let Self {
            schema,
            central,
            channel,
            ..
        } = self;
        let bar = match allow_same_file {
            true => format!(
                "delete from {schema}.barred \
                 where agency = {agency} and not exists (select 1 from {schema}.draw)"
            ),
            // An upload is named by 32 digits; other words say that there is none.
            false => format!(
                "insert into {schema}.barred (agency, upload) \
                 select agency, upload from {schema}.commits c \
                 where agency = {agency} and length(upload) = 32 and not exists \
                 (select 1 from {schema}.commits d where d.agency = c.agency and d.version > c.version) \
                 and not exists (select 1 from {schema}.draw) on conflict do nothing"
            ),
        };
        format!(
            "{lock}; select count(*) from {schema}.draw; {bar}; \
             insert into {schema}.commits (agency, version, upload, batched, bets, finished, central, at) \
             select agency, max(version) + 1, null, 0, 0, false, {central}, now() from {schema}.commits \
             where agency = {agency} and not exists (select 1 from {schema}.draw) group by agency; \
             with gone as (delete from {schema}.bets \
             where agency = {agency} and not exists (select 1 from {schema}.draw) returning 1) \
             select count(*) from gone; notify {channel}, '{agency}'",
            lock = self.lock_draw(),
        )
    }

    /// Says that an agency has finished where nobody has drawn, as the agency's next version. A row: how many draws there
    /// are.
    pub(super) fn finish(&self, agency: Agency) -> String {
        let Self {
            schema,
            central,
            channel,
            ..
        } = self;
        format!(
            "{lock}; select count(*) from {schema}.draw; \
             insert into {schema}.commits (agency, version, upload, batched, bets, finished, central, at) \
             select {agency}, coalesce(max(c.version), 0) + 1, max(c.upload), coalesce(max(c.batched), 0), \
             coalesce(max(c.bets), 0), true, {central}, now() from \
             (select * from {schema}.commits where agency = {agency} order by version desc limit 1) c \
             where not exists (select 1 from {schema}.draw) having not coalesce(bool_or(c.finished), false) \
             and not exists (select 1 from {schema}.draw); \
             notify {channel}, '{agency}'",
            lock = self.lock_draw(),
        )
    }

    /// Whether an agency takes part or has a version, and how many take part: `is_there, agencies`.
    pub(super) fn takes_part(&self, agency: Agency) -> String {
        let schema = &self.schema;
        format!(
            "select agencies = 0 or {agency} <= agencies or exists \
             (select 1 from {schema}.commits where agency = {agency}), agencies from {schema}.lottery"
        )
    }

    /// Begins a transaction after which no central stores anything of an agency above this number. A row: how many
    /// draws there are, and the largest agency above it that has stored something.
    pub(super) fn limit_agencies(&self, agencies: u32) -> String {
        let schema = &self.schema;
        let limit = match agencies {
            0 => String::new(),
            agencies => format!(
                "alter table {schema}.commits add constraint takes_part \
                 check (agency between 1 and {agencies}) not valid; "
            ),
        };
        format!(
            "begin; {lock}; \
             alter table {schema}.commits drop constraint if exists takes_part; {limit}\
             select (select count(*) from {schema}.draw), (select max(agency) from {schema}.commits c \
             where {agencies} > 0 and agency > {agencies} and (bets > 0 or finished) and not exists \
             (select 1 from {schema}.commits d where d.agency = c.agency and d.version > c.version))",
            lock = self.lock_draw(),
        )
    }

    /// Ends that transaction with this number of agencies, and has all centrals look at it.
    pub(super) fn set_agencies(&self, agencies: u32) -> String {
        let Self {
            schema, channel, ..
        } = self;
        format!("update {schema}.lottery set agencies = {agencies}; notify {channel}; commit")
    }

    /// Makes the draw and a reopening wait for each other: neither may happen on what the other is about to change.
    fn lock_draw(&self) -> String {
        format!("update {}.lottery set format = format", self.schema)
    }
}

/// A row of [`Statements::read`], its columns as text; `None` where it is no such row.
pub(super) fn parse_account(columns: &[Option<&[u8]>]) -> Option<(Agency, Account)> {
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
    let account = Account {
        version: parse(version)?,
        source: match upload {
            Some(upload) => Some(parse_source(upload)?),
            None => None,
        },
        batched: parse(batched)?,
        bets: parse(bets)?,
        finished: finished == b"t",
        barred: match barred {
            Some(barred) => barred
                .split(|byte| *byte == b' ')
                .map(|upload| UploadId::parse(upload).ok())
                .collect::<Option<_>>()?,
            None => Vec::new(),
        },
    };
    Some((Agency::parse(agency).ok()?, account))
}

/// A number in decimal digits.
pub(super) fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Source;
    use frame::UploadId;

    fn statements() -> Statements {
        Statements::new("it's \"mine\"", "a'b", 5)
    }

    fn part(agency: u32, finished: bool, rows: &[u8]) -> Part {
        Part {
            agency: Agency::new(agency).unwrap(),
            account: Account {
                version: 18,
                source: Some(Source::Upload(UploadId([0xab; 16]))),
                batched: 3,
                bets: 4,
                finished,
                barred: Vec::new(),
            },
            rows: rows.to_vec(),
            bets: 1,
        }
    }

    #[test]
    fn names_are_quoted_wherever_they_stand() {
        let sql = statements().append([part(1, true, b"x")].iter());
        assert!(
            sql.starts_with("insert into \"it's \"\"mine\"\"\".commits "),
            "{sql}"
        );
        assert!(sql.contains("then 'a''b' else"), "{sql}");
        assert!(sql.contains("(1, 18, '"), "{sql}");
        assert!(sql.contains(", 3, 4, true, 3)"), "{sql}");
        assert!(sql.contains("notify \"it's \"\"mine\"\".draw\""), "{sql}");
    }

    #[test]
    fn a_copy_is_the_last_statement_and_stands_only_where_there_are_rows() {
        let (with, without) = (part(1, false, b"x"), part(4, false, b""));
        let sql = statements().append([with, without.clone()].iter());
        assert!(sql.ends_with("from stdin (format binary)"), "{sql}");
        assert!(!statements().append([without].iter()).contains("copy"));
    }

    #[test]
    fn an_agencys_row_is_read_as_it_was_appended() {
        let account = part(1, true, b"").account;
        let upload = "ab".repeat(16);
        let row = ["7", "18", &upload, "3", "4", "t", &upload].map(|text| Some(text.as_bytes()));
        let account = Account {
            barred: vec![UploadId([0xab; 16])],
            ..account
        };
        assert_eq!(
            parse_account(&row),
            Some((Agency::new(7).unwrap(), account))
        );
        let mut none = row;
        none[2] = None;
        assert_eq!(parse_account(&none).unwrap().1.source, None);
        none[2] = Some(b"neither");
        assert_eq!(parse_account(&none), None);
        assert_eq!(parse_account(&row[1..]), None);
    }
}
