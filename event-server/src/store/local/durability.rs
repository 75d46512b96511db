//! Whether what is acknowledged outlives a power cut.

/// Whether what is acknowledged outlives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It does: every turn is synced before it is acknowledged.
    Always,
    /// It outlives the process alone: nothing is synced.
    Never,
}
