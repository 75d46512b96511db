//! The program as a process, against servers written for the tests: its log lines, its exit codes, and SIGTERM in every
//! phase.

mod centrals;
mod changed_file;
mod check;
mod client;
mod echo_and_bet;
mod fake;
mod input;
mod modes;
mod plain;
mod resume;
mod signals;
mod terminal;
