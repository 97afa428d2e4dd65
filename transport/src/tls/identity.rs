//! One machine's certificate and key.

use std::{
    fmt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{PeerId, private_file};
use crate::error::TlsError;

/// A certificate of the cluster, with its key: what a machine proves itself by.
pub struct Identity {
    id: PeerId,
    not_after: SystemTime,
    pem: String,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Identity({})", self.id)
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            not_after: self.not_after,
            pem: self.pem.clone(),
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl Identity {
    /// Reads the certificate, its chain if any, and the key, from one PEM text.
    ///
    /// # Errors
    ///
    /// A part is missing, or the certificate is not of a Tidegate cluster.
    pub fn from_pem(pem: &str) -> Result<Self, TlsError> {
        let invalid =
            |error: rustls::pki_types::pem::Error| TlsError::Certificate { reason: error.to_string() };
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(invalid)?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(invalid)?;
        let leaf =
            chain.first().ok_or_else(|| TlsError::Certificate { reason: "it has no certificate".into() })?;
        Ok(Self { id: peer_id(leaf)?, not_after: not_after(leaf)?, pem: pem.to_owned(), chain, key })
    }

    /// Who it is.
    pub fn id(&self) -> &PeerId {
        &self.id
    }

    /// When its certificate expires. Replace it well before.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Certificate and key in PEM. Secret.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Reads what [`Identity::save`] wrote.
    ///
    /// # Errors
    ///
    /// The file cannot be read, others than its owner may read it, or as [`Identity::from_pem`].
    pub fn load(path: &Path) -> Result<Self, TlsError> {
        Self::from_pem(&private_file::read_secret(path)?)
    }

    /// Writes certificate and key as one file (0600), atomically, so that the two always belong together.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TlsError> {
        private_file::write(path, &self.pem, 0o600)
    }

    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// A secret for `purpose` that stays the same as long as this identity does, across restarts.
    pub(crate) fn derived_key(&self, purpose: &[u8]) -> ring::hmac::Key {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.key.secret_der());
        ring::hmac::Key::new(ring::hmac::HMAC_SHA256, ring::hmac::sign(&key, purpose).as_ref())
    }
}

/// Who a certificate speaks for. It must have been verified, unless it is our own.
pub(super) fn peer_id(cert: &CertificateDer<'_>) -> Result<PeerId, TlsError> {
    only_uri(cert)?.parse()
}

fn parse<'a>(cert: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, TlsError> {
    match X509Certificate::from_der(cert) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err(TlsError::Certificate { reason: "bytes follow the certificate".into() }),
        Err(error) => Err(TlsError::Certificate { reason: error.to_string() }),
    }
}

/// The one URI among a certificate's alternative names; more than one would be ambiguous.
pub(super) fn only_uri(cert: &CertificateDer<'_>) -> Result<String, TlsError> {
    let parsed = parse(cert)?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|error| TlsError::Certificate { reason: error.to_string() })?
        .ok_or_else(|| TlsError::Certificate { reason: "it has no name of a cluster".into() })?;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => Ok((*uri).to_owned()),
        _ => Err(TlsError::Certificate { reason: "it must have exactly one name, a URI".into() }),
    }
}

/// The certificate's public key, as DER.
pub(super) fn public_key(cert: &CertificateDer<'_>) -> Result<Vec<u8>, TlsError> {
    Ok(parse(cert)?.public_key().raw.to_vec())
}

fn not_after(cert: &CertificateDer<'_>) -> Result<SystemTime, TlsError> {
    let seconds = u64::try_from(parse(cert)?.validity().not_after.timestamp()).unwrap_or(0);
    Ok(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{ClusterCa, Role};

    #[test]
    fn an_identity_is_read_back_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.pem");
        let ca = ClusterCa::create("c1").unwrap();
        let identity = ca.issue(Role::Worker, "w-1", Duration::from_secs(3600)).unwrap();
        identity.save(&path).unwrap();
        let again = Identity::load(&path).unwrap();
        assert_eq!(again.id(), &PeerId::new("c1", Role::Worker, "w-1").unwrap());
        let left = again.not_after().duration_since(SystemTime::now()).unwrap();
        assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600), "{left:?}");
        assert_eq!(format!("{again:?}"), "Identity(tidegate://c1/worker/w-1)");
        assert_eq!(again.derived_key(b"x").sign_bytes(), identity.derived_key(b"x").sign_bytes());
        assert_ne!(again.derived_key(b"x").sign_bytes(), identity.derived_key(b"y").sign_bytes());
    }

    trait SignBytes {
        fn sign_bytes(&self) -> Vec<u8>;
    }

    impl SignBytes for ring::hmac::Key {
        fn sign_bytes(&self) -> Vec<u8> {
            ring::hmac::sign(self, b"probe").as_ref().to_vec()
        }
    }
}
