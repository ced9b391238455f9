//! Receivers, with the messages they send.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    super::http::{Client, Tls},
    NOBODY, SECRETS_DIR, receiver_name,
};
use crate::{
    api::alerting::{Links, receiver::ResponderKind},
    resolve::model::{self, Alertmanager, ReceiverKind, UrlSource},
};

/// One receiver of Alertmanager, with any number of each kind.
#[derive(Debug, Default, Serialize)]
pub struct Receiver {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    slack_configs: Vec<Slack>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    email_configs: Vec<Email>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhook_configs: Vec<Webhook>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pagerduty_configs: Vec<Pagerduty>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    opsgenie_configs: Vec<Opsgenie>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    telegram_configs: Vec<Telegram>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    msteamsv2_configs: Vec<Teams>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    discord_configs: Vec<Discord>,
}

#[derive(Debug, Serialize)]
struct Slack {
    api_url_file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    color: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title_link: Option<String>,
    text: String,
    fallback: String,
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
    require_tls: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    force_implicit_tls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_config: Option<Tls>,
    headers: BTreeMap<&'static str, String>,
    html: String,
    text: String,
    send_resolved: bool,
}

#[derive(Debug, Serialize)]
struct Webhook {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_config: Option<Client>,
    send_resolved: bool,
}

#[derive(Debug, Serialize)]
struct Pagerduty {
    routing_key_file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    client: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_url: Option<String>,
    description: String,
    severity: String,
    class: &'static str,
    component: &'static str,
    group: &'static str,
    details: BTreeMap<&'static str, String>,
    send_resolved: bool,
}

#[derive(Debug, Serialize)]
struct Opsgenie {
    api_key_file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_url: Option<String>,
    message: String,
    description: String,
    priority: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    responders: Vec<Responder>,
    send_resolved: bool,
}

#[derive(Debug, Serialize)]
struct Responder {
    #[serde(rename = "type")]
    kind: ResponderKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
}

#[derive(Debug, Serialize)]
struct Telegram {
    bot_token_file: String,
    chat_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_url: Option<String>,
    message: String,
    parse_mode: &'static str,
    send_resolved: bool,
}

#[derive(Debug, Serialize)]
struct Teams {
    webhook_url_file: String,
    title: String,
    text: String,
    send_resolved: bool,
}

#[derive(Debug, Serialize)]
struct Discord {
    webhook_url_file: String,
    title: String,
    message: String,
    send_resolved: bool,
}

/// The receiver that sends nothing, each of the stack's, and one for each set of them that a route
/// names.
pub fn all(alertmanager: &Alertmanager) -> Vec<Receiver> {
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
            receivers.push(receiver(name, &names, alertmanager));
        }
    }
    receivers
}

fn receiver(name: String, members: &[String], alertmanager: &Alertmanager) -> Receiver {
    let mut receiver = Receiver {
        name,
        ..Receiver::default()
    };
    let all = alertmanager.receivers.iter();
    for member in all.filter(|one| members.contains(&one.name)) {
        receiver.add(member, &alertmanager.links);
    }
    receiver
}

/// The call of one of our templates.
fn call(name: &str) -> String {
    format!("{{{{ template \"masthead.{name}\" . }}}}")
}

fn secret_path(file: &str) -> String {
    format!("{SECRETS_DIR}/{file}")
}

