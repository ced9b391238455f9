//! Alertmanager's configuration, read by amtool.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use masthead::{
    api::{
        alerting::route::{Matcher, Operator, Route},
        component::Component,
    },
    resolve::model::{ExternalAlertmanager, HttpClient, Stack, Tls},
};
use tempfile::TempDir;

use crate::{
    configs::{AWKWARD, all},
    stack, tool, view,
};

/// The files of a stack's Alertmanager in a folder of their own; the configuration looks for the
/// templates there.
pub fn written(stack: &Stack) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let name = stack.child_name(Component::Alertmanager);
    for (file, text) in view::files(stack, &name) {
        let here = folder.path().to_str().unwrap();
        let text = text.replace("/etc/alertmanager/config", here);
        fs::write(folder.path().join(file), text).unwrap();
    }
    let file = folder.path().join("alertmanager.yml");
    (folder, file)
}

fn check(amtool: &Path, stack: &Stack) {
    let (_folder, file) = written(stack);
    let printed = tool::run(Command::new(amtool).arg("check-config").arg(&file));
    assert!(printed.contains("1 templates"), "{printed}");
}

/// What an older Alertmanager does not know yet.
fn without_news(stack: &mut Stack) {
    use masthead::resolve::model::ReceiverKind;
    let alertmanager = stack.alertmanager.as_mut().unwrap();
    for receiver in &mut alertmanager.receivers {
        if let ReceiverKind::Email(email) = &mut receiver.kind {
            email.implicit_tls = None;
        }
    }
}

#[test]
fn amtool_takes_every_configuration() {
    let Some(amtool) = tool::find("amtool") else {
        return;
    };
    for stack in all() {
        check(&amtool, &stack);
    }
}

#[test]
fn an_older_amtool_takes_what_is_rendered_for_it() {
    // 0.28.1, from Debian 13.
    let Some(amtool) = tool::find("amtool-0.28") else {
        return;
    };
    for mut stack in all() {
        without_news(&mut stack);
        check(&amtool, &stack);
    }
}

/// The receivers that an alert with these labels reaches, in order.
fn routed(amtool: &Path, file: &Path, labels: &[&str]) -> String {
    let printed = tool::run(
        Command::new(amtool)
            .args(["config", "routes", "test", "--config.file"])
            .arg(file)
            .args(labels),
    );
    // Warnings follow.
    printed.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_first_route_that_matches_decides() {
    let Some(amtool) = tool::find("amtool") else {
        return;
    };
    let (_folder, file) = written(&stack::full());
    let search: &[_] = &["team=search", "app=index", "tier=1"];
    for (labels, receivers) in [
        (&["severity=critical", "namespace=shop"][..], "oncall+mail"),
        (
            &["severity=critical", "rule_namespace=billing"],
            "oncall+mail",
        ),
        (&["severity=critical", "namespace=other"], "pager"),
        (&["severity=critical"], "pager"),
        (&["severity=critical", "namespace=shop-staging"], "(null)"),
        (
            &[
                "severity=critical",
                "rule_namespace=shop-staging",
                "namespace=shop",
            ],
            "(null)",
        ),
        (&["severity=warning", "namespace=shop"], "hook+teams"),
        (&["severity=info"], "(null)"),
        // It goes on, and is sent once although both namespaces match.
        (
            &[
                "severity=critical",
                "namespace=audit",
                "rule_namespace=audit",
            ],
            "chat,pager",
        ),
        (&["severity=info", "rule_namespace=audit"], "chat"),
        // All matchers must hold, a regular expression for the whole value.
        (search, "duty+genie+bot"),
        (&["team=feed-eu", "app=index"], "duty+genie+bot"),
        (&["team=feed-", "app=index"], "(null)"),
        (&["team=search", "app=index", "job=batch-1"], "(null)"),
        (&["team=search", "app=other"], "(null)"),
    ] {
        assert_eq!(routed(&amtool, &file, labels), receivers, "{labels:?}");
    }
}

/// The alert that has the value takes the first of the two routes, and no other alert does.
#[test]
fn a_matcher_means_its_value_to_the_letter() {
    let Some(amtool) = tool::find("amtool") else {
        return;
    };
    let mut stack = stack::full();
    let values: Vec<_> = AWKWARD.iter().filter(|value| !value.is_empty()).collect();
    let alertmanager = stack.alertmanager.as_mut().unwrap();
    let route = |index: usize, operator, value: &str| Route {
        matchers: vec![Matcher {
            label: format!("l{index}"),
            operator: Some(operator),
            value: value.into(),
        }],
        receivers: vec!["hook".into()],
        continue_: Some(true),
        ..Route::default()
    };
    alertmanager.routes = values
        .iter()
        .enumerate()
        .map(|(index, value)| route(index, Operator::Equal, value))
        .collect();
    let (_folder, file) = written(&stack);
    tool::run(Command::new(&amtool).arg("check-config").arg(&file));
    // The tool parses its arguments as matchers too; these need no quotes there.
    for (index, value) in values.iter().enumerate() {
        let plain = |c: char| c.is_alphanumeric() || "-_./:#&*".contains(c);
        if value.chars().all(plain) {
            let label = format!("l{index}={value}");
            assert_eq!(routed(&amtool, &file, &[&label]), "hook", "{value:?}");
        }
    }
}

#[test]
fn promtool_takes_external_alertmanagers() {
    let Some(promtool) = tool::find("promtool") else {
        return;
    };
    let mut stack = stack::minimal();
    stack.alertmanager = None;
    let prometheus = stack.prometheus.as_mut().unwrap();
    prometheus.workload.version = stack::version("3.5.3");
    let external = |scheme: &str, path: &str, client| ExternalAlertmanager {
        scheme: scheme.into(),
        authority: "alertmanager.example.org:9093".into(),
        path: path.into(),
        client,
    };
    prometheus.alertmanagers = vec![
        external("http", "", HttpClient::default()),
        external(
            "https",
            "/am",
            HttpClient {
                basic_auth: Some(("shop".into(), "alertmanager-1-password".into())),
                tls: Some(Tls {
                    ca_file: Some("alertmanager-1-ca".into()),
                    ..Tls::default()
                }),
                ..HttpClient::default()
            },
        ),
        external(
            "https",
            "",
            HttpClient {
                bearer_token_file: Some("alertmanager-2-token".into()),
                ..HttpClient::default()
            },
        ),
    ];
    let loki = stack.loki.as_mut().unwrap();
    loki.alertmanager_urls = vec!["http://a:9093".into(), "http://b:9093".into()];
    let name = stack.child_name(Component::Prometheus);
    let text = view::file(&stack, &name, "prometheus.yml");
    for part in ["path_prefix: '/am'", "scheme: 'https'", "credentials_file"] {
        let part = part.replace('\'', "\"");
        let found = text.contains(&part) || text.contains(&part.replace('"', "'"));
        assert!(found, "{part} in\n{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, text).unwrap();
    tool::run(
        Command::new(promtool)
            .args(["check", "config", "--syntax-only"])
            .arg(&file),
    );
    let text = view::file(&stack, &stack.child_name(Component::Loki), "loki.yaml");
    assert!(text.contains("http://a:9093,http://b:9093"), "{text}");
}
