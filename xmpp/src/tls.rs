//! TLS: the server is verified, always, for the account's domain.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::{Authorities, ConfigError, Security};

/// What connects by TLS, trusting `authorities` alone.
///
/// # Errors
///
/// The authorities cannot be read, or there are none.
pub(crate) fn connector(authorities: &Authorities, security: Security) -> Result<TlsConnector, ConfigError> {
    let roots = match authorities {
        Authorities::System => of_the_system()?,
        Authorities::File(path) => of_file(path)?,
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Tls { why: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if security == Security::Direct {
        // XEP-0368 section 3: says which protocol is spoken where several share a port.
        config.alpn_protocols = vec![b"xmpp-client".to_vec()];
    }
    Ok(TlsConnector::from(Arc::new(config)))
}

fn of_the_system() -> Result<RootCertStore, ConfigError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(ConfigError::NoAuthorities { why });
    }
    Ok(roots)
}

fn of_file(path: &Path) -> Result<RootCertStore, ConfigError> {
    let failed = |why: String| ConfigError::Authorities { path: path.to_owned(), why };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_without_authorities_is_refused_and_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for content in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(file.path(), content).unwrap();
            let error = connector(&Authorities::File(file.path().into()), Security::StartTls).err().unwrap();
            assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
        }
        let missing = Authorities::File("/nonexistent/ca.pem".into());
        assert!(connector(&missing, Security::Direct).is_err());
    }
}
