//! Centrals on a real PostgreSQL, which the tests start. Where it is not installed they say so and pass, unless
//! REQUIRE_POSTGRES is set.
//!
//! ```text
//! stage     a database, centrals on it, agencies with their files, and what SQL says of every row in the end
//! serving   what agencies, operators and other centrals see
//! looking   how a lottery stands, and whether it is sound
//! operating what operators change, beside the centrals
//! reload    what SIGHUP has it read again
//! refused   a database that cannot be used: one sentence each
//! claims    what is left by agencies that resume without end, and how many agencies are let in
//! draw      a draw over a table that takes long to read
//! backup    copies of it
//! away      a database that is away, goes, is silent, is full, comes back
//! locks     locks that somebody holds, and sessions that nobody listens to
//! several   a central with several sessions, of which one is lost
//! settings  what a role or an administrator has set
//! moving    from files to a database, and back
//! interrupted  the same, by a signal or by a database that goes away
//! pooler    a pooler in between
//! urls      the URLs that people have, and how a central shows who it is
//! survival  everything is killed in the middle, seeded
//! ```

#[path = "../common/mod.rs"]
mod common;

mod away;
mod backup;
mod claims;
mod draw;
mod interrupted;
mod locks;
mod looking;
mod moving;
mod operating;
mod pooler;
mod refused;
mod reload;
mod serving;
mod settings;
mod several;
mod stage;
mod survival;
mod urls;
