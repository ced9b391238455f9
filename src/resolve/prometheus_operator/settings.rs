//! How the targets of an object are scraped: checked as Prometheus checks it, since it refuses its
//! whole configuration over one wrong field.

use std::collections::BTreeMap;

use super::{
    copies::{Copies, Use},
    objects::Foreign,
    spec::{Authorization, BasicAuth, KeyRef, TlsConfig},
};
use crate::resolve::{
    duration,
    http::address,
    model::jobs::{Auth, File, JobTls, Limits, Scrape},
    problem::Problem,
    rules::zero_or_more_millis,
};

/// The one token that a path may name: Prometheus' own.
const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// The one authority that a path may name.
const OWN_AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
/// Parameters of a query are this many at most.
const PARAMS: usize = 64;

/// The limits that a specification gives: all kinds write them alike, among their own fields. One
/// struct flattened into each would hide the fields that nobody knows from [`read`](super::read).
macro_rules! limits {
    ($spec:ident, $body:expr) => {
        Limits {
            samples: $spec.sample_limit,
            targets: $spec.target_limit,
            labels: $spec.label_limit,
            label_name_length: $spec.label_name_length_limit,
            label_value_length: $spec.label_value_length_limit,
            body: $body,
            kept_dropped_targets: $spec.keep_dropped_targets,
        }
    };
}
pub(super) use limits;

/// What the stack brings.
pub struct Surroundings<'a> {
    /// The namespace of the stack.
    pub namespace: &'a str,
    /// Its scrape interval.
    pub interval: &'a str,
}

/// What an object gives.
#[derive(Default)]
pub struct Given<'a> {
    pub interval: Option<&'a str>,
    pub timeout: Option<&'a str>,
    pub path: Option<&'a str>,
    pub scheme: Option<&'a str>,
    pub params: BTreeMap<String, Vec<String>>,
    pub honor_labels: Option<bool>,
    pub honor_timestamps: Option<bool>,
    pub track_timestamps_staleness: Option<bool>,
    pub follow_redirects: Option<bool>,
    pub enable_http2: Option<bool>,
    pub enable_compression: Option<bool>,
    pub proxy_url: Option<&'a str>,
    pub credentials: Credentials<'a>,
    pub tls: Option<&'a TlsConfig>,
}

/// The ways to say who asks; one at most.
#[derive(Default)]
pub struct Credentials<'a> {
    pub basic_auth: Option<&'a BasicAuth>,
    pub authorization: Option<&'a Authorization>,
    pub bearer_token_secret: Option<&'a KeyRef>,
    pub bearer_token_file: Option<&'a str>,
}

/// The settings of a job.
pub fn scrape(
    around: &Surroundings<'_>,
    copies: &mut Copies<'_>,
    object: &Foreign,
    field: &str,
    given: Given<'_>,
    limits: Limits,
) -> Result<Scrape, Problem> {
    let at = |name: &str| format!("{field}.{name}");
    let interval = interval(&at("interval"), given.interval)?;
    let timeout = self::interval(&at("scrapeTimeout"), given.timeout)?;
    let longest = interval.as_deref().unwrap_or(around.interval);
    let millis = |text: &str| duration::parse_millis(text).unwrap_or_default();
    if let Some(timeout) = timeout.as_deref().filter(|it| millis(it) > millis(longest)) {
        let message = format!("{timeout} is longer than the interval, {longest}");
        return Err(Problem::new(at("scrapeTimeout"), message));
    }
    if given.params.len() > PARAMS {
        return Err(Problem::new(at("params"), format!("{PARAMS} at most")));
    }
    let proxy_url = given.proxy_url.filter(|url| !url.is_empty());
    if proxy_url.is_some_and(|url| address(url).is_none()) {
        let message = "write http://host:port or https://host:port, without a user";
        return Err(Problem::new(at("proxyUrl"), message));
    }
    let tls = given
        .tls
        .map(|tls| self::tls(copies, object, &at("tlsConfig"), tls));
    Ok(Scrape {
        interval,
        timeout,
        path: given
            .path
            .filter(|path| !path.is_empty())
            .map(ToOwned::to_owned),
        scheme: scheme(&at("scheme"), given.scheme)?,
        params: given.params,
        honor_labels: given.honor_labels.unwrap_or(false),
        honor_timestamps: given.honor_timestamps,
        track_timestamps_staleness: given.track_timestamps_staleness,
        follow_redirects: given.follow_redirects,
        enable_http2: given.enable_http2,
        enable_compression: given.enable_compression,
        proxy_url: proxy_url.map(ToOwned::to_owned),
        auth: auth(around, copies, object, field, &given.credentials)?,
        tls: tls.transpose()?,
        limits,
    })
}

