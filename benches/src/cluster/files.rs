//! The agencies' files: several times as many bets as the fixtures have.

use std::fs::{File, Permissions, set_permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fixtures::{FIXTURES, Row, Spec, WINNER};
use tempfile::TempDir;

use super::services::AGENCIES;

/// The files, in a folder that is deleted when this is dropped.
pub struct Files {
    folder: TempDir,
    specs: [Spec; AGENCIES],
}

impl Files {
    /// Writes `agency-1.csv` to `agency-5.csv`, `times` as long as the fixtures. Clients in containers, which are other users,
    /// may read them.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn make(times: usize) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("agencies-").tempdir()?;
        let mut specs = FIXTURES.map(|fixture| fixture.spec);
        for (fixture, spec) in FIXTURES.iter().zip(&mut specs) {
            let rows = fixture.spec.rows().len() * times;
            let winners = fixture.winners.len() * times;
            *spec = Spec::new(fixture.agency.into(), rows, winners).map_err(io::Error::other)?;
            let path = folder.path().join(fixture.name());
            spec.write_to(File::create(&path)?)?;
            set_permissions(&path, Permissions::from_mode(0o644))?;
        }
        set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        Ok(Self { folder, specs })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the rows of an agency's file, in their order.
    pub(super) fn rows(&self, agency: usize) -> impl ExactSizeIterator<Item = Row> {
        self.specs[agency - 1].rows()
    }

    /// Returns the number of bets in all files.
    pub fn bets(&self) -> usize {
        self.specs.iter().map(|spec| spec.rows().len()).sum()
    }

    /// Returns the documents that win for an agency, in the file's order.
    pub(super) fn winners(&self, agency: usize) -> Vec<String> {
        let winners = self.rows(agency).filter(|row| row.number == WINNER);
        winners.map(|row| row.document.to_string()).collect()
    }
}
