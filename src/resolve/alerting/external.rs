//! Alertmanagers that are there already.

use super::super::{
    http::{self, Client},
    model::ExternalAlertmanager,
    problem::Problem,
    secrets::SecretFiles,
};
use crate::api::{
    alerting::{AlertingSpec, external::External},
    stack::MonitoringStackSpec,
};

/// Whether alerts go to Alertmanagers outside the stack.
#[must_use]
pub fn is_used(spec: &MonitoringStackSpec) -> bool {
    !of(spec).is_empty()
}

fn of(spec: &MonitoringStackSpec) -> &[External] {
    spec.alerting
        .as_ref()
        .map_or(&[], |alerting| &alerting.external)
}

/// For Prometheus: those whose secrets are all there.
pub fn resolve(
    spec: &MonitoringStackSpec,
    files: &mut SecretFiles<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<ExternalAlertmanager> {
    let mut taken = Vec::new();
    for (index, external) in of(spec).iter().enumerate() {
        match one(external, index, files) {
            Ok(resolved) => taken.push(resolved),
            Err(problem) => problems.push(problem),
        }
    }
    taken
}

/// What is asked is put behind it.
fn address(external: &External) -> Option<http::Address<'_>> {
    http::address(&external.url).filter(|address| !address.rest.contains(['?', '#']))
}

fn field(index: usize) -> String {
    format!("spec.alerting.external[{index}]")
}

fn one(
    external: &External,
    index: usize,
    files: &mut SecretFiles<'_>,
) -> Result<ExternalAlertmanager, Problem> {
    let field = field(index);
    let address = address(external).ok_or_else(|| {
        let message = "no address: write such as https://host:port/prefix, without a user";
        Problem::new(format!("{field}.url"), message)
    })?;
    let client = Client {
        field: &field,
        file: &format!("alertmanager-{index}"),
        basic_auth: external.basic_auth.as_ref(),
        bearer_token: external.bearer_token_secret_ref.as_ref(),
        tls: external.tls.as_ref(),
    };
    Ok(ExternalAlertmanager {
        scheme: address.scheme.to_owned(),
        authority: address.authority.to_owned(),
        path: address.rest.trim_end_matches('/').to_owned(),
        client: client.resolve(files)?,
    })
}

/// For Loki's ruler, which has one set of credentials for all, in a file that is no Secret: those
/// that need none.
pub fn plain_urls(spec: &MonitoringStackSpec, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut urls = Vec::new();
    for (index, external) in of(spec).iter().enumerate() {
        if external.basic_auth.is_none()
            && external.bearer_token_secret_ref.is_none()
            && external.tls.is_none()
        {
            // What is wrong with an address is told once, by `resolve`.
            if address(external).is_some() {
                urls.push(external.url.trim_end_matches('/').to_owned());
            }
            continue;
        }
        let message = "alerts from logs do not reach it: Loki knows one set of credentials for \
                       all Alertmanagers, and none from files; give one without authentication too";
        problems.push(Problem::new(field(index), message));
    }
    urls
}

/// What cannot have a meaning beside external ones: the same check as the CRD's rule, which servers
/// before 1.25 do not run.
pub fn check_alone(alerting: &AlertingSpec, problems: &mut Vec<Problem>) {
    for (name, is_given) in [
        ("receivers", !alerting.receivers.is_empty()),
        ("routes", !alerting.routes.is_empty()),
    ] {
        if is_given {
            let message = "not used: with external, receivers and routes belong to those \
                           Alertmanagers' own configuration";
            problems.push(Problem::new(format!("spec.alerting.{name}"), message));
        }
    }
}
