//! Everything is killed in the middle.
