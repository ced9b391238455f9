//! The scrape jobs of prometheus-operator's kinds. The labels are those that prometheus-operator
//! gives, in its order, since dashboards and rules that are shipped with them ask for them.

mod yaml;

use std::collections::BTreeMap;

use super::prometheus::SECRETS_DIR;
use crate::resolve::model::{
    Stack,
    jobs::{self, Auth, File, Found, JobTls, Match, Port, Source, Step},
};

pub(super) use yaml::Job;
use yaml::{
    AttachMetadata, Authorization, BasicAuth, Client, DnsSd, HttpSd, KubernetesSd, Limits, Names,
    Relabel, Selector, StaticConfig, Tls,
};

const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const OWN_AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// The jobs of others that a stack has.
pub(super) fn jobs(stack: &Stack) -> Vec<Job> {
    let jobs = stack.prometheus.iter().flat_map(|it| &it.jobs);
    jobs.map(|job| self::job(stack, job)).collect()
}

fn job(stack: &Stack, job: &jobs::Job) -> Job {
    let scrape = &job.scrape;
    let targets = targets(stack, &job.source);
    let mut relabel_configs = vec![copy("job", "__tmp_prometheus_job_name")];
    relabel_configs.extend(targets.relabel);
    relabel_configs.extend(job.steps.iter().map(step));
    Job {
        job_name: job.name.clone(),
        honor_labels: scrape.honor_labels,
        honor_timestamps: scrape.honor_timestamps,
        track_timestamps_staleness: scrape.track_timestamps_staleness,
        scrape_interval: scrape.interval.clone(),
        scrape_timeout: scrape.timeout.clone(),
        metrics_path: scrape.path.clone(),
        scheme: scrape.scheme.clone(),
        params: scrape.params.clone(),
        follow_redirects: scrape.follow_redirects,
        enable_http2: scrape.enable_http2,
        enable_compression: scrape.enable_compression,
        proxy_url: scrape.proxy_url.clone(),
        client: client(scrape.auth.as_ref(), scrape.tls.as_ref()),
        limits: limits(&scrape.limits),
        kubernetes_sd_configs: targets.kubernetes,
        http_sd_configs: targets.http,
        dns_sd_configs: targets.dns,
        static_configs: targets.fixed,
        relabel_configs,
        metric_relabel_configs: job.metric_steps.iter().map(step).collect(),
    }
}

fn limits(given: &jobs::Limits) -> Limits {
    let or = |given: Option<u64>, usual| given.filter(|number| *number > 0).unwrap_or(usual);
    let usual = &super::scrape::LIMITS;
    Limits {
        body_size_limit: given
            .body
            .clone()
            .unwrap_or_else(|| usual.body_size_limit.to_owned()),
        sample_limit: or(given.samples, usual.sample_limit),
        target_limit: or(given.targets, usual.target_limit),
        label_limit: or(given.labels, usual.label_limit),
        label_name_length_limit: or(given.label_name_length, usual.label_name_length_limit),
        label_value_length_limit: or(given.label_value_length, usual.label_value_length_limit),
        keep_dropped_targets: given.kept_dropped_targets,
    }
}

fn client(auth: Option<&Auth>, tls: Option<&JobTls>) -> Client {
    let mut client = Client {
        tls_config: tls.map(|tls| Tls {
            ca_file: tls.ca.as_ref().map(path),
            cert_file: tls.cert.as_ref().map(path),
            key_file: tls.key.as_ref().map(path),
            server_name: tls.server_name.clone(),
            insecure_skip_verify: tls.insecure_skip_verify,
            min_version: tls.min_version.clone(),
            max_version: tls.max_version.clone(),
        }),
        ..Client::default()
    };
    match auth {
        None => {}
        Some(Auth::Basic { username, password }) => {
            client.basic_auth = Some(BasicAuth {
                username_file: username.as_ref().map(path),
                password_file: password.as_ref().map(path),
            });
        }
        Some(Auth::Header { kind, credentials }) => {
            client.authorization = Some(Authorization {
                kind: kind.clone(),
                credentials_file: path(credentials),
            });
        }
    }
    client
}

fn path(file: &File) -> String {
    match file {
        File::Secret(name) => format!("{SECRETS_DIR}/{name}"),
        File::OwnToken => OWN_TOKEN.into(),
        File::OwnAuthority => OWN_AUTHORITY.into(),
    }
}

/// Where targets come from, and what their labels are made of.
#[derive(Default)]
struct Targets {
    kubernetes: Vec<KubernetesSd>,
    http: Vec<HttpSd>,
    dns: Vec<DnsSd>,
    fixed: Vec<StaticConfig>,
    relabel: Vec<Relabel>,
}

fn targets(stack: &Stack, source: &Source) -> Targets {
    match source {
        Source::Services(found) => services(stack, found),
        Source::Pods(found) => pods(found),
        Source::Probe(probe) => probed(probe),
        Source::ProbedIngresses(found, probe) => ingresses(found, probe),
        Source::Plain(plain) => self::plain(plain),
    }
}

