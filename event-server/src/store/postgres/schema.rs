//! The tables of a lottery: made where they are missing, checked where they are there.
//!
//! One schema is one lottery. Two centrals may make it at the same time: what one of them made already is left as it is,
//! and whoever loses a race tries again.

use super::database::Unusable;
use super::error::DatabaseError;
use super::sql::{identifier, literal, parse, row_of};

/// The version of the tables' form. A newer program turns an older form into its own; an older program refuses a newer.
pub const FORMAT: u32 = 2;

/// The tables of one lottery, as a session of a central makes and checks them.
#[derive(Clone, Debug)]
pub struct Schema {
    name: String,
    /// The session's row in `centrals`.
    row: String,
    agencies: u32,
}

impl Schema {
    /// The schema `name` of a lottery of agencies 1 to `agencies`, as the central of this name sees it.
    pub fn new(name: &str, central: &str, agencies: u32) -> Self {
        Self {
            name: name.to_owned(),
            row: central.to_owned(),
            agencies,
        }
    }

    /// The same, as this session of the central sees it.
    pub(super) fn of_session(mut self, session: u8) -> Self {
        self.row = row_of(&self.row, session);
        self
    }

    /// Reads what is there: `format, agencies`.
    pub fn check(&self) -> String {
        format!(
            "select format, agencies from {}.lottery",
            identifier(&self.name)
        )
    }

    /// Whether an error of [`check`](Self::check) says that there is no lottery yet.
    pub fn is_missing(error: &DatabaseError) -> bool {
        // An unknown schema, an unknown table.
        matches!(error.code.as_str(), "3F000" | "42P01")
    }

    /// Whether an error says that the right is missing to make a schema, or something in one.
    pub fn is_denied(error: &DatabaseError) -> bool {
        error.code == "42501"
    }

    /// Whether an error says that another central was making the same thing at the same time.
    pub fn is_race(error: &DatabaseError) -> bool {
        // Unique violation; duplicate schema, table, or other object (a table's row type is made with it);
        // serialization failure, deadlock, "tuple concurrently updated".
        matches!(
            error.code.as_str(),
            "23505" | "42P06" | "42P07" | "42710" | "40001" | "40P01" | "XX000"
        )
    }

    /// Makes all that is missing, in one transaction.
    pub fn create(&self) -> String {
        let schema = identifier(&self.name);
        format!(
            "create schema if not exists {schema}; {}",
            self.create_tables()
        )
    }

    /// Makes the tables that are missing in a schema that is there: an administrator may have made it for a role that
    /// may make none itself.
    pub fn create_tables(&self) -> String {
        let schema = identifier(&self.name);
        let agencies = self.agencies;
        format!(
            "create table if not exists {schema}.lottery \
             (id int primary key check (id = 1), format int not null, agencies bigint not null); \
             create table if not exists {schema}.commits \
             (agency int, version bigint, upload text, batched bigint not null, bets bigint not null, \
             finished boolean not null, central text not null, at timestamptz not null, \
             primary key (agency, version)); \
             create index if not exists commits_finished on {schema}.commits (agency) where finished; \
             create index if not exists commits_first on {schema}.commits (agency) where version = 1; \
             create table if not exists {schema}.bets \
             (agency int not null, seq bigint not null, first_name text not null, last_name text not null, \
             document text not null, birthdate date not null, number int not null); \
             create table if not exists {schema}.draw \
             (id int primary key check (id = 1), winner int not null, at timestamptz not null, central text not null); \
             create table if not exists {schema}.barred \
             (agency int, upload text, primary key (agency, upload)); \
             create table if not exists {schema}.centrals \
             (name text primary key, version text not null, started timestamptz not null, seen timestamptz not null); \
             insert into {schema}.lottery values (1, {FORMAT}, {agencies}) on conflict do nothing"
        )
    }

    /// Turns tables of an older form into those of [`FORMAT`], in one transaction.
    pub fn upgrade(&self) -> String {
        let schema = identifier(&self.name);
        format!(
            "{}; update {schema}.lottery set format = {FORMAT} where format < {FORMAT}",
            self.create_tables()
        )
    }

    /// Whether a row of [`check`](Self::check) is of an older form.
    pub fn is_older(columns: &[Option<&[u8]>]) -> bool {
        number(columns, 0).is_some_and(|format| format < u64::from(FORMAT))
    }

