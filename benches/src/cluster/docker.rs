//! The containers: made from `compose/cluster.yaml`, in a project of their own, so that they run beside a lottery.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, json};
use tempfile::TempDir;

use super::files::Files;
use super::lanes::{lane, network};
use super::services::{AGENCIES, CENTRALS, client};

/// The compose project; the lane is appended where there are several.
const PROJECT: &str = "lottery-cluster-test";

/// The image that has iptables: stage `partition` of `compose/cluster/Dockerfile`.
const PARTITION: &str = "lottery-partition:latest";

/// The changes to the definition where there are none.
const UNCHANGED: &str = "services: {}\n";

/// How fast bets are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Few small batches at a time, and commits that wait, so that the files last as long as the faults, and each fault meets a
    /// commit.
    Slow,
    /// As clients and nodes do by default.
    Full,
}

/// Whether the primary waits for a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// A commit is confirmed by a standby: what the cluster promises.
    Synchronous,
    /// It is not: an acknowledged bet may be lost with the primary.
    Asynchronous,
}

/// The containers; removed with their volumes when this is dropped.
pub struct Cluster {
    definition: PathBuf,
    changes: TempDir,
}

impl Cluster {
    /// Removes what an earlier run left behind; starts nothing.
    ///
    /// # Errors
    /// No container engine answers.
    pub fn prepare() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let cluster = Self {
            definition: root.join("compose/cluster.yaml"),
            changes: tempfile::tempdir()?,
        };
        cluster.change(UNCHANGED)?;
        cluster.down()?;
        Ok(cluster)
    }

    /// Starts everything, as it is committed.
    ///
    /// # Errors
    /// A container could not be started.
    pub(super) fn start(&self) -> io::Result<()> {
        self.change(UNCHANGED)?;
        self.compose(&["up", "--detach", "--quiet-pull"]).map(drop)
    }

    /// Starts the centrals and clients anew, for another lottery.
    ///
    /// # Errors
    /// A container could not be started.
    pub(super) fn play(
        &self,
        lottery: &str,
        files: &Files,
        pace: Pace,
        replication: Replication,
    ) -> io::Result<()> {
        let mut services = Map::new();
        let durability = match replication {
            Replication::Synchronous => "replicated",
            Replication::Asynchronous => "always",
        };
        for central in CENTRALS {
            let environment = json!({"SERVER_LOTTERY": lottery, "SERVER_DURABILITY": durability});
            services.insert(central.to_owned(), json!({"environment": environment}));
        }
        let environment = match pace {
            Pace::Slow => json!({"CLI_BATCH_MAXAMOUNT": "24", "CLI_BATCH_WINDOW": "4"}),
            Pace::Full => json!({}),
        };
        let folder = files.folder();
        let bind = json!({"type": "bind", "source": folder, "target": "/data", "read_only": true});
        for agency in 1..=AGENCIES {
            let changes = json!({"environment": environment, "volumes": [bind]});
            services.insert(client(agency), changes);
        }
        self.change(&json!({"services": services}).to_string())?;
        let up = [
            "up",
            "--detach",
            "--quiet-pull",
            "--no-deps",
            "--force-recreate",
        ];
        let clients: Vec<String> = (1..=AGENCIES).map(client).collect();
        let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
        self.compose(&[&up[..], &CENTRALS, &clients].concat())
            .map(drop)
    }

    /// Stops everything and removes it, with the bets.
    ///
    /// # Errors
    /// The engine does not answer.
    pub fn down(&self) -> io::Result<()> {
        let down = ["down", "--volumes", "--remove-orphans", "--timeout", "0"];
        self.compose(&down).map(drop)
    }

    /// Changes the definition for what is started next.
    fn change(&self, changes: &str) -> io::Result<()> {
        std::fs::write(self.changes(), changes)
    }

    fn changes(&self) -> PathBuf {
        self.changes.path().join("changes.json")
    }

    /// Runs Docker's compose command on the definition and the changes to it; returns its standard output.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn compose(&self, arguments: &[&str]) -> io::Result<String> {
        let [definition, changes] = [self.definition.clone(), self.changes()];
        let [definition, changes] = [definition.to_string_lossy(), changes.to_string_lossy()];
        let project = project();
        let mut all = vec!["compose", "--progress", "quiet", "--project-name", &project];
        all.extend(["--file", &definition, "--file", &changes]);
        all.extend(arguments);
        docker(&all)
    }

    /// Runs an agency's client once more, against one central alone; returns its standard output.
    ///
    /// # Errors
    /// Those of [`docker`]; the client failed.
    pub(super) fn run_client(&self, agency: usize, central: &str) -> io::Result<String> {
        let address = format!("CLI_SERVER_ADDRESS={central}:12345");
        let run = [
            "run",
            "--rm",
            "--no-deps",
            "-T",
            "--env",
            &address,
            &client(agency),
        ];
        self.compose(&run)
    }

    /// Runs a command of the engine on a service's container: `kill`, `pause`, `start` and so on; returns its standard output.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn container(&self, command: &[&str], service: &str) -> io::Result<String> {
        let name = container_name(service);
        docker(&[command, &[&name]].concat())
    }

    /// Runs a command inside a service's container; returns its standard output.
    ///
    /// # Errors
    /// Those of [`docker`]; the command failed.
    pub(super) fn exec(&self, service: &str, command: &[&str]) -> io::Result<String> {
        docker(&[&["exec", &container_name(service)], command].concat())
    }

    /// Runs a statement as the superuser of a node; returns its result as text.
    ///
    /// # Errors
    /// Those of [`docker`]; the node's database does not answer, or refuses.
    pub(super) fn psql(&self, node: &str, statement: &str) -> io::Result<String> {
        let psql = [
            "psql",
            "-qAtX",
            "--dbname",
            "lottery",
            "--command",
            statement,
        ];
        Ok(self.exec(node, &psql)?.trim().to_owned())
    }

    /// Starts statements in a session that goes on beside the test.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn psql_beside(&self, node: &str, statements: &str) -> io::Result<()> {
        let name = container_name(node);
        let psql = [
            "psql",
            "-qX",
            "--dbname",
            "lottery",
            "--command",
            statements,
        ];
        docker(&[&["exec", "--detach", &name][..], &psql].concat()).map(drop)
    }

    /// Returns a command that runs inside a service's container, for its output to be read.
    pub(super) fn exec_command(&self, service: &str) -> Command {
        let mut command = Command::new("docker");
        command.args(["exec", &container_name(service)]);
        command
    }

    /// Sets rules for the packets of a service's container; each is the arguments of an iptables command.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn iptables(&self, service: &str, rules: &[String]) -> io::Result<()> {
        let network = format!("container:{}", container_name(service));
        let commands: Vec<String> = rules
            .iter()
            .map(|rule| format!("iptables {rule}"))
            .collect();
        let commands = commands.join(" && ");
        let run = [
            "run",
            "--rm",
            "--cap-add",
            "NET_ADMIN",
            "--network",
            &network,
            PARTITION,
        ];
        docker(&[&run[..], &["sh", "-c", &commands]].concat()).map(drop)
    }

    /// Returns the addresses of a service's container; none while it is stopped.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn addresses(&self, service: &str) -> io::Result<Vec<String>> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        let text = self.container(&["inspect", "--format", format], service)?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    /// Returns the exit code of a service's container; `None` while it runs.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn exit_code(&self, service: &str) -> io::Result<Option<i32>> {
        Ok(self.exit_codes(&[service])?.pop().flatten())
    }

    /// Returns the exit codes of the containers of several services, in their order.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn exit_codes(&self, services: &[impl AsRef<str>]) -> io::Result<Vec<Option<i32>>> {
        let names: Vec<String> = (services.iter())
            .map(|service| container_name(service.as_ref()))
            .collect();
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        let mut inspect = vec!["inspect", "--format", format];
        inspect.extend(names.iter().map(String::as_str));
        let code = |line: &str| {
            let code = line.strip_prefix("exited ").map(|code| code.trim().parse());
            code.transpose().map_err(io::Error::other)
        };
        docker(&inspect)?.lines().map(code).collect()
    }

    /// Returns how often the engine had to start a service's container again, because its program ended by itself.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn restarts(&self, service: &str) -> io::Result<u32> {
        let text = self.container(&["inspect", "--format", "{{.RestartCount}}"], service)?;
        text.trim().parse().map_err(io::Error::other)
    }

    /// Returns the log of a service's container, a time before each line.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn log(&self, service: &str) -> io::Result<String> {
        let mut command = Command::new("docker");
        command.args(["logs", "--timestamps", &container_name(service)]);
        let output = command.output()?;
        // A client's standard output is its winners; the others write to both.
        let text = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Returns the logs of all containers, with the names of their services.
    ///
    /// # Errors
    /// The engine does not answer, or refuses.
    pub fn logs(&self) -> io::Result<Vec<(String, String)>> {
        let services = self.compose(&["ps", "--all", "--services"])?;
        let log = |service: &str| Ok((service.to_owned(), self.log(service)?));
        services.lines().map(log).collect()
    }

    /// Returns what the last run of a service's container wrote to standard output.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn last_output(&self, service: &str) -> io::Result<String> {
        let started = self.started(service)?;
        self.container(&["logs", "--since", &started], service)
    }

    /// Returns when a service's container was started last.
    ///
    /// # Errors
    /// Those of [`docker`].
    pub(super) fn started(&self, service: &str) -> io::Result<String> {
        let started = self.container(&["inspect", "--format", "{{.State.StartedAt}}"], service)?;
        Ok(started.trim().to_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(e) = self.down() {
            eprintln!("containers of the project {} are left: {e}", project());
        }
    }
}

fn container_name(service: &str) -> String {
    format!("{}-{service}-1", project())
}

/// Returns the compose project of this process.
fn project() -> String {
    match lane() {
        Some(lane) => format!("{PROJECT}-{lane}"),
        None => PROJECT.to_owned(),
    }
}

/// Runs docker; returns its standard output.
///
/// # Errors
/// It is not there, or failed: the error is what it said.
fn docker(arguments: &[&str]) -> io::Result<String> {
    let mut command = Command::new("docker");
    if std::env::var_os("LOTTERY_NET").is_none() {
        command.env("LOTTERY_NET", network(0));
    }
    let output = command.args(arguments).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let what = format!("docker {}: {}", arguments.join(" "), said.trim());
        return Err(io::Error::other(what));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
