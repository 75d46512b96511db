//! The runbook, read: of each section the commands that it has people type, and what it says that they see.

use std::fs;
use std::path::Path;

/// What a command begins with. Code that begins otherwise is a key, a file, a line of a log, or SQL.
const PROGRAMS: [&str; 11] = [
    "event-server",
    "batch-client",
    "systemctl",
    "journalctl",
    "kill",
    "curl",
    "sudo",
    "apt",
    "cp",
    "editor",
    "alter",
];

/// A section of the runbook.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its heading; that of the text before the first one is empty.
    pub title: String,
    /// Each command, once, in the order of the text.
    pub commands: Vec<String>,
    /// What people see: code that stands behind **You see**, and lines of the log behind a command.
    pub sights: Vec<String>,
    /// The words in bold letters that its parts begin with: `You see`, `It means`, `Type`, `You see then`.
    pub parts: Vec<String>,
}

/// Reads all sections.
pub fn sections() -> Vec<Section> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbook.md");
    read(&fs::read_to_string(path).unwrap())
}

fn read(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let (mut fence, mut paragraph) = (None, String::new());
    for line in text.lines() {
        let section = sections.last_mut().unwrap();
        if let Some(language) = line.strip_prefix("```") {
            section.paragraph(&std::mem::take(&mut paragraph));
            fence = fence.is_none().then(|| language.to_owned());
            continue;
        }
        match (fence.as_deref(), line.strip_prefix("## ")) {
            (Some("sh"), _) => section.command_line(line),
            (Some("text"), _) if section.sees() => section.sights.push(line.to_owned()),
            (Some(_), _) => {}
            (None, Some(title)) => sections.push(Section {
                title: title.to_owned(),
                ..Section::default()
            }),
            (None, None) if line.is_empty() => {
                section.paragraph(&std::mem::take(&mut paragraph));
            }
            (None, None) => {
                paragraph.push_str(line);
                paragraph.push(' ');
            }
        }
    }
    sections.last_mut().unwrap().paragraph(&paragraph);
    sections
}

impl Section {
    /// Whether what is read now belongs to what people see.
    fn sees(&self) -> bool {
        let part = self.parts.last();
        part.is_some_and(|part| part.starts_with("You see"))
    }

    /// A line that is typed; behind it there may be a comment.
    fn command_line(&mut self, line: &str) {
        let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
        self.command(command.trim());
        let comment = comment.trim();
        if comment.starts_with("action: ") {
            self.sights.push(comment.to_owned());
        }
    }

    fn command(&mut self, command: &str) {
        if !command.is_empty() && !self.commands.iter().any(|known| known == command) {
            self.commands.push(command.to_owned());
        }
    }

    /// A paragraph, a list or a table, its lines joined.
    fn paragraph(&mut self, text: &str) {
        let bold = text
            .strip_prefix("**")
            .and_then(|rest| rest.split_once("**"));
        if let Some((part, _)) = bold {
            self.parts
                .push(part.trim_end_matches([',', '.', ':']).to_owned());
        }
        // Every second piece stands between the signs of code.
        for code in text.split('`').skip(1).step_by(2) {
            let code = words(&code.replace("\\|", "|"));
            let program = code.split_once(' ').map(|(program, _)| program);
            if program.is_some_and(|program| PROGRAMS.contains(&program)) {
                self.command(&code);
            } else if self.sees() && is_sight(&code) {
                self.sights.push(code);
            }
        }
    }
}

/// Whether code is something that is seen: one word alone is a name, of a key, an alert or a file.
fn is_sight(code: &str) -> bool {
    code.contains(' ') && !code.starts_with('-')
}

/// The words of a text, with one blank between.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line of `text` holds what a sight says: `…` stands for anything, digits for other digits, and the number of an
/// upload for another one.
pub fn is_seen(sight: &str, text: &str) -> bool {
    let pattern = Pattern::parse(&words(sight));
    text.lines().map(words).any(|line| {
        (0..=line.len()).any(|at| line.get(at..).is_some_and(|rest| fits(&pattern, rest)))
    })
}

