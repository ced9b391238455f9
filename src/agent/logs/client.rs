//! The receiver: its address, how it is trusted, who we are to it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::api::agent_config::{Encoding, LokiConfig, TlsFiles};

const PATH: &str = "/loki/api/v1/push";
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a request may take. What takes longer is sent again, so Loki may see it twice.
const REQUEST: Duration = Duration::from_secs(10);
/// As much as is read of an answer.
const ANSWER: usize = 64 * 1024;

/// A receiver.
#[derive(Debug)]
pub struct Client {
    uri: Uri,
    config: LokiConfig,
    built: Mutex<Option<Built>>,
}

/// What makes requests, and the files it was made from, as they were.
#[derive(Clone, Debug)]
struct Built {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
    files: Vec<Option<SystemTime>>,
}

/// What it said.
#[derive(Debug)]
pub enum Answer {
    /// An answer.
    Status {
        /// Its status.
        status: StatusCode,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
        /// Its text.
        text: String,
    },
    /// None: the connection failed, or took too long.
    None(String),
}

impl Client {
    /// A client of the receiver. Its certificates and secrets are read when they are needed, since
    /// they may come later than we do, and again when they change.
    ///
    /// # Errors
    /// When the address is none; the message names the field.
    pub fn new(config: &LokiConfig) -> anyhow::Result<Self> {
        Ok(Self {
            uri: address(&config.url)?,
            config: config.clone(),
            built: Mutex::default(),
        })
    }

