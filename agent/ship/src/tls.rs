//! TLS: the system's own trust store, the fleet's private authorities beside it, and perhaps a client certificate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::http::{Pem, SetupError};
use crate::issuer::issuer;
use crate::secret::Secret;

/// Hosts whose last issuer is remembered; a few sinks and mirrors.
const MOST_HOSTS: usize = 64;

/// Who signed the certificates that hosts showed, for messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Issuers(Arc<Mutex<BTreeMap<String, String>>>);

impl Issuers {
    pub(crate) fn of(&self, host: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    fn note(&self, host: &str, certificate: &[u8]) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(name) = issuer(certificate) else { return };
        if hosts.len() < MOST_HOSTS || hosts.contains_key(host) {
            hosts.insert(host.to_owned(), name);
        }
    }
}

/// What every connection is made with.
pub(crate) fn config(
    extra: &[Pem],
    identity: Option<&Secret>,
    issuers: &Issuers,
) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Noting { inner: verifier(extra, &provider)?, issuers: issuers.clone() };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| SetupError::Tls)?
        // only because the verifier is wrapped: it decides, the wrapping takes notes
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some(pem) => {
            let (chain, key) = parts(pem).ok_or(SetupError::Identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|_| SetupError::Identity)
        }
    }
}

fn verifier(extra: &[Pem], provider: &Arc<CryptoProvider>) -> Result<Verifier, SetupError> {
    let mut roots = Vec::new();
    for file in extra {
        let unreadable = || SetupError::Pem { name: file.name.clone() };
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&file.bytes) {
            let certificate = certificate.map_err(|_| unreadable())?;
            // read here once, where the file can still be named
            RootCertStore::empty().add(certificate.clone()).map_err(|_| unreadable())?;
            roots.push(certificate);
        }
        // a file without a certificate is a mistake that would only show as refused connections
        if roots.len() == before {
            return Err(unreadable());
        }
    }
    Verifier::new_with_extra_roots(roots, Arc::clone(provider)).map_err(|_| SetupError::Tls)
}

fn parts(pem: &Secret) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let bytes = pem.expose().as_bytes();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(bytes).ok()?;
    (!chain.is_empty()).then_some((chain, key))
}

/// Lets the system's verifier decide, and remembers who signed what was shown.
#[derive(Debug)]
struct Noting {
    inner: Verifier,
    issuers: Issuers,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.issuers.note(&server_name.to_str(), end_entity);
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
