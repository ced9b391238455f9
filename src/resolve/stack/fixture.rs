//! A stack to resolve, and what it finds.

use super::resolve;
use crate::{
    api::stack::MonitoringStack,
    resolve::{
        Inputs, Resolution,
        model::{Operator, SecretValue, Server},
        prometheus_operator::objects,
    },
};

/// A stack called `main`, in the namespace `shop`.
pub fn stack(spec: &str) -> MonitoringStack {
    serde_saphyr::from_str(&format!(
        "apiVersion: masthead.dev/v1alpha1\nkind: MonitoringStack\nmetadata: {{name: main, namespace: shop, uid: u}}\nspec: {spec}\n"
    ))
    .unwrap()
}

/// A cluster with two Secrets.
pub fn inputs() -> Inputs {
    let key = |key: &str, value: &str| (key.to_owned(), SecretValue(value.into()));
    Inputs {
        operator: Operator {
            image: "masthead:1".into(),
            namespace: "masthead-system".into(),
            role_prefix: "masthead".into(),
            cluster_domain: "cluster.local".into(),
            metrics_service: Some("masthead-metrics".into()),
            runbooks: crate::api::defaults::RUNBOOKS.into(),
            cluster_wide: true,
            host_logs: Some("/var/log".into()),
        },
        server: Server {
            policy_v1: true,
            endpoint_slices: true,
            traefik: false,
        },
        secrets: [
            ("slack".to_owned(), [key("url", "https://hooks")].into()),
            (
                "admin".to_owned(),
                [key("admin-user", "me"), key("admin-password", "mine")].into(),
            ),
        ]
        .into(),
        assume_secrets: false,
        grafana_admin: None,
        grafana_applied: None,
        dashboards: Vec::new(),
        fresh_password: SecretValue(b"fresh".to_vec()),
        rules: Vec::new(),
        barred: std::collections::BTreeMap::new(),
        prometheus_operator: objects::Inputs::default(),
        namespaces: None,
    }
}

/// The stack of a specification in that cluster.
pub fn resolved(spec: &str) -> Resolution {
    resolve(&stack(spec), &inputs()).unwrap()
}

/// The problems with it, as they are told.
pub fn said(resolution: &Resolution) -> Vec<String> {
    resolution
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}
