//! What Masthead takes as a rule, Prometheus takes too: both are asked, case by case.

#![cfg(feature = "controller")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "rules/default_cases.rs"]
mod default_cases;
#[path = "rules/defaults.rs"]
mod defaults;
#[path = "support/stack.rs"]
#[allow(dead_code)]
mod stack;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use masthead::{api::rule::AlertRule, resolve::rules::problems};
use serde_json::{Value, json};

const EXPRESSIONS: &str = include_str!("rules/expressions.txt");
const TEMPLATES: &str = include_str!("rules/templates.txt");
/// What is refused although Prometheus takes it, each with the reason after a tab.
const STRICTER: &str = include_str!("rules/stricter.txt");

/// Whole rules: durations, names and labels.
fn entries() -> Vec<(String, Value)> {
    let mut entries = Vec::new();
    for length in [
        "1y2",
        "300000y",
        "99999999999999999999y",
        "0",
        "0s",
        "0h",
        "0h0m",
        "00s",
        "1m1h",
        "292y",
        "293y",
        "1.5h",
        "",
        "5",
        "-1s",
        "5M",
    ] {
        for field in ["for", "keepFiringFor"] {
            let entry = json!({"alert": "X", "expr": "up", field: length});
            entries.push((format!("{field}: {length}"), entry));
        }
    }
    for (label, entry) in [
        (
            "annotation with a space",
            json!({"alert": "X", "expr": "up", "annotations": {"a b": "x"}}),
        ),
        (
            "label with a space",
            json!({"alert": "X", "expr": "up", "labels": {"a b": "x"}}),
        ),
        (
            "label with a dot",
            json!({"alert": "X", "expr": "up", "labels": {"a.b": "x"}}),
        ),
        (
            "label __x__",
            json!({"alert": "X", "expr": "up", "labels": {"__x__": "y"}}),
        ),
        (
            "label __name__",
            json!({"alert": "X", "expr": "up", "labels": {"__name__": "y"}}),
        ),
        (
            "empty annotation",
            json!({"alert": "X", "expr": "up", "annotations": {"a": ""}}),
        ),
        ("alert beyond ASCII", json!({"alert": "Ä b", "expr": "up"})),
        ("alert with braces", json!({"alert": "{{ x", "expr": "up"})),
        ("alert of two lines", json!({"alert": "a\nb", "expr": "up"})),
        (
            "severity",
            json!({"alert": "X", "expr": "up", "severity": "critical"}),
        ),
        ("record", json!({"record": "a:b", "expr": "up"})),
        ("record of a scalar", json!({"record": "a", "expr": "1"})),
        (
            "record of a string",
            json!({"record": "a", "expr": "\"x\""}),
        ),
        (
            "record with a bad name",
            json!({"record": "a b", "expr": "up"}),
        ),
        (
            "record with for",
            json!({"record": "a", "expr": "up", "for": "5m"}),
        ),
        (
            "record with braces in a label",
            json!({"record": "a", "expr": "up", "labels": {"a": "{{ x"}}),
        ),
        (
            "record with an annotation",
            json!({"record": "a", "expr": "up", "annotations": {"a": "b"}}),
        ),
        (
            "NUL in the expression",
            json!({"alert": "X", "expr": "up\u{0}"}),
        ),
        (
            "an expression of two lines",
            json!({"alert": "X", "expr": "up\n  == 0 # why\n"}),
        ),
        ("no expression", json!({"alert": "X", "expr": ""})),
        ("spaces only", json!({"alert": "X", "expr": "  \n "})),
    ] {
        entries.push((label.to_owned(), entry));
    }
    entries
}

/// Expressions and templates: one of them that is wrong leaves the others of a file readable.
fn texts() -> Vec<(String, Value)> {
    let expressions = EXPRESSIONS
        .lines()
        .map(|expr| (expr.to_owned(), json!({"alert": "X", "expr": expr})));
    let templates = TEMPLATES.lines().enumerate().map(|(index, line)| {
        let field = ["annotations", "labels"][index % 2];
        let entry = json!({"alert": "X", "expr": "up", field: {"a": line.replace("\\n", "\n")}});
        (line.to_owned(), entry)
    });
    expressions.chain(templates).collect()
}

