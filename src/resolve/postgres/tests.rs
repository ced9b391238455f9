use std::collections::BTreeMap;

use super::{references, resolve};
use crate::{
    api::agent_postgres::PostgresCollectorSpec,
    resolve::{
        Inputs,
        model::{Operator, SecretValue, Server},
        prometheus_operator::objects,
    },
};

fn inputs(cluster_wide: bool) -> Inputs {
    let secret = |keys: &[&str]| {
        let data = keys
            .iter()
            .map(|key| ((*key).to_owned(), SecretValue(b"x".to_vec())));
        data.collect::<BTreeMap<_, _>>()
    };
    Inputs {
        operator: Operator {
            image: "masthead:1".into(),
            namespace: "masthead-system".into(),
            role_prefix: "masthead".into(),
            cluster_domain: "cluster.local".into(),
            metrics_service: Some("masthead-metrics".into()),
            runbooks: crate::api::defaults::RUNBOOKS.into(),
            cluster_wide,
            host_logs: None,
        },
        server: Server {
            policy_v1: true,
            endpoint_slices: true,
            traefik: false,
        },
        secrets: [
            ("monitor".to_owned(), secret(&["username", "password"])),
            ("half".to_owned(), secret(&["username"])),
            ("ca".to_owned(), secret(&["ca.crt"])),
            ("client".to_owned(), secret(&["tls.crt", "tls.key"])),
        ]
        .into(),
        assume_secrets: false,
        grafana_admin: None,
        grafana_applied: None,
        dashboards: Vec::new(),
        fresh_password: SecretValue(b"fresh".to_vec()),
        rules: Vec::new(),
        barred: BTreeMap::new(),
        prometheus_operator: objects::Inputs::default(),
        namespaces: None,
    }
}

fn spec(text: &str) -> PostgresCollectorSpec {
    serde_saphyr::from_str(text).unwrap()
}

fn said(text: &str, cluster_wide: bool) -> (Vec<String>, Vec<String>) {
    let mut problems = Vec::new();
    let inputs = inputs(cluster_wide);
    let (config, _) = resolve(&spec(text), "shop", &inputs, &mut problems);
    let names = config.targets.into_iter().map(|target| target.name);
    let problems = problems.iter().map(ToString::to_string);
    (names.collect(), problems.collect())
}

#[test]
fn a_target_gets_the_files_of_its_secrets() {
    let spec = spec(
        "targets: [{name: billing, host: db.example.org, sslMode: verify-full, \
         credentialsSecretRef: {name: monitor}, caSecretRef: {name: ca, key: ca.crt}, \
         clientCertSecretRef: {name: client}}]",
    );
    let mut problems = Vec::new();
    let (config, files) = resolve(&spec, "shop", &inputs(true), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let kept: Vec<&String> = files.keys().collect();
    assert_eq!(
        kept,
        [
            "postgres.billing.ca.crt",
            "postgres.billing.password",
            "postgres.billing.tls.crt",
            "postgres.billing.tls.key",
            "postgres.billing.username",
        ]
    );
    let target = &config.targets[0];
    assert!(target.only_probe);
    assert_eq!(
        target.login.password_file.as_deref(),
        Some("/etc/masthead-secrets/postgres.billing.password")
    );
    let named: Vec<&str> = references(&spec).map(|name| name.0.as_str()).collect();
    assert_eq!(named, ["monitor", "client", "ca"]);
}

#[test]
fn a_wrong_target_is_named_and_leaves_the_others() {
    let (names, problems) = said(
        "targets:\n\
         - {name: a, host: a, credentialsSecretRef: {name: gone}}\n\
         - {name: b, host: b, credentialsSecretRef: {name: half}}\n\
         - {name: c, host: c, sslMode: verify-ca}\n\
         - {name: d, host: d}\n\
         - {name: d, host: e}\n",
        true,
    );
    assert_eq!(names, ["d"]);
    let expected = [
        "spec.agent.postgres.targets[a].credentialsSecretRef: there is no Secret \"gone\"",
        "spec.agent.postgres.targets[b].credentialsSecretRef: the Secret \"half\" has no key \"password\"",
        "spec.agent.postgres.targets[c].caSecretRef: ",
        "spec.agent.postgres.targets[d]: the name is taken",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn pods_are_looked_for_where_the_operator_may_let_its_agents_look() {
    let text = "discover: {podSelector: {matchLabels: {app: postgres, tier: db}}, namespaces: [billing, shop]}";
    let found = |cluster_wide| {
        let mut problems = Vec::new();
        let (config, _) = resolve(&spec(text), "shop", &inputs(cluster_wide), &mut problems);
        let discover = config.discover.unwrap();
        assert_eq!(discover.selector, "app=postgres,tier=db");
        (discover.namespaces, problems.len())
    };
    assert_eq!(
        found(true),
        (vec!["billing".to_owned(), "shop".to_owned()], 0)
    );
    assert_eq!(found(false), (vec!["shop".to_owned()], 1));
}

#[test]
fn nothing_to_scrape_and_wrong_queries_are_said() {
    let (_, problems) = said(
        "queries: [{name: q, sql: select 1, values: {total: gauge}}]",
        true,
    );
    assert_eq!(problems.len(), 1, "{problems:?}");
    let (_, problems) = said(
        "targets: [{name: a, host: a}]\n\
         queries:\n\
         - {name: a, sql: select 1, labels: [x], values: {x: gauge}}\n\
         - {name: b, sql: select 1, values: {job: gauge}}\n\
         - {name: c, sql: select 1, values: {x: gauge}, timeout: 2m}\n\
         - {name: d, sql: select 1, values: {x: gauge}, every: 0s}\n\
         - {name: e, sql: select 1, values: {x: counter}, every: 1m30s}\n",
        true,
    );
    let fields: Vec<&str> = problems
        .iter()
        .filter_map(|it| it.split(": ").next())
        .collect();
    assert_eq!(
        fields,
        [
            "spec.agent.postgres.queries[a].values",
            "spec.agent.postgres.queries[b].values",
            "spec.agent.postgres.queries[c].timeout",
            "spec.agent.postgres.queries[d].every",
        ]
    );
}
