//! The SQL of what an operator changes in a lottery, beside the centrals that serve it.

use frame::Agency;

use super::Statements;

impl Statements {
    /// Takes out all bets of an agency where nobody has drawn, as the agency's next version. Its upload is barred, or,
    /// where `allow_same_file` says so, none is any more. Two rows of one number: how many draws there are, and how many
    /// bets went. An agency without a version is left as it is.
    pub(in crate::store::postgres) fn reopen(
        &self,
        agency: Agency,
        allow_same_file: bool,
    ) -> String {
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
    pub(in crate::store::postgres) fn finish(&self, agency: Agency) -> String {
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
    pub(in crate::store::postgres) fn takes_part(&self, agency: Agency) -> String {
        let schema = &self.schema;
        format!(
            "select agencies = 0 or {agency} <= agencies or exists \
             (select 1 from {schema}.commits where agency = {agency}), agencies from {schema}.lottery"
        )
    }

    /// Begins a transaction after which no central stores anything of an agency above this number. A row: how many
    /// draws there are, and the largest agency above it that has stored something.
    pub(in crate::store::postgres) fn limit_agencies(&self, agencies: u32) -> String {
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
    pub(in crate::store::postgres) fn set_agencies(&self, agencies: u32) -> String {
        let Self {
            schema, channel, ..
        } = self;
        format!("update {schema}.lottery set agencies = {agencies}; notify {channel}; commit")
    }
}