/// The cases that promtool takes.
fn taken_by(tool: &Path) -> Vec<(String, Value)> {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts();
    let rules: Vec<_> = (0_usize..)
        .zip(&texts)
        .map(|(index, (_, entry))| prometheus(entry, index))
        .collect();
    let (_, said) = promtool(tool, folder.path(), &rules);
    let wrong = numbers(&said);
    assert!(
        wrong.len() > 100,
        "promtool names the rules it refuses: {said}"
    );
    let texts = (1..)
        .zip(texts)
        .filter(|(number, _)| !wrong.contains(number))
        .map(|(_, case)| case);
    let entries = entries()
        .into_iter()
        .filter(|(_, entry)| promtool(tool, folder.path(), &[prometheus(entry, 0)]).0);
    texts.chain(entries).collect()
}

fn refused(entry: &Value) -> Option<String> {
    let rule: AlertRule = serde_json::from_value(json!({
        "apiVersion": "masthead.dev/v1alpha1", "kind": "AlertRule",
        "metadata": {"name": "x", "namespace": "n"}, "spec": {"rules": [entry]},
    }))
    .unwrap();
    problems(&rule).first().map(ToString::to_string)
}

/// The entry as Prometheus writes it.
fn prometheus(entry: &Value, index: usize) -> Value {
    let mut entry = entry.clone();
    let fields = entry.as_object_mut().unwrap();
    if let Some(length) = fields.remove("keepFiringFor") {
        fields.insert("keep_firing_for".into(), length);
    }
    if let Some(severity) = fields.remove("severity") {
        fields.insert("labels".into(), json!({"severity": severity}));
    }
    fields
        .entry("labels")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .unwrap()
        .insert("case".into(), json!(index.to_string()));
    entry
}

/// Whether promtool takes these rules, and what it says.
fn promtool(promtool: &Path, folder: &Path, rules: &[Value]) -> (bool, String) {
    let file = folder.join("rules.yaml");
    let groups = json!({"groups": [{"name": "g", "rules": rules}]});
    fs::write(&file, groups.to_string()).unwrap();
    let output = Command::new(promtool)
        .args(["check", "rules", "--lint=none"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

/// The numbers of the rules, from one, that promtool complains about.
fn numbers(said: &str) -> BTreeSet<usize> {
    said.split("rule ")
        .skip(1)
        .filter_map(|rest| rest.split(',').next()?.parse().ok())
        .collect()
}

#[test]
fn what_masthead_takes_prometheus_takes() {
    let Some(tool) = tool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let taken: Vec<_> = texts()
        .into_iter()
        .chain(entries())
        .filter(|(_, entry)| refused(entry).is_none())
        .collect();
    let rules: Vec<_> = (0_usize..)
        .zip(&taken)
        .map(|(index, (_, entry))| prometheus(entry, index))
        .collect();
    let (accepted, said) = promtool(&tool, folder.path(), &rules);
    assert!(accepted, "taken, but Prometheus refuses: {said}");
}

#[test]
fn what_is_stricter_than_prometheus_is_listed_with_its_reason() {
    let Some(tool) = tool() else { return };
    let listed: BTreeMap<&str, &str> = STRICTER
        .lines()
        .map(|line| line.split_once('\t').expect("a reason after a tab"))
        .collect();
    let found: BTreeMap<_, _> = taken_by(&tool)
        .into_iter()
        .filter_map(|(name, entry)| Some((name, refused(&entry)?)))
        .collect();
    let unlisted: Vec<_> = found
        .iter()
        .filter(|(name, _)| !listed.contains_key(name.as_str()))
        .collect();
    let stale: Vec<_> = listed
        .keys()
        .filter(|name| !found.contains_key(**name))
        .collect();
    assert!(
        unlisted.is_empty() && stale.is_empty(),
        "refused, though Prometheus takes it, and not in tests/rules/stricter.txt: {unlisted:#?}\nlisted there, but no longer so: {stale:#?}"
    );
}

/// promtool, or a loud skip; in CI it must be there.
fn tool() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("promtool"))
        .find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "promtool is not on the PATH: . hack/tools/env.sh"
        );
        eprintln!("SKIPPED: promtool is not on the PATH: . hack/tools/env.sh");
    }
    found
}
