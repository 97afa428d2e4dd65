//! What is accepted in a TLS handshake: a chain to the cluster's authority, valid now, of the same cluster, and of a
//! role that is expected. Both sides check alike.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    RootCertStore, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};

use super::{CaCert, Identity, PeerId, Role, identity::peer_id};
use crate::error::TlsError;

/// Only peers that speak this get as far as a version handshake.
const ALPN: &[u8] = b"tidegate";

/// The configurations made from one identity.
#[derive(Clone)]
pub(crate) struct TlsConfigs {
    to_controller: Arc<ClientConfig>,
    to_worker: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl TlsConfigs {
    /// Configurations that prove `identity` and trust `ca` alone; as a server they accept the roles `accept`.
    pub(crate) fn new(identity: &Identity, ca: &CaCert, accept: &[Role]) -> Result<Self, TlsError> {
        if identity.id().cluster != ca.cluster() {
            return Err(TlsError::OtherCluster {
                identity: identity.id().clone(),
                cluster: ca.cluster().to_owned(),
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone())?;
        let roots = Arc::new(roots);
        let client = |role| client(identity, ca, &roots, &provider, role).map(Arc::new);
        Ok(Self {
            to_controller: client(Role::Controller)?,
            to_worker: client(Role::Worker)?,
            server: Arc::new(server(identity, ca, roots.clone(), provider.clone(), accept)?),
        })
    }

    /// For dialling a peer that must have this role.
    pub(crate) fn client(&self, expected: Role) -> Arc<ClientConfig> {
        match expected {
            Role::Controller => self.to_controller.clone(),
            Role::Worker => self.to_worker.clone(),
        }
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }
}

/// Who the peer of a finished handshake is. `chain` must come from that handshake.
pub(crate) fn identify(chain: &[CertificateDer<'_>]) -> Result<PeerId, TlsError> {
    peer_id(chain.first().ok_or_else(|| TlsError::Certificate { reason: "it has no certificate".into() })?)
}

fn client(
    identity: &Identity,
    ca: &CaCert,
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    role: Role,
) -> Result<ClientConfig, TlsError> {
    let expected = Expected { cluster: ca.cluster().to_owned(), roles: vec![role] };
    let verifier = VerifyServer { expected, roots: roots.clone(), provider: provider.clone() };
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(identity.chain().to_vec(), identity.key())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session is not verified again: an expired or replaced certificate would live on in it.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn server(
    identity: &Identity,
    ca: &CaCert,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    accept: &[Role],
) -> Result<ServerConfig, TlsError> {
    let chain = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| TlsError::Certificate { reason: error.to_string() })?;
    let expected = Expected { cluster: ca.cluster().to_owned(), roles: accept.to_vec() };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(VerifyClient { expected, chain }))
        .with_single_cert(identity.chain().to_vec(), identity.key())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// What a certificate must say, beyond being signed by the authority and valid now.
#[derive(Debug)]
struct Expected {
    cluster: String,
    roles: Vec<Role>,
}

impl Expected {
    fn check(&self, cert: &CertificateDer<'_>) -> Result<(), Error> {
        let id = peer_id(cert).map_err(refuse)?;
        if id.cluster != self.cluster {
            return Err(refuse(TlsError::OtherCluster { identity: id, cluster: self.cluster.clone() }));
        }
        if !self.roles.contains(&id.role) {
            return Err(refuse(TlsError::OtherRole { identity: id, expected: self.roles.clone() }));
        }
        Ok(())
    }
}

fn refuse(why: TlsError) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Plain(why)))))
}

/// rustls shows such a cause by `Debug`, to the peer too; it should read as it was written.
struct Plain(TlsError);

impl fmt::Debug for Plain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

impl std::error::Error for Plain {}

#[derive(Debug)]
struct VerifyServer {
    expected: Expected,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for VerifyServer {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(cert)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        // The host's name proves nothing here: machines come and go on the same addresses.
        self.expected.check(cert)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug)]
struct VerifyClient {
    expected: Expected,
    chain: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for VerifyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(cert, intermediates, now)?;
        self.expected.check(cert)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
