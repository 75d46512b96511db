//! How a central comes into its database: whom it trusts, which certificate it shows, and its passwords.
//!
//! In come the URL and the files that it names. All sessions of a central share one; what is [read again](Access::read_again) is
//! in force from the next session on, and sessions that are there go on.

use std::sync::{Arc, PoisonError, RwLock};

use frame::small_file;

use super::tls::DatabaseTls;
use super::url::{DatabaseUrl, Secret};

/// What sessions begin with. A clone shares it, also after it was read again.
#[derive(Clone, Debug)]
pub struct Access {
    /// The URL of the start, without passwords.
    url: DatabaseUrl,
    tls: Option<DatabaseTls>,
    /// One for each host of the URL, in its order.
    passwords: Arc<RwLock<Vec<Option<Secret>>>>,
}

impl Access {
    /// Reads the files that a URL names.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else: one sentence.
    pub fn open(url: &DatabaseUrl) -> Result<Self, String> {
        Ok(Self {
            url: without_passwords(url),
            tls: DatabaseTls::open(url, small_file::read)?,
            passwords: Arc::new(RwLock::new(passwords(url))),
        })
    }

    /// Returns what TLS sessions trust and show; `None` where no host is reached over TLS.
    pub fn tls(&self) -> Option<&DatabaseTls> {
        self.tls.as_ref()
    }

    /// Returns the password for the host at this place of the URL.
    pub fn password(&self, host: usize) -> Option<Secret> {
        let passwords = self.passwords.read();
        let passwords = passwords.unwrap_or_else(PoisonError::into_inner);
        passwords.get(host).cloned().flatten()
    }

    /// Reads again the files that the URL of the start names, which have to be plain files. Takes the passwords of
    /// `now`, the URL as it is configured now, where it differs from that of the start in nothing else.
    ///
    /// # Errors
    /// A file cannot be used: one sentence. Nothing has changed.
    pub fn read_again(&self, now: Option<&DatabaseUrl>) -> Result<(), String> {
        let fresh = DatabaseTls::open(&self.url, small_file::read_regular)?;
        if let (Some(tls), Some(fresh)) = (&self.tls, fresh) {
            tls.adopt(&fresh);
        }
        if let Some(now) = now.filter(|now| without_passwords(now) == self.url) {
            let mut known = self.passwords.write();
            *known.as_deref_mut().unwrap_or_else(|e| e.get_mut()) = passwords(now);
        }
        Ok(())
    }
}

fn passwords(url: &DatabaseUrl) -> Vec<Option<Secret>> {
    let hosts = url.hosts.iter();
    hosts.map(|host| url.password_for(host).cloned()).collect()
}

fn without_passwords(url: &DatabaseUrl) -> DatabaseUrl {
    let mut url = url.clone();
    url.password = None;
    url.hosts.iter_mut().for_each(|host| host.password = None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::postgres::Defaults;

    fn url(text: &str) -> DatabaseUrl {
        let text = format!("postgresql://{text}?sslmode=disable");
        DatabaseUrl::parse(&text, &Defaults::default()).unwrap()
    }

    #[test]
    fn the_passwords_of_the_same_database_are_taken_and_those_of_another_one_are_not() {
        let access = Access::open(&url("a:old@h,i/db")).unwrap();
        let shared = access.clone();
        let of = |host| shared.password(host).map(|Secret(text)| text);
        assert_eq!(
            (of(0).as_deref(), of(1).as_deref()),
            (Some("old"), Some("old"))
        );
        for other in [
            "a:new@h/db",
            "a:new@i,h/db",
            "b:new@h,i/db",
            "a:new@h,i/other",
        ] {
            access.read_again(Some(&url(other))).unwrap();
            assert_eq!(of(0).as_deref(), Some("old"), "{other}");
        }
        access.read_again(None).unwrap();
        assert_eq!(of(0).as_deref(), Some("old"));
        let mut now = url("a@h,i/db");
        now.hosts[1].password = Some(Secret("second".to_owned()));
        access.read_again(Some(&now)).unwrap();
        assert_eq!((of(0), of(1).as_deref()), (None, Some("second")));
        assert_eq!(of(2), None);
    }
}
