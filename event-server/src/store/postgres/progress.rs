//! How far the draw is, as this central knows.

/// How far the draw is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Some agency has not finished, as far as is known here.
    Open,
    /// To be drawn, or the draw to be read.
    Due,
    /// The draw is done; its winners are looked for.
    Scanning,
    /// The winners were told.
    Done,
}
