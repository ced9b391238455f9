//! Receivers: the places notifications can go.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::{stack::BasicAuth, value::SecretKeyRef},
    external::Tls,
};

/// One place notifications can go; exactly one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.slack) ? 1 : 0) + (has(self.email) ? 1 : 0) + (has(self.webhook) ? 1 : 0) + (has(self.pagerduty) ? 1 : 0) + (has(self.opsgenie) ? 1 : 0) + (has(self.telegram) ? 1 : 0) + (has(self.teams) ? 1 : 0) + (has(self.discord) ? 1 : 0) == 1").message("exactly one of slack, email, webhook, pagerduty, opsgenie, telegram, teams, discord"))]
pub struct Receiver {
    /// The name routes call it by.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub name: String,
    /// Whether it is also told when an alert has ended; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_resolved: Option<bool>,
    /// A Slack channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<Slack>,
    /// Mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Any HTTP endpoint that understands Alertmanager's webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// A service of PagerDuty, by its Events API version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagerduty: Option<Pagerduty>,
    /// Opsgenie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opsgenie: Option<Opsgenie>,
    /// A Telegram chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telegram: Option<Telegram>,
    /// A channel or chat of Microsoft Teams, by a workflow; Alertmanager 0.28.0 or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<ChatWebhook>,
    /// A Discord channel; Alertmanager 0.28.0 or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discord: Option<ChatWebhook>,
}

/// A Slack channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Slack {
    /// The channel, such as #alerts; the webhook's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub channel: Option<String>,
    /// Where the incoming webhook's address is.
    pub webhook_secret_ref: SecretKeyRef,
}

/// Mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("has(self.username) == has(self.passwordSecretRef)").message("username and passwordSecretRef: both or none"))]
pub struct Email {
    /// The addressees.
    #[schemars(length(min = 1, max = 32), inner(length(min = 3, max = 254)))]
    pub to: Vec<String>,
    /// The sender.
    #[schemars(length(min = 3, max = 254))]
    pub from: String,
    /// The server and port, such as smtp.example.org:587.
    #[schemars(regex(pattern = r"^[^\s:]+:[0-9]{1,5}$"), length(max = 260))]
    pub smarthost: String,
    /// The user at the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub username: Option<String>,
    /// Where that user's password is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,
    /// Whether mail is only sent over TLS (STARTTLS; at port 465 from the first byte); true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_tls: Option<bool>,
    /// TLS from the first byte at another port than 465 too; Alertmanager 0.31.0 or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implicit_tls: Option<bool>,
    /// Whom to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// Any HTTP endpoint that understands Alertmanager's webhook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(
    validation = Rule::new("has(self.url) != has(self.urlSecretRef)").message("exactly one of url, urlSecretRef"),
    validation = Rule::new("!(has(self.basicAuth) && has(self.bearerTokenSecretRef))").message("basicAuth or bearerTokenSecretRef, not both")
)]
pub struct Webhook {
    /// The address, when it holds no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2048))]
    pub url: Option<String>,
    /// Where the address is, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_secret_ref: Option<SecretKeyRef>,
    /// A user name and its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Where the token is that is sent as `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_secret_ref: Option<SecretKeyRef>,
    /// Whom to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// A service of PagerDuty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Pagerduty {
    /// Where the integration key is.
    pub routing_key_secret_ref: SecretKeyRef,
    /// The address of the Events API, such as `https://events.eu.pagerduty.com/v2/enqueue`; that of the United States when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 1024))]
    pub url: Option<String>,
}

/// Opsgenie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Opsgenie {
    /// Where the API key is.
    pub api_key_secret_ref: SecretKeyRef,
    /// The address of the API, such as `https://api.eu.opsgenie.com`; that of the United States when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 1024))]
    pub api_url: Option<String>,
    /// Who is called; what the integration says when none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub responders: Vec<Responder>,
    /// Tags of each alert.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(regex(pattern = r"^[^,{}\s]+$"), length(max = 50))
    )]
    pub tags: Vec<String>,
}

/// Who is called by Opsgenie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Responder {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ResponderKind,
    /// Its name; of a user, the login name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
}

/// What an Opsgenie responder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ResponderKind {
    /// A team.
    Team,
    /// A user.
    User,
    /// An escalation.
    Escalation,
    /// An on-call schedule.
    Schedule,
}

/// A Telegram chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("self.chatId != 0").message("chatId: the number of a chat, never 0"))]
pub struct Telegram {
    /// Where the bot's token is.
    pub bot_token_secret_ref: SecretKeyRef,
    /// The number of the chat; a group's is negative.
    pub chat_id: i64,
    /// The number of the topic in a group that has topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub thread_id: Option<i32>,
    /// The address of a Bot API server of one's own; Telegram's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 1024))]
    pub api_url: Option<String>,
}

/// A chat that has a webhook with a secret address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ChatWebhook {
    /// Where the webhook's address is.
    pub webhook_secret_ref: SecretKeyRef,
}

impl Receiver {
    /// The keys of Secrets that it refers to.
    pub fn secret_refs(&self) -> impl Iterator<Item = &SecretKeyRef> {
        // Taken apart, so that a new kind cannot be forgotten here.
        let Self {
            name: _,
            send_resolved: _,
            slack,
            email,
            webhook,
            pagerduty,
            opsgenie,
            telegram,
            teams,
            discord,
        } = self;
        let chats = [teams, discord]
            .map(|chat| chat.as_ref().map(|chat| &chat.webhook_secret_ref))
            .into_iter()
            .flatten();
        let keys = [
            slack.as_ref().map(|it| &it.webhook_secret_ref),
            pagerduty.as_ref().map(|it| &it.routing_key_secret_ref),
            opsgenie.as_ref().map(|it| &it.api_key_secret_ref),
            telegram.as_ref().map(|it| &it.bot_token_secret_ref),
        ];
        chats
            .chain(keys.into_iter().flatten())
            .chain(email.iter().flat_map(Email::secret_refs))
            .chain(webhook.iter().flat_map(Webhook::secret_refs))
    }
}

impl Email {
    fn secret_refs(&self) -> impl Iterator<Item = &SecretKeyRef> {
        let ca = self.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref());
        [self.password_secret_ref.as_ref(), ca]
            .into_iter()
            .flatten()
    }
}

impl Webhook {
    fn secret_refs(&self) -> impl Iterator<Item = &SecretKeyRef> {
        let password = self.basic_auth.as_ref().map(|it| &it.password_secret_ref);
        let ca = self.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref());
        [
            self.url_secret_ref.as_ref(),
            password,
            self.bearer_token_secret_ref.as_ref(),
            ca,
        ]
        .into_iter()
        .flatten()
    }
}
