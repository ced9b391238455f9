//! `spec.logs.external`: the Loki that the stack does not run.

use std::collections::BTreeMap;

use super::{
    Inputs,
    model::{ExternalLoki, SecretValue},
    problem::Problem,
    secrets::SecretFiles,
};
use crate::api::{
    agent_config::Encoding,
    external_loki::{ClientTls, ExternalLokiSpec, PushEncoding, Tenant},
    stack::{LogsSpec, MonitoringStackSpec},
    value::SecretKeyRef,
};

const FIELD: &str = "spec.logs.external";

/// The password of `basicAuth`, as a file of who talks to that Loki.
pub const PASSWORD: &str = "loki-password";
/// The bearer token.
pub const TOKEN: &str = "loki-token";
/// The certificates of the trusted authorities.
pub const CA: &str = "loki-ca.crt";
/// The client's certificate.
pub const CERT: &str = "loki-client.crt";
/// Its key.
pub const KEY: &str = "loki-client.key";

/// The external Loki, if the stack has one. What lacks its Secret is a problem; the address stays,
/// so that agents wait with their lines until it is there.
pub fn resolve(
    spec: &MonitoringStackSpec,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Option<ExternalLoki> {
    let logs = spec.logs.as_ref()?;
    let external = logs.external.as_deref()?;
    if logs.enabled == Some(false) {
        return None;
    }
    check(logs, external, problems);
    let mut files = SecretFiles::new(inputs);
    let basic = external.basic_auth.as_ref();
    let tls = external.tls.clone().unwrap_or_default();
    for (file, field, reference) in references(external, &tls) {
        let field = format!("{FIELD}.{field}");
        if let Err(problem) = files.copy(file.to_owned(), field, reference) {
            problems.push(problem);
        }
    }
    Some(ExternalLoki {
        url: external.url.clone(),
        tenant: external.tenant.clone().map(|Tenant(tenant)| tenant),
        tenants: tenants(external),
        user: basic.map(|auth| auth.username.clone()),
        token: external.bearer_token_secret_ref.is_some(),
        ca: tls.ca_secret_ref.is_some(),
        certificate: tls.cert_secret_ref.is_some(),
        encoding: match external.encoding.unwrap_or_default() {
            PushEncoding::Protobuf => Encoding::Protobuf,
            PushEncoding::Json => Encoding::Json,
        },
        secrets: checked(files.into_files(), problems),
    })
}

/// The references to Secrets: the file each becomes, and its field.
fn references<'a>(
    external: &'a ExternalLokiSpec,
    tls: &'a ClientTls,
) -> impl Iterator<Item = (&'static str, &'static str, &'a SecretKeyRef)> {
    let password = external
        .basic_auth
        .as_ref()
        .map(|auth| &auth.password_secret_ref);
    let token = external.bearer_token_secret_ref.as_ref();
    [
        (PASSWORD, "basicAuth.passwordSecretRef", password),
        (TOKEN, "bearerTokenSecretRef", token),
        (CA, "tls.caSecretRef", tls.ca_secret_ref.as_ref()),
        (CERT, "tls.certSecretRef", tls.cert_secret_ref.as_ref()),
        (KEY, "tls.keySecretRef", tls.key_secret_ref.as_ref()),
    ]
    .into_iter()
    .filter_map(|(file, field, reference)| Some((file, field, reference?)))
}

/// The names of the Secrets that an external Loki refers to.
pub fn secret_names(spec: &MonitoringStackSpec) -> Vec<String> {
    let external = spec.logs.as_ref().and_then(|logs| logs.external.as_deref());
    external.map_or_else(Vec::new, |external| {
        let tls = external.tls.clone().unwrap_or_default();
        references(external, &tls)
            .map(|(_, _, reference)| reference.name.0.clone())
            .collect()
    })
}

/// What the rules of the CRD say too: servers before 1.25 do not run those.
fn check(logs: &LogsSpec, external: &ExternalLokiSpec, problems: &mut Vec<Problem>) {
    let mut problem = |field: &str, message: &str| {
        problems.push(Problem::new(format!("{FIELD}{field}"), message));
    };
    let own = [
        ("image", logs.image.is_some()),
        ("version", logs.version.is_some()),
        ("retention", logs.retention.is_some()),
        ("storage", logs.storage.is_some()),
        ("resources", logs.resources.is_some()),
    ];
    if let Some((name, _)) = own.into_iter().find(|(_, given)| *given) {
        problem(
            "",
            &format!("spec.logs.{name} is for a Loki of the stack's own: leave one of the two out"),
        );
    }
    if external.basic_auth.is_some() && external.bearer_token_secret_ref.is_some() {
        problem("", "basicAuth or bearerTokenSecretRef, not both");
    }
    if let Some(tls) = &external.tls {
        if tls.cert_secret_ref.is_some() != tls.key_secret_ref.is_some() {
            problem(".tls", "certSecretRef and keySecretRef: both or none");
        }
        if external.url.starts_with("http://") {
            problem(".tls", "the address is not https, so this is not used");
        }
    }
}

fn tenants(external: &ExternalLokiSpec) -> BTreeMap<String, String> {
    let tenants = external.tenants.iter();
    tenants
        .map(|(namespace, Tenant(tenant))| (namespace.clone(), tenant.clone()))
        .collect()
}

/// A line end inside a header's value would end the header.
fn checked(
    mut secrets: BTreeMap<String, SecretValue>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, SecretValue> {
    let broken = |value: &SecretValue| value.0.trim_ascii().contains(&b'\n');
    for (file, field) in [
        (PASSWORD, "basicAuth.passwordSecretRef"),
        (TOKEN, "bearerTokenSecretRef"),
    ] {
        if secrets.get(file).is_some_and(broken) {
            secrets.remove(file);
            let message = "the value has more than one line";
            problems.push(Problem::new(format!("{FIELD}.{field}"), message));
        }
    }
    secrets
}
