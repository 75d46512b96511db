//! What every step of mode batch needs, toward either kind of server.

use frame::{BetError, Documents};

use crate::config::Config;
use crate::file::AgencyFile;
use crate::progress::Progress;

/// One run of mode batch.
pub(crate) struct Job<'a> {
    pub(crate) config: &'a Config,
    pub(crate) file: AgencyFile<'a>,
    pub(crate) progress: &'a Progress,
}

/// Copies the winners' documents out of a reply.
///
/// # Errors
/// The list does not follow the grammar of the protocol.
pub(crate) fn copy_documents(documents: Documents<'_>) -> Result<Vec<String>, BetError> {
    let documents = documents.to_vec()?;
    Ok(documents.into_iter().map(|d| d.into_owned()).collect())
}
