//! A lottery in a folder, opened by the central, or by a command that changes it while no central runs.

use std::ops::ControlFlow;
use std::path::Path;

use event_server::config::Config;
use event_server::fact::Fact;
use event_server::lottery::{Lottery, NumberRefusal};
use event_server::report;
use event_server::store::local::{
    Durability, Folder, LocalStore, Name, OnProgress, Progress, ReadOnlyFolder, Recovery,
    StoreError, WalStore,
};
use event_server::store::{Draft as _, Store as _};

use crate::failure::{CONFIGURATION, Failure, IO_ERROR};

/// A lottery and the files that keep it.
pub struct LocalLottery {
    pub lottery: Lottery,
    pub store: LocalStore<Folder>,
}

impl LocalLottery {
    /// Opens the folder for a central, which goes on with the number of agencies that is stored there. `None`: the
    /// reading was stopped.
    pub fn start(
        config: &Config,
        folder: &Path,
        durability: Durability,
        mut on_progress: impl FnMut(Progress) -> ControlFlow<()>,
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
        // The log that was found takes no records.
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
        let store = LocalStore::new(wal);
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
        draft.seal(fact);
        lottery.apply(&fact);
        store.commit(|| lottery.facts())?;
        Ok(store.close(lottery.facts())?)
    }
}

/// The folder, where it has a lottery: nothing is made where nothing is.
pub fn existing(folder: &Path) -> Result<ReadOnlyFolder, Failure> {
    let files = ReadOnlyFolder::open(folder)?;
    let is_there = |name: Name| folder.join(name.as_str()).exists();
    if is_there(Name::Log) || is_there(Name::Bets) {
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

/// The refusal of a start, with the ways out of it.
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
