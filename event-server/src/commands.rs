//! What the program does, one file a command.

pub mod agencies;
pub mod backup;
pub mod check;
pub mod completions;
pub mod export;
pub mod finish;
pub mod folder;
pub mod man;
pub mod moving;
pub mod participant;
pub mod progress;
pub mod reopen;
pub mod serve;
pub mod settings;
pub mod status;
pub mod verify;
pub mod winners;
