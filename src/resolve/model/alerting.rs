//! The resolved form of notifications.

use std::collections::BTreeMap;

use super::{SecretValue, Workload};
use crate::api::alerting::{
    Links,
    receiver::Responder,
    route::{InhibitRule, Route, TimeInterval},
};

/// Alertmanager.
#[derive(Clone, Debug, PartialEq)]
pub struct Alertmanager {
    /// Image, replicas, resources, volume.
    pub workload: Workload,
    /// Receivers whose secrets are all there.
    pub receivers: Vec<Receiver>,
    /// Routes in order, naming only receivers and time intervals that exist.
    pub routes: Vec<Route>,
    /// Time intervals that routes name.
    pub time_intervals: Vec<TimeInterval>,
    /// Whether a critical alert silences its warning.
    pub inhibit_warnings: bool,
    /// What else silences what.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Where messages link to.
    pub links: Links,
    /// Secret values by file name, copied into the component's own Secret.
    pub secrets: BTreeMap<String, SecretValue>,
}

/// One place notifications can go; secrets are file names in [`Alertmanager::secrets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// The name routes call it by.
    pub name: String,
    /// Whether it is told when an alert has ended.
    pub send_resolved: bool,
    /// The kind and its settings.
    pub kind: ReceiverKind,
}

/// The kinds of receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    /// A Slack channel.
    Slack {
        /// The channel, if not the webhook's own.
        channel: Option<String>,
        /// The file with the webhook's address.
        url_file: String,
    },
    /// Mail.
    Email(Email),
    /// An endpoint for Alertmanager's own format.
    Webhook(Webhook),
    /// A service of PagerDuty.
    Pagerduty {
        /// The file with the integration key.
        routing_key_file: String,
        /// The address of the API, if not the default one.
        url: Option<String>,
    },
    /// Opsgenie.
    Opsgenie(Opsgenie),
    /// A Telegram chat.
    Telegram(Telegram),
    /// Microsoft Teams, by a workflow.
    Teams {
        /// The file with the webhook's address.
        url_file: String,
    },
    /// A Discord channel.
    Discord {
        /// The file with the webhook's address.
        url_file: String,
    },
}

/// Mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The addressees.
    pub to: Vec<String>,
    /// The sender.
    pub from: String,
    /// Server and port.
    pub smarthost: String,
    /// User and the file with the password.
    pub auth: Option<(String, String)>,
    /// Whether mail is only sent over TLS.
    pub require_tls: bool,
    /// TLS from the first byte, where the port does not tell.
    pub implicit_tls: Option<bool>,
    /// Whom to trust.
    pub tls: Option<Tls>,
}

/// An endpoint for Alertmanager's own format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its address.
    pub url: UrlSource,
    /// How it is talked to.
    pub client: HttpClient,
}

/// Where an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlSource {
    /// Here: it is no secret.
    Plain(String),
    /// In a file.
    File(String),
}

/// Opsgenie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opsgenie {
    /// The file with the API key.
    pub api_key_file: String,
    /// The address of the API, if not the default one.
    pub api_url: Option<String>,
    /// Who is called.
    pub responders: Vec<Responder>,
    /// Tags of each alert.
    pub tags: Vec<String>,
}

/// A Telegram chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telegram {
    /// The file with the bot's token.
    pub bot_token_file: String,
    /// The number of the chat, never 0.
    pub chat_id: i64,
    /// The topic in the chat.
    pub thread_id: Option<i32>,
    /// The address of the API, if not the default one.
    pub api_url: Option<String>,
}

/// How an HTTP API is talked to; secrets are file names of the component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpClient {
    /// User name and the file with the password.
    pub basic_auth: Option<(String, String)>,
    /// The file with the bearer token.
    pub bearer_token_file: Option<String>,
    /// Whom to trust.
    pub tls: Option<Tls>,
}

/// Whom to trust at the other end of a TLS connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The file with the authorities' certificates; the system's own when none.
    pub ca_file: Option<String>,
    /// The name in the certificate, if not the address's.
    pub server_name: Option<String>,
    /// Take any certificate.
    pub insecure_skip_verify: bool,
}

/// An Alertmanager outside the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAlertmanager {
    /// `http` or `https`.
    pub scheme: String,
    /// Host, and port where it is given.
    pub authority: String,
    /// The path prefix; empty or with a slash in front.
    pub path: String,
    /// How it is talked to.
    pub client: HttpClient,
}