/// A piece of a sight.
#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Character(char),
    Digits,
    Upload,
    Anything,
}

/// Hexadecimal digits of the number of an upload.
const UPLOAD: usize = 32;

impl Pattern {
    fn parse(mut sight: &str) -> Vec<Self> {
        let mut pattern = Vec::new();
        while let Some(first) = sight.chars().next() {
            let count = |of: fn(&char) -> bool| sight.chars().take_while(of).count();
            let (hexadecimal, digits) =
                (count(char::is_ascii_hexdigit), count(char::is_ascii_digit));
            let (piece, length) = match first {
                '…' => (Self::Anything, first.len_utf8()),
                _ if hexadecimal == UPLOAD => (Self::Upload, UPLOAD),
                _ if digits > 0 => (Self::Digits, digits),
                _ => (Self::Character(first), first.len_utf8()),
            };
            pattern.push(piece);
            sight = &sight[length..];
        }
        pattern
    }
}

/// Whether a text begins as a pattern says.
fn fits(pattern: &[Pattern], text: &str) -> bool {
    let Some((first, pattern)) = pattern.split_first() else {
        return true;
    };
    let behind = |count: usize| text.get(count..).is_some_and(|rest| fits(pattern, rest));
    let count = |of: fn(&char) -> bool| text.chars().take_while(of).count();
    match first {
        Pattern::Character(c) => text.starts_with(*c) && behind(c.len_utf8()),
        Pattern::Digits => match count(char::is_ascii_digit) {
            0 => false,
            digits => behind(digits),
        },
        Pattern::Upload => count(char::is_ascii_hexdigit) == UPLOAD && behind(UPLOAD),
        Pattern::Anything => (0..=text.len()).any(behind),
    }
}

#[test]
fn commands_and_sights_are_found_wherever_they_stand() {
    let text = "\
before `event-server one` and `SERVER_PORT`

## A heading

**You see** `action: a | result:
fail | error: …`, and

- `no space: …`; `SERVER_PORT`, `/readyz`, `event-server two --x 'a b'`

**Type**

```sh
event-server three > 'a.csv'   # action: b | result: success
event-server one               # nothing
event-server one
```

**You see then** `ready to go`.

```text
agency 1: 5 bets
```
";
    let sections = read(text);
    assert_eq!(sections[0].commands, ["event-server one"]);
    assert_eq!(sections[0].sights, [""; 0]);
    let Section {
        title,
        commands,
        sights,
        parts,
    } = &sections[1];
    assert_eq!(title, "A heading");
    assert_eq!(
        commands,
        &[
            "event-server two --x 'a b'",
            "event-server three > 'a.csv'",
            "event-server one"
        ]
    );
    let expected = [
        "action: a | result: fail | error: …",
        "no space: …",
        "action: b | result: success",
        "ready to go",
        "agency 1: 5 bets",
    ];
    assert_eq!(sights, &expected);
    assert_eq!(parts, &["You see", "Type", "You see then"]);
}

#[test]
fn a_sight_is_seen_in_one_line_with_other_numbers() {
    let log = "2024-08-21 22:11:15 INFO     action: a | result: success | cantidad: 12 | folder: /x\nnext line\n";
    assert!(is_seen(
        "action: a | result: success | cantidad: 9876 | folder: …",
        log
    ));
    assert!(is_seen("action: a | … | folder: /x", log));
    for other in [
        "action: a | result: fail",
        "cantidad: x",
        "folder: … line",
        "action: a | result: success | cantidad: 12 | folder: /y",
    ] {
        assert!(!is_seen(other, log), "{other}");
    }
    let upload = "0123456789abcdef0123456789abcdef";
    assert!(is_seen(
        upload,
        "upload ffffffffffffffffffffffffffffffff, barred"
    ));
    assert!(!is_seen(upload, "upload ffff"));
}
