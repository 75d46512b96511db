//! A section of the runbook, played: its commands are typed as they stand there, in a folder in the place of the
//! system's, and what the programs say is compared with what the section says that people see.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fixtures::Spec;
use fixtures::programs::{Running, listen_address, program};
use tempfile::TempDir;

use crate::document::{Section, is_seen, sections};

/// Programs of the system that a test cannot have: each notes what it was asked for, and does what the section is about.
const STAND_INS: [(&str, &str); 6] = [
    // `reload` is what the unit says: ExecReload sends SIGHUP.
    (
        "systemctl",
        r#"for unit; do case $unit in *.service|*.socket) test -f "$PACKAGING/$unit" || exit 5 ;; esac; done
           case "$*" in
               "reload event-server") grep -q '^ExecReload=.*HUP' "$PACKAGING/event-server.service" || exit 3
                                      kill -HUP "$(cat pid)" ;;
               daemon-reload|"start event-server"|"stop event-server"|"restart event-server") ;;
               "enable --now event-server.socket"|"stop event-server.socket event-server.service") ;;
               *) exit 2 ;;
           esac"#,
    ),
    (
        "journalctl",
        r#"test "$*" = "-u event-server" && cat journal"#,
    ),
    (
        "sudo",
        r#"test "$1 $2" = "-u event-server" || exit 2; shift 2; exec "$@""#,
    ),
    (
        "apt",
        r#"case "$*" in "install ./event-server_"*-1_amd64.deb) ;; *) exit 2 ;; esac"#,
    ),
    ("editor", r#"grep -q '^ListenStream=' "$1""#),
    ("rotatelogs", r#"test "$2" -gt 0 && exec cat >> "$1""#),
];

/// A section that is played.
pub struct Scene {
    section: Section,
    /// Whether each of its commands was typed.
    typed: Vec<bool>,
    /// Lines of the configuration, in front of the usual ones.
    settings: String,
    /// What the document writes, and what the scene has in its place.
    places: Vec<(String, String)>,
    folder: TempDir,
    /// All that was told: standard output, standard error, answers.
    told: String,
}

/// A command that has ended.
#[derive(Default)]
pub struct Ended {
    pub code: i32,
    pub told: String,
    pub log: String,
}

/// A central of the scene.
pub struct Central {
    pub running: Running,
    /// Where agencies find it.
    pub address: SocketAddr,
    /// Where it is watched.
    pub http: SocketAddr,
}

impl Scene {
    /// Sets the stage for the section of this title.
    pub fn of(title: &str) -> Self {
        let mut sections = sections().into_iter();
        let section = sections.find(|section| section.title == title);
        let section = section.unwrap_or_else(|| panic!("the runbook has no section '{title}'"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["bin", "backup", "system"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        for name in ["event-server", "batch-client"] {
            symlink(program(name).unwrap(), path.join("bin").join(name)).unwrap();
        }
        for (name, script) in STAND_INS {
            let file = path.join("bin").join(name);
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
        let places = [
            ("/etc/event-server/config.ini", path.join("config.ini")),
            ("/var/lib/lottery", path.join("data")),
            ("/backup/", path.join("backup/")),
            ("/usr/share/doc/event-server/examples/", packaging.join("")),
            ("/etc/systemd/system/", path.join("system/")),
        ];
        let places = places.map(|(written, real)| (written.to_owned(), real.display().to_string()));
        let scene = Self {
            typed: vec![false; section.commands.len()],
            section,
            settings: String::new(),
            places: places.into(),
            folder,
            told: String::new(),
        };
        scene.write_configuration(0);
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives the configuration these lines, beside the usual ones.
    pub fn configure(&mut self, lines: &str) {
        lines.clone_into(&mut self.settings);
        self.write_configuration(0);
    }

    fn write_configuration(&self, port: u16) {
        let (settings, data) = (&self.settings, self.path("data"));
        let usual = format!(
            "SERVER_PORT = {port}\nSERVER_HTTP = 127.0.0.1:0\nSERVER_AGENCIES = 5\nSERVER_DATA_DIR = {}\n",
            data.display()
        );
        let text = format!("[DEFAULT]\n{settings}{usual}");
        fs::write(self.path("config.ini"), text).unwrap();
    }

    /// From now on, `real` takes the place of what the document writes as `written`.
    pub fn place(&mut self, written: &str, real: &str) {
        self.places.retain(|(known, _)| known != written);
        self.places.insert(0, (written.to_owned(), real.to_owned()));
    }

    fn real(&self, text: &str) -> String {
        let places = self.places.iter();
        places.fold(text.to_owned(), |text, (written, real)| {
            text.replace(written, real)
        })
    }

    /// The first command of the section that has these words, one that was not typed before others.
    pub fn command(&mut self, words: &str) -> String {
        let Section {
            title, commands, ..
        } = &self.section;
        let having = |typed| {
            let mut all = commands.iter().zip(&self.typed);
            all.position(|(command, was)| command.contains(words) && *was == typed)
        };
        let at = having(false).or_else(|| having(true));
        let at = at.unwrap_or_else(|| panic!("'{title}' has no command with '{words}'"));
        self.typed[at] = true;
        self.real(&self.section.commands[at])
    }

    /// A line for the shell, in the folder of the scene.
    pub fn shell(&self, line: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.path("bin");
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path())
            .env(
                "PACKAGING",
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging"),
            )
            .stdin(Stdio::null());
        command
    }

    fn output(&self, line: &str) -> Ended {
        let output = self.shell(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            told: text(output.stdout),
            log: text(output.stderr),
        }
    }

    /// Types a command of the section, which has to end with 0.
    pub fn run(&mut self, words: &str) -> Ended {
        self.run_to(words, 0)
    }

    /// Types a command of the section, which has to end with this code.
    pub fn run_to(&mut self, words: &str, code: i32) -> Ended {
        let line = self.command(words);
        self.type_in(&line, code)
    }

    /// Types a line that the section need not have; it has to end with this code.
    pub fn type_in(&mut self, line: &str, code: i32) -> Ended {
        let ended = match line.strip_prefix("curl http://") {
            Some(url) => Ended {
                told: ask(url),
                ..Ended::default()
            },
            None => self.output(line),
        };
        self.hear(&ended.told);
        self.hear(&ended.log);
        assert_eq!(ended.code, code, "{line}: {} {}", ended.told, ended.log);
        ended
    }

    /// Types a command of the section that is a central, and waits until it listens.
    pub fn start(&mut self, words: &str) -> Central {
        let line = self.command(words);
        self.serve(&line, &[])
    }

    /// Starts a central, with the configuration of the scene and this environment.
    pub fn central(&mut self, environment: &[(&str, &str)]) -> Central {
        self.serve("event-server", environment)
    }

    /// Starts a central by a line that the section need not have.
    pub fn serve(&mut self, line: &str, environment: &[(&str, &str)]) -> Central {
        // The shell gives its place to the program, so that signals reach it.
        let mut shell = self.shell(&format!("exec env {line}"));
        shell
            .env("SERVER_PORT", "0")
            .envs(environment.iter().copied());
        let running = Running::start(&mut shell).unwrap();
        let listens = running
            .wait_for("action: listen | result: success")
            .unwrap();
        let address = listen_address(&listens).unwrap();
        let watched = running
            .wait_for("action: listen_http | result: success")
            .unwrap();
        let http = listen_address(&watched).unwrap();
        let pid = running.pid().to_string();
        fs::write(self.path("pid"), &pid).unwrap();
        self.place("PID", &pid);
        self.place("8080", &http.port().to_string());
        // Where --check looks.
        self.write_configuration(address.port());
        Central {
            running,
            address,
            http,
        }
    }

    /// Starts an agency's client with a file of `rows` bets, of which the first wins.
    pub fn client(&self, agency: u32, rows: usize, address: SocketAddr) -> Running {
        let file = self.path(&format!("agency-{agency}-{rows}.csv"));
        let spec = Spec::new(agency.into(), rows, 1).unwrap();
        spec.write_to(fs::File::create(&file).unwrap()).unwrap();
        let line = format!("exec batch-client batch {}", file.display());
        let mut client = self.shell(&line);
        client
            .env("CLI_ID", agency.to_string())
            .env("CLI_SERVER_ADDRESS", address.to_string())
            .stdout(Stdio::null());
        Running::start(&mut client).unwrap()
    }

    /// An agency sends a file, to its end.
    pub fn send(&mut self, agency: u32, rows: usize, address: SocketAddr) {
        let client = self.client(agency, rows, address);
        client
            .wait_for("notify_finished | result: success")
            .unwrap();
        self.hear(&client.log());
    }

    /// Ends a central; what it has logged is told.
    pub fn stop(&mut self, central: Central) {
        let (status, log) = central.running.stop().unwrap();
        assert!(status.success(), "{log}");
        self.hear(&log);
    }

    /// An agency's client is run with a file to its end, which has to be with this code.
    pub fn send_to(&mut self, agency: u32, rows: usize, address: SocketAddr, code: i32) -> String {
        let (status, log) = self.client(agency, rows, address).wait().unwrap();
        assert_eq!(status.code(), Some(code), "{log}");
        self.hear(&log);
        log
    }

    /// Takes down what was told.
    pub fn hear(&mut self, text: &str) {
        self.told += text;
        self.told += "\n";
    }

    /// Asserts that all commands were typed, and all that people see was seen; but for some, each with the reason.
    pub fn end(self, elsewhere: &[(&str, &str)]) {
        let Section {
            title,
            commands,
            sights,
            ..
        } = &self.section;
        for (command, typed) in commands.iter().zip(&self.typed) {
            assert!(typed, "'{title}': no test types {command}");
        }
        for (sight, why) in elsewhere {
            let stands = sights.iter().any(|known| known.starts_with(sight));
            assert!(stands, "'{title}' does not say '{sight}' ({why})");
        }
        let is_elsewhere =
            |sight: &&String| elsewhere.iter().any(|(known, _)| sight.starts_with(known));
        for sight in sights.iter().filter(|sight| !is_elsewhere(sight)) {
            let told = &self.told;
            assert!(
                is_seen(&self.real(sight), told),
                "'{title}': nobody sees\n{sight}\nbut\n{told}"
            );
        }
    }
}

/// What curl prints: the body of the answer, whatever its status.
pub fn ask(url: &str) -> String {
    let (host, path) = url.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
