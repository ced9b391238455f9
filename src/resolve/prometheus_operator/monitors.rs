//! `ServiceMonitor` and `PodMonitor`: one job for each of their endpoints.

use serde_json::Value;

use super::{
    Translation,
    copies::Copies,
    objects::{Foreign, Kind},
    read::read,
    relabel, search,
    settings::{self, Credentials, Given, limits},
    spec::{Endpoint, LabelSelector, NameOrNumber, NamespaceSelector, PodMonitor, ServiceMonitor},
};
use crate::resolve::{
    model::jobs::{Found, Job, Limits, Port, Source},
    problem::Problem,
};

/// The most endpoints of one object.
const ENDPOINTS: usize = 64;
/// The most labels that its targets take over.
const LABELS: usize = 64;

/// A monitor without its endpoints.
struct Monitor {
    /// What its endpoints are called.
    field: &'static str,
    endpoints: Vec<Value>,
    found: Found,
    limits: Limits,
}

/// Adds the jobs of a monitor.
pub fn translate(
    translation: &mut Translation<'_>,
    copies: &mut Copies<'_>,
    object: &Foreign,
) -> Result<(), Problem> {
    let monitor = match object.kind {
        Kind::PodMonitor => of_pods(translation, object)?,
        _ => of_services(translation, object)?,
    };
    if monitor.endpoints.is_empty() {
        return Err(Problem::new(
            monitor.field,
            "has none, so nothing is scraped",
        ));
    }
    if monitor.endpoints.len() > ENDPOINTS {
        return Err(Problem::new(monitor.field, format!("{ENDPOINTS} at most")));
    }
    for (index, value) in monitor.endpoints.iter().enumerate() {
        let job = endpoint(translation, copies, object, &monitor, (index, value));
        translation.take(job);
    }
    Ok(())
}

fn of_services(translation: &mut Translation<'_>, object: &Foreign) -> Result<Monitor, Problem> {
    let spec: ServiceMonitor = translation.note(read("spec", &object.spec)?);
    let body = settings::body_limit("spec.bodySizeLimit", spec.body_size_limit.as_deref())?;
    let limits = limits!(spec, body);
    let (selector, namespaces) = (&spec.selector, &spec.namespace_selector);
    let found = found(translation, object, selector, namespaces)?;
    let found = Found {
        service_labels: labels("spec.targetLabels", spec.target_labels)?,
        pod_labels: labels("spec.podTargetLabels", spec.pod_target_labels)?,
        job_label: spec.job_label.filter(|label| !label.is_empty()),
        node_metadata: translation.node_metadata(spec.attach_metadata.as_ref()),
        by_endpoints: spec.service_discovery_role.as_deref() == Some("Endpoints"),
        ..found
    };
    Ok(Monitor {
        field: "spec.endpoints",
        endpoints: spec.endpoints,
        found,
        limits,
    })
}

fn of_pods(translation: &mut Translation<'_>, object: &Foreign) -> Result<Monitor, Problem> {
    let spec: PodMonitor = translation.note(read("spec", &object.spec)?);
    let body = settings::body_limit("spec.bodySizeLimit", spec.body_size_limit.as_deref())?;
    let limits = limits!(spec, body);
    let (selector, namespaces) = (&spec.selector, &spec.namespace_selector);
    let found = found(translation, object, selector, namespaces)?;
    let found = Found {
        pod_labels: labels("spec.podTargetLabels", spec.pod_target_labels)?,
        job_label: spec.job_label.filter(|label| !label.is_empty()),
        job: Some(format!("{}/{}", object.namespace, object.name)),
        node_metadata: translation.node_metadata(spec.attach_metadata.as_ref()),
        ..found
    };
    Ok(Monitor {
        field: "spec.podMetricsEndpoints",
        endpoints: spec.pod_metrics_endpoints,
        found,
        limits,
    })
}

