//! The configuration files, read by the programs they are for.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use k8s_openapi::api::core::v1::ConfigMap;
use masthead::{
    api::{
        component::Component,
        rule::{AnnotationText, LabelText, RuleEntry},
    },
    render::{self, Proof},
    resolve::model::{Stack, Version},
};
use serde_json::json;

use crate::{stack, tool, view};

pub fn all() -> [Stack; 3] {
    [stack::minimal(), stack::full(), stack::single_node()]
}

fn prometheus_file(stack: &Stack) -> String {
    let name = stack.child_name(Component::Prometheus);
    view::file(stack, &name, "prometheus.yml")
}

fn rule_files(stack: &Stack) -> BTreeMap<String, String> {
    let prefix = format!("{}-rules-", stack.child_name(Component::Prometheus));
    view::objects(stack)
        .into_iter()
        .filter(|object| object.name.starts_with(&prefix))
        .flat_map(|object| {
            let shard: ConfigMap = serde_json::from_value(object.body.to_value()).unwrap();
            shard.data.unwrap()
        })
        .collect()
}

fn promtool_version(promtool: &PathBuf) -> Version {
    let printed = tool::run(Command::new(promtool).arg("--version"));
    let word = printed.split_whitespace().nth(2).unwrap();
    let numbers = word.split(['+', '-', '~']).next().unwrap();
    Version::parse(numbers).unwrap()
}

#[test]
fn promtool_takes_every_configuration() {
    let Some(promtool) = tool::find("promtool") else {
        return;
    };
    let knows_retention = promtool_version(&promtool).at_least(3, 11, 0);
    let folder = tempfile::tempdir().unwrap();
    for mut stack in all() {
        for version in ["3.5.3", "3.14.0"] {
            stack.prometheus.as_mut().unwrap().workload.version = stack::version(version);
            if version == "3.14.0" && !knows_retention {
                continue;
            }
            let file = folder.path().join("prometheus.yml");
            fs::write(&file, prometheus_file(&stack)).unwrap();
            // The files it names are in the pod.
            tool::run(
                Command::new(&promtool)
                    .args(["check", "config", "--syntax-only"])
                    .arg(&file),
            );
        }
    }
}

#[test]
fn promtool_takes_every_rule_file() {
    let Some(promtool) = tool::find("promtool") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in rule_files(&stack::full()) {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        tool::run(Command::new(&promtool).args(["check", "rules"]).arg(&file));
    }
}

/// Strings that a YAML parser could take for something else, or break.
pub const AWKWARD: &[&str] = &[
    "no",
    "yes",
    "on",
    "y",
    "null",
    "~",
    "true",
    "1e3",
    "0x10",
    "0o7",
    "012",
    "1_000",
    "12:30:45",
    "2024-01-01",
    ".inf",
    ".nan",
    "<<",
    "=",
    "",
    " ",
    " leading",
    "trailing ",
    "a: b",
    "a #b",
    "#a",
    "- a",
    "? a",
    "| a",
    "> a",
    "%a",
    "@a",
    "`a`",
    "!a",
    "&a",
    "*a",
    "{a}",
    "[a]",
    "a,b",
    "'",
    "\"",
    "''",
    "\\",
    "\\n",
    "\n",
    "a\nb",
    "a\n",
    "\na",
    "a\n\n  b\n",
    "\ta",
    "a\tb",
    "a\r\nb",
    "---",
    "...",
    "\u{85}",
    "\u{a0}",
    "\u{2028}a",
    "a\u{2029}",
    "\u{feff}a",
    "\u{7f}",
    "\u{1}",
    "\u{1b}[0m",
    "ü",
    "日本",
    "😀",
    "{{ $value }}",
    "{{ \"no\" }}",
];

#[test]
fn prometheus_reads_every_string_as_it_was_written() {
    let Some(promtool) = tool::find("promtool") else {
        return;
    };
    let annotations: BTreeMap<String, AnnotationText> = AWKWARD
        .iter()
        .enumerate()
        // Templates are expanded in a test: dollars and braces are not what is asked here.
        .filter(|(_, text)| !text.contains("{{"))
        .map(|(n, text)| (format!("a{n}"), AnnotationText((*text).to_owned())))
        .chain([(
            "long".to_owned(),
            AnnotationText(" word  and word\t,".repeat(200)),
        )])
        .collect();
    // An empty label is no label.
    let labels: BTreeMap<_, _> = annotations
        .iter()
        .filter(|(_, text)| !text.0.is_empty())
        .map(|(name, text)| (name.clone(), LabelText(text.0.clone())))
        .collect();
    let expected = json!({
        "exp_labels": labels.clone().into_iter().chain([
            ("rule_namespace".to_owned(), LabelText("shop".into())),
        ]).collect::<BTreeMap<_, _>>(),
        "exp_annotations": annotations,
    });
    let rule = RuleEntry {
        alert: Some("no".into()),
        expr: "vector(1)\n  == 1 # comment: no\n".into(),
        labels,
        annotations,
        ..RuleEntry::default()
    };
    check_with_promtool(&promtool, rule, &expected);
}

