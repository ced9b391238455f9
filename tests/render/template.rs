//! The messages, rendered by amtool.

use std::{fs, path::Path, process::Command};

use masthead::{api::alerting::Links, resolve::model::Stack};
use serde_json::{Value, json};

use crate::{alerting::written, stack, tool};

fn alert(status: &str, labels: &Value, annotations: &Value, generator: &str) -> Value {
    json!({
        "status": status, "labels": labels, "annotations": annotations,
        "startsAt": "2026-11-25T12:00:00Z", "endsAt": "2026-11-25T12:05:00Z",
        "generatorURL": generator, "fingerprint": "1",
    })
}

fn down(status: &str) -> Value {
    alert(
        status,
        &json!({
            "alertname": "PodDown", "severity": "critical", "namespace": "shop",
            "rule_namespace": "monitoring", "pod": "web-1", "team": "a&b <c>",
        }),
        &json!({
            "summary": "web-1 is <down> & out", "description": "No answer for 5m.",
            "runbook": "https://wiki.example.org/down?a=1&b=2", "dashboard": "/d/pods?var-pod=web-1",
        }),
        "http://main-prometheus-0:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
    )
}

/// What the API hands to a template.
fn data(alerts: &[Value]) -> Value {
    let firing = alerts.iter().any(|alert| alert["status"] == "firing");
    let common = alerts[0]["labels"].clone();
    json!({
        "receiver": "mail", "status": if firing { "firing" } else { "resolved" },
        "alerts": alerts, "groupLabels": {"alertname": common["alertname"]},
        "commonLabels": common, "commonAnnotations": {}, "externalURL": "http://main-0:9093",
    })
}

struct Templates {
    amtool: std::path::PathBuf,
    folder: tempfile::TempDir,
}

impl Templates {
    fn of(amtool: &Path, stack: &Stack) -> Self {
        let (folder, _file) = written(stack);
        Self {
            amtool: amtool.to_owned(),
            folder,
        }
    }

    fn render(&self, name: &str, alerts: &[Value]) -> String {
        let here = self.folder.path();
        let input = here.join("data.json");
        fs::write(&input, data(alerts).to_string()).unwrap();
        // Mail and Telegram are made by the engine that escapes.
        let is_html = matches!(name, "email" | "telegram" | "html");
        let text = format!("{{{{ template \"masthead.{name}\" . }}}}");
        tool::run(
            Command::new(&self.amtool)
                .args(["template", "render"])
                .arg(format!("--template.glob={}/*.tmpl", here.display()))
                .arg(format!("--template.text={text}"))
                .arg(format!(
                    "--template.type={}",
                    if is_html { "html" } else { "text" }
                ))
                .arg(format!("--template.data={}", input.display())),
        )
    }
}

fn tools() -> Vec<std::path::PathBuf> {
    ["amtool", "amtool-0.28"]
        .into_iter()
        .filter_map(tool::find)
        .collect()
}

const ALL: [&str; 10] = [
    "title",
    "slack",
    "slack.color",
    "markdown",
    "plain",
    "telegram",
    "email",
    "pagerduty.severity",
    "opsgenie.priority",
    "plain.resolved",
];

#[test]
fn a_message_tells_what_one_needs_to_act() {
    for amtool in tools() {
        let templates = Templates::of(&amtool, &stack::full());
        assert_eq!(
            templates.render("title", &[down("firing")]).trim_end(),
            "CRITICAL: PodDown in shop"
        );
        let silence = "https://alertmanager.example.org/am/#/silences/new?filter=%7B\
                       alertname%3D%22PodDown%22%2C%20namespace%3D%22shop%22";
        let expression = "https://prometheus.example.org/graph?g0.expr=up+%3D%3D+0&g0.tab=1";
        let plain = templates.render("plain", &[down("firing")]);
        assert_eq!(
            plain.trim_end(),
            format!(
                "web-1 is <down> & out\n\
                 No answer for 5m.\n\
                 critical, namespace: shop, pod: web-1, team: a&b <c>\n\
                 Runbook: https://wiki.example.org/down?a=1&b=2\n\
                 Expression: {expression}\n\
                 Dashboard: https://grafana.example.org/d/pods?var-pod=web-1\n\
                 Silence: {silence}%2C%20pod%3D%22web-1%22%2C%20rule_namespace%3D%22monitoring%22\
                 %2C%20severity%3D%22critical%22%2C%20team%3D%22a%26b%20%3Cc%3E%22%7D"
            )
        );
        let slack = templates.render("slack", &[down("firing")]);
        for part in [
            "*web-1 is &lt;down&gt; &amp; out*\n",
            "team: a&amp;b &lt;c&gt;",
            "<https://wiki.example.org/down?a=1&b=2|Runbook> <https://prometheus",
            &format!("<{silence}"),
        ] {
            assert!(slack.contains(part), "{part} in\n{slack}");
        }
        let markdown = templates.render("markdown", &[down("firing")]);
        for part in ["**web-1 is <down> & out**\n\nNo answer", "[Silence](https"] {
            assert!(markdown.contains(part), "{part} in\n{markdown}");
        }
        for name in ["telegram", "email"] {
            let html = templates.render(name, &[down("firing")]);
            for part in [
                "<b>web-1 is &lt;down&gt; &amp; out</b>\n",
                "<a href=\"https://wiki.example.org/down?a=1&amp;b=2\">Runbook</a>",
                "<a href=\"https://prometheus.example.org/graph?g0.expr=up&#43;%3D%3D&#43;0&amp;g0.tab=1\">",
                "<a href=\"https://grafana.example.org/d/pods?var-pod=web-1\">",
                "team%3D%22a%26b%20%3cc%3e%22%7D",
            ] {
                assert!(html.contains(part), "{part} in\n{html}");
            }
        }
    }
}

