//! Which library is named where.

use std::fs;
use std::path::Path;

/// Every source file below a folder, by its path there, without comments.
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

/// Whether `code` has `word` with no letter, digit or underscore around it.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

#[test]
fn each_library_is_named_in_its_room_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &root, &mut files);
    for (word, room) in [
        // Archived upstream: who replaces it finds it in one place.
        ("serde_yaml", "config/settings.rs"),
        ("clap", "main.rs"),
        ("indicatif", "progress.rs"),
        ("mio", "event_loop.rs"),
        ("signal_hook", "event_loop.rs"),
        ("signal_hook_mio", "event_loop.rs"),
        ("socket2", "event_loop.rs"),
        ("crc32fast", "lines.rs"),
        ("md5", "batch.rs"),
        ("tracing", "report.rs"),
    ] {
        let rooms = files.iter().filter(|(_, code)| names(code, word));
        let rooms: Vec<&str> = rooms.map(|(file, _)| file.as_str()).collect();
        assert_eq!(rooms, [room], "{word} has one room");
    }
}