fn found_by(role: &str, found: &Found) -> Vec<KubernetesSd> {
    vec![KubernetesSd {
        role: role.into(),
        namespaces: found.namespaces.clone().map(|names| Names { names }),
        selectors: Vec::new(),
        attach_metadata: found.node_metadata.then_some(AttachMetadata { node: true }),
    }]
}

fn services(stack: &Stack, found: &Found) -> Targets {
    let slices = stack.server.endpoint_slices && !found.by_endpoints;
    let (role, port_name, address) = if slices {
        (
            "endpointslice",
            "__meta_kubernetes_endpointslice_port_name",
            "__meta_kubernetes_endpointslice_address_target",
        )
    } else {
        (
            "endpoints",
            "__meta_kubernetes_endpoint_port_name",
            "__meta_kubernetes_endpoint_address_target",
        )
    };
    let mut relabel = conditions("service", &found.selector);
    relabel.extend(keep_port(&found.port, port_name));
    let of = |kind: &str, label: &str| Relabel {
        source_labels: vec![format!("{address}_kind"), format!("{address}_name")],
        separator: Some(";".into()),
        regex: Some(format!("{kind};(.*)")),
        replacement: Some("${1}".into()),
        target_label: Some(label.into()),
        ..Relabel::default()
    };
    relabel.extend([
        of("Node", "node"),
        of("Pod", "pod"),
        copy("__meta_kubernetes_namespace", "namespace"),
        copy("__meta_kubernetes_service_name", "service"),
        copy("__meta_kubernetes_pod_name", "pod"),
        copy("__meta_kubernetes_pod_container_name", "container"),
    ]);
    relabel.extend((!found.ended_too).then(drop_ended));
    relabel.extend(taken_over("service", &found.service_labels));
    relabel.extend(taken_over("pod", &found.pod_labels));
    relabel.push(copy("__meta_kubernetes_service_name", "job"));
    relabel.extend(job_label("service", found.job_label.as_deref()));
    relabel.extend(endpoint(&found.port));
    Targets {
        kubernetes: found_by(role, found),
        relabel,
        ..Targets::default()
    }
}

fn pods(found: &Found) -> Targets {
    let mut relabel: Vec<_> = (!found.ended_too).then(drop_ended).into_iter().collect();
    relabel.extend(conditions("pod", &found.selector));
    relabel.extend(keep_port(
        &found.port,
        "__meta_kubernetes_pod_container_port_name",
    ));
    relabel.extend([
        copy("__meta_kubernetes_namespace", "namespace"),
        copy("__meta_kubernetes_pod_container_name", "container"),
        copy("__meta_kubernetes_pod_name", "pod"),
    ]);
    relabel.extend(taken_over("pod", &found.pod_labels));
    relabel.extend(found.job.as_deref().map(|job| fixed("job", job)));
    relabel.extend(job_label("pod", found.job_label.as_deref()));
    relabel.extend(endpoint(&found.port));
    Targets {
        kubernetes: found_by("pod", found),
        relabel,
        ..Targets::default()
    }
}

fn probed(probe: &jobs::Probe) -> Targets {
    let mut labels = BTreeMap::from([("namespace".to_owned(), probe.namespace.clone())]);
    labels.extend(probe.labels.clone());
    let mut relabel: Vec<_> = probe
        .job
        .as_deref()
        .map(|job| fixed("job", job))
        .into_iter()
        .collect();
    relabel.extend([
        copy("__address__", "__param_target"),
        copy("__param_target", "instance"),
        fixed("__address__", &probe.address),
    ]);
    Targets {
        fixed: vec![StaticConfig {
            targets: probe.targets.clone(),
            labels,
        }],
        relabel,
        ..Targets::default()
    }
}

fn ingresses(found: &Found, probe: &jobs::Probe) -> Targets {
    let mut relabel: Vec<_> = probe
        .job
        .as_deref()
        .map(|job| fixed("job", job))
        .into_iter()
        .collect();
    relabel.extend(conditions("ingress", &found.selector));
    let address = [
        "__meta_kubernetes_ingress_scheme",
        "__address__",
        "__meta_kubernetes_ingress_path",
    ];
    relabel.extend([
        Relabel {
            source_labels: address.map(str::to_owned).into(),
            regex: Some("(.+);(.+);(.+)".into()),
            replacement: Some("${1}://${2}${3}".into()),
            target_label: Some("__param_target".into()),
            ..Relabel::default()
        },
        copy("__meta_kubernetes_namespace", "namespace"),
        copy("__meta_kubernetes_ingress_name", "ingress"),
        copy("__param_target", "instance"),
        fixed("__address__", &probe.address),
    ]);
    Targets {
        kubernetes: found_by("ingress", found),
        relabel,
        ..Targets::default()
    }
}

