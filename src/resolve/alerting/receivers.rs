//! Receivers: the places notifications can go.

use super::super::{
    http::{self, Client},
    model::{
        self, Opsgenie, Receiver, ReceiverKind, Telegram, UrlSource, Version,
        Webhook as HttpReceiver,
    },
    problem::Problem,
    secrets::SecretFiles,
};
use crate::api::{
    alerting::{
        AlertingSpec,
        receiver::{self, ChatWebhook, Email, Webhook},
    },
    value::SecretKeyRef,
};

/// The receiver that drops what it gets; users cannot take its name.
const NULL_RECEIVER: &str = "null";

/// What a kind needs of Alertmanager beyond the oldest version that is taken (0.27.0, which reads
/// the secrets of all the other kinds from files): by its change log, and by its own check in the
/// versions that Debian has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// `webhook_url_file` of Discord.
    DiscordFile,
    /// Teams by workflows.
    TeamsWorkflows,
    /// `force_implicit_tls` of mail.
    ImplicitTls,
}

impl Needs {
    const fn since(self) -> (u32, u32, u32) {
        match self {
            Self::DiscordFile | Self::TeamsWorkflows => (0, 28, 0),
            Self::ImplicitTls => (0, 31, 0),
        }
    }

    fn check(self, version: &Version, field: &str) -> Result<(), Problem> {
        let (major, minor, patch) = self.since();
        if version.at_least(major, minor, patch) {
            return Ok(());
        }
        let message = format!(
            "needs Alertmanager {major}.{minor}.{patch} or newer, this one is {}: \
             set spec.alerting.version",
            version.text
        );
        Err(Problem::new(field, message))
    }
}

