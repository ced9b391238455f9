//! What users copy must work: the chart, the manifests, the samples, every example in the docs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use masthead::{cli::CheckArgs, commands};

#[path = "documents/prometheus_operator.rs"]
mod prometheus_operator;
#[path = "documents/sample_app.rs"]
mod sample_app;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Runs helm in the project's folder. Without helm nothing is tested, which CI does not accept.
fn helm(args: &[&str]) -> Option<Output> {
    match Command::new("helm").args(args).current_dir(root()).output() {
        Ok(output) => Some(output),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: helm cannot be run ({error}): hack/tools/install clients");
            None
        }
        Err(error) => panic!("helm: {error}"),
    }
}

fn template(values: &[&str]) -> Option<String> {
    let mut args = vec![
        "template",
        "masthead",
        "charts/masthead",
        "--namespace",
        "masthead-system",
    ];
    args.extend(values);
    let output = helm(&args)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_chart_lints() {
    let Some(output) = helm(&["lint", "--strict", "charts/masthead"]) else {
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn install_yaml_is_what_the_chart_gives() {
    let Some(rendered) = template(&[]) else {
        return;
    };
    let head = fs::read_to_string(root().join("manifests/namespace.yaml")).unwrap();
    let committed = fs::read_to_string(root().join("manifests/install.yaml")).unwrap();
    assert!(
        committed == head + &rendered,
        "manifests/install.yaml is stale: run make generate"
    );
}

#[test]
fn watched_namespaces_take_every_cluster_wide_right_from_the_operator() {
    let values = [
        "--set",
        "watchNamespaces={shop,bank}",
        "--set",
        "crds.install=false",
    ];
    let Some(rendered) = template(&values) else {
        return;
    };
    assert!(!rendered.contains("kind: ClusterRoleBinding"), "{rendered}");
    for namespace in ["shop", "bank"] {
        assert!(rendered.contains(&format!("namespace: {namespace}\n")));
    }
}

#[test]
fn values_that_do_not_exist_are_refused() {
    let args = [
        "template",
        "masthead",
        "charts/masthead",
        "--set",
        "replicaCount=2",
    ];
    let Some(output) = helm(&args) else { return };
    assert!(
        !output.status.success(),
        "an unknown value must be an error"
    );
}

/// What `masthead check` says of a file.
fn check(file: PathBuf) -> (bool, String) {
    let mut out = Vec::new();
    let right = commands::check(&CheckArgs { files: vec![file] }, &mut out).unwrap();
    (right, String::from_utf8(out).unwrap())
}

#[test]
fn every_sample_is_right() {
    let (right, said) = check(root().join("manifests/samples"));
    assert!(right, "{said}");
}

#[test]
fn every_example_in_the_docs_is_right() {
    let mut pages = vec![root().join("README.md")];
    pages.extend(
        fs::read_dir(root().join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    pages.retain(|page| page.extension().is_some_and(|it| it == "md"));
    let mut examples = 0;
    let folder = tempfile::tempdir().unwrap();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            if !block.contains("apiVersion: masthead.dev/") {
                continue;
            }
            examples += 1;
            let file = folder.path().join(format!("{examples}.yaml"));
            fs::write(&file, block).unwrap();
            let (right, said) = check(file);
            assert!(right, "{}: {said}\n{block}", page.display());
        }
    }
    assert!(examples > 3, "only {examples} examples found");
}

/// People look them up by these words.
#[test]
fn every_reason_of_a_condition_is_in_the_docs_and_no_other() {
    let source = read("src/controller/conditions.rs");
    let (_, reasons) = source.split_once("pub mod reason {").unwrap();
    let (reasons, _) = reasons.split_once("#[must_use]").unwrap();
    let known: BTreeSet<&str> = reasons
        .lines()
        .filter(|line| line.contains("pub const"))
        .map(|line| line.split('"').nth(1).unwrap())
        .collect();
    assert!(known.len() > 20, "{known:?}");
    let (operations, rules) = (read("docs/operations.md"), read("docs/alertrule.md"));
    for reason in &known {
        let word = format!("`{reason}`");
        assert!(
            operations.contains(&word) || rules.contains(&word),
            "{reason}"
        );
    }
    let (_, tables) = operations.split_once("## Reasons and remedies").unwrap();
    let (tables, _) = tables.split_once("\n## ").unwrap();
    let rows = tables.lines().filter_map(|line| line.strip_prefix("| `"));
    for reason in rows.map(|row| row.split('`').next().unwrap()) {
        assert!(known.contains(reason), "{reason} is none of the code's");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yaml");
    fs::write(
        &file,
        "# a comment\n---\napiVersion: masthead.dev/v1alpha1\nkind: MonitoringStack\n\
         metadata: {name: main, namespace: shop}\n\
         spec:\n  metrics: {version: 2.1.0, colour: red}\n  alerting: {receivers: [{name: a}]}\n",
    )
    .unwrap();
    let (right, said) = check(file.clone());
    assert!(!right);
    for (place, expected) in [
        (
            "7:13",
            "spec.metrics.version: 2.1.0 is too old: 3.0.0 or newer is needed",
        ),
        (
            "7:29",
            "spec.metrics.colour: there is no such field; there are ",
        ),
        (
            "8:26",
            "spec.alerting.receivers[a]: exactly one of slack, email, webhook, pagerduty, opsgenie, telegram, teams, discord",
        ),
    ] {
        let expected = format!(
            "{}:{place}: MonitoringStack main: {expected}",
            file.display()
        );
        assert!(said.contains(&expected), "{expected} in\n{said}");
    }
    assert_eq!(said.lines().count(), 3, "each is told once:\n{said}");
}

#[test]
fn tests_of_rules_are_run_by_promtool_and_one_that_fails_is_told_with_its_place() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|folder| folder.join("promtool").is_file()) {
        assert!(std::env::var_os("CI").is_none(), "promtool is needed in CI");
        eprintln!("SKIPPED: promtool is not on the PATH: . hack/tools/env.sh");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rule.yaml");
    let write = |values: &str| {
        let text = format!(
            "apiVersion: masthead.dev/v1alpha1\nkind: AlertRule\nmetadata: {{name: disk, namespace: shop}}\n\
             spec:\n  rules: [{{alert: DiskFull, expr: disk_used > 90, severity: warning}}]\n  tests:\n\
             \x20 - name: right\n    inputSeries: [{{series: disk_used, values: '95x9'}}]\n\
             \x20   alertRuleTest: [{{evalTime: 1m, alertname: DiskFull, expAlerts: [{{expLabels: {{severity: warning}}}}]}}]\n\
             \x20 - name: too low\n    inputSeries: [{{series: disk_used, values: '{values}'}}]\n\
             \x20   alertRuleTest: [{{evalTime: 1m, alertname: DiskFull, expAlerts: [{{expLabels: {{severity: warning}}}}]}}]\n"
        );
        fs::write(&file, text).unwrap();
        check(file.clone())
    };
    let (right, said) = write("95x9");
    assert!(right, "{said}");
    let (right, said) = write("10x9");
    assert!(!right);
    assert_eq!(said.lines().count(), 1, "the other test passes:\n{said}");
    assert!(
        said.contains("spec.tests[1]: too low: ") && said.contains("DiskFull"),
        "{said}"
    );
}
