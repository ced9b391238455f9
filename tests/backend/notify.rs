//! From the specification of a stack to what arrives: a real Alertmanager, a real mail server, and
//! the HTTP services as they answer.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use masthead::{
    api::{component::Component, stack::MonitoringStack},
    controller::backend::Backends,
    render::render,
    resolve::{Inputs, model::Stack, problem::Problem, prometheus_operator::objects, resolve},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    fixture,
    inbox::{Inbox, Message},
    kubelet::nobody,
    process::{Process, alertmanager, alertmanager_with, free_port, pod, smtp, tool},
};

/// The stack of `spec.alerting`, with Secrets of one key `it` each.
fn resolved(alerting: &str, secrets: &[(&str, &str)]) -> (Stack, Vec<Problem>) {
    let text = format!(
        "apiVersion: masthead.dev/v1alpha1\nkind: MonitoringStack\n\
         metadata: {{name: main, namespace: monitoring}}\nspec:\n  alerting:\n{alerting}"
    );
    let stack: MonitoringStack = serde_saphyr::from_str(&text).unwrap();
    let like = fixture::minimal();
    let secrets = secrets.iter().map(|(name, value)| {
        let data = BTreeMap::from([("it".to_owned(), fixture::secret(value))]);
        ((*name).to_owned(), data)
    });
    let inputs = Inputs {
        operator: like.operator,
        server: like.server,
        secrets: secrets.collect(),
        assume_secrets: false,
        grafana_admin: None,
        grafana_applied: None,
        dashboards: Vec::new(),
        fresh_password: fixture::secret("fresh"),
        rules: Vec::new(),
        barred: BTreeMap::new(),
        prometheus_operator: objects::Inputs::default(),
        namespaces: None,
    };
    let found = resolve(&stack, &inputs).unwrap();
    (found.stack, found.problems)
}

/// The files of Alertmanager as its volumes hold them, in one folder.
fn written(stack: &Stack) -> TempDir {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("secrets")).unwrap();
    let name = stack.child_name(Component::Alertmanager);
    for object in render(stack).into_ordered() {
        if !object.name.starts_with(&name) {
            continue;
        }
        if object.body["kind"] == "ConfigMap" {
            let map: ConfigMap = serde_json::from_value(object.body.to_value()).unwrap();
            for (file, text) in map.data.unwrap_or_default() {
                let here = root.to_str().unwrap();
                let text = text
                    .replace("/etc/alertmanager/config", here)
                    .replace("/etc/alertmanager/secrets", &format!("{here}/secrets"));
                fs::write(root.join(file), text).unwrap();
            }
        } else if object.body["kind"] == "Secret" {
            let secret: Secret = serde_json::from_value(object.body.to_value()).unwrap();
            for (file, value) in secret.data.unwrap_or_default() {
                fs::write(root.join("secrets").join(file), value.0).unwrap();
            }
        }
    }
    folder
}