    /// Host and port of the address: what of it can be shown to anybody.
    pub fn place(&self) -> String {
        let host = self.uri.host().unwrap_or_default();
        match self.uri.port_u16() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    fn built(&self) -> anyhow::Result<Built> {
        let tls = &self.config.tls;
        let files = [&tls.ca_file, &tls.cert_file, &tls.key_file];
        let changed = |path: &String| std::fs::metadata(path).and_then(|it| it.modified()).ok();
        let files: Vec<_> = files.into_iter().flatten().map(changed).collect();
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = built.as_ref().filter(|built| built.files == files) {
            return Ok(built.clone());
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let secure = self.uri.scheme_str() == Some("https");
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(tls, secure)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = Http::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(4)
            .build(connector);
        Ok(built.insert(Built { http, files }).clone())
    }

    /// Sends a batch.
    pub async fn push(&self, tenant: Option<&str>, body: Bytes) -> Answer {
        let made = self
            .built()
            .and_then(|built| Ok((built.http, self.request(tenant, body)?)));
        let (http, request) = match made {
            Ok(made) => made,
            Err(error) => return Answer::None(format!("{error:#}")),
        };
        let exchange = async {
            let response = http.request(request).await?;
            let (head, body) = response.into_parts();
            let retry_after = head.headers.get(RETRY_AFTER).and_then(seconds);
            let text = match Limited::new(body, ANSWER).collect().await {
                Ok(text) => String::from_utf8_lossy(&text.to_bytes()).into_owned(),
                // The status says it all; a text is only for people.
                Err(_) => String::new(),
            };
            Ok::<_, hyper_util::client::legacy::Error>(Answer::Status {
                status: head.status,
                retry_after,
                text,
            })
        };
        match tokio::time::timeout(REQUEST, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Answer::None(chain(&error)),
            Err(_) => Answer::None(format!("no answer within {} s", REQUEST.as_secs())),
        }
    }

    fn request(&self, tenant: Option<&str>, body: Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::post(self.uri.clone()).header(USER_AGENT, "masthead-agent");
        request = match self.config.encoding {
            Encoding::Protobuf => request.header(CONTENT_TYPE, "application/x-protobuf"),
            Encoding::Json => request
                .header(CONTENT_TYPE, "application/json")
                .header(CONTENT_ENCODING, "gzip"),
        };
        if let Some(tenant) = tenant {
            request = request.header("X-Scope-OrgID", tenant);
        }
        if let Some(value) = self.authorization()? {
            request = request.header(AUTHORIZATION, value);
        }
        Ok(request.body(Full::new(body))?)
    }

    /// Read for every request: Secrets are renewed under a running agent.
    fn authorization(&self) -> anyhow::Result<Option<HeaderValue>> {
        let value = match (&self.config.basic_auth, &self.config.bearer_token_file) {
            (Some(basic), _) => {
                let password = secret("loki.basicAuth.passwordFile", &basic.password_file)?;
                let pair = [basic.username.as_bytes(), b":", password.as_bytes()].concat();
                format!("Basic {}", base64(&pair))
            }
            (None, Some(file)) => format!("Bearer {}", secret("loki.bearerTokenFile", file)?),
            (None, None) => return Ok(None),
        };
        let mut value = HeaderValue::from_str(&value).context("a secret of loki is no header")?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// The address to push to.
///
/// # Errors
/// When it is none.
pub fn address(url: &str) -> anyhow::Result<Uri> {
    let wrong = || format!("logs.loki.url: {url:?} is no address such as http://loki:3100");
    let uri: Uri = url.parse().with_context(wrong)?;
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    anyhow::ensure!(web && uri.host().is_some(), wrong());
    if uri.path() != "/" {
        return Ok(uri);
    }
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(PATH.parse()?);
    Ok(Uri::from_parts(parts)?)
}

fn client_config(files: &TlsFiles, secure: bool) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &files.ca_file {
        Some(path) => {
            for certificate in certificates("loki.tls.caFile", path)? {
                roots
                    .add(certificate)
                    .with_context(|| format!("loki.tls.caFile: {path}"))?;
            }
        }
        None if !secure => {}
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match (&files.cert_file, &files.key_file) {
        (Some(cert), Some(key)) => {
            let chain = certificates("loki.tls.certFile", cert)?;
            let key = PrivateKeyDer::from_pem_file(Path::new(key))
                .with_context(|| format!("loki.tls.keyFile: {key}"))?;
            builder
                .with_client_auth_cert(chain, key)
                .context("loki.tls.certFile")
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => anyhow::bail!("loki.tls: certFile and keyFile belong together; give both or none"),
    }
}

fn certificates(field: &str, path: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let wrong = || format!("{field}: {path}: no certificates in PEM can be read there");
    let read = CertificateDer::pem_file_iter(path).with_context(wrong)?;
    let read: Vec<_> = read.collect::<Result<_, _>>().with_context(wrong)?;
    anyhow::ensure!(!read.is_empty(), wrong());
    Ok(read)
}

fn secret(field: &str, path: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{field}: {path}"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// `Retry-After` in seconds; dates are not used by what receives logs.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    let seconds = value.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(300)))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Base64 with padding (RFC 4648), which a header wants.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * at) & 0x3f) as usize);
            let letter = letter.filter(|_| at <= chunk.len());
            out.push(letter.map_or('=', |letter| char::from(*letter)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_gets_lokis() {
        for (url, full) in [
            ("http://loki:3100", "http://loki:3100/loki/api/v1/push"),
            (
                "https://logs.example.com/",
                "https://logs.example.com/loki/api/v1/push",
            ),
            ("http://other/insert/loki", "http://other/insert/loki"),
        ] {
            assert_eq!(address(url).unwrap().to_string(), full);
        }
        for url in ["loki:3100", "", "ftp://x", "/path"] {
            let error = address(url).unwrap_err().to_string();
            assert!(error.starts_with("logs.loki.url: "), "{error}");
        }
    }

    #[test]
    fn a_password_is_written_as_headers_want_it() {
        for (text, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("user:päß", "dXNlcjpww6TDnw=="),
        ] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }

    #[tokio::test]
    async fn files_that_are_not_there_yet_are_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| Some(folder.path().join(name).display().to_string());
        let trusting = |tls| LokiConfig {
            url: "https://127.0.0.1:9".into(),
            tls,
            ..LokiConfig::default()
        };
        let ca = TlsFiles {
            ca_file: file("ca.crt"),
            ..TlsFiles::default()
        };
        let own = TlsFiles {
            cert_file: file("tls.crt"),
            key_file: file("tls.key"),
            ..TlsFiles::default()
        };
        for (tls, field) in [(ca, "loki.tls.caFile"), (own, "loki.tls.certFile")] {
            let client = Client::new(&trusting(tls)).unwrap();
            let Answer::None(why) = client.push(None, Bytes::new()).await else {
                panic!("nobody is there")
            };
            assert!(why.starts_with(field), "{why}");
        }
    }
}