/// The rule must fire with the labels and annotations. The test file is JSON, which is YAML too but
/// comes from another serialiser.
fn check_with_promtool(promtool: &PathBuf, rule: RuleEntry, expected: &serde_json::Value) {
    let mut stack = stack::minimal();
    stack.prometheus.as_mut().unwrap().rule_files =
        [stack::rule_file("shop", "awkward", &[rule])].into();
    let folder = tempfile::tempdir().unwrap();
    stack.agent = None;
    let (name, text) = rule_files(&stack).pop_first().unwrap();
    fs::write(folder.path().join(&name), text).unwrap();
    let cases = json!({
        "rule_files": [name],
        "tests": [{"alert_rule_test": [{
            "eval_time": "0s", "alertname": "no", "exp_alerts": [expected],
        }]}],
    });
    let file = folder.path().join("test.yaml");
    // Go's YAML parser refuses some characters that JSON lets stand.
    let escaped: String = cases.to_string().chars().map(escape).collect();
    fs::write(&file, escaped).unwrap();
    tool::run(Command::new(promtool).args(["test", "rules"]).arg(&file));
}

fn escape(character: char) -> String {
    match u32::from(character) {
        code @ 0x7f..=0xffff => format!("\\u{code:04x}"),
        _ => character.to_string(),
    }
}

#[test]
fn every_string_reads_back_from_a_configuration() {
    for text in AWKWARD {
        let yaml = render::config::to_yaml(&json!({"key": text, *text: "value"}));
        let read: BTreeMap<String, String> = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(read["key"], *text, "{yaml}");
        assert_eq!(read[*text], "value", "{yaml}");
    }
}

#[test]
fn the_marker_that_proves_a_delivery_is_in_the_file() {
    let stack = stack::full();
    let deliveries = render::deliveries(&stack);
    let Proof::PrometheusConfigHolds(marker) = &deliveries[0].proof else {
        panic!("{deliveries:?}");
    };
    let text = prometheus_file(&stack);
    assert_eq!(text.matches(marker.as_str()).count(), 1);
    assert_eq!(deliveries[0].port, 9090);
    assert_eq!(deliveries[1].port, 9093);
}

#[test]
fn the_marker_changes_with_a_rule_and_with_the_file_and_with_nothing_else() {
    let marker = |stack: &Stack| render::deliveries(stack)[0].hash.clone();
    let stack = stack::full();
    let mut rule = stack.clone();
    let (name, file) = stack::alert_file("shop", "down", "up != 1");
    rule.prometheus
        .as_mut()
        .unwrap()
        .rule_files
        .insert(name, file);
    assert_ne!(marker(&stack), marker(&rule));
    let mut file = stack.clone();
    file.prometheus.as_mut().unwrap().scrape_interval = "30s".into();
    assert_ne!(marker(&stack), marker(&file));
    let mut other = stack.clone();
    other.loki.as_mut().unwrap().retention = "24h".into();
    other.prometheus.as_mut().unwrap().workload.image = "elsewhere".into();
    assert_eq!(marker(&stack), marker(&other));
}

#[test]
fn there_is_nothing_to_deliver_to_what_is_not_there() {
    let mut stack = stack::minimal();
    stack.prometheus = None;
    stack.alertmanager = None;
    assert!(render::deliveries(&stack).is_empty());
}

#[test]
fn lines_go_to_the_stacks_loki_or_to_the_one_elsewhere_or_stay() {
    let loki =
        |stack: &Stack| view::config(stack, "main-agent", "agent.yaml")["logs"]["loki"].clone();
    let mut stack = stack::minimal();
    let own = "http://main-loki.monitoring.svc.cluster.local:3100";
    assert_eq!(loki(&stack), serde_json::json!({"url": own}));
    stack.loki = None;
    assert_eq!(loki(&stack), serde_json::Value::Null);
    stack.external_loki = Some(stack::external_loki());
    assert_eq!(
        loki(&stack),
        serde_json::json!({
            "url": "https://loki.example.org/loki/api/v1/push",
            "tenant": "shop",
            "tenants": {"billing": "pay"},
            "basicAuth": {
                "username": "masthead",
                "passwordFile": "/etc/masthead-secrets/loki-password",
            },
            "tls": {
                "caFile": "/etc/masthead-secrets/loki-ca.crt",
                "certFile": "/etc/masthead-secrets/loki-client.crt",
                "keyFile": "/etc/masthead-secrets/loki-client.key",
            },
        })
    );
}

#[test]
fn no_secret_of_a_loki_elsewhere_is_in_a_file_that_is_none() {
    for object in view::objects(&stack::external()) {
        if object.resource.kind != "Secret" {
            assert!(!object.body.to_string().contains("hunter4"), "{object:?}");
        }
    }
}

#[test]
fn grafana_asks_a_loki_elsewhere_with_the_same_uid() {
    let mut stack = stack::external();
    let external = stack.external_loki.as_mut().unwrap();
    (external.user, external.token) = (None, true);
    let sources = view::config(&stack, "main-grafana", "datasources.yaml");
    let sources = sources["datasources"].as_array().unwrap();
    let loki = sources.iter().find(|it| it["uid"] == "loki").unwrap();
    assert_eq!(loki["url"], "https://loki.example.org");
    assert_eq!(loki["jsonData"]["httpHeaderName1"], "X-Scope-OrgID");
    assert_eq!(loki["secureJsonData"]["httpHeaderValue1"], "shop");
    assert_eq!(
        loki["secureJsonData"]["httpHeaderValue2"],
        "Bearer $__file{/etc/grafana/secrets/loki-token}"
    );
}
