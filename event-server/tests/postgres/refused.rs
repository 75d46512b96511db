//! A database that cannot be used: one sentence that says what to do.
