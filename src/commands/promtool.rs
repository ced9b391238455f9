//! Unit tests of rules, run by promtool where it is installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    api::{rule::AlertRule, rule_test::RuleTest},
    resolve::{
        problem::Problem,
        rules::{NAMESPACE_LABEL, judge},
    },
};

/// How much of promtool's words is kept.
const WORDS: usize = 700;

/// promtool, if it is on the `PATH`.
pub fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("promtool"))
        .find(|file| file.is_file())
}

/// Runs the tests of one valid `AlertRule`, each on its own, so that what fails has a place.
pub fn failures(promtool: &Path, rule: &AlertRule) -> anyhow::Result<Vec<Problem>> {
    let Some(file) = judge(rule).file else {
        return Ok(Vec::new());
    };
    let folder = env::temp_dir().join(format!("masthead-check-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let run = || {
        fs::write(folder.join("rules.yaml"), &file.text)?;
        let mut found = Vec::new();
        for (index, test) in rule.spec.tests.iter().enumerate() {
            let path = folder.join("test.yaml");
            fs::write(&path, document(rule, test).to_string())?;
            let output = Command::new(promtool)
                .args(["test", "rules"])
                .arg(&path)
                .output()?;
            if !output.status.success() {
                let words = [output.stdout, output.stderr].concat();
                let name = test.name.as_ref().map(|name| format!("{name}: "));
                let message = format!("{}{}", name.unwrap_or_default(), said(&words));
                found.push(Problem::new(format!("spec.tests[{index}]"), message));
            }
        }
        Ok(found)
    };
    let found = run().map_err(|error: std::io::Error| anyhow::anyhow!("promtool: {error}"));
    fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    found
}

/// The test as promtool reads it. JSON is YAML, and holds any text.
fn document(rule: &AlertRule, test: &RuleTest) -> Value {
    let namespace = rule.metadata.namespace.as_deref();
    let alerts = test.alert_rule_test.iter().map(|case| {
        let expected = case.exp_alerts.iter().map(|alert| {
            let mut labels = json!(alert.exp_labels);
            // Each alert has it; a test need not say so. In a file that names no namespace it is empty,
            // and Prometheus knows no empty labels.
            if let (Some(labels), Some(namespace)) = (labels.as_object_mut(), namespace) {
                labels
                    .entry(NAMESPACE_LABEL)
                    .or_insert_with(|| json!(namespace));
            }
            json!({"exp_labels": labels, "exp_annotations": alert.exp_annotations})
        });
        json!({
            "eval_time": case.eval_time,
            "alertname": case.alertname,
            "exp_alerts": expected.collect::<Vec<_>>(),
        })
    });
    let expressions = test.promql_expr_test.iter().map(|case| {
        let samples = case
            .exp_samples
            .iter()
            .map(|sample| json!({"labels": sample.labels, "value": sample.value}));
        json!({
            "expr": case.expr,
            "eval_time": case.eval_time,
            "exp_samples": samples.collect::<Vec<_>>(),
        })
    });
    let interval = test
        .interval
        .as_ref()
        .map_or("1m", |interval| interval.0.as_str());
    json!({
        "rule_files": ["rules.yaml"],
        "evaluation_interval": rule.spec.interval.as_ref().map_or(interval, |it| it.0.as_str()),
        "tests": [{
            "interval": interval,
            "input_series": test.input_series,
            "alert_rule_test": alerts.collect::<Vec<_>>(),
            "promql_expr_test": expressions.collect::<Vec<_>>(),
        }],
    })
}

/// promtool's words as one line, without the names of files that nobody knows.
fn said(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let lines = text.lines().map(str::trim).filter(|line| {
        !line.is_empty() && !line.starts_with("Unit Testing:") && *line != "FAILED:"
    });
    let line = lines.collect::<Vec<_>>().join(" ");
    line.chars().take(WORDS).collect()
}
