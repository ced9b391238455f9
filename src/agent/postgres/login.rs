//! From a target's configuration to what a connection needs: addresses, credentials and TLS.

use std::sync::Arc;

use anyhow::Context;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::api::agent_config::{PostgresLogin, SslMode};

/// The role when none is given.
const USER: &str = "postgres";
/// PostgreSQL's port.
pub const PORT: u16 = 5432;
/// What the server shows of us in `pg_stat_activity`.
const APPLICATION: &str = "masthead";

/// What a connection needs but for the database's name.
#[derive(Clone)]
pub struct Endpoint {
    /// Addresses and credentials.
    pub config: Config,
    /// None: no TLS.
    pub tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endpoint(…)")
    }
}

/// What the files of a login hold: read at each scrape, so that a change is noticed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files {
    user: Option<String>,
    password: Option<Vec<u8>>,
    ca: Option<Vec<u8>>,
    cert: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Files(…)")
    }
}

impl Files {
    /// Reads the files that a login names.
    ///
    /// # Errors
    /// When one cannot be read; the message names it, and never what it holds.
    pub fn read(login: &PostgresLogin) -> anyhow::Result<Self> {
        let user = read("userFile", login.user_file.as_deref())?;
        Ok(Self {
            user: user.map(|user| String::from_utf8_lossy(line(&user)).into_owned()),
            password: read("passwordFile", login.password_file.as_deref())?
                .map(|password| line(&password).to_owned()),
            ca: read("caFile", login.ca_file.as_deref())?,
            cert: read("certFile", login.cert_file.as_deref())?,
            key: read("keyFile", login.key_file.as_deref())?,
        })
    }

    /// How to connect with them.
    ///
    /// # Errors
    /// When certificates or the key are no such.
    pub fn endpoint(
        &self,
        host: &str,
        port: u16,
        login: &PostgresLogin,
    ) -> anyhow::Result<Endpoint> {
        let mut config = Config::new();
        let socket = host.starts_with('/');
        if socket {
            config.host_path(host);
        } else {
            config.host(host);
        }
        config.port(port);
        config.application_name(APPLICATION);
        config.user(
            self.user
                .as_deref()
                .or(login.user.as_deref())
                .unwrap_or(USER),
        );
        if let Some(password) = &self.password {
            config.password(password);
        }
        let mode = if socket {
            SslMode::Disable
        } else {
            login.ssl_mode
        };
        config.ssl_mode(match mode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            _ => tokio_postgres::config::SslMode::Require,
        });
        let tls = (mode != SslMode::Disable)
            .then(|| self.tls(mode))
            .transpose()?;
        Ok(Endpoint { config, tls })
    }

    fn tls(&self, mode: SslMode) -> anyhow::Result<MakeRustlsConnect> {
        let provider = Arc::new(ring::default_provider());
        let check = Check {
            provider: provider.clone(),
            authority: match mode {
                SslMode::VerifyCa | SslMode::VerifyFull => Some(self.authority(&provider)?),
                _ => None,
            },
            name: mode == SslMode::VerifyFull,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(check));
        let config = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let chain = CertificateDer::pem_slice_iter(cert).collect::<Result<_, _>>();
                let chain = chain.context("certFile: no certificate in PEM")?;
                let key = PrivateKeyDer::from_pem_slice(key).context("keyFile: no key in PEM")?;
                builder
                    .with_client_auth_cert(chain, key)
                    .context("certFile and keyFile do not belong together")?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => anyhow::bail!("certFile and keyFile: both or none"),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn authority(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> anyhow::Result<Arc<WebPkiServerVerifier>> {
        let ca = self.ca.as_deref();
        let ca = ca.context("caFile: sslMode verify-ca and verify-full need one")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            let certificate = certificate.context("caFile: no certificate in PEM")?;
            roots.add(certificate).context("caFile")?;
        }
        anyhow::ensure!(!roots.is_empty(), "caFile: no certificate in PEM");
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        Ok(builder.build()?)
    }
}

fn read(field: &str, path: Option<&str>) -> anyhow::Result<Option<Vec<u8>>> {
    let read = path.map(std::fs::read).transpose();
    read.with_context(|| format!("{field} {}", path.unwrap_or_default()))
}

/// What is written by hand often ends with a line feed, which belongs to no name or password.
fn line(content: &[u8]) -> &[u8] {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    content.strip_suffix(b"\r").unwrap_or(content)
}

/// How far a server's certificate is looked at.
#[derive(Debug)]
struct Check {
    provider: Arc<CryptoProvider>,
    /// None: not at all, as `require` means in PostgreSQL's own client.
    authority: Option<Arc<WebPkiServerVerifier>>,
    name: bool,
}

impl ServerCertVerifier for Check {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        match authority.verify_server_cert(certificate, chain, name, ocsp, now) {
            // The name is looked at last: the rest is in order.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