fn plain(plain: &jobs::Plain) -> Targets {
    let kubernetes = plain.kinds.iter().map(|kind| KubernetesSd {
        role: kind.role.clone(),
        namespaces: kind.namespaces.clone().map(|names| Names { names }),
        selectors: kind
            .selectors
            .iter()
            .map(|(role, label, field)| Selector {
                role: role.clone(),
                label: label.clone(),
                field: field.clone(),
            })
            .collect(),
        attach_metadata: kind.node_metadata.then_some(AttachMetadata { node: true }),
    });
    let dns = plain.names.iter().map(|it| DnsSd {
        names: it.names.clone(),
        kind: it.kind.clone(),
        port: it.port,
        refresh_interval: it.refresh.clone(),
    });
    let http = plain.lists.iter().map(|list| HttpSd {
        url: list.url.clone(),
        refresh_interval: list.refresh.clone(),
        follow_redirects: list.follow_redirects,
        enable_http2: list.enable_http2,
        client: client(list.auth.as_ref(), list.tls.as_ref()),
    });
    let fixed = plain.fixed.iter().map(|it| StaticConfig {
        targets: it.targets.clone(),
        labels: it.labels.clone(),
    });
    Targets {
        kubernetes: kubernetes.collect(),
        http: http.collect(),
        dns: dns.collect(),
        fixed: fixed.collect(),
        relabel: plain
            .job
            .as_deref()
            .map(|job| self::fixed("job", job))
            .into_iter()
            .collect(),
    }
}

/// Keeps the objects that a selector fits. A label may be empty: whether it is there is a label of
/// its own.
fn conditions(object: &str, selector: &[Match]) -> Vec<Relabel> {
    let value = |key: &str| format!("__meta_kubernetes_{object}_label_{}", plain_name(key));
    let there = |key: &str| {
        format!(
            "__meta_kubernetes_{object}_labelpresent_{}",
            plain_name(key)
        )
    };
    let by = |action: &str, labels: Vec<String>, regex: String| Relabel {
        source_labels: labels,
        regex: Some(regex),
        action: Some(action.into()),
        ..Relabel::default()
    };
    let one_of = |action: &str, key: &str, values: &[String]| {
        let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        let regex = format!("({});true", values.join("|"));
        by(action, vec![value(key), there(key)], regex)
    };
    let step = |condition: &Match| match condition {
        Match::In(key, values) => one_of("keep", key, values),
        Match::NotIn(key, values) => one_of("drop", key, values),
        Match::Exists(key) => by("keep", vec![there(key)], "true".into()),
        Match::Absent(key) => by("drop", vec![there(key)], "true".into()),
    };
    selector.iter().map(step).collect()
}

fn keep_port(port: &Port, name_label: &str) -> Option<Relabel> {
    let (label, regex) = match port {
        Port::Any => return None,
        Port::Named(name) => (name_label, quoted(name)),
        Port::Container(name) => ("__meta_kubernetes_pod_container_port_name", quoted(name)),
        Port::Number(number) => (
            "__meta_kubernetes_pod_container_port_number",
            number.to_string(),
        ),
    };
    Some(Relabel {
        source_labels: vec![label.into()],
        regex: Some(regex),
        action: Some("keep".into()),
        ..Relabel::default()
    })
}

/// The label `endpoint`: the port as the author has named it.
fn endpoint(port: &Port) -> Option<Relabel> {
    match port {
        Port::Any => None,
        Port::Named(name) | Port::Container(name) => Some(fixed("endpoint", name)),
        Port::Number(number) => Some(fixed("endpoint", &number.to_string())),
    }
}

fn drop_ended() -> Relabel {
    Relabel {
        source_labels: vec!["__meta_kubernetes_pod_phase".into()],
        regex: Some("(Failed|Succeeded)".into()),
        action: Some("drop".into()),
        ..Relabel::default()
    }
}

fn taken_over(object: &str, labels: &[String]) -> impl Iterator<Item = Relabel> {
    labels.iter().map(move |label| {
        let name = plain_name(label);
        with_value(&format!("__meta_kubernetes_{object}_label_{name}"), &name)
    })
}

fn job_label(object: &str, label: Option<&str>) -> Option<Relabel> {
    let name = plain_name(label?);
    Some(with_value(
        &format!("__meta_kubernetes_{object}_label_{name}"),
        "job",
    ))
}

/// Copies a label that is not empty.
fn with_value(from: &str, to: &str) -> Relabel {
    Relabel {
        regex: Some("(.+)".into()),
        replacement: Some("${1}".into()),
        ..copy(from, to)
    }
}

fn copy(from: &str, to: &str) -> Relabel {
    Relabel {
        source_labels: vec![from.into()],
        target_label: Some(to.into()),
        ..Relabel::default()
    }
}

/// A dollar sign stands for what a regex has found: two are one.
fn fixed(label: &str, value: &str) -> Relabel {
    Relabel {
        target_label: Some(label.into()),
        replacement: Some(value.replace('$', "$$")),
        ..Relabel::default()
    }
}

fn step(step: &Step) -> Relabel {
    Relabel {
        source_labels: step.source_labels.clone(),
        separator: step.separator.clone(),
        regex: step.regex.clone(),
        modulus: step.modulus,
        target_label: step.target_label.clone(),
        replacement: step.replacement.clone(),
        action: step.action.clone(),
    }
}

/// A label's name as Prometheus writes it in its own.
fn plain_name(label: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    label.chars().map(plain).collect()
}

/// A text that a regex fits as it is.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