impl Receiver {
    fn add(&mut self, member: &model::Receiver, links: &Links) {
        let send_resolved = member.send_resolved;
        match &member.kind {
            ReceiverKind::Slack { channel, url_file } => self.slack_configs.push(Slack {
                api_url_file: secret_path(url_file),
                channel: channel.clone(),
                color: call("slack.color"),
                title: call("title"),
                title_link: links.alertmanager.clone(),
                text: call("slack"),
                fallback: call("title"),
                send_resolved,
            }),
            ReceiverKind::Email(mail) => self.email_configs.push(email(mail, send_resolved)),
            ReceiverKind::Webhook(hook) => self.webhook_configs.push(webhook(hook, send_resolved)),
            ReceiverKind::Pagerduty {
                routing_key_file,
                url,
            } => {
                let pagerduty = pagerduty(routing_key_file, url.clone(), links, send_resolved);
                self.pagerduty_configs.push(pagerduty);
            }
            ReceiverKind::Opsgenie(it) => self.opsgenie_configs.push(opsgenie(it, send_resolved)),
            ReceiverKind::Telegram(it) => self.telegram_configs.push(telegram(it, send_resolved)),
            ReceiverKind::Teams { url_file } => self.msteamsv2_configs.push(Teams {
                webhook_url_file: secret_path(url_file),
                title: call("title"),
                text: call("markdown"),
                send_resolved,
            }),
            ReceiverKind::Discord { url_file } => self.discord_configs.push(Discord {
                webhook_url_file: secret_path(url_file),
                title: call("title"),
                message: call("markdown"),
                send_resolved,
            }),
        }
    }
}

fn email(mail: &model::Email, send_resolved: bool) -> Email {
    let (auth_username, password) = mail.auth.clone().unzip();
    Email {
        to: mail.to.join(", "),
        from: mail.from.clone(),
        smarthost: mail.smarthost.clone(),
        auth_username,
        auth_password_file: password.as_deref().map(secret_path),
        require_tls: mail.require_tls,
        force_implicit_tls: mail.implicit_tls,
        tls_config: mail.tls.as_ref().map(|tls| Tls::of(tls, SECRETS_DIR)),
        headers: [("Subject", call("title"))].into(),
        html: call("email"),
        text: call("plain"),
        send_resolved,
    }
}

fn webhook(hook: &model::Webhook, send_resolved: bool) -> Webhook {
    let (url, url_file) = match &hook.url {
        UrlSource::Plain(url) => (Some(url.clone()), None),
        UrlSource::File(file) => (None, Some(secret_path(file))),
    };
    Webhook {
        url,
        url_file,
        http_config: Client::of(&hook.client, SECRETS_DIR).unless_default(),
        send_resolved,
    }
}

fn pagerduty(key: &str, url: Option<String>, links: &Links, send_resolved: bool) -> Pagerduty {
    Pagerduty {
        routing_key_file: secret_path(key),
        url,
        client: "Masthead",
        client_url: links.alertmanager.clone(),
        description: call("title"),
        severity: call("pagerduty.severity"),
        class: "{{ .CommonLabels.alertname }}",
        component: "{{ .CommonLabels.pod }}",
        group: "{{ .CommonLabels.namespace }}",
        details: [
            ("firing", call("plain.firing")),
            ("resolved", call("plain.resolved")),
        ]
        .into(),
        send_resolved,
    }
}

fn opsgenie(opsgenie: &model::Opsgenie, send_resolved: bool) -> Opsgenie {
    let responders = opsgenie.responders.iter().map(|responder| {
        let is_user = responder.kind == ResponderKind::User;
        let name = responder.name.clone();
        Responder {
            kind: responder.kind,
            username: is_user.then(|| name.clone()),
            name: (!is_user).then_some(name),
        }
    });
    Opsgenie {
        api_key_file: secret_path(&opsgenie.api_key_file),
        api_url: opsgenie.api_url.clone(),
        message: call("title"),
        description: call("plain"),
        priority: call("opsgenie.priority"),
        tags: (!opsgenie.tags.is_empty()).then(|| opsgenie.tags.join(",")),
        responders: responders.collect(),
        send_resolved,
    }
}

fn telegram(telegram: &model::Telegram, send_resolved: bool) -> Telegram {
    Telegram {
        bot_token_file: secret_path(&telegram.bot_token_file),
        chat_id: telegram.chat_id,
        message_thread_id: telegram.thread_id,
        api_url: telegram.api_url.clone(),
        message: call("telegram"),
        parse_mode: "HTML",
        send_resolved,
    }
}
