//! Addresses of HTTP APIs and how they are talked to.

use super::{
    model::{HttpClient, Tls},
    problem::Problem,
    secrets::SecretFiles,
};
use crate::api::{alerting::external, stack::BasicAuth, value::SecretKeyRef};

/// What a plain address has to look like.
const ADDRESS: &str = "no address: write such as https://host:port/path, without a user or spaces";

/// The parts of an address that Go's `net/url` and curl read alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host, and port where it is given.
    pub authority: &'a str,
    /// Path, query and fragment; empty or with a slash in front.
    pub rest: &'a str,
}

/// Takes an address apart; none when it is not one, when some reader could take it for another
/// one, or when it holds a user: a secret has no place there, and a template neither.
#[must_use]
pub fn address(text: &str) -> Option<Address<'_>> {
    let (scheme, after) = text.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    let plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    let right = is_authority(authority) && rest.chars().all(plain) && escapes_are_right(rest);
    right.then_some(Address {
        scheme,
        authority,
        rest,
    })
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(after) => match after.split_once(']') {
            Some((host, port)) if host.parse::<core::net::Ipv6Addr>().is_ok() => ("v6", port),
            _ => return false,
        },
        None => text
            .find(':')
            .map_or((text, ""), |colon| text.split_at(colon)),
    };
    let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let port_is_right = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    !host.is_empty() && host.chars().all(name) && port_is_right
}

fn escapes_are_right(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut digit = || digits.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        digit() && digit()
    })
}

/// An address that stands in the specification.
pub fn plain_url(field: &str, url: &str) -> Result<String, Problem> {
    match address(url) {
        Some(_) => Ok(url.to_owned()),
        None => Err(Problem::new(field, format!("{url:?} is {ADDRESS}"))),
    }
}

/// An address that is the value of a Secret's key, copied into a file.
pub fn secret_url(
    file: String,
    field: String,
    key: &SecretKeyRef,
    files: &mut SecretFiles<'_>,
) -> Result<String, Problem> {
    files.copy_if(file, field, key, |value| {
        let text = str::from_utf8(value).map_or("", str::trim);
        address(text).is_none().then(|| format!("holds {ADDRESS}"))
    })
}

/// What a client is made from.
pub struct Client<'a> {
    /// The field it stands in.
    pub field: &'a str,
    /// How the names of its files start.
    pub file: &'a str,
    /// `basicAuth`.
    pub basic_auth: Option<&'a BasicAuth>,
    /// `bearerTokenSecretRef`.
    pub bearer_token: Option<&'a SecretKeyRef>,
    /// `tls`.
    pub tls: Option<&'a external::Tls>,
}

impl Client<'_> {
    /// The client, with its secrets copied into files.
    pub fn resolve(&self, files: &mut SecretFiles<'_>) -> Result<HttpClient, Problem> {
        let (field, file) = (self.field, self.file);
        if self.basic_auth.is_some() && self.bearer_token.is_some() {
            let message = "basicAuth or bearerTokenSecretRef, not both";
            return Err(Problem::new(field, message));
        }
        let basic_auth = self.basic_auth.map(|auth| {
            let at = format!("{field}.basicAuth.passwordSecretRef");
            let copied = files.copy(format!("{file}-password"), at, &auth.password_secret_ref)?;
            Ok((auth.username.clone(), copied))
        });
        let bearer_token_file = self.bearer_token.map(|key| {
            let at = format!("{field}.bearerTokenSecretRef");
            files.copy(format!("{file}-token"), at, key)
        });
        Ok(HttpClient {
            basic_auth: basic_auth.transpose()?,
            bearer_token_file: bearer_token_file.transpose()?,
            tls: tls(self.tls, field, file, files)?,
        })
    }
}

/// Whom to trust. The certificates are looked at: a file without any makes Prometheus and
/// Alertmanager refuse their whole configuration.
pub fn tls(
    tls: Option<&external::Tls>,
    field: &str,
    file: &str,
    files: &mut SecretFiles<'_>,
) -> Result<Option<Tls>, Problem> {
    let Some(tls) = tls else {
        return Ok(None);
    };
    let ca_file = tls.ca_secret_ref.as_ref().map(|key| {
        let at = format!("{field}.tls.caSecretRef");
        files.copy_if(format!("{file}-ca"), at, key, |value| {
            let message = "holds no certificate: PEM, starting with -----BEGIN CERTIFICATE-----";
            (!holds_certificate(value)).then(|| message.to_owned())
        })
    });
    Ok(Some(Tls {
        ca_file: ca_file.transpose()?,
        server_name: tls.server_name.clone(),
        insecure_skip_verify: tls.insecure_skip_verify.unwrap_or(false),
    }))
}

/// Whether a text is PEM with a certificate that an authority could have.
pub fn holds_certificate(pem: &[u8]) -> bool {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .any(|certificate| webpki::anchor_from_trusted_cert(&certificate).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_three_parts() {
        let found = address("https://example.org:9093/am/?q=%20#a").unwrap();
        assert_eq!(
            (found.scheme, found.authority, found.rest),
            ("https", "example.org:9093", "/am/?q=%20#a")
        );
        assert_eq!(address("http://[::1]:80").unwrap().authority, "[::1]:80");
    }

    #[test]
    fn what_is_no_address_or_holds_more_than_one_is_none() {
        for text in [
            "",
            "example.org",
            "ftp://example.org",
            "http://",
            "http:///path",
            "http://user:password@example.org",
            "http://a b",
            "http://a:port",
            "http://a:0",
            "http://a:65536",
            "http://[::1",
            "http://a/%zz",
            "http://a/{{ .Labels.x }}",
            "http://a/\n",
            "http://bücher.example/",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn only_pem_with_a_certificate_in_it_is_one() {
        assert!(!holds_certificate(b"secret"));
        assert!(holds_certificate(include_bytes!(
            "../../tests/fixtures/authority.pem"
        )));
        let lies = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(!holds_certificate(lies.as_bytes()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(https?://)?\\PC*", bytes in any::<Vec<u8>>()) {
            let _address = address(&text);
            let _holds = holds_certificate(&bytes);
        }
    }
}