#[test]
fn the_end_of_an_alert_is_told_shortly() {
    for amtool in tools() {
        let templates = Templates::of(&amtool, &stack::full());
        let title = templates.render("title", &[down("resolved")]);
        assert_eq!(title.trim_end(), "RESOLVED: PodDown in shop");
        assert_eq!(
            templates.render("plain", &[down("resolved")]).trim_end(),
            "Resolved: web-1 is <down> & out\ncritical, namespace: shop, pod: web-1, team: a&b <c>"
        );
        let both = templates.render("plain", &[down("firing"), down("resolved")]);
        assert!(both.starts_with("web-1 is"), "{both}");
        assert!(both.contains("%7D\nResolved: web-1"), "{both}");
    }
}

#[test]
fn an_alert_without_anything_is_told_too() {
    let bare = alert("firing", &json!({"alertname": "Bare"}), &json!({}), "");
    for amtool in tools() {
        for stack in [stack::full(), stack::minimal()] {
            let templates = Templates::of(&amtool, &stack);
            for name in ALL {
                templates.render(name, std::slice::from_ref(&bare));
            }
            let title = templates.render("title", std::slice::from_ref(&bare));
            assert_eq!(title.trim_end(), "ALERT: Bare");
        }
        let templates = Templates::of(&amtool, &stack::minimal());
        let plain = templates.render("plain", std::slice::from_ref(&bare));
        assert_eq!(plain.trim_end(), "Bare\nno severity", "links lead nowhere");
        for (name, word) in [
            ("slack.color", "danger"),
            ("pagerduty.severity", "error"),
            ("opsgenie.priority", "P3"),
        ] {
            let printed = templates.render(name, std::slice::from_ref(&bare));
            assert_eq!(printed.trim_end(), word);
        }
    }
}

#[test]
fn a_long_message_says_how_much_is_missing() {
    let many: Vec<_> = (0..30).map(|_| down("firing")).collect();
    for amtool in tools() {
        let templates = Templates::of(&amtool, &stack::full());
        let title = templates.render("title", &many);
        assert_eq!(title.trim_end(), "CRITICAL: PodDown in shop (30)");
        let telegram = templates.render("telegram", &many);
        assert!(telegram.trim_end().ends_with("The first 5 of 30."));
        assert!(telegram.chars().count() < 4_096, "{}", telegram.len());
    }
}

#[test]
fn an_alert_of_loki_links_to_grafana() {
    let mut stack = stack::full();
    stack.alertmanager.as_mut().unwrap().links = Links {
        grafana: Some("https://grafana.example.org/g".into()),
        ..Links::default()
    };
    let log = alert(
        "firing",
        &json!({"alertname": "Panics"}),
        &json!({"dashboard": "https://elsewhere.example.org/d"}),
        "https://grafana.example.org/explore?left=%7B%7D",
    );
    for amtool in tools() {
        let templates = Templates::of(&amtool, &stack);
        let plain = templates.render("plain", std::slice::from_ref(&log));
        assert_eq!(
            plain.trim_end(),
            "Panics\nno severity\nLogs: https://grafana.example.org/g/explore?left=%7B%7D\n\
             Dashboard: https://elsewhere.example.org/d"
        );
    }
}
