//! What is seen of a connection from outside.

use super::Connection;
use super::state::State;
use crate::stream::Stream;

impl<S: Stream> Connection<S> {
    /// The names of all states.
    pub const STATES: [&str; State::NAMES.len()] = State::NAMES;

    /// The name of the state that it is in.
    pub fn state_name(&self) -> &'static str {
        self.state.name()
    }
}
