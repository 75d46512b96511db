//! As whom a session begins.

use crate::store::postgres::url::{DatabaseUrl, Host, Secret};

/// As whom a session begins.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password, if there is one.
    pub password: Option<Secret>,
    /// How the server's statistics name the session.
    pub application: String,
    /// Settings for the server, as its command line takes them.
    pub options: Option<String>,
    /// The session may begin only with a password that is bound to the server's certificate.
    pub channel_binding_required: bool,
}

impl Login {
    /// Returns as whom this central begins a session with a host of the URL. The application's name begins with
    /// `event-server` and the central's name, whatever the URL says: centrals are found by it.
    pub fn new(url: &DatabaseUrl, host: &Host, central: &str) -> Self {
        let mut application = format!("event-server {central}");
        if let Some(more) = &url.application {
            application.push(' ');
            application.push_str(more);
        }
        Self {
            user: url.user.clone(),
            database: url.database.clone(),
            password: url.password_for(host).cloned(),
            application,
            options: url.options.clone(),
            channel_binding_required: url.channel_binding_required,
        }
    }
}