/// Tells Alertmanager of an alert that begins now, or that has ended a second ago.
fn post(amtool: &PathBuf, port: u16, labels: &[&str], has_ended: bool) {
    let at = |seconds: i64| {
        let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        format!("{time:.0}")
    };
    let (start, end) = if has_ended { (-60, -1) } else { (0, 600) };
    let output = Command::new(amtool)
        .args(["alert", "add"])
        .arg(format!("--alertmanager.url=http://127.0.0.1:{port}"))
        .arg(format!("--start={}", at(start)))
        .arg(format!("--end={}", at(end)))
        .arg("--generator-url=http://main-prometheus-0:9090/graph?g0.expr=up")
        .arg("--annotation=summary=web-1 is <down>")
        .arg("--annotation=description=No answer.")
        .args(labels)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

const LABELS: &[&str] = &[
    "alertname=PodDown",
    "severity=critical",
    "namespace=shop",
    "pod=web-1",
];

#[tokio::test]
async fn an_alert_and_its_end_reach_every_kind_of_receiver() {
    let (Some(binary), Some(amtool)) = (tool("alertmanager"), tool("amtool")) else {
        return;
    };
    let inbox = Inbox::start().await;
    let mailbox = TempDir::new().unwrap();
    // Secrets made with `echo` end in a newline.
    let Some(mail) = smtp(&mailbox, "hunter2").await else {
        return;
    };
    let (url, port) = (&inbox.url, mail.port);
    let spec = format!(
        r#"
    links: {{alertmanager: https://alertmanager.example.org}}
    receivers:
      - {{name: gone, slack: {{webhookSecretRef: {{name: nowhere, key: it}}}}}}
      - {{name: dead, webhook: {{url: "http://127.0.0.1:1/"}}}}
      - {{name: hook, webhook: {{urlSecretRef: {{name: hook, key: it}}, basicAuth: {{username: me, passwordSecretRef: {{name: password, key: it}}}}}}}}
      - {{name: bearer, webhook: {{url: "{url}/bearer", bearerTokenSecretRef: {{name: key, key: it}}}}, sendResolved: false}}
      - {{name: mail, email: {{to: [ops@example.org], from: masthead@example.org, smarthost: "127.0.0.1:{port}", username: masthead, passwordSecretRef: {{name: password, key: it}}, requireTls: false}}}}
      - {{name: slack, slack: {{channel: "\#alerts", webhookSecretRef: {{name: slack, key: it}}}}}}
      - {{name: duty, pagerduty: {{routingKeySecretRef: {{name: key, key: it}}, url: "{url}/v2/enqueue"}}}}
      - {{name: genie, opsgenie: {{apiKeySecretRef: {{name: key, key: it}}, apiUrl: "{url}", responders: [{{type: team, name: shop}}], tags: [eu, shop]}}}}
      - {{name: bot, telegram: {{botTokenSecretRef: {{name: key, key: it}}, chatId: -100, apiUrl: "{url}"}}}}
      - {{name: teams, teams: {{webhookSecretRef: {{name: teams, key: it}}}}}}
      - {{name: chat, discord: {{webhookSecretRef: {{name: discord, key: it}}}}}}
    routes:
      - {{groupWait: 0s, groupInterval: 1s, receivers: [gone, dead, hook, bearer, mail, slack, duty, genie, bot, teams, chat]}}
"#
    )
    .replace("\\#", "#");
    let at = |path: &str| format!("{url}/{path}\n");
    let (stack, problems) = resolved(
        &spec,
        &[
            ("hook", &at("hook")),
            ("slack", &at("slack")),
            ("teams", &at("teams")),
            ("discord", &at("discord/api/webhooks/1/x")),
            ("password", "hunter2\n"),
            ("key", "k3y\n"),
        ],
    );
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "spec.alerting.receivers[gone].slack.webhookSecretRef: there is no Secret \"nowhere\" in this namespace"
        ]
    );
    let folder = written(&stack);
    let text = fs::read_to_string(folder.path().join("alertmanager.yml")).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("k3y"), "{text}");
    let process = alertmanager(&binary, &folder).await;

    post(&amtool, process.port, LABELS, false);
    firing(&inbox).await;
    let first = read_mail(&mailbox, "CRITICAL: PodDown in shop").await;
    assert_eq!(first["to"], serde_json::json!(["ops@example.org"]));
    assert!(
        text_of(&first["text"]).starts_with("web-1 is <down>"),
        "{first}"
    );
    assert!(
        text_of(&first["html"]).contains("<b>web-1 is &lt;down&gt;</b>"),
        "{first}"
    );

    post(&amtool, process.port, LABELS, true);
    resolved_everywhere(&inbox).await;
    let last = read_mail(&mailbox, "RESOLVED: PodDown in shop").await;
    assert!(
        text_of(&last["text"]).starts_with("Resolved: web-1"),
        "{last}"
    );
    assert_eq!(inbox.at("/bearer").len(), 1, "sendResolved: false");
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every service has got the alert, in its own form, with its secret.
async fn firing(inbox: &Inbox) {
    let title = "CRITICAL: PodDown in shop";
    let any = |_: &Message| true;
    let hook = inbox.wait("/hook", any).await;
    assert_eq!(hook.authorization, "Basic bWU6aHVudGVyMg==");
    assert_eq!(hook.body["version"], "4");
    assert_eq!(hook.body["alerts"][0]["labels"]["pod"], "web-1");
    assert_eq!(inbox.wait("/bearer", any).await.authorization, "Bearer k3y");

    let slack = inbox.wait("/slack", any).await.body;
    assert_eq!(slack["channel"], "#alerts");
    let attachment = &slack["attachments"][0];
    assert_eq!(attachment["title"], title);
    assert_eq!(attachment["color"], "danger");
    assert_eq!(attachment["title_link"], "https://alertmanager.example.org");
    let text = text_of(&attachment["text"]);
    assert!(
        text.starts_with("*web-1 is &lt;down&gt;*\nNo answer.\n"),
        "{text}"
    );
    assert!(text.contains("|Silence>"), "{text}");

    let duty = inbox.wait("/v2/enqueue", any).await.body;
    assert_eq!(duty["routing_key"], "k3y");
    assert_eq!(duty["event_action"], "trigger");
    assert_eq!(duty["payload"]["summary"], title);
    assert_eq!(duty["payload"]["severity"], "critical");
    assert_eq!(duty["payload"]["class"], "PodDown");

    let genie = inbox.wait("/v2/alerts", any).await;
    assert_eq!(genie.authorization, "GenieKey k3y");
    assert_eq!(genie.body["message"], title);
    assert_eq!(genie.body["priority"], "P1");
    assert_eq!(genie.body["tags"], serde_json::json!(["eu", "shop"]));
    assert_eq!(genie.body["responders"][0]["name"], "shop");

    let bot = inbox.wait("/botk3y/sendMessage", any).await.body;
    assert_eq!(bot["chat_id"], "-100");
    assert_eq!(bot["parse_mode"], "HTML");
    assert!(
        text_of(&bot["text"]).starts_with("<b>web-1 is &lt;down&gt;</b>\n"),
        "{bot}"
    );

    let teams = inbox.wait("/teams", any).await.body;
    assert_eq!(teams["type"], "message");
    let card = &teams["attachments"][0];
    assert_eq!(
        card["contentType"],
        "application/vnd.microsoft.card.adaptive"
    );
    assert!(card.to_string().contains("**web-1 is"), "{card}");

    let chat = inbox.wait("/discord", any).await.body;
    assert_eq!(chat["embeds"][0]["title"], title);
    let text = text_of(&chat["embeds"][0]["description"]);
    assert!(text.starts_with("**web-1 is <down>**"), "{text}");
}

/// Every service has got the end of the alert.
async fn resolved_everywhere(inbox: &Inbox) {
    let has = |text: &'static str| move |it: &Message| it.body.to_string().contains(text);
    inbox.wait("/hook", has("\"status\":\"resolved\"")).await;
    for path in ["/slack", "/teams", "/discord"] {
        inbox.wait(path, has("RESOLVED: PodDown in shop")).await;
    }
    inbox.wait("/botk3y", has("Resolved: web-1")).await;
    inbox
        .wait("/v2/enqueue", has("\"event_action\":\"resolve\""))
        .await;
    let closed = |it: &Message| it.path.contains("/close?identifierType=alias");
    inbox.wait("/v2/alerts/", closed).await;
}

async fn read_mail(mailbox: &TempDir, subject: &str) -> Value {
    for _ in 0..300 {
        let text = fs::read_to_string(mailbox.path().join("mails")).unwrap();
        let mails = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        if let Some(mail) = mails
            .into_iter()
            .find(|mail: &Value| mail["subject"] == subject)
        {
            return mail;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = fs::read_to_string(mailbox.path().join("log")).unwrap();
    panic!("no mail {subject:?} in 30 s:\n{log}");
}

#[tokio::test]
async fn a_critical_alert_silences_its_warning_about_the_same_thing_only() {
    let (Some(binary), Some(amtool)) = (tool("alertmanager"), tool("amtool")) else {
        return;
    };
    let inbox = Inbox::start().await;
    let url = &inbox.url;
    let (stack, problems) = resolved(
        &format!(
            r#"
    receivers: [{{name: hook, webhook: {{url: "{url}/hook"}}}}]
    routes: [{{receivers: [hook], groupBy: [...], groupWait: 1s}}]
"#
        ),
        &[],
    );
    assert_eq!(problems, []);
    let folder = written(&stack);
    let process = alertmanager(&binary, &folder).await;
    let disk = |severity, pod| ["alertname=Disk", severity, "namespace=shop", pod];
    post(
        &amtool,
        process.port,
        &disk("severity=critical", "pod=db-1"),
        false,
    );
    post(
        &amtool,
        process.port,
        &disk("severity=warning", "pod=db-1"),
        false,
    );
    post(
        &amtool,
        process.port,
        &disk("severity=warning", "pod=db-2"),
        false,
    );
    let has = |text: &'static str| move |it: &Message| it.body.to_string().contains(text);
    inbox.wait("/hook", has("db-2")).await;
    inbox.wait("/hook", has("critical")).await;
    let wrong = inbox.at("/hook").into_iter().filter(|it| {
        let labels = &it.body["alerts"][0]["labels"];
        labels["severity"] == "warning" && labels["pod"] == "db-1"
    });
    assert_eq!(wrong.count(), 0);
}

#[tokio::test]
async fn three_replicas_notify_once() {
    let (Some(binary), Some(amtool)) = (tool("alertmanager"), tool("amtool")) else {
        return;
    };
    let inbox = Inbox::start().await;
    let url = &inbox.url;
    let (stack, _) = resolved(
        &format!(
            r#"
    replicas: 3
    receivers: [{{name: hook, webhook: {{url: "{url}/hook"}}}}]
    routes: [{{receivers: [hook], groupWait: 1s}}]
"#
        ),
        &[],
    );
    let ports = [free_port(), free_port(), free_port()];
    let mut replicas: Vec<(TempDir, Process)> = Vec::new();
    for own in ports {
        let folder = written(&stack);
        let flags = cluster_flags(&stack, own, ports);
        let process = alertmanager_with(&binary, &folder, &flags).await;
        replicas.push((folder, process));
    }
    let backends = Backends::new(nobody(), true);
    for (_, process) in &replicas {
        let mut peers = 0;
        for _ in 0..300 {
            let asked = pod("replica");
            let status = backends
                .request(&asked, process.port, hyper::Method::GET, "/api/v2/status")
                .await;
            let (_, body) = status.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            peers = body["cluster"]["peers"].as_array().map_or(0, Vec::len);
            if peers == 3 && body["cluster"]["status"] == "ready" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(peers, 3);
    }
    for (_, process) in &replicas {
        post(&amtool, process.port, LABELS, false);
    }
    inbox.wait("/hook", |_| true).await;
    // The last replica waits twice the peer timeout for the others before it would notify.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(inbox.at("/hook").len(), 1);
}

/// The rendered flags of the cluster, with addresses of loopback in the place of the pods'.
fn cluster_flags(stack: &Stack, own: u16, all: [u16; 3]) -> Vec<String> {
    let name = stack.child_name(Component::Alertmanager);
    let mut objects = render(stack).into_ordered().into_iter();
    let set = objects
        .find(|object| object.body["kind"] == "StatefulSet" && object.name == name)
        .unwrap();
    let args = &set.body["spec"]["template"]["spec"]["containers"][0]["args"];
    let args: Vec<String> = serde_json::from_value(args.clone()).unwrap();
    let mut flags = vec!["--cluster.peer-timeout=1s".to_owned()];
    for arg in args.into_iter().filter(|arg| arg.starts_with("--cluster.")) {
        let mut arg = arg.replace("[$(POD_IP)]:9094", &format!("127.0.0.1:{own}"));
        for (index, port) in all.iter().enumerate() {
            let peer = format!("{name}-{index}.{name}-headless.monitoring.svc.cluster.local:9094");
            arg = arg.replace(&peer, &format!("127.0.0.1:{port}"));
        }
        flags.push(arg);
    }
    assert!(flags.iter().all(|flag| !flag.contains("9094")), "{flags:?}");
    assert!(flags.contains(&"--cluster.label=monitoring/main".to_owned()));
    flags
}
