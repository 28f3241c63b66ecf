//! TLS: the system's roots, client certificates, and what switching verification off takes.

use im_model::Secret;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::sync::{Arc, OnceLock};

/// Whether the certificate of the other side is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verification {
    /// Chain, name and dates are checked.
    #[default]
    Full,
    /// Anybody may answer: the operator has switched verification off.
    Off,
}

/// A client certificate with its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, and the chain if there is one.
    pub certificate: Secret,
    /// Its private key: PKCS#8, PKCS#1 or SEC1.
    pub private_key: Secret,
}

/// What a TLS session is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whether the certificate of the other side is checked.
    pub verification: Verification,
    /// Who we are, if the other side wants to know.
    pub identity: Option<ClientIdentity>,
    /// Certificate authorities (PEM) to trust beside the system's.
    pub authorities: Option<Secret>,
}

/// TLS material that cannot be used. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, or nothing in it.
    #[error("the {what} is not valid PEM: {reason}")]
    Pem {
        /// Which part.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The parts do not fit.
    #[error("the client certificate and its private key cannot be used: {0}")]
    Identity(String),
    /// The system has none.
    #[error("no root certificates found on this host ({0}); install ca-certificates or set SSL_CERT_FILE")]
    NoRoots(String),
    /// A library refused its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// The system's root certificates, read when first needed.
#[derive(Default)]
pub(super) struct TlsRoots(OnceLock<Result<Arc<RootCertStore>, TlsError>>);

impl TlsRoots {
    fn system(&self) -> Result<Arc<RootCertStore>, TlsError> {
        self.0
            .get_or_init(|| {
                let loaded = rustls_native_certs::load_native_certs();
                let mut store = RootCertStore::empty();
                let (added, _) = store.add_parsable_certificates(loaded.certs);
                if added == 0 {
                    let why = loaded
                        .errors
                        .first()
                        .map_or_else(|| "none installed".to_owned(), ToString::to_string);
                    return Err(TlsError::NoRoots(why));
                }
                Ok(Arc::new(store))
            })
            .clone()
    }

    /// A client configuration.
    pub(super) fn config(&self, options: &TlsOptions) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| TlsError::Setup(e.to_string()))?;
        let builder = match options.verification {
            Verification::Full => builder.with_root_certificates(self.roots(options.authorities.as_ref())?),
            Verification::Off => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        };
        let config = match &options.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = certificates("client certificate", &identity.certificate)?;
                let key = PrivateKeyDer::from_pem_slice(identity.private_key.expose().as_bytes())
                    .map_err(|e| pem_error("client private key", &e))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| TlsError::Identity(e.to_string()))?
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self, authorities: Option<&Secret>) -> Result<Arc<RootCertStore>, TlsError> {
        let Some(pem) = authorities else {
            return self.system();
        };
        // A private authority is enough by itself: a host without the system's bundle can still be used with it.
        let mut store = self.system().map_or_else(|_| RootCertStore::empty(), |s| (*s).clone());
        for certificate in certificates("certificate authority", pem)? {
            store.add(certificate).map_err(|e| TlsError::Pem {
                what: "certificate authority",
                reason: e.to_string(),
            })?;
        }
        Ok(Arc::new(store))
    }
}

fn certificates(what: &'static str, pem: &Secret) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem.expose().as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| pem_error(what, &e))?;
    if found.is_empty() {
        return Err(TlsError::Pem {
            what,
            reason: "there is no certificate in it (give the file's contents, not its name)".to_owned(),
        });
    }
    Ok(found)
}

/// The library's errors may quote the text that it could not read: only say what kind of thing went wrong.
fn pem_error(what: &'static str, error: &rustls::pki_types::pem::Error) -> TlsError {
    use rustls::pki_types::pem::Error as Pem;
    let reason = match error {
        Pem::MissingSectionEnd { .. } => "a section has no end line",
        Pem::IllegalSectionStart { .. } => "a section has a broken start line",
        Pem::Base64Decode(_) => "its body is not base64",
        Pem::NoItemsFound => "nothing of that kind is in it (give the file's contents, not its name)",
        _ => "it cannot be read",
    };
    TlsError::Pem {
        what,
        reason: reason.to_owned(),
    }
}

/// Accepts whoever answers, as long as they hold the key of the certificate they show.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
