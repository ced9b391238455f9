//! The default rules: each fires when it should, with words that name the thing, and is quiet else.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use kube::api::ObjectMeta;
use masthead::{
    api::{
        agent_config::LogsConfig,
        default_rules::{Connections, DefaultRulesSpec, FreePercent, OnOff, Switch, UsedPercent},
        rule::{AlertRule, AlertRuleSpec, Engine},
        value::Duration,
    },
    render::default_rules,
    resolve::{model::Stack, rules},
};
use serde_json::{Value, json};

use crate::{default_cases::cases, stack};

/// A stack that gathers everything there is.
fn stack() -> Stack {
    let mut stack = stack::full();
    if let Some(agent) = &mut stack.agent {
        agent.config.logs = Some(LogsConfig::default());
        agent.workload.node_selector.clear();
        agent.workload.tolerations = stack::minimal().agent.unwrap().workload.tolerations;
    }
    stack.prometheus.as_mut().unwrap().scrape_interval = "15s".into();
    stack.namespace = "shop".into();
    stack
}

fn all_jobs() -> BTreeSet<String> {
    [
        "prometheus",
        "alertmanager",
        "loki",
        "grafana",
        "node-exporter",
        "cadvisor",
        "masthead-agent",
        "kubelet",
        "masthead-operator",
        "postgres-exporter",
    ]
    .map(ToOwned::to_owned)
    .into()
}

/// The rules as Prometheus reads them, in one file for each topic.
fn write(folder: &Path, stack: &Stack) -> Vec<String> {
    let mut files = Vec::new();
    for (topic, rules) in default_rules::with_jobs(stack, all_jobs()) {
        let file = rules::rule_file("shop", topic, Engine::Prometheus, None, &rules);
        let name = format!("{topic}.yaml");
        fs::write(folder.join(&name), &file.text).unwrap();
        files.push(name);
    }
    files
}

fn series(given: &[(&str, &str)]) -> Value {
    let series = given
        .iter()
        .map(|(series, values)| json!({"series": series, "values": values}));
    series.collect()
}

#[test]
fn each_default_rule_fires_when_it_should_and_is_quiet_else() {
    let Some(tool) = super::tool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &stack());
    let mut tests = Vec::new();
    for case in cases() {
        let mut labels = case.labels;
        labels["rule_namespace"] = json!("shop");
        let runbook = format!(
            "https://github.com/masthead/masthead/blob/main/docs/runbooks/{}.md",
            case.alert
        );
        let alert = json!({"exp_labels": labels, "exp_annotations": {
            "summary": case.summary, "description": case.description, "runbook_url": runbook,
        }});
        tests.push(
            json!({"interval": "1m", "input_series": series(case.fires), "alert_rule_test": [
                {"eval_time": case.at, "alertname": case.alert, "exp_alerts": [alert]},
            ]}),
        );
        let quiet = ["1m", "3m", "7m", "15m", "30m", "100m", "450m"]
            .map(|at| json!({"eval_time": at, "alertname": case.alert, "exp_alerts": []}));
        // What is in no series at all is another case's matter.
        let within: Vec<_> = quiet
            .into_iter()
            .take(if case.alert == "VolumeFillsUp" { 7 } else { 4 })
            .collect();
        tests.push(json!({"interval": "1m", "input_series": series(case.quiet), "alert_rule_test": within}));
    }
    tests.push(json!({"interval": "1m", "input_series": [], "promql_expr_test": [
        {"expr": "count(ALERTS{alertname=\"Watchdog\",alertstate=\"firing\"})", "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": 1}]},
    ]}));
    let document = json!({"rule_files": files, "evaluation_interval": "1m", "tests": tests});
    let file = folder.path().join("test.yaml");
    fs::write(&file, document.to_string()).unwrap();
    let output = Command::new(tool)
        .args(["test", "rules"])
        .arg(&file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn every_default_rule_has_a_case_a_runbook_and_is_a_valid_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tested: BTreeSet<_> = cases()
        .iter()
        .map(|case| case.alert)
        .chain(["Watchdog"])
        .collect();
    let mut found = BTreeSet::new();
    for (topic, rules) in default_rules::with_jobs(&stack(), all_jobs()) {
        let rule = AlertRule {
            metadata: ObjectMeta::default(),
            spec: AlertRuleSpec {
                rules: rules.clone(),
                ..AlertRuleSpec::default()
            },
            status: None,
        };
        assert_eq!(rules::problems(&rule), vec![], "{topic}");
        found.extend(rules.into_iter().filter_map(|rule| rule.alert));
    }
    let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, tested);
    for alert in found {
        let page = root.join(format!("docs/runbooks/{alert}.md"));
        assert!(page.is_file(), "{} is missing", page.display());
    }
}

