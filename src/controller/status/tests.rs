use std::collections::BTreeSet;

use super::*;
use crate::api::default_rules::DefaultRulesSpec;
use crate::api::rule::Engine;
use crate::{
    api::{agent_config::Encoding, alerting::Links},
    controller::{
        conditions::find,
        observe::{Observed, diagnose::Finding},
    },
    resolve::{
        RuleVerdict,
        model::{
            Alertmanager, ContainerResources, ExternalLoki, Loki, Operator, Prometheus, Server,
            Stack, Version, Workload,
        },
        prometheus_operator::Report,
        rules::Origin,
    },
};

/// Everything a status is made from, all well at first.
#[derive(Clone)]
struct Case {
    resolution: Resolution,
    applied: Applied,
    observation: Observation,
    configs: BTreeMap<Component, ConfigState>,
}

impl Case {
    /// A stack of Prometheus, Alertmanager and Loki.
    fn well() -> Self {
        let stack = stack();
        let components = stack.components().map(|component| (component, seen(1, 1)));
        Self {
            observation: Observation {
                components: components.collect(),
                targets: Some(Targets { up: 41, down: 1 }),
                unscraped: None,
            },
            resolution: Resolution {
                stack,
                problems: Vec::new(),
                prometheus_operator: Report::default(),
                refused_dashboards: Vec::new(),
                rules: vec![verdict(true), verdict(true), verdict(false)],
            },
            applied: Applied::default(),
            configs: BTreeMap::from([(Component::Prometheus, loaded("h1"))]),
        }
    }

    fn finding(mut self, component: Component, reason: &'static str, message: &str) -> Self {
        let finding = Finding {
            reason,
            message: message.into(),
        };
        let observed = Observed {
            finding: Some(finding),
            ..seen(0, 1)
        };
        self.observation.components.insert(component, observed);
        self
    }

    fn problem(mut self, field: &str, message: &str) -> Self {
        self.resolution.problems.push(Problem::new(field, message));
        self
    }

