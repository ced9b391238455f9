//! The alerting part of a `MonitoringStack`: Alertmanager, its receivers and routes.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    default_rules::DefaultRulesSpec,
    selector::RuleSelector,
    value::{Duration, Resources, SecretKeyRef, Storage},
};

/// Alertmanager, where notifications go and which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertingSpec {
    /// Whether there is an Alertmanager; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The whole image reference. Needs `version` when its tag does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// The version of Alertmanager, such as 0.34.0; 0.27.0 or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$"),
        length(max = 64)
    )]
    pub version: Option<String>,
    /// How many, forming one cluster; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub replicas: Option<i32>,
    /// The volume of each replica, for silences and what was notified; 1Gi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// 64Mi reserved and 128Mi at most when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where notifications can go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub receivers: Vec<Receiver>,
    /// The rules that this stack makes for itself, with their thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_rules: Option<DefaultRulesSpec>,
    /// AlertRules of other namespaces that this stack takes as well; its own namespace's it takes always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RuleSelector>,
    /// Which alerts go where: the first route that matches decides. What matches none is not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub routes: Vec<Route>,
}

/// One place notifications can go; exactly one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.slack) ? 1 : 0) + (has(self.email) ? 1 : 0) + (has(self.webhook) ? 1 : 0) == 1").message("exactly one of slack, email, webhook"))]
pub struct Receiver {
    /// The name routes call it by.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub name: String,
    /// A Slack channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<Slack>,
    /// Mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Any HTTP endpoint that understands Alertmanager's webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
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
}

/// Any HTTP endpoint that understands Alertmanager's webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("has(self.url) != has(self.urlSecretRef)").message("exactly one of url, urlSecretRef"))]
pub struct Webhook {
    /// The address, when it holds no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2048))]
    pub url: Option<String>,
    /// Where the address is, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_secret_ref: Option<SecretKeyRef>,
}

/// Which alerts go where; all given conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Alerts of this severity; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Alerts of these namespaces; any when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))
    )]
    pub namespaces: Vec<String>,
    /// Names of receivers; none: seen, not sent.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    pub receivers: Vec<String>,
    /// How long until a firing alert is sent again; 12h when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_interval: Option<Duration>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Severity {
    /// Wake someone.
    Critical,
    /// Look at it today.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The value of the `severity` label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}
