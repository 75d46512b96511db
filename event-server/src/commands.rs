//! What the program does, one file a command.

pub mod check;
pub mod export;
pub mod reopen;
pub mod serve;
pub mod settings;
