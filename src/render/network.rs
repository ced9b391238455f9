//! Services and network policies, from the table of [`flows`](super::flows).

use k8s_openapi::{
    api::{
        core::v1::{Service, ServicePort, ServiceSpec},
        networking::v1::{
            NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
            NetworkPolicySpec,
        },
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::{
    flows::{self, Offer, Peer, Port},
    meta,
    objects::{Objects, Stage},
};
use crate::{api::component::Component, resolve::model::Stack};

/// The address of a component's HTTP API inside the cluster.
#[must_use]
pub fn url(stack: &Stack, component: Component) -> String {
    let (host, port) = (host(stack, component), flows::http_port(component));
    format!("http://{host}:{port}")
}

/// The name of a component's Service inside the cluster.
#[must_use]
pub fn host(stack: &Stack, component: Component) -> String {
    let (name, namespace) = (stack.child_name(component), &stack.namespace);
    format!("{name}.{namespace}.svc.{}", stack.operator.cluster_domain)
}

/// The Service of a component, if it offers a port by one, and its network policy.
#[must_use]
pub fn objects(stack: &Stack, component: Component) -> Objects {
    let mut objects = Objects::default();
    if let Some(service) = service(stack, component) {
        objects.add(Stage::Network, &service);
    }
    if stack.network_policy {
        objects.add(Stage::Network, &policy(stack, component));
    }
    objects
}

fn service(stack: &Stack, component: Component) -> Option<Service> {
    let ports: Vec<_> = flows::ports(component)
        .filter(|port| port.offer == Offer::Service)
        .map(service_port)
        .collect();
    (!ports.is_empty()).then(|| Service {
        metadata: meta::owned(stack, component, stack.child_name(component)),
        spec: Some(ServiceSpec {
            selector: Some(meta::selector(stack, component)),
            ports: Some(ports),
            // Each Prometheus stays with one agent, whose connections to PostgreSQL are kept.
            session_affinity: (component == Component::Agent).then(|| "ClientIP".into()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    })
}

/// The Service that gives each pod of a StatefulSet a name, before it is ready too: replicas must
/// find each other to become so.
#[must_use]
pub fn headless_service(stack: &Stack, component: Component) -> Service {
    Service {
        metadata: meta::owned(stack, component, meta::headless_name(stack, component)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            publish_not_ready_addresses: Some(true),
            selector: Some(meta::selector(stack, component)),
            ports: Some(flows::ports(component).map(service_port).collect()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn service_port(port: &Port) -> ServicePort {
    ServicePort {
        name: Some(port.name.into()),
        port: port.number.into(),
        protocol: Some(port.protocol.name().into()),
        target_port: Some(IntOrString::String(port.name.into())),
        ..ServicePort::default()
    }
}

/// Selecting the pods refuses everything; each rule lets one flow in. The kubelet's probes come
/// from the pod's own node, which is always let in.
fn policy(stack: &Stack, component: Component) -> NetworkPolicy {
    let ingress = flows::ports(component)
        .map(|port| NetworkPolicyIngressRule {
            ports: Some(vec![NetworkPolicyPort {
                port: Some(IntOrString::Int(port.number.into())),
                protocol: Some(port.protocol.name().into()),
                ..NetworkPolicyPort::default()
            }]),
            from: sources(stack, port),
        })
        .collect();
    NetworkPolicy {
        metadata: meta::owned(stack, component, stack.child_name(component)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(meta::selector(stack, component))),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(ingress),
            ..NetworkPolicySpec::default()
        }),
    }
}

/// The peers of a port; none means everyone.
fn sources(stack: &Stack, port: &Port) -> Option<Vec<NetworkPolicyPeer>> {
    port.from.iter().map(|peer| source(stack, *peer)).collect()
}

fn source(stack: &Stack, peer: Peer) -> Option<NetworkPolicyPeer> {
    match peer {
        Peer::Anyone => None,
        Peer::Component(component) => Some(NetworkPolicyPeer {
            pod_selector: Some(labelled(meta::selector(stack, component))),
            ..NetworkPolicyPeer::default()
        }),
        // The API server itself puts this label on every namespace.
        Peer::Operator => Some(NetworkPolicyPeer {
            namespace_selector: Some(labelled([(
                "kubernetes.io/metadata.name".to_owned(),
                stack.operator.namespace.clone(),
            )])),
            pod_selector: Some(labelled([(
                "app.kubernetes.io/name".to_owned(),
                meta::MANAGER.to_owned(),
            )])),
            ..NetworkPolicyPeer::default()
        }),
    }
}

fn labelled(labels: impl IntoIterator<Item = (String, String)>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels.into_iter().collect()),
        ..LabelSelector::default()
    }
}
