//! The rules of the source code: which file may name which library, no circles of imports, and how large a file is.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

/// Adds every source file below a folder, by its path below `root`, without comments.
fn sources(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(root, &path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let name = path.strip_prefix(root).unwrap().display().to_string();
        found.push((name, code.flat_map(|line| [line, "\n"]).collect()));
    }
}

/// Whether `code` has `word` as a whole word.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

#[test]
fn no_two_files_import_each_other() {
    fixtures::imports::assert_no_circles(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn each_library_is_named_in_one_file_or_folder_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &root, &mut files);
    for (library, place) in [
        // It is archived upstream, so it should be easy to replace.
        ("serde_yaml", "config/yaml.rs"),
        ("serde", "config/yaml.rs"),
        ("clap", "command_line.rs"),
        ("manual", "command_line.rs"),
        ("indicatif", "progress/bar.rs"),
        // The clock of the calendar.
        ("jiff", "check.rs"),
        ("tempfile", "file.rs"),
        ("mio", "event_loop"),
        ("signal_hook", "event_loop"),
        ("signal_hook_mio", "event_loop"),
        ("socket2", "event_loop"),
        ("crc32fast", "blocks.rs"),
        ("blake3", "scan.rs"),
        ("tracing", "report.rs"),
    ] {
        let inside = |file: &str| {
            file == place
                || file.strip_suffix(".rs") == Some(place)
                || file.starts_with(&format!("{place}/"))
        };
        let naming = files.iter().filter(|(_, code)| names(code, library));
        let (right, wrong): (Vec<&str>, Vec<&str>) = naming
            .map(|(file, _)| file.as_str())
            .partition(|file| inside(file));
        assert_eq!(wrong, [""; 0], "only {place} may name {library}");
        assert!(!right.is_empty(), "{place} does not name {library}");
    }
}

/// The most lines of a file, and the fewest, comments and unit tests among them.
const LINES: RangeInclusive<usize> = 60..=450;

#[test]
fn each_file_is_large_enough_to_hold_one_thing_and_small_enough_to_be_read_at_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &root, &mut files);
    // The map of the crate: it holds no code.
    files.retain(|(name, _)| name != "lib.rs");
    let sizes = files.iter().map(|(name, _)| {
        let text = fs::read_to_string(root.join(name)).unwrap();
        (name.as_str(), text.lines().count())
    });
    let wrong: Vec<_> = sizes.filter(|(_, lines)| !LINES.contains(lines)).collect();
    assert_eq!(wrong, [], "files of other than {LINES:?} lines");
}
