//! `alertmanager.yml`.

use serde::Serialize;

use crate::resolve::rules::NAMESPACE_LABEL;
use crate::{
    api::alerting::Route as ApiRoute,
    resolve::model::{self, ReceiverKind},
};

/// Where the secrets are mounted.
pub const SECRETS_DIR: &str = "/etc/alertmanager/secrets";

/// The receiver that sends nothing. No receiver of a stack can be called so.
const NOBODY: &str = "(null)";

/// The file.
#[derive(Debug, Serialize)]
pub struct Config {
    route: Root,
    receivers: Vec<Receiver>,
    inhibit_rules: Vec<InhibitRule>,
}

/// What all routes inherit.
#[derive(Debug, Serialize)]
struct Root {
    receiver: &'static str,
    group_by: [&'static str; 2],
    group_wait: &'static str,
    group_interval: &'static str,
    repeat_interval: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

#[derive(Clone, Debug, Serialize)]
struct Route {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matchers: Vec<String>,
    receiver: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat_interval: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Receiver {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    slack_configs: Vec<Slack>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    email_configs: Vec<Email>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhook_configs: Vec<Webhook>,
}

#[derive(Debug, Serialize)]
struct Slack {
    api_url_file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    send_resolved: bool,
}

#[derive(Debug, Serialize)]
struct Email {
    to: String,
    from: String,
    smarthost: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_password_file: Option<String>,
    send_resolved: bool,
}

#[derive(Debug, Default, Serialize)]
struct Webhook {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_file: Option<String>,
    send_resolved: bool,
}

#[derive(Debug, Serialize)]
struct InhibitRule {
    source_matchers: Vec<String>,
    target_matchers: Vec<String>,
    equal: Vec<&'static str>,
}

/// The file for a stack's Alertmanager.
#[must_use]
pub fn config(alertmanager: &model::Alertmanager) -> Config {
    Config {
        route: Root {
            receiver: NOBODY,
            group_by: ["alertname", "namespace"],
            group_wait: "30s",
            group_interval: "5m",
            repeat_interval: "12h",
            routes: alertmanager.routes.iter().flat_map(routes).collect(),
        },
        receivers: receivers(alertmanager),
        // Who was woken for it need not read that it is also getting bad.
        inhibit_rules: vec![InhibitRule {
            source_matchers: vec![matcher("severity", "critical")],
            target_matchers: vec![matcher("severity", "warning")],
            equal: vec!["namespace", "alertname"],
        }],
    }
}

/// The routes that say what one route of the stack says. An alert belongs to a namespace by its own
/// label or by its rule's; matchers of one route are joined by "and", so there is one route for
/// each. Both go to the same receiver and the first that matches decides, so the order means what
/// it meant.
fn routes(route: &ApiRoute) -> Vec<Route> {
    let severity = route
        .severity
        .map(|severity| matcher("severity", severity.label()));
    let with = |namespaces: Option<String>| Route {
        matchers: severity.iter().cloned().chain(namespaces).collect(),
        receiver: receiver_name(&route.receivers),
        repeat_interval: route
            .repeat_interval
            .as_ref()
            .map(|interval| interval.0.clone()),
    };
    if route.namespaces.is_empty() {
        return vec![with(None)];
    }
    ["namespace", NAMESPACE_LABEL]
        .map(|label| with(Some(one_of(label, &route.namespaces))))
        .into()
}

/// A matcher for a value that needs no escape: severities and namespaces are plain words.
fn matcher(label: &str, value: &str) -> String {
    format!("{label}=\"{value}\"")
}

fn one_of(label: &str, values: &[String]) -> String {
    format!("{label}=~\"{}\"", values.join("|"))
}

/// A route of Alertmanager has one receiver, so several become one that holds the settings of them
/// all, called by their names joined with `+`, which no name holds.
fn receiver_name(names: &[String]) -> String {
    if names.is_empty() {
        NOBODY.into()
    } else {
        names.join("+")
    }
}

fn receivers(alertmanager: &model::Alertmanager) -> Vec<Receiver> {
    let mut receivers = vec![Receiver {
        name: NOBODY.into(),
        ..Receiver::default()
    }];
    let single = alertmanager
        .receivers
        .iter()
        .map(|receiver| vec![receiver.name.clone()]);
    let joined = alertmanager
        .routes
        .iter()
        .map(|route| route.receivers.clone())
        .filter(|names| names.len() > 1);
    for names in single.chain(joined) {
        let name = receiver_name(&names);
        if receivers.iter().all(|receiver| receiver.name != name) {
            receivers.push(receiver(name, &names, &alertmanager.receivers));
        }
    }
    receivers
}

fn receiver(name: String, members: &[String], all: &[model::Receiver]) -> Receiver {
    let mut receiver = Receiver {
        name,
        ..Receiver::default()
    };
    for member in all.iter().filter(|one| members.contains(&one.name)) {
        add(&mut receiver, &member.kind);
    }
    receiver
}

fn add(receiver: &mut Receiver, kind: &ReceiverKind) {
    let send_resolved = true;
    match kind.clone() {
        ReceiverKind::Slack { channel, url_file } => receiver.slack_configs.push(Slack {
            api_url_file: secret_path(&url_file),
            channel,
            send_resolved,
        }),
        ReceiverKind::Email {
            to,
            from,
            smarthost,
            auth,
        } => {
            let (auth_username, password) = auth.unzip();
            receiver.email_configs.push(Email {
                to: to.join(", "),
                from,
                smarthost,
                auth_username,
                auth_password_file: password.as_deref().map(secret_path),
                send_resolved,
            });
        }
        ReceiverKind::Webhook { url } => receiver.webhook_configs.push(Webhook {
            url: Some(url),
            send_resolved,
            ..Webhook::default()
        }),
        ReceiverKind::SecretWebhook { url_file } => receiver.webhook_configs.push(Webhook {
            url_file: Some(secret_path(&url_file)),
            send_resolved,
            ..Webhook::default()
        }),
    }
}

fn secret_path(file: &str) -> String {
    format!("{SECRETS_DIR}/{file}")
}
