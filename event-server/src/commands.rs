//! What the program does, one file a command.

pub mod agencies;
pub mod check;
pub mod completions;
pub mod export;
pub mod folder;
pub mod man;
pub mod reopen;
pub mod serve;
pub mod settings;