#[test]
fn a_rule_is_there_only_when_its_series_are() {
    let names = |stack: &Stack| -> BTreeSet<String> {
        let rules = default_rules::rules(stack).into_values().flatten();
        rules.filter_map(|rule| rule.alert).collect()
    };
    let mut stack = stack();
    let all = names(&stack);
    assert!(
        all.contains("LogsLag") && all.contains("AgentMissing") && all.contains("VolumeFillsUp")
    );
    assert!(all.contains("PostgresDown"));
    if let Some(agent) = &mut stack.agent {
        agent.config.postgres = None;
    }
    assert!(
        !names(&stack).contains("PostgresDown"),
        "nobody tells of it"
    );
    stack.operator.cluster_wide = false;
    assert!(!names(&stack).contains("VolumeFillsUp") && !names(&stack).contains("AgentMissing"));
    stack.agent = None;
    let without: Vec<_> = names(&stack).into_iter().collect();
    assert_eq!(
        without,
        [
            "ConfigNotLoaded",
            "OperatorNotReconciling",
            "RuleEvaluationFailing",
            "TargetDown",
            "Watchdog"
        ]
    );
    stack.operator.metrics_service = None;
    assert!(!names(&stack).contains("OperatorNotReconciling"));
    stack.prometheus = None;
    assert!(names(&stack).is_empty());
}

#[test]
fn each_rule_can_be_switched_off_and_has_its_threshold_as_a_field() {
    let with = |spec: DefaultRulesSpec| {
        let mut stack = stack();
        stack.default_rules = spec;
        let rules = default_rules::with_jobs(&stack, all_jobs());
        rules.into_values().flatten().collect::<Vec<_>>()
    };
    let duration = || Some(Duration("7s".into()));
    let tuned = with(DefaultRulesSpec {
        container_down: Some(Switch {
            for_: duration(),
            ..Switch::default()
        }),
        high_memory: Some(UsedPercent {
            used_percent: Some(61),
            for_: duration(),
            ..UsedPercent::default()
        }),
        high_cpu: Some(UsedPercent {
            used_percent: Some(62),
            for_: duration(),
            ..UsedPercent::default()
        }),
        low_disk: Some(FreePercent {
            free_percent: Some(63),
            for_: duration(),
            ..FreePercent::default()
        }),
        postgres_down: Some(Switch {
            for_: duration(),
            ..Switch::default()
        }),
        postgres_connections: Some(Connections {
            connections: Some(64),
            for_: duration(),
            ..Connections::default()
        }),
        ..DefaultRulesSpec::default()
    });
    let seven = tuned.iter().filter(|rule| rule.for_ == duration());
    assert_eq!(seven.count(), 6);
    for threshold in ["> 61", "> 62", "< 63", "> 64"] {
        assert!(
            tuned.iter().any(|rule| rule.expr.contains(threshold)),
            "{threshold}"
        );
    }
    let off = Some(false);
    let none = with(DefaultRulesSpec {
        container_down: Some(Switch {
            enabled: off,
            ..Switch::default()
        }),
        high_memory: Some(UsedPercent {
            enabled: off,
            ..UsedPercent::default()
        }),
        high_cpu: Some(UsedPercent {
            enabled: off,
            ..UsedPercent::default()
        }),
        low_disk: Some(FreePercent {
            enabled: off,
            ..FreePercent::default()
        }),
        postgres_down: Some(Switch {
            enabled: off,
            ..Switch::default()
        }),
        postgres_connections: Some(Connections {
            enabled: off,
            ..Connections::default()
        }),
        stack: Some(OnOff { enabled: off }),
        watchdog: Some(OnOff { enabled: off }),
        ..DefaultRulesSpec::default()
    });
    assert!(none.is_empty(), "{none:?}");
    let all_off = DefaultRulesSpec {
        enabled: off,
        ..DefaultRulesSpec::default()
    };
    assert!(with(all_off).is_empty());
}
