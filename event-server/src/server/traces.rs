//! The traces of a central: begun with it or by SIGUSR1, ended by the next SIGUSR1, by their bound, or by their file.
//!
//! What happens to a trace is logged. No error of a trace ends the central.

use std::path::PathBuf;

use frame::trace;

use crate::report;

/// How the process is named in a trace.
const PROGRAM: &str = "event-server";

/// Where traces go.
pub(super) struct Traces {
    path: Option<PathBuf>,
    most: u64,
    /// How many were begun.
    begun: u32,
}

impl Traces {
    /// Begins without a trace. Each trace has at most `most` bytes. The first one goes to the file `path`, each further
    /// one to a file with its number in the name; without a path they go to the folder for temporary files.
    pub(super) fn new(path: Option<PathBuf>, most: u64) -> Self {
        Self {
            path,
            most,
            begun: 0,
        }
    }

    /// Begins a trace if the configuration names a file.
    pub(super) fn start(&mut self) {
        if self.path.is_some() {
            self.begin();
        }
    }

    /// Ends the trace that is under way, or begins one. Returns whether one began.
    pub(super) fn switch(&mut self) -> bool {
        match trace::end() {
            Some(path) => {
                report::trace_ended(&path);
                false
            }
            None => self.begin(),
        }
    }

    fn begin(&mut self) -> bool {
        self.begun += 1;
        let path = self.next_path();
        match trace::begin(&path, self.most, PROGRAM) {
            Ok(()) => {
                report::trace_begun(&path);
                true
            }
            Err(e) => {
                report::trace_failed(&path, &e);
                false
            }
        }
    }

    fn next_path(&self) -> PathBuf {
        let Some(path) = &self.path else {
            let name = format!("event-server-{}-{}.json", std::process::id(), self.begun);
            return std::env::temp_dir().join(name);
        };
        if self.begun == 1 {
            return path.clone();
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let extension = path.extension().map(|end| format!(".{}", end.display()));
        let extension = extension.unwrap_or_default();
        path.with_file_name(format!("{stem}-{}{extension}", self.begun))
    }

    /// Hands over what was recorded. To be called once a turn.
    pub(super) fn flush() {
        if let Some((path, why)) = trace::flush() {
            report::trace_stopped(&path, &why);
        }
    }

    /// Ends the trace that is under way: the central stops.
    pub(super) fn finish() {
        if let Some(path) = trace::end() {
            report::trace_ended(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_trace_has_its_number_before_the_ending_of_its_name() {
        let mut traces = Traces::new(Some("a.b/show.json".into()), 0);
        traces.begun = 1;
        assert_eq!(traces.next_path(), PathBuf::from("a.b/show.json"));
        traces.begun = 2;
        assert_eq!(traces.next_path(), PathBuf::from("a.b/show-2.json"));
        traces.path = Some("show".into());
        assert_eq!(traces.next_path(), PathBuf::from("show-2"));
    }
}
