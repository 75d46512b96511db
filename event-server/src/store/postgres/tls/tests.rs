//! Whom a central trusts, and what binds a password.

use super::*;
use crate::store::postgres::Defaults;
use fixtures::certificates::{Authority, Role, Term};

#[test]
fn a_key_that_others_may_read_is_refused_as_libpq_refuses_it() {
    const ROOT: u32 = 0;
    const USER: u32 = 1_000;
    for (owner, mode, allowed) in [
        (USER, 0o600, true),
        (USER, 0o400, true),
        (USER, 0o640, false),
        (USER, 0o610, false),
        (USER, 0o604, false),
        (ROOT, 0o600, true),
        (ROOT, 0o640, true),
        (ROOT, 0o440, true),
        (ROOT, 0o660, false),
        (ROOT, 0o650, false),
        (ROOT, 0o644, false),
    ] {
        // The file's type stands in front of its permissions.
        let found = is_private(owner, 0o100_000 | mode);
        assert_eq!(found, allowed, "owner {owner}, mode {mode:o}");
    }
}

#[test]
fn a_certificate_is_hashed_as_its_signature_is() {
    let authority = Authority::new("lottery").unwrap();
    let identity = authority
        .sign(Role::Server, &["db"], Term::Current)
        .unwrap();
    let certificate = pem::certificates(identity.certificate.as_bytes())
        .unwrap()
        .remove(0);
    // ECDSA with SHA-256 is what the fixtures sign with.
    let hash = end_point_hash(&certificate).unwrap();
    assert_eq!(hash, Sha256::digest(&certificate).to_vec());
    for length in 0..certificate.len().min(600) {
        end_point_hash(&certificate[..length]);
    }
    assert_eq!(end_point_hash(b""), None);
    assert_eq!(end_point_hash(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
}

#[test]
fn each_algorithm_of_a_signature_has_the_hash_that_rfc_5929_gives_it() {
    let certificate = |oid: &[u8]| {
        let algorithm = [&[0x30, oid.len() as u8 + 2, 0x06, oid.len() as u8][..], oid].concat();
        let content = [&[0x30, 0x00][..], &algorithm].concat();
        // A length of more than one byte, as every real certificate has.
        [&[0x30, 0x82, 0x00, content.len() as u8][..], &content].concat()
    };
    let rsa = |last| {
        [
            &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01][..],
            &[last],
        ]
        .concat()
    };
    let ecdsa = |last| [&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03][..], &[last]].concat();
    for (oid, bytes) in [
        (rsa(4), Some(32)),
        (rsa(5), Some(32)),
        (rsa(11), Some(32)),
        (rsa(12), Some(48)),
        (rsa(13), Some(64)),
        (ecdsa(2), Some(32)),
        (ecdsa(3), Some(48)),
        (ecdsa(4), Some(64)),
        (rsa(10), None),
        (vec![0x2b, 0x65, 0x70], None),
    ] {
        let hash = end_point_hash(&certificate(&oid));
        assert_eq!(hash.map(|hash| hash.len()), bytes, "{oid:?}");
    }
}

#[test]
fn no_file_is_read_where_no_host_is_reached_over_tls() {
    for (url, read) in [
        ("postgresql://a@h/a?sslmode=disable", false),
        ("postgresql://a@/a?host=/run&sslmode=require", false),
        ("postgresql://a@h/a?sslmode=require", true),
        ("postgresql://a@/a?host=/run,h&sslmode=require", true),
    ] {
        let url = DatabaseUrl::parse(url, &Defaults::default()).unwrap();
        let tls = DatabaseTls::open(&url, small_file::read).unwrap();
        assert_eq!(tls.is_some(), read, "{url:?}");
        assert!(tls.is_none_or(|tls| !tls.verifies()));
    }
}

#[test]
fn verify_ca_leaves_out_the_name_alone_and_verify_full_leaves_out_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    let (ours, other) = (Authority::new("a").unwrap(), Authority::new("b").unwrap());
    std::fs::write(&path, ours.certificate()).unwrap();
    let shown = |authority: &Authority, term| {
        let identity = authority.sign(Role::Server, &["db"], term).unwrap();
        pem::certificates(identity.certificate.as_bytes())
            .unwrap()
            .remove(0)
    };
    for (mode, name, certificate, taken) in [
        ("verify-full", "db", shown(&ours, Term::Current), true),
        ("verify-full", "other", shown(&ours, Term::Current), false),
        ("verify-full", "db", shown(&other, Term::Current), false),
        ("verify-ca", "db", shown(&ours, Term::Current), true),
        ("verify-ca", "other", shown(&ours, Term::Current), true),
        ("verify-ca", "db", shown(&other, Term::Current), false),
        ("verify-ca", "db", shown(&ours, Term::Past), false),
    ] {
        let url = format!(
            "postgresql://a@h/a?sslmode={mode}&sslrootcert={}",
            path.display()
        );
        let url = DatabaseUrl::parse(&url, &Defaults::default()).unwrap();
        let tls = DatabaseTls::open(&url, small_file::read).unwrap().unwrap();
        assert!(tls.verifies());
        let hash = CertificateHash::default();
        let verifier = Verifier {
            tls,
            hash: hash.clone(),
        };
        let name = ServerName::try_from(name).unwrap();
        let verified = verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now());
        assert_eq!(verified.is_ok(), taken, "{mode} {name:?}: {verified:?}");
        // A password is bound to a certificate that was taken, and to no other.
        let bound = taken.then(|| Sha256::digest(&certificate).to_vec());
        assert_eq!(hash.get(), bound);
        assert!(!verifier.supported_verify_schemes().is_empty());
    }
}