/// The receivers whose secrets are all there.
pub fn resolve(
    alerting: &AlertingSpec,
    version: &Version,
    files: &mut SecretFiles<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Receiver> {
    let mut taken: Vec<Receiver> = Vec::new();
    for receiver in &alerting.receivers {
        let name = &receiver.name;
        let field = format!("spec.alerting.receivers[{name}]");
        let resolved = if name == NULL_RECEIVER || taken.iter().any(|other| &other.name == name) {
            Err(Problem::new(field, "the name is taken: choose another"))
        } else {
            let mut one = One {
                name,
                field,
                version,
                files,
            };
            one.kind(receiver)
        };
        match resolved {
            Ok(kind) => taken.push(Receiver {
                name: name.clone(),
                send_resolved: receiver.send_resolved.unwrap_or(true),
                kind,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    taken
}

/// One receiver that is being resolved.
struct One<'a, 'b> {
    name: &'a str,
    field: String,
    version: &'a Version,
    files: &'a mut SecretFiles<'b>,
}

impl One<'_, '_> {
    fn kind(&mut self, receiver: &receiver::Receiver) -> Result<ReceiverKind, Problem> {
        let kinds = [
            receiver.slack.as_ref().map(|it| self.slack(it)),
            receiver.email.as_ref().map(|it| self.email(it)),
            receiver.webhook.as_ref().map(|it| self.webhook(it)),
            receiver.pagerduty.as_ref().map(|it| self.pagerduty(it)),
            receiver.opsgenie.as_ref().map(|it| self.opsgenie(it)),
            receiver.telegram.as_ref().map(|it| self.telegram(it)),
            receiver.teams.as_ref().map(|it| self.teams(it)),
            receiver.discord.as_ref().map(|it| self.discord(it)),
        ];
        let mut kinds = kinds.into_iter().flatten();
        match (kinds.next(), kinds.next()) {
            (Some(kind), None) => kind,
            _ => Err(Problem::new(
                &self.field,
                "exactly one of slack, email, webhook, pagerduty, opsgenie, telegram, teams, discord",
            )),
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}.{path}", self.field)
    }

    /// A secret of any form, in a file of its own.
    fn secret(
        &mut self,
        kind: &str,
        what: &str,
        path: &str,
        key: &SecretKeyRef,
    ) -> Result<String, Problem> {
        let file = format!("{kind}-{}-{what}", self.name);
        self.files.copy(file, self.at(path), key)
    }

    /// A secret address, in a file of its own.
    fn secret_url(
        &mut self,
        kind: &str,
        path: &str,
        key: &SecretKeyRef,
    ) -> Result<String, Problem> {
        let file = format!("{kind}-{}-url", self.name);
        http::secret_url(file, self.at(path), key, self.files)
    }

    fn api_url(&self, path: &str, url: Option<&String>) -> Result<Option<String>, Problem> {
        url.map(|url| http::plain_url(&self.at(path), url))
            .transpose()
    }

    /// Text that is part of a message: Alertmanager would expand a template in it, and one that is
    /// wrong fails only when an alert is sent.
    fn plain(&self, path: &str, text: &str) -> Result<String, Problem> {
        if text.contains("{{") || text.chars().any(char::is_control) {
            let message = format!("{text:?}: no templates or control characters here");
            return Err(Problem::new(self.at(path), message));
        }
        Ok(text.to_owned())
    }

    fn address(&self, path: &str, text: &str) -> Result<String, Problem> {
        if !text.contains('@') || text.contains(',') {
            let message = format!("{text:?} is not an address: write such as ops@example.org");
            return Err(Problem::new(self.at(path), message));
        }
        self.plain(path, text)
    }

    fn slack(&mut self, slack: &receiver::Slack) -> Result<ReceiverKind, Problem> {
        let channel = slack.channel.as_ref();
        Ok(ReceiverKind::Slack {
            channel: channel
                .map(|channel| self.plain("slack.channel", channel))
                .transpose()?,
            url_file: self.secret_url(
                "slack",
                "slack.webhookSecretRef",
                &slack.webhook_secret_ref,
            )?,
        })
    }

    fn email(&mut self, email: &Email) -> Result<ReceiverKind, Problem> {
        let auth = match (&email.username, &email.password_secret_ref) {
            (None, None) => None,
            (Some(username), Some(key)) => {
                let username = self.plain("email.username", username)?;
                let path = "email.passwordSecretRef";
                Some((username, self.secret("email", "password", path, key)?))
            }
            _ => {
                let message = "username and passwordSecretRef: both or none";
                return Err(Problem::new(self.at("email"), message));
            }
        };
        if email.implicit_tls.is_some() {
            Needs::ImplicitTls.check(self.version, &self.at("email.implicitTls"))?;
        }
        let to = email.to.iter().map(|to| self.address("email.to", to));
        Ok(ReceiverKind::Email(model::Email {
            to: to.collect::<Result<_, _>>()?,
            from: self.address("email.from", &email.from)?,
            smarthost: self.plain("email.smarthost", &email.smarthost)?,
            auth,
            require_tls: email.require_tls.unwrap_or(true),
            implicit_tls: email.implicit_tls,
            tls: http::tls(
                email.tls.as_ref(),
                &self.at("email"),
                &format!("email-{}", self.name),
                self.files,
            )?,
        }))
    }

    fn webhook(&mut self, webhook: &Webhook) -> Result<ReceiverKind, Problem> {
        let url = match (&webhook.url, &webhook.url_secret_ref) {
            (Some(url), None) => UrlSource::Plain(http::plain_url(&self.at("webhook.url"), url)?),
            (None, Some(key)) => {
                UrlSource::File(self.secret_url("webhook", "webhook.urlSecretRef", key)?)
            }
            _ => {
                let message = "exactly one of url, urlSecretRef";
                return Err(Problem::new(self.at("webhook"), message));
            }
        };
        let client = Client {
            field: &self.at("webhook"),
            file: &format!("webhook-{}", self.name),
            basic_auth: webhook.basic_auth.as_ref(),
            bearer_token: webhook.bearer_token_secret_ref.as_ref(),
            tls: webhook.tls.as_ref(),
        };
        Ok(ReceiverKind::Webhook(HttpReceiver {
            url,
            client: client.resolve(self.files)?,
        }))
    }

    fn pagerduty(&mut self, pagerduty: &receiver::Pagerduty) -> Result<ReceiverKind, Problem> {
        let path = "pagerduty.routingKeySecretRef";
        Ok(ReceiverKind::Pagerduty {
            url: self.api_url("pagerduty.url", pagerduty.url.as_ref())?,
            routing_key_file: self.secret(
                "pagerduty",
                "routing-key",
                path,
                &pagerduty.routing_key_secret_ref,
            )?,
        })
    }

    fn opsgenie(&mut self, opsgenie: &receiver::Opsgenie) -> Result<ReceiverKind, Problem> {
        for responder in &opsgenie.responders {
            self.plain("opsgenie.responders", &responder.name)?;
        }
        let path = "opsgenie.apiKeySecretRef";
        Ok(ReceiverKind::Opsgenie(Opsgenie {
            api_url: self.api_url("opsgenie.apiUrl", opsgenie.api_url.as_ref())?,
            api_key_file: self.secret("opsgenie", "api-key", path, &opsgenie.api_key_secret_ref)?,
            responders: opsgenie.responders.clone(),
            tags: opsgenie.tags.clone(),
        }))
    }

    fn telegram(&mut self, telegram: &receiver::Telegram) -> Result<ReceiverKind, Problem> {
        if telegram.chat_id == 0 {
            let message = "the number of a chat, never 0";
            return Err(Problem::new(self.at("telegram.chatId"), message));
        }
        let path = "telegram.botTokenSecretRef";
        Ok(ReceiverKind::Telegram(Telegram {
            api_url: self.api_url("telegram.apiUrl", telegram.api_url.as_ref())?,
            bot_token_file: self.secret(
                "telegram",
                "bot-token",
                path,
                &telegram.bot_token_secret_ref,
            )?,
            chat_id: telegram.chat_id,
            thread_id: telegram.thread_id,
        }))
    }

    fn teams(&mut self, teams: &ChatWebhook) -> Result<ReceiverKind, Problem> {
        Needs::TeamsWorkflows.check(self.version, &self.at("teams"))?;
        let key = &teams.webhook_secret_ref;
        Ok(ReceiverKind::Teams {
            url_file: self.secret_url("teams", "teams.webhookSecretRef", key)?,
        })
    }

    fn discord(&mut self, discord: &ChatWebhook) -> Result<ReceiverKind, Problem> {
        Needs::DiscordFile.check(self.version, &self.at("discord"))?;
        let key = &discord.webhook_secret_ref;
        Ok(ReceiverKind::Discord {
            url_file: self.secret_url("discord", "discord.webhookSecretRef", key)?,
        })
    }
}
