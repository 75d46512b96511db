//! Certificates in a folder, and a central that shows and wants some.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use event_server::config::TlsFiles;
use event_server::tls::TlsAcceptor;
use fixtures::certificates::{Authority, Identity, Role, Term};
use fixtures::programs::{self, Running, listen_address};
use frame::{pem, small_file};
use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use tempfile::TempDir;

/// One authority, and the certificates that everybody should have.
pub struct Trust {
    pub authority: Authority,
    pub server: Identity,
    folder: TempDir,
}

impl Trust {
    pub fn new() -> Self {
        let authority = Authority::new("lottery").unwrap();
        let names = ["central", "127.0.0.1"];
        let server = authority.sign(Role::Server, &names, Term::Current).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self {
            authority,
            server,
            folder,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn agency(&self, name: &str) -> Identity {
        let names = [name];
        self.authority
            .sign(Role::Client, &names, Term::Current)
            .unwrap()
    }

    /// Writes an authority's certificate; returns its path.
    pub fn write_authority(&self, name: &str, authority: &Authority) -> PathBuf {
        let path = self.folder.path().join(format!("{name}.pem"));
        std::fs::write(&path, authority.certificate()).unwrap();
        path
    }

    /// What a central speaks TLS with that trusts the authority.
    pub fn acceptor(&self) -> TlsAcceptor {
        let (cert, key) = self.server.write(self.folder(), "central").unwrap();
        let client_ca = self.write_authority("ca", &self.authority);
        let files = TlsFiles {
            cert,
            key,
            client_ca,
        };
        TlsAcceptor::open(&files, small_file::read).unwrap()
    }

    /// Starts a central that trusts the authority and shows this certificate.
    pub fn central(&self, shown: &Identity, environment: &[(&str, &str)]) -> Central {
        let (cert, key) = shown.write(self.folder(), "central").unwrap();
        let ca = self.write_authority("ca", &self.authority);
        let mut all = vec![
            ("SERVER_TLS_CERT", cert.to_str().unwrap()),
            ("SERVER_TLS_KEY", key.to_str().unwrap()),
            ("SERVER_TLS_CLIENT_CA", ca.to_str().unwrap()),
        ];
        all.extend(environment);
        Central::start(&all)
    }

    /// Lets a client show this certificate, to a server whose certificate this authority has signed.
    pub fn secure(&self, client: &mut Command, shown: &Identity, trusted: &Authority, name: &str) {
        let (cert, key) = shown.write(self.folder(), name).unwrap();
        let ca = self.write_authority(&format!("{name}-ca"), trusted);
        client
            .env("CLI_SERVER_TLS_CA", ca)
            .env("CLI_SERVER_TLS_CERT", cert)
            .env("CLI_SERVER_TLS_KEY", key);
    }

    /// What a client written for the tests trusts and shows.
    pub fn config(&self, shown: Option<&Identity>) -> Arc<ClientConfig> {
        let roots = pem::authorities(self.authority.certificate().as_bytes()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match shown {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = pem::certificates(certificate.as_bytes()).unwrap();
                let key = pem::key(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

/// A server process.
pub struct Central {
    pub program: Running,
    pub address: SocketAddr,
    folder: TempDir,
}

impl Central {
    pub fn start(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (program, address) = programs::central(folder.path(), environment).unwrap();
        Self {
            program,
            address,
            folder,
        }
    }

    /// Where it was started: its bets and its `config.ini`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client of this central, as this agency, with a file of one bet.
    pub fn client(&self, agency: u32) -> Command {
        let file = self.folder.path().join("one.csv");
        std::fs::write(&file, "Ana,Paz,30904465,1999-12-31,7574\n").unwrap();
        programs::agency(agency, &file, self.address, self.folder.path()).unwrap()
    }

    /// The answer of its HTTP port to a request for this path.
    pub fn http(&self, path: &str) -> String {
        let line = self.program.wait_for("action: listen_http").unwrap();
        let mut stream = TcpStream::connect(listen_address(&line).unwrap()).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Stops the server, which has to end well, and returns its log and the rows it stored.
    pub fn stop(self) -> (String, Vec<String>) {
        let (status, log) = self.program.stop().unwrap();
        assert!(status.success(), "{status}\n{log}");
        let stored = std::fs::read_to_string(self.folder.path().join("bets.csv")).unwrap();
        let rows = stored.split_terminator("\r\n").map(str::to_owned);
        (log, rows.collect())
    }
}

/// The lines that tell of a failure, without their times.
pub fn failures(log: &str) -> Vec<&str> {
    let lines = log.lines().map(|line| &line[20..]);
    lines.filter(|line| line.contains("result: fail")).collect()
}
