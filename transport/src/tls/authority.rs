//! The cluster's own certificate authority.

use std::{
    fmt,
    path::Path,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    Identity, PeerId, Role,
    name::{authority_cluster, authority_uri, check_name},
    private_file,
};
use crate::error::TlsError;

const CERT_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";
/// Certificates start this much earlier than they are made: a machine whose clock is behind by hours is of the cluster
/// all the same.
const CLOCK_SKEW: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const CA_YEARS: u32 = 20;

/// From when until when a certificate is accepted, by the clock of the machine that checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Not accepted before.
    pub not_before: SystemTime,
    /// Not accepted after.
    pub not_after: SystemTime,
}

impl Validity {
    /// From now (less a day, for clocks that are behind) for `duration`, at most twenty years.
    pub fn lasting(duration: Duration) -> Self {
        let now = SystemTime::now();
        Self { not_before: now - CLOCK_SKEW, not_after: now + duration.min(YEAR * CA_YEARS) }
    }
}

/// SHA-256 of a certificate, by which an operator or a join token pins it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Fingerprint({self})")
    }
}

/// The authority's certificate: public, and all that a machine needs to check the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaCert {
    der: CertificateDer<'static>,
    pem: String,
    cluster: String,
}

impl CaCert {
    /// Reads a certificate in PEM.
    ///
    /// # Errors
    ///
    /// It is not the certificate of a Tidegate cluster's authority.
    pub fn from_pem(pem: &str) -> Result<Self, TlsError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| TlsError::Certificate { reason: error.to_string() })?;
        let uri = super::identity::only_uri(&der)?;
        let cluster = authority_cluster(&uri)
            .ok_or_else(|| TlsError::Certificate {
                reason: format!("`{uri}` does not name a cluster's authority"),
            })?
            .to_owned();
        Ok(Self { der, pem: pem.to_owned(), cluster })
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The cluster that it speaks for.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Its SHA-256.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.der);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Fingerprint(bytes)
    }

    /// Reads it from a PEM file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or as [`CaCert::from_pem`].
    pub fn load(path: &Path) -> Result<Self, TlsError> {
        Self::from_pem(&private_file::read(path)?)
    }

    /// Writes it as a PEM file that all may read.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TlsError> {
        private_file::write(path, &self.pem, 0o644)
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

/// The authority with its key: issues identities. Held by controllers alone.
pub struct ClusterCa {
    cert: CaCert,
    key: KeyPair,
}

impl fmt::Debug for ClusterCa {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ClusterCa").field("cluster", &self.cert.cluster).finish_non_exhaustive()
    }
}

impl ClusterCa {
    /// Makes the authority of a new cluster, good for twenty years.
    ///
    /// # Errors
    ///
    /// The cluster's name is not valid, or the system gives no randomness.
    pub fn create(cluster: &str) -> Result<Self, TlsError> {
        check_name(cluster)?;
        let mut params = params(
            &format!("Tidegate cluster {cluster}"),
            &authority_uri(cluster),
            Validity::lasting(YEAR * CA_YEARS),
        )?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let cert = CaCert::from_pem(&params.self_signed(&key)?.pem())?;
        Ok(Self { cert, key })
    }

    /// Reads what [`ClusterCa::save`] wrote.
    ///
    /// # Errors
    ///
    /// A file is missing, unreadable, or readable by others; or key and certificate do not belong together.
    pub fn load(dir: &Path) -> Result<Self, TlsError> {
        let cert = private_file::read(&dir.join(CERT_FILE))?;
        let key = private_file::read_secret(&dir.join(KEY_FILE))?;
        Self::from_pem(&cert, &key).map_err(|error| match error {
            TlsError::Certificate { reason } => {
                TlsError::Certificate { reason: format!("{reason} (in {})", dir.display()) }
            }
            other => other,
        })
    }

    /// From its certificate and its key, in PEM.
    ///
    /// # Errors
    ///
    /// One of them cannot be read, or they do not belong together.
    pub fn from_pem(cert: &str, key: &str) -> Result<Self, TlsError> {
        let cert = CaCert::from_pem(cert)?;
        let key = KeyPair::from_pem(key)?;
        if super::identity::public_key(cert.der())? != key.subject_public_key_info() {
            let reason = format!("{CERT_FILE} and {KEY_FILE} do not belong together");
            return Err(TlsError::Certificate { reason });
        }
        Ok(Self { cert, key })
    }

    /// Its key in PEM. Secret: whoever has it can make himself a controller.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Writes `ca.key` (0600) and `ca.pem` in `dir` (0700), each atomically, the key first.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), TlsError> {
        private_file::make_dir(dir)?;
        private_file::write(&dir.join(KEY_FILE), &self.key.serialize_pem(), 0o600)?;
        self.cert.save(&dir.join(CERT_FILE))
    }

    /// The public half.
    pub fn cert(&self) -> &CaCert {
        &self.cert
    }

    /// The certificate's SHA-256.
    pub fn fingerprint(&self) -> Fingerprint {
        self.cert.fingerprint()
    }

    /// Issues an identity with a fresh key, good from now for `valid_for`.
    ///
    /// # Errors
    ///
    /// The name is not valid, or the system gives no randomness.
    pub fn issue(&self, role: Role, name: &str, valid_for: Duration) -> Result<Identity, TlsError> {
        self.issue_within(role, name, Validity::lasting(valid_for))
    }

    /// As [`ClusterCa::issue`], with both ends of the validity given.
    ///
    /// # Errors
    ///
    /// As [`ClusterCa::issue`].
    pub fn issue_within(&self, role: Role, name: &str, validity: Validity) -> Result<Identity, TlsError> {
        let id = PeerId::new(&self.cert.cluster, role, name)?;
        let mut params = params(&format!("{role} {name}"), &id.to_string(), validity)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_der(self.cert.der(), &self.key)?;
        let cert = params.signed_by(&key, &issuer)?;
        Identity::from_pem(&format!("{}{}", cert.pem(), key.serialize_pem()))
    }
}

fn params(common_name: &str, uri: &str, validity: Validity) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
    params.not_before = validity.not_before.into();
    params.not_after = validity.not_after.into();
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn an_authority_is_kept_for_its_owner_alone_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("tls");
        let ca = ClusterCa::create("c1").unwrap();
        ca.save(&home).unwrap();
        assert_eq!((mode(&home), mode(&home.join(KEY_FILE))), (0o700, 0o600));
        let again = ClusterCa::load(&home).unwrap();
        assert_eq!(again.cert().cluster(), "c1");
        assert_eq!(again.fingerprint(), ca.fingerprint());
        assert_eq!(fs::read_dir(&home).unwrap().count(), 2, "nothing unfinished is left behind");
        again.issue(Role::Worker, "w", YEAR).unwrap();
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        ClusterCa::create("c1").unwrap().save(dir.path()).unwrap();
        fs::set_permissions(dir.path().join(KEY_FILE), fs::Permissions::from_mode(0o644)).unwrap();
        let error = ClusterCa::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("ca.key") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_key_of_another_authority_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        ClusterCa::create("c1").unwrap().save(dir.path()).unwrap();
        ClusterCa::create("c1").unwrap().cert().save(&dir.path().join(CERT_FILE)).unwrap();
        assert!(ClusterCa::load(dir.path()).unwrap_err().to_string().contains("do not belong together"));
    }

    #[test]
    fn a_machines_certificate_is_no_authority() {
        let identity = ClusterCa::create("c1").unwrap().issue(Role::Controller, "a", YEAR).unwrap();
        assert!(CaCert::from_pem(identity.pem()).is_err());
    }
}
