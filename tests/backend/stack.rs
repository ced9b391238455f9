//! A stack with Prometheus and Alertmanager, one replica each.

use std::collections::{BTreeMap, BTreeSet};

use masthead::{
    api::{component::Component, rule::RuleEntry},
    resolve::model::{
        Alertmanager, ContainerResources, Operator, Prometheus, Receiver, ReceiverKind, RuleFile,
        Server, Stack, Version, Workload,
    },
};

/// The stack, whose rule files hold one rule each: name and expression.
pub fn stack(rules: &[(&str, &str)]) -> Stack {
    Stack {
        name: "main".into(),
        namespace: "monitoring".into(),
        uid: "3f2b".into(),
        operator: Operator {
            image: "masthead".into(),
            namespace: "masthead-system".into(),
            role_prefix: "masthead".into(),
            cluster_domain: "cluster.local".into(),
            cluster_wide: true,
        },
        server: Server {
            policy_v1: true,
            endpoint_slices: true,
            claim_retention: true,
        },
        prometheus: Some(Prometheus {
            workload: workload(Component::Prometheus),
            retention: "30d".into(),
            retention_size: "16384MB".into(),
            scrape_interval: "15s".into(),
            external_labels: BTreeMap::new(),
            remote_write: Vec::new(),
            rule_files: rules
                .iter()
                .map(|(name, expr)| rule_file(name, expr))
                .collect(),
            secrets: BTreeMap::new(),
        }),
        alertmanager: Some(Alertmanager {
            workload: workload(Component::Alertmanager),
            receivers: Vec::new(),
            routes: Vec::new(),
            secrets: BTreeMap::new(),
        }),
        loki: None,
        grafana: None,
        agent: None,
        held: BTreeSet::new(),
        network_policy: true,
        image_pull_secrets: Vec::new(),
        paused: false,
    }
}

/// The stack with one more receiver.
pub fn with_a_receiver(stack: &Stack) -> Stack {
    let mut stack = stack.clone();
    if let Some(alertmanager) = &mut stack.alertmanager {
        alertmanager.receivers.push(Receiver {
            name: "hook".into(),
            kind: ReceiverKind::Webhook {
                url: "http://127.0.0.1:1/".into(),
            },
        });
    }
    stack
}

/// The oldest versions, so that every binary understands what is rendered.
fn workload(component: Component) -> Workload {
    let version = match component {
        Component::Prometheus => "3.0.0",
        _ => "0.25.0",
    };
    Workload {
        image: "image".into(),
        version: Version::parse(version).unwrap(),
        replicas: 1,
        resources: ContainerResources::default(),
        volume: None,
        node_selector: BTreeMap::new(),
        tolerations: Vec::new(),
        priority_class_name: None,
    }
}

fn rule_file(name: &str, expr: &str) -> (String, RuleFile) {
    let file = RuleFile {
        namespace: "monitoring".into(),
        name: name.into(),
        interval: None,
        rules: vec![RuleEntry {
            alert: Some("Always".into()),
            expr: expr.into(),
            ..RuleEntry::default()
        }],
    };
    (format!("monitoring-{name}-u.yaml"), file)
}
