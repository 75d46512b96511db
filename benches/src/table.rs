//! What was measured, as a table that a person reads: a line for each figure, what it is beside, and the goal.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const COLUMNS: usize = 4;

/// Lines of four columns.
#[derive(Debug, Default)]
pub struct Table(Vec<[String; COLUMNS]>);

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Goal {
    /// The goal, and whether this figure reaches it.
    pub fn judge(self, figure: f64) -> String {
        let (sign, goal, reached) = match self {
            Self::AtLeast(goal) => ('≥', goal, figure >= goal),
            Self::AtMost(goal) => ('≤', goal, figure <= goal),
        };
        format!("{sign} {goal}: {}", if reached { "yes" } else { "no" })
    }
}

impl Table {
    /// Adds a line: what was measured, its figure, the figure beside another one, and the goal.
    pub fn line(
        &mut self,
        what: impl Into<String>,
        figure: impl Into<String>,
        beside: impl Into<String>,
        goal: impl Into<String>,
    ) {
        self.0
            .push([what.into(), figure.into(), beside.into(), goal.into()]);
    }

    /// Adds a line and prints it at once: a run takes minutes.
    pub fn tell(
        &mut self,
        what: impl Into<String>,
        figure: impl Into<String>,
        beside: impl Into<String>,
        goal: Option<(Goal, f64)>,
    ) {
        let (what, figure, beside) = (what.into(), figure.into(), beside.into());
        let goal = goal.map_or_else(String::new, |(goal, found)| goal.judge(found));
        println!("{what}: {figure} {beside} {goal}");
        self.line(what, figure, beside, goal);
    }

    /// Adds the lines of another table.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Writes the lines to a file, the columns parted by tabs. Its folder is made where it is missing.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let lines = self.0.iter().map(|line| line.join("\t") + "\n");
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, lines.collect::<String>())
    }

    /// Reads what [`save`](Self::save) has written.
    ///
    /// # Errors
    /// It cannot be read, or is no such file.
    pub fn load(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let lines = text.lines().map(|line| {
            let columns: Vec<_> = line.split('\t').map(str::to_owned).collect();
            <[String; COLUMNS]>::try_from(columns).map_err(|_| io::ErrorKind::InvalidData.into())
        });
        lines.collect::<io::Result<_>>().map(Self)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let widths = self.0.iter().map(|line| line[column].chars().count());
            widths.max().unwrap_or_default()
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        for [what, figure, beside, goal] in &self.0 {
            let line = format!(
                "{what:<0$}  {figure:>1$}  {beside:<2$}  {goal}",
                widths[0], widths[1], widths[2]
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Returns the folder of this program's figures: `criterion` in the folder that cargo builds in.
///
/// # Errors
/// This program was not built by cargo.
pub fn figures() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let built = own.ancestors().find(|folder| folder.ends_with("release"));
    let target = built
        .and_then(Path::parent)
        .ok_or(io::ErrorKind::NotFound)?;
    Ok(target.join("criterion"))
}

/// The file that the bench of the whole path leaves its lines in.
pub const INGEST: &str = "ingest.tsv";

/// The file that the bench of the whole path into a database leaves its lines in.
pub const DATABASE: &str = "database.tsv";
