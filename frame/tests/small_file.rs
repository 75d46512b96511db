//! Files that are read whole: up to the bound, and not a byte more.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use frame::small_file::{MOST, read, read_regular, read_text};

fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_file_of_a_mebibyte_is_read_and_one_of_a_byte_more_is_not() {
    assert_eq!(MOST, 1_048_576);
    let mut content = vec![b'x'; 1_048_576];
    let path = file("largest", &content);
    assert!(read(&path).unwrap() == content);
    content.push(b'x');
    let larger = read(&file("larger", &content)).unwrap_err();
    let endless = read(Path::new("/dev/zero")).unwrap_err();
    for error in [larger, endless] {
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(
            error.to_string(),
            "it has more than 1048576 bytes, so it is another file than the one that is wanted"
        );
    }
}

#[test]
fn text_is_read_as_it_stands_there_and_anything_else_is_told() {
    let text = "server.address: central\nñandú\n";
    assert_eq!(read_text(&file("text", text.as_bytes())).unwrap(), text);
    let error = read_text(&file("latin-1", b"\xf1and\xfa")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(
        error.to_string(),
        "it is not text in UTF-8: save it as UTF-8"
    );
    let nowhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nowhere");
    let error = read_text(&nowhere).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn where_nobody_may_be_kept_waiting_a_plain_file_is_read_and_nothing_else() {
    assert_eq!(read_regular(&file("plain", b"x")).unwrap(), b"x");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pipe = folder.join(format!("pipe-{}", std::process::id()));
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for other in [pipe.as_path(), Path::new("/dev/zero"), folder] {
        let error = read_regular(other).unwrap_err();
        let sentence = "it is no plain file, and reading it could keep the program waiting";
        assert_eq!(error.to_string(), sentence, "{}", other.display());
    }
    fs::remove_file(&pipe).unwrap();
    let error = read_regular(&folder.join("nowhere")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
