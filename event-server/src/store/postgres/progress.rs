//! How far the draw is, as this central knows.

use crate::store::Drawn;

/// How far the draw is.
pub(super) enum Progress {
    /// Some agency has not finished, as far as is known here.
    Open,
    /// To be drawn, or the draw to be read.
    Due,
    /// The draw is done; its winners are looked for.
    Scanning,
    /// The result, until the lottery takes it.
    Drawn(Drawn),
    /// The lottery has it.
    Done,
}
