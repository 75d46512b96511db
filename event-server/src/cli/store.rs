//! The stored lottery that a command works on: where it is, a folder opened for it, and the progress of a long reading.
//!
//! A folder is opened by a central, by a command that changes it while no central runs, or read-only at any time.

use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use event_server::config::{Config, StoreConfig};
use event_server::facts::Fact;
use event_server::lottery::{Lottery, NumberRefusal};
use event_server::report;
use event_server::store::files::{
    Durability, FileName, FileStore, Folder, OnProgress, Progress as Read, ReadOnlyFolder,
    Recovery, StoreError, WalStore,
};
use event_server::store::postgres::LinkOptions;
use event_server::store::{Draft as _, Store as _};

use super::failure::{CONFIGURATION, Failure, IO_ERROR};

/// A lottery and the files that keep it.
pub struct LocalLottery {
    pub lottery: Lottery,
    pub store: FileStore<Folder>,
}

impl LocalLottery {
    /// Opens the folder for a central. Fails if its lottery has another number of agencies than the configuration.
    /// Returns `None` if `on_progress` stopped the reading.
    pub fn start(
        config: &Config,
        folder: &Path,
        durability: Durability,
        mut on_progress: impl FnMut(Read) -> ControlFlow<()>,
    ) -> Result<Option<Self>, Failure> {
        let mut found = match Self::read(config, folder, durability, Some(&mut on_progress)) {
            Err(StoreError::Stopped) => return Ok(None),
            found => found?,
        };
        let recovery = &found.1;
        report::store_opened(recovery);
        warn(recovery);
        let Self { lottery, store } = &mut found.0;
        lottery
            .start(config.agencies, store.has_rows())
            .map_err(|refusal| refused(folder, refusal))?;
        if store.has_rows() && lottery.unsettled_number().is_some() {
            report::store_warning(&format_args!(
                "the folder did not say how many agencies take part: {} from now on (SERVER_AGENCIES), which \
                 event-server agencies N can change before the draw",
                config.agencies
            ));
        }
        Ok(Some(found.0))
    }

    /// Opens a folder that has a lottery, for a command that changes it.
    pub fn change(config: &Config, folder: &Path, durability: Durability) -> Result<Self, Failure> {
        existing(folder)?;
        let (mut found, recovery) = Self::read(config, folder, durability, None)?;
        warn(&recovery);
        let Self { lottery, store } = &mut found;
        // The log that was found takes no further records: this begins a new one.
        store.commit(|| lottery.facts())?;
        Ok(found)
    }

    fn read(
        config: &Config,
        folder: &Path,
        durability: Durability,
        on_progress: Option<OnProgress<'_>>,
    ) -> Result<(Self, Recovery), StoreError> {
        let mut lottery = Lottery::new(config.agencies);
        let files = Folder::open(folder)?;
        let replay = |fact: &Fact| lottery.apply(fact);
        let (wal, recovery) = WalStore::open_with_progress(files, durability, replay, on_progress)?;
        let store = FileStore::new(wal);
        Ok((Self { lottery, store }, recovery))
    }

    /// Makes a fact durable, and closes the store.
    pub fn record(self, fact: Fact) -> Result<(), Failure> {
        let Self {
            mut lottery,
            mut store,
        } = self;
        let draft = store.draft(0);
        let draft = draft
            .map_err(|e| Failure::new(IO_ERROR, format_args!("{e}; make room and run it again")))?;
        draft.stage(fact);
        lottery.apply(&fact);
        store.commit(|| lottery.facts())?;
        Ok(store.close(lottery.facts())?)
    }
}

/// Opens the folder for reading. Fails if there is no lottery in it; creates nothing.
pub fn existing(folder: &Path) -> Result<ReadOnlyFolder, Failure> {
    let files = ReadOnlyFolder::open(folder)?;
    let is_there = |name: FileName| folder.join(name.as_str()).exists();
    if is_there(FileName::Log) || is_there(FileName::Bets) {
        return Ok(files);
    }
    let folder = folder.display();
    Err(Failure::new(
        IO_ERROR,
        format_args!("there is no lottery in {folder}: name its folder with --data-dir"),
    ))
}

fn warn(recovery: &Recovery) {
    let warnings = recovery.warnings.iter();
    warnings.for_each(|warning| report::store_warning(warning));
}

/// Explains why the server does not start with this number of agencies, and what to do.
fn refused(folder: &Path, refusal: NumberRefusal) -> Failure {
    let way = match refusal {
        NumberRefusal::Other { stored, wanted } => format!(
            "set it to {stored}, change the lottery with  event-server agencies {wanted}  before the draw"
        ),
        NumberRefusal::AgencyAbove { agency, .. } => {
            format!("set SERVER_AGENCIES to {agency} or more")
        }
        NumberRefusal::Drawn => "set SERVER_AGENCIES as it was".to_owned(),
    };
    let folder = folder.display();
    Failure::new(
        CONFIGURATION,
        format_args!("{folder}: {refusal}: {way}, or set another SERVER_DATA_DIR"),
    )
}

/// Returns in words where the lottery is stored.
pub fn place(config: &Config) -> String {
    match &config.store {
        StoreConfig::Files { data_dir, .. } => format!("the folder {}", data_dir.display()),
        StoreConfig::Postgres(options) => {
            let LinkOptions { url, lottery, .. } = &**options;
            let hosts: Vec<String> = url.hosts.iter().map(ToString::to_string).collect();
            let (database, hosts) = (&url.database, hosts.join(","));
            format!("schema {lottery} of the database {database} at {hosts}")
        }
    }
}

/// The time between two updates of the progress line.
const PAUSE: Duration = Duration::from_millis(200);

/// The progress of a long command, shown on a terminal alone: one line on standard error that is overwritten, and removed
/// at the end.
pub struct Progress {
    what: &'static str,
    is_enabled: bool,
    /// The line was written, so it is to be removed.
    is_drawn: bool,
    next: Instant,
}

impl Progress {
    /// Begins without a line. `what` names the work. With `quiet`, or without a terminal, nothing is shown.
    pub fn new(what: &'static str, quiet: bool) -> Self {
        let terminal = std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb");
        Self {
            what,
            is_enabled: !quiet && terminal && io::stderr().is_terminal(),
            is_drawn: false,
            next: Instant::now() + PAUSE,
        }
    }

    /// Shows that `done` of about `of` bytes or rows are done.
    pub fn tell(&mut self, done: u64, of: u64) {
        if !self.is_enabled || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + PAUSE;
        self.is_drawn = true;
        let percent = u128::from(done.min(of)) * 100 / u128::from(of.max(1));
        // The line is a convenience: an error here changes nothing.
        let _ = write!(io::stderr(), "\r{}: {percent} %", self.what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
