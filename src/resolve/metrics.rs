//! Prometheus: from `spec.metrics` to the resolved form.

use std::collections::BTreeMap;

use super::{
    Inputs,
    alerting::external,
    discovery, duration,
    model::{Prometheus, RemoteWrite, RuleFiles},
    problem::Problem,
    prometheus_operator::{self, Around, Taken},
    quantity,
    secrets::SecretFiles,
    workload::Common,
};
use crate::api::{
    component::Component,
    defaults,
    stack::{MetricsSpec, MonitoringStackSpec},
    value::Duration,
};

/// Told apart by it, the replicas of a pair are one to who deduplicates.
const REPLICA_LABEL: &str = "replica";

/// The resolved Prometheus, and what became of the objects of prometheus-operator's kinds; problems of single remote writes and labels leave only those out.
pub fn resolve(
    spec: &MonitoringStackSpec,
    namespace: &str,
    inputs: &Inputs,
    rule_files: RuleFiles,
    problems: &mut Vec<Problem>,
) -> Result<(Prometheus, Taken), Problem> {
    let default = MetricsSpec::default();
    let metrics = spec.metrics.as_ref().unwrap_or(&default);
    let workload = Common {
        component: Component::Prometheus,
        image: metrics.image.as_ref(),
        version: metrics.version.as_ref(),
        replicas: metrics.replicas,
        resources: metrics.resources.as_ref(),
        storage: metrics.storage.as_ref(),
        scheduling: spec.scheduling.as_ref(),
    }
    .resolve()?;
    let volume = workload
        .volume
        .as_ref()
        .map_or("", |volume| volume.size.as_str());
    let mut files = SecretFiles::new(inputs);
    let scrape_interval = scrape_interval(metrics)?;
    let discovery = discovery::resolve(spec, namespace, inputs, problems);
    let mut taken = match &discovery {
        None => Taken::default(),
        Some(discovery) => {
            let around = Around {
                namespace,
                interval: &scrape_interval,
                reach: &discovery.reach,
                nodes: inputs.operator.cluster_wide,
            };
            let objects = &inputs.prometheus_operator;
            problems.extend(objects.unreadable.iter().cloned());
            prometheus_operator::take(around, &objects.taken, &objects.contents, &inputs.barred)
        }
    };
    let remote_write = remote_write(metrics, &mut files, problems);
    let alertmanagers = external::resolve(spec, &mut files, problems);
    let mut secrets = files.into_files();
    secrets.append(&mut taken.secrets);
    let prometheus = Prometheus {
        retention: duration_or(
            "spec.metrics.retention",
            metrics.retention.as_ref(),
            defaults::RETENTION,
        )?,
        retention_size: retention_size(metrics, volume)?,
        scrape_interval,
        external_labels: external_labels(metrics, problems),
        remote_write,
        discovery,
        jobs: std::mem::take(&mut taken.jobs),
        alertmanagers,
        workload,
        rule_files,
        secrets,
    };
    Ok((prometheus, taken))
}

/// A duration as given, or the default one.
pub fn duration_or(
    field: &str,
    given: Option<&Duration>,
    default: &str,
) -> Result<String, Problem> {
    let text = given.map_or(default, |given| given.0.as_str());
    match duration::parse_millis(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Problem::new(field, duration::refusal(text, default))),
    }
}

/// Above a second: Prometheus takes less, its neighbours do not.
fn scrape_interval(metrics: &MetricsSpec) -> Result<String, Problem> {
    let field = "spec.metrics.scrapeInterval";
    let text = duration_or(
        field,
        metrics.scrape_interval.as_ref(),
        defaults::SCRAPE_INTERVAL,
    )?;
    if duration::parse_millis(&text).is_some_and(|millis| millis < 1_000) {
        return Err(Problem::new(
            field,
            format!("{text:?} is too often: 1s or more"),
        ));
    }
    Ok(text)
}

/// The bytes of blocks to keep. Prometheus' `MB` are powers of two.
fn retention_size(metrics: &MetricsSpec, volume: &str) -> Result<String, Problem> {
    let bytes = match &metrics.retention_size {
        Some(given) => quantity::parse_bytes(&given.0),
        None => quantity::parse_bytes(volume)
            .and_then(|bytes| bytes.checked_mul(defaults::RETENTION_VOLUME_PERCENT))
            .map(|bytes| bytes / 100),
    };
    match bytes.map(|bytes| bytes >> 20) {
        Some(mebibytes @ 1..) => Ok(format!("{mebibytes}MB")),
        _ => Err(Problem::new(
            "spec.metrics.retentionSize",
            "1Mi at least, such as 16Gi",
        )),
    }
}

fn external_labels(metrics: &MetricsSpec, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in &metrics.external_labels {
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let message = if !valid {
            "not a label name: letters, digits and _, not starting with a digit"
        } else if name == REPLICA_LABEL {
            "this label is set by Masthead"
        } else {
            labels.insert(name.clone(), value.0.clone());
            continue;
        };
        problems.push(Problem::new(
            format!("spec.metrics.externalLabels[{name}]"),
            message,
        ));
    }
    labels
}

fn remote_write(
    metrics: &MetricsSpec,
    files: &mut SecretFiles<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<RemoteWrite> {
    let mut taken: Vec<RemoteWrite> = Vec::new();
    for write in &metrics.remote_write {
        let field = format!("spec.metrics.remoteWrite[{}]", write.name);
        if taken.iter().any(|other| other.name == write.name) {
            problems.push(Problem::new(field, "the name is used twice"));
            continue;
        }
        if !(write.url.starts_with("https://") || write.url.starts_with("http://")) {
            problems.push(Problem::new(
                format!("{field}.url"),
                "write https://… or http://…",
            ));
            continue;
        }
        let basic_auth = match &write.basic_auth {
            None => None,
            Some(auth) => {
                let field = format!("{field}.basicAuth.passwordSecretRef");
                let file = format!("remote-write-{}-password", write.name);
                match files.copy(file, field, &auth.password_secret_ref) {
                    Ok(file) => Some((auth.username.clone(), file)),
                    Err(problem) => {
                        problems.push(problem);
                        continue;
                    }
                }
            }
        };
        taken.push(RemoteWrite {
            name: write.name.clone(),
            url: write.url.clone(),
            basic_auth,
        });
    }
    taken
}
