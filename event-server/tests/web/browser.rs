//! A headless Chromium, driven over its DevTools protocol through two pipes.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Fails instead of skipping where no Chromium is installed.
const REQUIRED: &str = "REQUIRE_CHROMIUM";

/// Where screenshots are written, where somebody wants to look at them.
const SCREENSHOTS: &str = "WEB_SCREENSHOTS";

/// How long to wait for what a page shows.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page.
pub struct Browser {
    child: Child,
    pipe: RefCell<Pipe>,
    session: String,
    _profile: TempDir,
}

struct Pipe {
    out: ChildStdin,
    input: BufReader<ChildStdout>,
    next: u64,
    /// What was told without being asked.
    events: Vec<Value>,
}

impl Browser {
    /// `None`, and a line that says so, where it is not installed.
    pub fn start() -> Option<Self> {
        let found = ["chromium", "chromium-browser", "google-chrome"];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let all = found
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        let Some(program) = all.into_iter().find(|path| path.is_file()) else {
            let why = "no Chromium is installed: its tests are skipped";
            assert!(std::env::var_os(REQUIRED).is_none(), "{why}");
            eprintln!("{why}");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // It reads commands from descriptor 3 and writes to 4; the shell makes them of the pipes that we have.
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null")
            .arg(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-pipe",
            ])
            .args(["--disable-component-update", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (out, input) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let pipe = RefCell::new(Pipe {
            out,
            input: BufReader::new(input),
            next: 0,
            events: Vec::new(),
        });
        let mut browser = Self {
            child,
            pipe,
            session: String::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn call(&self, method: &str, parameters: Value) -> Value {
        let pipe = &mut *self.pipe.borrow_mut();
        pipe.next += 1;
        let id = pipe.next;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        pipe.out.write_all(message.to_string().as_bytes()).unwrap();
        pipe.out.write_all(&[0]).unwrap();
        loop {
            let mut text = Vec::new();
            pipe.input.read_until(0, &mut text).unwrap();
            assert_eq!(text.pop(), Some(0), "the browser has ended");
            let answer: Value = serde_json::from_slice(&text).unwrap();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            pipe.events.push(answer);
        }
    }

    /// A window of this size in CSS pixels, in this scheme of colours.
    pub fn look(&self, width: u32, height: u32, dark: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    pub fn open(&self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// The value of an expression in the page.
    pub fn value(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// The text of the element with this id.
    pub fn text(&self, id: &str) -> String {
        let text = self.value(&format!(
            "document.getElementById('{id}')?.textContent ?? ''"
        ));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an expression in the page is true.
    pub fn wait_for(&self, expression: &str) {
        let began = Instant::now();
        while self.value(expression) != true {
            let body = || self.value("document.body.innerText");
            assert!(
                began.elapsed() < PATIENCE,
                "never: {expression}\n{}",
                body()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses and releases a key.
    pub fn press(&self, key: &str, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut parameters = json!({"type": kind, "key": key, "code": key});
            if kind == "keyDown" && !text.is_empty() {
                parameters["text"] = json!(text);
            }
            if key == "Tab" {
                parameters["windowsVirtualKeyCode"] = json!(9);
            }
            self.call("Input.dispatchKeyEvent", parameters);
        }
    }

    /// The nodes that a screen reader finds: role and name.
    pub fn accessible(&self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let seen = nodes.filter(|node| node["ignored"] != true);
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        seen.map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }

    /// URLs that were asked for, and errors of scripts, the console and the policy, since the start.
    pub fn requests_and_errors(&self) -> (Vec<String>, Vec<String>) {
        // What was told until now is read with an answer.
        self.value("1");
        let pipe = self.pipe.borrow();
        let (mut requests, mut errors) = (Vec::new(), Vec::new());
        for event in &pipe.events {
            let parameters = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    requests.push(parameters["request"]["url"].as_str().unwrap().to_owned());
                }
                "Runtime.exceptionThrown" => errors.push(parameters.to_string()),
                "Runtime.consoleAPICalled" => errors.push(parameters.to_string()),
                "Log.entryAdded" if parameters["entry"]["level"] == "error" => {
                    errors.push(parameters["entry"].to_string());
                }
                _ => {}
            }
        }
        (requests, errors)
    }

    /// Writes a picture of the page, where somebody wants to look at it.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os(SCREENSHOTS) else {
            return;
        };
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let path = Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(path, unbase64(answer["data"].as_str().unwrap())).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unbase64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.trim_end_matches('=').bytes().map(digit).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
