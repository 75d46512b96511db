//! What the client asks of the server.

use std::fmt;

/// What the client was doing with the server. Displays as what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A line of text that the server should send back.
    Echo,
    /// A single bet.
    Bet,
    /// A batch of bets.
    Batch,
    /// Saying that no more bets will come.
    Finished,
    /// Asking for the winners.
    Winners,
    /// Asking how much of an upload is stored.
    Resume,
}

impl Step {
    /// The `action` of the log lines about this step.
    pub fn action(self) -> &'static str {
        match self {
            Self::Echo => "receive_message",
            Self::Bet => "apuesta_enviada",
            Self::Batch => "batch_enviado",
            Self::Finished => "notify_finished",
            Self::Winners => "consulta_ganadores",
            Self::Resume => "resume",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echo => "the message",
            Self::Bet => "the bet",
            Self::Batch => "a batch",
            Self::Finished => "\"finished\"",
            Self::Winners => "the winners query",
            Self::Resume => "\"resume\"",
        })
    }
}