/// A duration; none and zero are the default one.
pub fn interval(field: &str, given: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(text) = given.filter(|text| !text.is_empty() && *text != "0") else {
        return Ok(None);
    };
    match zero_or_more_millis(text) {
        Some(0) => Ok(None),
        Some(_) => Ok(Some(text.to_owned())),
        None => Err(Problem::new(field, duration::refusal(text, "30s"))),
    }
}

/// `http` or `https`, in any letters.
pub fn scheme(field: &str, given: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(text) = given.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let text = text.to_lowercase();
    if text == "http" || text == "https" {
        return Ok(Some(text));
    }
    Err(Problem::new(field, "http or https"))
}

/// Who asks.
pub fn auth(
    around: &Surroundings<'_>,
    copies: &mut Copies<'_>,
    object: &Foreign,
    field: &str,
    given: &Credentials<'_>,
) -> Result<Option<Auth>, Problem> {
    let secret = given
        .bearer_token_secret
        .filter(|key| !(key.name.is_empty() && key.key.is_empty()));
    let path = given.bearer_token_file.filter(|path| !path.is_empty());
    match (given.basic_auth, given.authorization, secret, path) {
        (None, None, None, None) => Ok(None),
        (Some(basic), None, None, None) => {
            basic_auth(copies, object, &format!("{field}.basicAuth"), basic).map(Some)
        }
        (None, Some(header), None, None) => {
            authorization(copies, object, &format!("{field}.authorization"), header)
        }
        (None, None, Some(key), None) => {
            let field = format!("{field}.bearerTokenSecret");
            header_of(copies, object, &field, "Bearer", Some(key))
        }
        (None, None, None, Some(path)) => {
            own_token(around, object, &format!("{field}.bearerTokenFile"), path).map(Some)
        }
        _ => {
            let message =
                "basicAuth, authorization, bearerTokenSecret or bearerTokenFile: one of them";
            Err(Problem::new(field, message))
        }
    }
}

fn basic_auth(
    copies: &mut Copies<'_>,
    object: &Foreign,
    field: &str,
    given: &BasicAuth,
) -> Result<Auth, Problem> {
    let mut copy = |name: &str, key: Option<&KeyRef>| match key {
        None => Ok(None),
        Some(key) => copies.secret(object, &format!("{field}.{name}"), key, Use::Text),
    };
    Ok(Auth::Basic {
        username: copy("username", given.username.as_ref())?,
        password: copy("password", given.password.as_ref())?,
    })
}

fn authorization(
    copies: &mut Copies<'_>,
    object: &Foreign,
    field: &str,
    given: &Authorization,
) -> Result<Option<Auth>, Problem> {
    let kind = given.kind.as_deref().map_or("Bearer", str::trim);
    let kind = if kind.is_empty() { "Bearer" } else { kind };
    if kind.eq_ignore_ascii_case("basic") || !kind.bytes().all(|it| it.is_ascii_graphic()) {
        let message = "a type such as Bearer; for Basic write basicAuth";
        return Err(Problem::new(format!("{field}.type"), message));
    }
    let field = format!("{field}.credentials");
    header_of(copies, object, &field, kind, given.credentials.as_ref())
}