/// The objects and the namespaces.
fn found(
    translation: &mut Translation<'_>,
    object: &Foreign,
    selector: &LabelSelector,
    namespaces: &NamespaceSelector,
) -> Result<Found, Problem> {
    let field = "spec.namespaceSelector";
    let (namespaces, outside) = search::namespaces(field, namespaces, object, translation.reach)?;
    translation.left_out(outside);
    Ok(Found {
        namespaces,
        selector: search::conditions("spec.selector", selector)?,
        ..Found::default()
    })
}

fn labels(field: &str, given: Vec<String>) -> Result<Vec<String>, Problem> {
    if given.len() > LABELS {
        return Err(Problem::new(field, format!("{LABELS} at most")));
    }
    Ok(given)
}

fn endpoint(
    translation: &mut Translation<'_>,
    copies: &mut Copies<'_>,
    object: &Foreign,
    monitor: &Monitor,
    (index, value): (usize, &Value),
) -> Result<Job, Problem> {
    let field = format!("{}[{index}]", monitor.field);
    let given: Endpoint = translation.note(read(&field, value)?);
    let port = port(&field, object.kind, &given)?;
    let kind = match object.kind {
        Kind::PodMonitor => "podMonitor",
        _ => "serviceMonitor",
    };
    let found = Found {
        port,
        ended_too: given.filter_running == Some(false),
        ..monitor.found.clone()
    };
    Ok(Job {
        name: format!("{kind}/{}/{}/{index}", object.namespace, object.name),
        mark: 0,
        source: match object.kind {
            Kind::PodMonitor => Source::Pods(found),
            _ => Source::Services(found),
        },
        steps: relabel::steps(&format!("{field}.relabelings"), &given.relabelings)?,
        metric_steps: relabel::steps(
            &format!("{field}.metricRelabelings"),
            &given.metric_relabelings,
        )?,
        scrape: settings::scrape(
            &translation.around,
            copies,
            object,
            &field,
            Given {
                interval: given.interval.as_deref(),
                timeout: given.scrape_timeout.as_deref(),
                path: given.path.as_deref(),
                scheme: given.scheme.as_deref(),
                params: given.params,
                honor_labels: given.honor_labels,
                honor_timestamps: given.honor_timestamps,
                track_timestamps_staleness: given.track_timestamps_staleness,
                follow_redirects: given.follow_redirects,
                enable_http2: given.enable_http2,
                enable_compression: None,
                proxy_url: given.proxy_url.as_deref(),
                credentials: Credentials {
                    basic_auth: given.basic_auth.as_ref(),
                    authorization: given.authorization.as_ref(),
                    bearer_token_secret: given.bearer_token_secret.as_ref(),
                    bearer_token_file: given.bearer_token_file.as_deref(),
                },
                tls: given.tls_config.as_ref(),
            },
            monitor.limits.clone(),
        )?,
    })
}

/// Of several ways to name it the first counts, as with prometheus-operator.
fn port(field: &str, kind: Kind, given: &Endpoint) -> Result<Port, Problem> {
    let number = |name: &str, number: i64| match u16::try_from(number) {
        Ok(number) if number > 0 => Ok(Port::Number(number)),
        _ => Err(Problem::new(
            format!("{field}.{name}"),
            "a port: 1 to 65535",
        )),
    };
    if let Some(name) = given.port.as_ref().filter(|name| !name.is_empty()) {
        return Ok(Port::Named(name.clone()));
    }
    if let Some(port) = given.port_number.filter(|_| kind == Kind::PodMonitor) {
        return number("portNumber", port);
    }
    match &given.target_port {
        Some(NameOrNumber::Number(port)) if *port != 0 => number("targetPort", *port),
        Some(NameOrNumber::Name(name)) if !name.is_empty() => match name.parse() {
            Ok(port) => number("targetPort", port),
            Err(_) => Ok(Port::Container(name.clone())),
        },
        // Every port, as with prometheus-operator.
        _ => Ok(Port::Any),
    }
}