    /// Judges a row of [`check`](Self::check).
    ///
    /// # Errors
    /// The lottery is not this one, or of a newer form.
    pub fn judge(&self, columns: &[Option<&[u8]>]) -> Result<(), Unusable> {
        let name = &self.name;
        let (Some(format), Some(agencies)) = (number(columns, 0), number(columns, 1)) else {
            return Err(Unusable(format!(
                "the table lottery of schema {name} is not this program's: name another schema in SERVER_LOTTERY"
            )));
        };
        Self::judge_format(name, Some(format))?;
        self.judge_agencies(agencies)
    }

    /// Judges how many agencies take part.
    ///
    /// # Errors
    /// It is another number.
    pub fn judge_agencies(&self, stored: u64) -> Result<(), Unusable> {
        let (name, wanted) = (&self.name, self.agencies);
        if stored == u64::from(wanted) {
            return Ok(());
        }
        Err(Unusable(format!(
            "the lottery in schema {name} is of {stored} agencies, SERVER_AGENCIES is {wanted}: set it to {stored}, \
             change the lottery with  event-server agencies {wanted}  before the draw, or name another schema in \
             SERVER_LOTTERY"
        )))
    }

    /// Judges the version of the tables' form of the lottery `name`; `None` where there is no row.
    ///
    /// # Errors
    /// It is newer than this program, or there is none.
    pub fn judge_format(name: &str, format: Option<u64>) -> Result<(), Unusable> {
        match format {
            Some(format) if format <= u64::from(FORMAT) => Ok(()),
            Some(format) => Err(Unusable(format!(
                "the lottery in schema {name} has form {format}, this program knows forms up to {FORMAT}: \
                 start a newer event-server, or name another schema in SERVER_LOTTERY"
            ))),
            None => Err(Unusable(format!(
                "the table lottery of schema {name} is empty: name another schema in SERVER_LOTTERY"
            ))),
        }
    }

    /// Whether the configuration, of the central or of the database, has to change before these statements can succeed.
    /// Anything else may pass: a lock that somebody holds, a full disk, a server that shuts down.
    pub fn is_final(error: &DatabaseError) -> bool {
        // A feature that is not there, an unknown database or schema, a wrong statement or a missing right.
        let classes = ["0A", "3D", "3F", "42"];
        classes.iter().any(|class| error.code.starts_with(class))
    }

    /// What an error of these statements means for the operator.
    pub fn explain(&self, error: &DatabaseError) -> Unusable {
        let name = &self.name;
        match error.code.as_str() {
            "42501" => Unusable(format!(
                "{error}: let an administrator run  create schema {} authorization USER  or grant the right to create",
                identifier(name)
            )),
            _ => Unusable(format!(
                "the lottery in schema {name} cannot be used: {error}"
            )),
        }
    }

    /// Writes the row of this session in `centrals`.
    pub fn introduce(&self) -> String {
        let schema = identifier(&self.name);
        let row = literal(&self.row);
        let version = literal(env!("CARGO_PKG_VERSION"));
        format!(
            "insert into {schema}.centrals (name, version, started, seen) values ({row}, {version}, now(), now()) \
             on conflict (name) do update set version = excluded.version, started = now(), seen = now()"
        )
    }
}

fn number(columns: &[Option<&[u8]>], at: usize) -> Option<u64> {
    parse(columns.get(at).copied().flatten()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lottery_of_others_is_refused_with_both_numbers() {
        let schema = Schema::new("lottery", "c", 5);
        let row = |format: &'static str, agencies: &'static str| {
            schema.judge(&[Some(format.as_bytes()), Some(agencies.as_bytes())])
        };
        assert_eq!(row("1", "5"), Ok(()));
        let error = row("1", "6").unwrap_err().to_string();
        assert!(
            error.contains("of 6 agencies, SERVER_AGENCIES is 5"),
            "{error}"
        );
        assert_eq!(row("2", "5"), Ok(()));
        let error = row("3", "5").unwrap_err().to_string();
        assert!(error.contains("has form 3"), "{error}");
        assert!(schema.judge(&[None]).is_err());
    }

    /// What PostgreSQL answers to one of two centrals that make the tables at the same moment. Which of them it is
    /// depends on how far the other one is, to the microsecond; so they stand here.
    #[test]
    fn a_central_that_makes_the_same_at_the_same_time_is_no_error() {
        let error = |code: &str| {
            let mut error = DatabaseError::default();
            code.clone_into(&mut error.code);
            error
        };
        for race in [
            "23505", "42P06", "42P07", "42710", "40001", "40P01", "XX000",
        ] {
            assert!(Schema::is_race(&error(race)), "{race}");
        }
        for other in ["42501", "3F000", "42P01", "53100"] {
            assert!(!Schema::is_race(&error(other)), "{other}");
        }
    }
}