/// The token of Prometheus' own service account: no other file of its pod is read.
fn own_token(
    around: &Surroundings<'_>,
    object: &Foreign,
    field: &str,
    path: &str,
) -> Result<Auth, Problem> {
    if path != OWN_TOKEN {
        let message =
            format!("no file of Prometheus' pod is read but {OWN_TOKEN}: write authorization");
        return Err(Problem::new(field, message));
    }
    if object.namespace != around.namespace {
        let message = "the token is Prometheus' own, which only objects of the stack's namespace may send to their targets: write authorization";
        return Err(Problem::new(field, message));
    }
    Ok(Auth::Header {
        kind: "Bearer".into(),
        credentials: File::OwnToken,
    })
}

fn header_of(
    copies: &mut Copies<'_>,
    object: &Foreign,
    field: &str,
    kind: &str,
    key: Option<&KeyRef>,
) -> Result<Option<Auth>, Problem> {
    let Some(key) = key else {
        return Ok(None);
    };
    let file = copies.secret(object, field, key, Use::Text)?;
    Ok(file.map(|credentials| Auth::Header {
        kind: kind.to_owned(),
        credentials,
    }))
}

/// Whom to trust and who to be.
pub fn tls(
    copies: &mut Copies<'_>,
    object: &Foreign,
    field: &str,
    given: &TlsConfig,
) -> Result<JobTls, Problem> {
    let mut copy = |name: &str, key: Option<&super::spec::SecretOrConfigMap>, use_| match key {
        None => Ok(None),
        Some(key) => copies.either(object, &format!("{field}.{name}"), key, use_),
    };
    let mut ca = copy("ca", given.ca.as_ref(), Use::Authority)?;
    let cert = copy("cert", given.cert.as_ref(), Use::Certificate)?;
    match given.ca_file.as_deref().filter(|path| !path.is_empty()) {
        None => {}
        Some(_) if ca.is_some() => {
            return Err(Problem::new(field, "ca or caFile, not both"));
        }
        Some(OWN_AUTHORITY) => ca = Some(File::OwnAuthority),
        Some(_) => {
            let message =
                format!("no file of Prometheus' pod is read but {OWN_AUTHORITY}: write ca");
            return Err(Problem::new(format!("{field}.caFile"), message));
        }
    }
    let key = match &given.key_secret {
        None => None,
        Some(key) => copies.secret(object, &format!("{field}.keySecret"), key, Use::Key)?,
    };
    if cert.is_some() != key.is_some() {
        return Err(Problem::new(field, "cert and keySecret: both or none"));
    }
    let version = |name: &str, text: Option<&String>| match text.map(String::as_str) {
        None | Some("") => Ok(None),
        Some(text @ ("TLS10" | "TLS11" | "TLS12" | "TLS13")) => Ok(Some(text.to_owned())),
        Some(_) => Err(Problem::new(
            format!("{field}.{name}"),
            "TLS10, TLS11, TLS12 or TLS13",
        )),
    };
    Ok(JobTls {
        ca,
        cert,
        key,
        server_name: given.server_name.clone().filter(|name| !name.is_empty()),
        insecure_skip_verify: given.insecure_skip_verify,
        min_version: version("minVersion", given.min_version.as_ref())?,
        max_version: version("maxVersion", given.max_version.as_ref())?,
    })
}

/// The most bytes of an answer, as Prometheus writes it; none and zero are the stack's own.
pub fn body_limit(field: &str, given: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(text) = given.filter(|text| !text.is_empty() && *text != "0") else {
        return Ok(None);
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let powers = ["B", "KB", "MB", "GB", "TB"];
    let unit = unit.replace('i', "");
    let power = powers.iter().position(|known| *known == unit);
    // Above it Prometheus' number overflows.
    let fits = number.parse::<u32>().is_ok_and(|number| number > 0);
    match power {
        Some(_) if fits => Ok(Some(text.to_owned())),
        _ => Err(Problem::new(
            field,
            format!("{text:?} is no size: write such as 10MB"),
        )),
    }
}