    fn status(&self, old: Option<&StackStatus>, second: i64) -> StackStatus {
        stack_status(
            old,
            Some(7),
            &self.resolution,
            &self.applied,
            &self.observation,
            &self.configs,
            at(second),
        )
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn seen(ready: i32, desired: i32) -> Observed {
    Observed {
        desired,
        ready,
        finding: None,
    }
}

fn loaded(hash: &str) -> ConfigState {
    ConfigState {
        hash: hash.into(),
        loaded: true,
        ..ConfigState::default()
    }
}

fn verdict(taken: bool) -> RuleVerdict {
    RuleVerdict {
        namespace: "monitoring".into(),
        name: "rule".into(),
        generation: Some(1),
        engine: Engine::Prometheus,
        rules: ["A".to_owned()].into(),
        file: taken.then(|| "f.yaml".into()),
        mark: taken.then_some(1),
        problems: Vec::new(),
        bar: None,
        origin: Origin::AlertRule,
    }
}

fn stack() -> Stack {
    Stack {
        name: "main".into(),
        namespace: "monitoring".into(),
        uid: "u".into(),
        operator: Operator {
            image: String::new(),
            namespace: String::new(),
            role_prefix: String::new(),
            cluster_domain: String::new(),
            metrics_service: None,
            runbooks: String::new(),
            cluster_wide: true,
            host_logs: None,
        },
        server: Server {
            policy_v1: true,
            endpoint_slices: true,
            traefik: false,
        },
        prometheus: Some(Prometheus {
            workload: workload("3.14.0"),
            retention: String::new(),
            retention_size: String::new(),
            scrape_interval: String::new(),
            external_labels: BTreeMap::new(),
            remote_write: Vec::new(),
            discovery: None,
            jobs: Vec::new(),
            rule_files: BTreeMap::new(),
            alertmanagers: Vec::new(),
            secrets: BTreeMap::new(),
        }),
        alertmanager: Some(Alertmanager {
            workload: workload("0.34.0"),
            receivers: Vec::new(),
            routes: Vec::new(),
            time_intervals: Vec::new(),
            inhibit_warnings: true,
            inhibit_rules: Vec::new(),
            links: Links::default(),
            secrets: BTreeMap::new(),
        }),
        loki: Some(Loki {
            workload: workload("3.7.6"),
            retention: String::new(),
            rule_files: BTreeMap::new(),
            alertmanager_urls: Vec::new(),
            grafana_link: None,
        }),
        external_loki: None,
        grafana: None,
        agent: None,
        held: BTreeSet::new(),
        default_rules: DefaultRulesSpec::default(),
        network_policy: true,
        image_pull_secrets: Vec::new(),
        paused: false,
    }
}

fn workload(version: &str) -> Workload {
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

/// Status, reason and message of a condition.
fn told<'a>(status: &'a StackStatus, type_: &str) -> (&'a str, &'a str, &'a str) {
    let condition = find(&status.conditions, type_).unwrap();
    (&condition.status, &condition.reason, &condition.message)
}

#[test]
fn a_stack_that_is_well_says_so_in_every_condition_it_has() {
    let status = Case::well().status(None, 1);
    let types: Vec<_> = status
        .conditions
        .iter()
        .map(|c| (c.type_.as_str(), c.status.as_str()))
        .collect();
    let expected = [
        ("Ready", "True"),
        ("Progressing", "False"),
        ("Degraded", "False"),
        ("MetricsReady", "True"),
        ("LogsReady", "True"),
        ("AlertingReady", "True"),
    ];
    assert_eq!(types, expected, "disabled components have none");
    assert_eq!(told(&status, "Ready").2, "all 3 components are ready");
    assert_eq!(status.observed_generation, Some(7));
}

#[test]
fn the_columns_show_ready_pods_and_what_is_off() {
    let summary = Case::well().status(None, 1).summary.unwrap();
    let expected = Summary {
        metrics: "1/1".into(),
        logs: "1/1".into(),
        dashboards: "off".into(),
        alerting: "1/1".into(),
        agent: "off".into(),
        targets: "41/42".into(),
        rules: "2/3".into(),
    };
    assert_eq!(summary, expected);
}

#[test]
fn a_loki_elsewhere_shows_without_being_a_component() {
    let mut case = Case::well();
    case.resolution.stack.loki = None;
    case.observation.components.remove(&Component::Loki);
    case.resolution.stack.external_loki = Some(ExternalLoki {
        url: "https://loki.example.org".into(),
        tenant: None,
        tenants: BTreeMap::new(),
        user: None,
        token: false,
        ca: false,
        certificate: false,
        encoding: Encoding::Protobuf,
        secrets: BTreeMap::new(),
    });
    let status = case.status(None, 1);
    let told = told(&status, "LogsReady");
    let message = "lines go to https://loki.example.org, which runs elsewhere";
    assert_eq!(told, ("True", "External", message));
    assert!(
        status
            .components
            .iter()
            .all(|component| component.name != "loki")
    );
    assert_eq!(status.summary.unwrap().logs, "external");
}

#[test]
fn components_tell_version_endpoint_and_configuration() {
    let status = Case::well().status(None, 1);
    let prometheus = &status.components[0];
    assert_eq!(prometheus.name, "prometheus");
    assert_eq!(prometheus.version.as_deref(), Some("3.14.0"));
    assert_eq!(
        prometheus.endpoint.as_deref(),
        Some("http://main-prometheus.monitoring.svc:9090")
    );
    let config = prometheus.config.as_ref().unwrap();
    assert!(config.loaded);
    assert_eq!(config.loaded_at.as_deref(), Some("1970-01-01T00:00:01Z"));
}

#[test]
fn the_same_facts_later_give_the_same_status() {
    let cases = [
        Case::well(),
        Case::well().finding(Component::Loki, reason::STARTING, "x"),
        Case::well().problem("spec.alerting.receivers[a]", "no Secret"),
    ];
    for case in cases {
        let first = case.status(None, 1);
        assert_eq!(case.status(Some(&first), 900), first);
        assert_eq!(case.status(None, 1), first);
        assert!(transitions(Some(&first), &case.status(Some(&first), 900)).is_empty());
    }
}

#[test]
fn a_component_in_trouble_makes_the_stack_unready_and_degraded_in_its_words() {
    let case = Case::well().finding(
        Component::Loki,
        reason::IMAGE_PULL_FAILED,
        "pod l: cannot pull x",
    );
    let status = case.status(None, 1);
    assert_eq!(
        told(&status, "LogsReady"),
        ("False", "ImagePullFailed", "pod l: cannot pull x")
    );
    assert_eq!(
        told(&status, "Ready"),
        ("False", "ComponentsNotReady", "loki: pod l: cannot pull x")
    );
    assert_eq!(
        told(&status, "Degraded"),
        ("True", "ComponentFailing", "loki: pod l: cannot pull x")
    );
    assert_eq!(told(&status, "Progressing").0, "False");
}

#[test]
fn a_component_on_its_way_makes_the_stack_progress_but_not_degraded() {
    let status = Case::well()
        .finding(Component::Loki, reason::ROLLING_OUT, "0 of 1")
        .status(None, 1);
    assert_eq!(
        told(&status, "Progressing"),
        ("True", "RollingOut", "loki: 0 of 1")
    );
    assert_eq!(told(&status, "Degraded").0, "False");
    assert_eq!(told(&status, "Ready").0, "False");
}

#[test]
fn a_configuration_that_is_not_loaded_is_told_in_the_process_own_words() {
    let mut case = Case::well();
    let state = ConfigState {
        hash: "h2".into(),
        message: Some("pod main-prometheus-0: yaml: line 3".into()),
        ..ConfigState::default()
    };
    case.configs.insert(Component::Prometheus, state);
    let old = Case::well().status(None, 1);
    let status = case.status(Some(&old), 2);
    let expected = "the new configuration is not loaded: pod main-prometheus-0: yaml: line 3";
    assert_eq!(
        told(&status, "MetricsReady"),
        ("False", "ConfigNotLoaded", expected)
    );
    let config = status.components[0].config.clone().unwrap();
    assert_eq!(
        (config.loaded, config.hash.as_str(), config.loaded_at),
        (false, "h2", None)
    );
}

#[test]
fn the_time_of_loading_stays_while_the_same_configuration_stays_loaded() {
    let mut case = Case::well();
    let first = case.status(None, 1);
    let loaded_at = |status: &StackStatus| status.components[0].config.clone().unwrap().loaded_at;
    assert_eq!(loaded_at(&case.status(Some(&first), 50)), loaded_at(&first));
    case.configs.insert(Component::Prometheus, loaded("h2"));
    let newer = loaded_at(&case.status(Some(&first), 60));
    assert_eq!(newer.as_deref(), Some("1970-01-01T00:01:00Z"));
}

#[test]
fn what_was_not_delivered_this_time_keeps_what_was_known() {
    let mut case = Case::well();
    let first = case.status(None, 1);
    case.configs.clear();
    assert_eq!(case.status(Some(&first), 9).components, first.components);
}

#[test]
fn a_piece_left_out_degrades_the_stack_and_leaves_it_ready() {
    let status = Case::well()
        .problem("spec.alerting.receivers[a].slack", "no Secret slack")
        .problem("spec.metrics.remoteWrite[b]", "no Secret b")
        .status(None, 1);
    assert_eq!(told(&status, "Ready").0, "True");
    let expected = "spec.alerting.receivers[a].slack: no Secret slack (and 1 more)";
    assert_eq!(
        told(&status, "Degraded"),
        ("True", "ProblemsFound", expected)
    );
    assert_eq!(status.problems.len(), 2);
}

#[test]
fn problems_are_bounded_and_say_how_many_more_there_are() {
    let mut case = Case::well();
    for number in 0..100 {
        case = case.problem(&format!("spec.x[{number}]"), "wrong");
    }
    let problems = case.status(None, 1).problems;
    assert_eq!(problems.len(), 64);
    assert_eq!(problems[63].message, "and 37 more");
}

#[test]
fn a_held_component_names_its_problem_and_says_that_what_runs_goes_on() {
    let mut case = Case::well().problem("spec.logs.version", "2.9.0 is too old");
    case.resolution.stack.loki = None;
    case.resolution.stack.held.insert(Component::Loki);
    let status = case.status(None, 1);
    let expected = "spec.logs.version: 2.9.0 is too old; what runs goes on as it is";
    assert_eq!(
        told(&status, "LogsReady"),
        ("False", "InvalidSpec", expected)
    );
    assert_eq!(status.summary.unwrap().logs, "1/1");
}

#[test]
fn an_object_the_server_refuses_is_told_by_its_component_or_by_the_stack() {
    let mut case = Case::well();
    case.applied.failed = vec![(Component::Loki, "Service main-loki: refused".into())];
    let status = case.status(None, 1);
    assert_eq!(
        told(&status, "LogsReady"),
        ("False", "ApplyFailed", "Service main-loki: refused")
    );
    case.applied.failed = vec![(
        Component::Grafana,
        "Deployment main-grafana: refused".into(),
    )];
    let status = case.status(None, 1);
    let expected = "grafana: Deployment main-grafana: refused";
    assert_eq!(told(&status, "Ready"), ("False", "ApplyFailed", expected));
    assert_eq!(told(&status, "Degraded"), ("True", "ApplyFailed", expected));
}

#[test]
fn a_paused_stack_says_so_and_still_tells_what_runs() {
    let mut case = Case::well().finding(Component::Loki, reason::STARTING, "x");
    case.resolution.stack.paused = true;
    let status = case.status(None, 1);
    assert_eq!(
        (
            told(&status, "Progressing").0,
            told(&status, "Progressing").1
        ),
        ("False", "Paused")
    );
    assert_eq!(told(&status, "Ready").0, "False");
}

#[test]
fn a_stack_that_cannot_be_rendered_keeps_what_is_known_of_what_runs() {
    let old = Case::well().status(None, 1);
    let problems = [Problem::new("metadata.name", "too long")];
    let status = broken_status(Some(&old), Some(8), &problems, at(2));
    let expected = "metadata.name: too long; what runs goes on as it is";
    assert_eq!(told(&status, "Ready"), ("False", "InvalidSpec", expected));
    assert_eq!(told(&status, "MetricsReady").0, "True");
    assert_eq!(
        (&status.components, &status.summary),
        (&old.components, &old.summary)
    );
    assert_eq!(status.observed_generation, Some(8));
    let again = broken_status(Some(&status), Some(8), &problems, at(90));
    assert_eq!(again, status);
}

#[test]
fn only_flips_of_status_or_reason_become_events() {
    let well = Case::well().status(None, 1);
    assert_eq!(transitions(None, &well), [], "a good start is no news");

    let case = Case::well().finding(Component::Loki, reason::CRASH_LOOPING, "exit code 1");
    let failing = case.status(Some(&well), 2);
    let told: Vec<_> = transitions(Some(&well), &failing)
        .into_iter()
        .map(|t| (t.type_, t.reason, t.warning))
        .collect();
    let event = |type_: &str, reason: &str, warning| (type_.to_owned(), reason.to_owned(), warning);
    let expected = [
        event("Ready", "ComponentsNotReady", false),
        event("Degraded", "ComponentFailing", true),
        event("LogsReady", "CrashLooping", true),
    ];
    assert_eq!(told, expected);

    let other = Case::well().finding(Component::Loki, reason::CRASH_LOOPING, "exit code 2");
    assert_eq!(
        transitions(Some(&failing), &other.status(Some(&failing), 3)),
        []
    );
}
