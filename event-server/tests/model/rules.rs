//! The rules of the design that a test can break, each alone.

/// Whether each of them holds.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A version is appended where it is free and the one before it is there, with as many bets as the new one builds on.
    pub a_version_follows_what_its_central_knows: bool,
    /// A statement compares the version before with what its central knows. Without a pooler the number of the version says it.
    pub the_version_before_must_fit: bool,
    /// Behind `finished` no bet is appended.
    pub nothing_follows_finished: bool,
    /// The statement that draws looks again whether all have finished.
    pub the_draw_looks_once_more: bool,
    /// A commit is acknowledged when a standby has it.
    pub a_commit_waits_for_the_standby: bool,
    /// A resume appends a version before it is answered.
    pub a_resume_is_a_commit: bool,
    /// What was read counts once a later commit of the same session is acknowledged.
    pub a_later_commit_of_the_same_session_confirms: bool,
    /// A lost session closes the connections of its agencies.
    pub a_lost_session_closes_its_agencies: bool,
    /// An agency that is forgotten to make room loses its connection.
    pub forgetting_closes_the_connection: bool,
    /// Where the answer to a commit is lost, nobody is told that it is done.
    pub an_unknown_outcome_is_not_told: bool,
    /// A transaction that is answered by another backend than the one before it ends the session.
    pub another_backend_ends_the_session: bool,
    /// An upload that was taken out is not gone on with.
    pub an_upload_taken_out_is_barred: bool,
}

impl Rules {
    /// All of them.
    pub const ALL: Self = Self {
        a_version_follows_what_its_central_knows: true,
        the_version_before_must_fit: true,
        nothing_follows_finished: true,
        the_draw_looks_once_more: true,
        a_commit_waits_for_the_standby: true,
        a_resume_is_a_commit: true,
        a_later_commit_of_the_same_session_confirms: true,
        a_lost_session_closes_its_agencies: true,
        forgetting_closes_the_connection: true,
        an_unknown_outcome_is_not_told: true,
        another_backend_ends_the_session: true,
        an_upload_taken_out_is_barred: true,
    };
}
