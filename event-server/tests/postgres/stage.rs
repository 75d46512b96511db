//! A database, centrals on it, agencies with their files, and what SQL says of every row in the end.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use fixtures::Spec;
use fixtures::postgres::Postgres;
use fixtures::programs::{self, Running};
use tempfile::TempDir;

use crate::common::eventually;

/// What a central is given beside its store.
pub type Environment<'e> = &'e [(&'e str, &'e str)];

/// A database and a folder.
pub struct Stage {
    pub database: Postgres,
    folder: TempDir,
}

/// An agency's file.
#[derive(Clone)]
pub struct Agency {
    pub number: u32,
    pub file: PathBuf,
    pub rows: usize,
}

impl Stage {
    /// `None` where PostgreSQL is not installed.
    pub fn set() -> Option<Self> {
        Self::set_with(&[])
    }

    /// With settings of the database.
    pub fn set_with(settings: &[&str]) -> Option<Self> {
        Self::set_with_access("", settings)
    }

    /// The same, with lines of the database's pg_hba.conf that stand before its own.
    pub fn set_with_access(access: &str, settings: &[&str]) -> Option<Self> {
        let database = Postgres::start_with_access(access, settings).unwrap()?;
        let folder = tempfile::tempdir().unwrap();
        Some(Self { database, folder })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Agencies 1 to `agencies` with files of `rows` rows, of which every twentieth wins.
    pub fn agencies(&self, agencies: u32, rows: usize) -> Vec<Agency> {
        let agency = |number: u32| {
            let file = self.folder().join(format!("agency-{number}.csv"));
            let spec = Spec::new(number.into(), rows, rows / 20).unwrap();
            spec.write_to(File::create(&file).unwrap()).unwrap();
            Agency { number, file, rows }
        };
        (1..=agencies).map(agency).collect()
    }

    /// A central on this database.
    pub fn central(&self, environment: Environment<'_>) -> (Running, SocketAddr) {
        let url = self.database.url("postgres", "postgres");
        self.central_at(&url, environment)
    }

    /// A central on the database of this URL.
    pub fn central_at(&self, url: &str, environment: Environment<'_>) -> (Running, SocketAddr) {
        let mut all = vec![("SERVER_STORE", url)];
        all.extend(environment);
        programs::central(self.folder(), &all).unwrap()
    }

    /// The command of an agency's client.
    pub fn client(&self, agency: &Agency, central: SocketAddr) -> Command {
        programs::agency(agency.number, &agency.file, central, self.folder()).unwrap()
    }

    /// The program on the database of this URL, to be run to its end.
    pub fn program(&self, url: &str, environment: Environment<'_>) -> Command {
        let mut command = Command::new(programs::program("event-server").unwrap());
        command.current_dir(self.folder()).env("SERVER_STORE", url);
        command.envs(environment.iter().copied());
        command
    }

    /// A central's own command, which ends by itself: how it ended, what it printed, and its log.
    pub fn operate(&self, arguments: &[&str], environment: Environment<'_>) -> Ended {
        let mut command = Command::new(programs::program("event-server").unwrap());
        let url = self.database.url("postgres", "postgres");
        command.current_dir(self.folder()).args(arguments);
        command.env("SERVER_STORE", url);
        run(command.envs(environment.iter().copied()))
    }

    /// Asserts that every row of these agencies is stored exactly once and in order, that no version is missing, and
    /// that there is one draw; and returns the winners of each, as SQL finds them.
    pub fn assert_whole(&self, agencies: &[Agency]) -> Vec<String> {
        let sql = |text: &str| self.database.sql(text).unwrap();
        for Agency { number, file, rows } in agencies {
            let columns = "first_name, last_name, document, birthdate, number";
            let differences = sql(&format!(
                "create temp table expected (first_name text, last_name text, document text, birthdate date, number int);
                 \\copy expected from '{}' csv
                 select count(*) from (
                   (select {columns} from lottery.bets where agency = {number} except all select {columns} from expected)
                   union all
                   (select {columns} from expected except all select {columns} from lottery.bets where agency = {number})
                 ) differences",
                file.display()
            ));
            assert_eq!(differences, "0", "agency {number}");
            let seq = sql(&format!(
                "select count(*), count(distinct seq), min(seq), max(seq) from lottery.bets where agency = {number}"
            ));
            assert_eq!(seq, format!("{rows}|{rows}|0|{}", rows - 1));
            let ordered = self.database.sql(&format!(
                "select {columns} from lottery.bets where agency = {number} order by seq \\g (format=csv) | cat"
            ));
            let stored = ordered.unwrap();
            let sent = fs::read_to_string(file).unwrap().replace("\r\n", "\n");
            assert!(stored == sent.trim_end(), "agency {number}: another order");
        }
        assert_eq!(sql(MISSING_VERSIONS), "", "a version is missing");
        assert_eq!(
            sql("select agency from lottery.commits c group by agency
                 having max(bets) <> (select count(*) from lottery.bets b where b.agency = c.agency)"),
            "",
            "a commit says another number of bets than there are"
        );
        assert_eq!(sql("select count(*) from lottery.draw"), "1");
        let winners = |agency: &Agency| {
            sql(&format!(
                "select document from lottery.bets where agency = {} and number =
                 (select winner from lottery.draw) order by seq",
                agency.number
            ))
        };
        agencies.iter().map(winners).collect()
    }
}

/// Versions that follow a missing one, unless that was taken out because it changed nothing.
pub const MISSING_VERSIONS: &str = "
    select agency, version from (
      select agency, version, lag(version) over w as before, lag(bets) over w as mark
      from lottery.commits window w as (partition by agency order by version)) versions
    where version <> coalesce(before, 0) + 1 and mark is distinct from -1";

/// Fills the disk of the database, as far as this table of the lottery is concerned.
pub fn fill_disk(stage: &Stage, table: &str) {
    let full = format!(
        "create function full_disk() returns trigger language plpgsql as
         $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$;
         create trigger full_disk before insert on lottery.{table} for each row execute function full_disk()"
    );
    stage.database.sql(&full).unwrap();
}

/// For a central whose commits wait for a lock as long as the test wants.
pub const PATIENT: (&str, &str) = ("SERVER_STORE_TIMEOUT", "10m");

/// For a central whose agencies are in one group.
pub const ONE_SESSION: (&str, &str) = ("SERVER_STORE_SESSIONS", "1");

/// A session that keeps a lock until it is dropped.
pub struct Lock(Child);

impl Lock {
    /// Locks a table of the lottery, so that nobody writes to it.
    pub fn table(stage: &Stage, table: &str) -> Self {
        Self::take(stage, table, "exclusive", "ExclusiveLock")
    }

    /// Locks a table of the lottery, so that nobody reads it or writes to it.
    pub fn whole_table(stage: &Stage, table: &str) -> Self {
        Self::take(stage, table, "access exclusive", "AccessExclusiveLock")
    }

    fn take(stage: &Stage, table: &str, mode: &str, listed: &str) -> Self {
        let mut psql = stage
            .database
            .psql("postgres")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = psql.stdin.as_mut().unwrap();
        let sql = format!("begin; lock table lottery.{table} in {mode} mode;\n");
        stdin.write_all(sql.as_bytes()).unwrap();
        stdin.flush().unwrap();
        let lock = Self(psql);
        eventually("the table is locked", || {
            count(
                stage,
                &format!(
                    "pg_locks where mode = '{listed}' and relation = 'lottery.{table}'::regclass and granted"
                ),
            ) == 1
        });
        lock
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many rows there are of these.
pub fn count(stage: &Stage, from: &str) -> u32 {
    let rows = stage
        .database
        .sql(&format!("select count(*) from {from}"))
        .unwrap();
    rows.parse().unwrap()
}

/// Waits until a central's commit waits for a lock.
pub fn await_blocked(stage: &Stage) {
    await_all_blocked(stage, 1);
}

/// Waits until this number of commits of centrals wait for a lock.
pub fn await_all_blocked(stage: &Stage, commits: u32) {
    eventually("the commits wait", || {
        count(
            stage,
            "pg_stat_activity where application_name like 'event-server%' and wait_event_type = 'Lock'",
        ) == commits
    });
}

/// Has commits wait for the replicas of these names.
pub fn wait_for_replicas(stage: &Stage, names: &str) {
    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    sql(&format!(
        "alter system set synchronous_standby_names = '{names}';\nselect pg_reload_conf()"
    ));
    eventually("the setting is in force", || {
        sql("show synchronous_standby_names") == names
    });
}

/// A program that has ended.
pub struct Ended {
    pub status: ExitStatus,
    pub told: String,
    pub log: String,
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        status: output.status,
        told: text(output.stdout).trim_end().to_owned(),
        log: text(output.stderr),
    }
}
