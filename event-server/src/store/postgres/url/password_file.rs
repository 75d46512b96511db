//! libpq's password file, `~/.pgpass`: a line `host:port:database:user:password` for each place, where `*` stands for any.
//!
//! `\:` and `\\` stand for a colon and a backslash. Of several lines that fit the first counts. A file that others may read or
//! write is ignored with a warning, as libpq does.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use frame::small_file;

use super::{DatabaseUrl, Host, SOCKET_FOLDER, Secret};

/// The permissions of others than the file's owner.
const OTHERS: u32 = 0o077;

impl DatabaseUrl {
    /// Gives each host the password that the file has for it. A missing file has none.
    ///
    /// # Errors
    /// The file is ignored: one sentence that says why, and what to do.
    pub fn read_password_file(&mut self, path: &Path) -> Result<(), String> {
        let ignored =
            |why: String| format!("the password file {} is ignored: {why}", path.display());
        let metadata = match fs::metadata(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            metadata => metadata.map_err(|e| ignored(e.to_string()))?,
        };
        if !metadata.is_file() {
            return Err(ignored("it is no plain file".to_owned()));
        }
        if metadata.permissions().mode() & OTHERS != 0 {
            return Err(ignored(format!(
                "others than its owner may read or write it; run  chmod 600 {}",
                path.display()
            )));
        }
        let text = small_file::read_text(path).map_err(|e| ignored(e.to_string()))?;
        let (user, database) = (&self.user, &self.database);
        for host in &mut self.hosts {
            host.password = password(&text, host, database, user).map(Secret);
        }
        Ok(())
    }
}

fn password(text: &str, host: &Host, database: &str, user: &str) -> Option<String> {
    let name = match host.name.as_str() {
        SOCKET_FOLDER => "localhost",
        name => name,
    };
    let port = host.port.to_string();
    let wanted = [name, &port, database, user];
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.into_iter().find_map(|line| {
        let mut rest = line;
        for wanted in wanted {
            let (field, after) = field(rest)?;
            if field != "*" && unescaped(field) != wanted {
                return None;
            }
            rest = after;
        }
        (!rest.is_empty()).then(|| unescaped(rest))
    })
}

/// Splits a line at its first colon that no backslash stands in front of.
fn field(line: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = line.find(|c| {
        let ends = c == ':' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((&line[..end], &line[end + 1..]))
}

fn unescaped(text: &str) -> String {
    let mut escaped = false;
    let kept = text.chars().filter(|c| {
        escaped = *c == '\\' && !escaped;
        !escaped
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_a_place_has_its_password() {
        let text = "# a comment:*:*:*:no\n\
                    db:5432:bets:lottery:of\\:db\\\\\n\
                    \\::5432:*:lottery:no\n\
                    ::1\n\
                    *:6432:*:lottery:of any host\n\
                    \\:\\:1:*:*:*:of v6\n\
                    localhost:5432:*:*:of the socket\n\
                    /tmp:*:*:*:of tmp\n\
                    db:5432:bets:lottery:too late\n\
                    db:*:empty:*:\n";
        let of = |name: &str, port, database: &str, user: &str| {
            let host = Host {
                name: name.to_owned(),
                port,
                password: None,
            };
            password(text, &host, database, user)
        };
        for (place, wanted) in [
            (("db", 5432, "bets", "lottery"), Some("of:db\\")),
            (("db", 6432, "bets", "lottery"), Some("of any host")),
            (("::1", 5432, "bets", "lottery"), Some("of v6")),
            ((SOCKET_FOLDER, 5432, "x", "y"), Some("of the socket")),
            (("/tmp", 1, "x", "y"), Some("of tmp")),
            (("db", 5432, "bets", "other"), None),
            (("db", 5432, "empty", "lottery"), None),
        ] {
            let (name, port, database, user) = place;
            assert_eq!(
                of(name, port, database, user).as_deref(),
                wanted,
                "{place:?}"
            );
        }
    }
}
