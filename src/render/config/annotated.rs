//! The scrape jobs of Pods and Services that ask to be scraped by annotations: `prometheus.io/scrape`,
//! `port`, `path` and `scheme`, as most charts write them.

use super::scrape::{self, KubernetesSd, Relabel, ScrapeConfig, copy};
use crate::resolve::model::{Namespaces, Stack};

/// The job of annotated Pods.
pub const PODS: &str = "annotated-pods";
/// The job of annotated Services.
pub const SERVICES: &str = "annotated-services";

const ADDRESS: &str = "__address__";
const APP: &str = "app";

/// The two jobs, if the stack discovers.
pub fn jobs(stack: &Stack) -> Vec<ScrapeConfig> {
    let discovery = stack
        .prometheus
        .as_ref()
        .and_then(|it| it.discovery.as_ref());
    let namespaces = discovery.and_then(|it| it.annotations.as_ref());
    namespaces.map_or_else(Vec::new, |namespaces| {
        vec![pods(namespaces), services(stack, namespaces)]
    })
}

/// One target for each port of a pod's containers; with a port in the annotation, one in all.
fn pods(namespaces: &Namespaces) -> ScrapeConfig {
    let [scrape, port, path, scheme] = [
        "__meta_kubernetes_pod_annotation_prometheus_io_scrape",
        "__meta_kubernetes_pod_annotation_prometheus_io_port",
        "__meta_kubernetes_pod_annotation_prometheus_io_path",
        "__meta_kubernetes_pod_annotation_prometheus_io_scheme",
    ];
    let mut relabel_configs = vec![
        Relabel::keep(&[scrape], "true"),
        scrape::drop_ended_pods(),
        Relabel::drop(&["__meta_kubernetes_pod_container_init"], "true"),
        // A container that opens no port, in a pod that names none.
        Relabel::drop(&[port, "__meta_kubernetes_pod_container_port_number"], ";"),
    ];
    relabel_configs.extend(address(port, path, scheme));
    relabel_configs.extend(pod_labels(port));
    job(PODS, "pod", namespaces, relabel_configs)
}

/// One target for each port of each pod behind a Service; with a port in the annotation, one for
/// each pod.
fn services(stack: &Stack, namespaces: &Namespaces) -> ScrapeConfig {
    let [scrape, port, path, scheme] = [
        "__meta_kubernetes_service_annotation_prometheus_io_scrape",
        "__meta_kubernetes_service_annotation_prometheus_io_port",
        "__meta_kubernetes_service_annotation_prometheus_io_path",
        "__meta_kubernetes_service_annotation_prometheus_io_scheme",
    ];
    // Only what the Service lists has it: discovery adds every other port of the pods.
    let (role, listed) = if stack.server.endpoint_slices {
        (
            "endpointslice",
            "__meta_kubernetes_endpointslice_endpoint_conditions_ready",
        )
    } else {
        ("endpoints", "__meta_kubernetes_endpoint_ready")
    };
    let mut relabel_configs = vec![
        Relabel::keep(&[scrape], "true"),
        Relabel::keep(&[listed], "true|false"),
        scrape::drop_ended_pods(),
    ];
    relabel_configs.extend(address(port, path, scheme));
    relabel_configs.push(copy("__meta_kubernetes_service_name", "service"));
    // What a Service without pods leads to has no better name.
    relabel_configs.push(copy("__meta_kubernetes_service_name", APP));
    relabel_configs.extend(pod_labels(port));
    job(SERVICES, role, namespaces, relabel_configs)
}

fn job(
    name: &str,
    role: &'static str,
    namespaces: &Namespaces,
    relabel: Vec<Relabel>,
) -> ScrapeConfig {
    let names = match namespaces {
        Namespaces::All => None,
        Namespaces::These(names) => Some(names.iter().cloned().collect()),
    };
    ScrapeConfig::of_others(name, KubernetesSd::everything(role, names), relabel)
}

/// Where the annotations say. An address of IPv6 stands in brackets before a port, and without
/// where there is none.
fn address(port: &'static str, path: &'static str, scheme: &'static str) -> [Relabel; 4] {
    let with_port = [ADDRESS, port];
    [
        Relabel::write(&[scheme], "(https?)", "__scheme__", None),
        Relabel::write(&[path], "(.+)", "__metrics_path__", None),
        Relabel::write(
            &with_port,
            r"(\[.+\]|[^:]+)(?::[0-9]+)?;([0-9]+)",
            ADDRESS,
            Some("$1:$2"),
        ),
        Relabel::write(
            &with_port,
            r"([0-9a-f]*:[0-9a-f:.]*);([0-9]+)",
            ADDRESS,
            Some("[$1]:$2"),
        ),
    ]
}

/// Where a target is and what it is part of. The port of an annotation is the whole pod's: with
/// its container's name one pod would be as many targets as it has containers.
fn pod_labels(port: &'static str) -> Vec<Relabel> {
    let controller = [
        "__meta_kubernetes_pod_controller_kind",
        "__meta_kubernetes_pod_controller_name",
    ];
    vec![
        copy("__meta_kubernetes_namespace", "namespace"),
        copy("__meta_kubernetes_pod_name", "pod"),
        copy("__meta_kubernetes_pod_node_name", "node"),
        Relabel::write(
            &[port, "__meta_kubernetes_pod_container_name"],
            ";(.+)",
            "container",
            None,
        ),
        // The last that is there holds. A Deployment's ReplicaSet has a hash in its name.
        Relabel::write(&["__meta_kubernetes_pod_name"], "(.+)", APP, None),
        Relabel::write(&controller, ".+;(.+)", APP, None),
        Relabel::write(&controller, "ReplicaSet;(.+)-[0-9a-z]+", APP, None),
        Relabel::write(&["__meta_kubernetes_pod_label_app"], "(.+)", APP, None),
        Relabel::write(
            &["__meta_kubernetes_pod_label_app_kubernetes_io_name"],
            "(.+)",
            APP,
            None,
        ),
    ]
}
