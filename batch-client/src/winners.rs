//! The winners of an agency: a list of documents that takes little more memory than its text, whatever a server sends.

use frame::{BetError, Documents};

/// Documents, in the order in which their bets were stored. A reply has at most [`MAX_REPLY`](frame::MAX_REPLY) bytes, so
/// all of them together have less than 4 GiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WinnerList {
    /// All documents, one behind the other.
    text: String,
    /// Where each ends in the text. It begins where the one before it ends.
    ends: Vec<u32>,
}

impl WinnerList {
    /// Copies the documents out of a reply.
    ///
    /// # Errors
    /// The list does not follow the grammar of the protocol.
    pub(crate) fn copy(documents: Documents<'_>) -> Result<Self, BetError> {
        let mut list = Self::default();
        documents.for_each(|document| {
            list.text.push_str(&document);
            list.ends.push(list.text.len() as u32);
        })?;
        Ok(list)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The documents in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let end = *end as usize;
            &self.text[std::mem::replace(&mut begin, end)..end]
        })
    }
}
