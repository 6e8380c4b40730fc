//! An authority of the test's own, and a certificate by it.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// The files of a server's certificate.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate, for clients.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes a new authority and, by it, a certificate for `names`, and writes them below `directory`.
    ///
    /// # Panics
    ///
    /// The files cannot be written.
    #[must_use]
    pub fn new(directory: &Path, names: &[&str]) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "authority of a test");
        let authority_key = KeyPair::generate().expect("a key");
        let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
        let issuer = Issuer::new(authority, authority_key);

        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new(names).expect("names of servers");
        // ejabberd sets a timer for the end, and takes no certificate for which Erlang has none (292 years).
        parameters.not_after = date_time_ymd(2100, 1, 1);
        let certificate = parameters.signed_by(&key, &issuer).expect("a certificate");
        Self {
            authority: write(directory, "authority.pem", &authority_certificate.pem()),
            certificate: write(directory, "certificate.pem", &certificate.pem()),
            key: write(directory, "key.pem", &key.serialize_pem()),
        }
    }
}

fn write(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, content).expect("a file of the test's own");
    path
}
