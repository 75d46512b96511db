//! The user and the database where a URL names none: psql's.

use std::fs;

use rustix::process::geteuid;

/// What stands in for the user and the database that a URL leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// `PGUSER`; without it the name of the operating system's user.
    pub user: Option<String>,
    /// `PGDATABASE`; without it the user's name.
    pub database: Option<String>,
}

impl Defaults {
    /// Returns the user.
    ///
    /// # Errors
    /// This machine has no name for the user that runs the program: one sentence.
    pub fn user(&self) -> Result<String, String> {
        let user = self.user.clone().filter(|name| !name.is_empty());
        user.or_else(system_user).ok_or_else(|| {
            "it names no user, and this machine has no name for the one that runs the program: write \
             postgresql://USER@HOST/DATABASE, or set PGUSER"
                .to_owned()
        })
    }

    /// Returns the database of a user.
    pub fn database(&self, user: &str) -> String {
        let database = self.database.clone().filter(|name| !name.is_empty());
        database.unwrap_or_else(|| user.to_owned())
    }
}

fn system_user() -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    name_of(geteuid().as_raw(), &users)
}

/// The name of a user in the form of passwd(5): `name:password:id:…`.
fn name_of(id: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut columns = line.split(':');
        let name = columns.next()?;
        let is_theirs = columns.nth(1)?.parse() == Ok(id);
        is_theirs.then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_user_who_stands_in_the_file_of_users_is_named_as_the_system_names_it() {
        let id = Command::new("id").arg("-un").output().unwrap();
        let name = String::from_utf8(id.stdout).unwrap().trim().to_owned();
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let stands = users
            .lines()
            .any(|line| line.starts_with(&format!("{name}:")));
        assert_eq!(system_user(), stands.then_some(name));
    }

    #[test]
    fn the_user_is_that_of_pguser_else_that_of_the_system_and_the_database_is_named_like_it() {
        let users = "root:x:0:0:root:/root:/bin/sh\n# x\nlottery:x:1000:1000::/:/bin/sh\n";
        assert_eq!(name_of(1000, users), Some("lottery".to_owned()));
        assert_eq!(name_of(1, users), None);

        let defaults = Defaults {
            user: Some("agent".to_owned()),
            database: None,
        };
        assert_eq!(defaults.user(), Ok("agent".to_owned()));
        assert_eq!(defaults.database("agent"), "agent");
        let empty = Defaults {
            user: Some(String::new()),
            database: Some("bets".to_owned()),
        };
        assert_eq!(empty.user().ok(), system_user());
        assert_eq!(empty.database("agent"), "bets");
    }
}
