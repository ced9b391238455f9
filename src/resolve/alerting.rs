//! Alertmanager: from `spec.alerting` to the resolved form.

use super::{
    Inputs, duration,
    model::{Alertmanager, Receiver, ReceiverKind},
    problem::Problem,
    secrets::SecretFiles,
    workload::Common,
};
use crate::api::{
    alerting::{self, AlertingSpec, Email, Route, Webhook},
    component::Component,
    stack::MonitoringStackSpec,
    value::Duration,
};

/// The receiver that drops what it gets; users cannot take its name.
pub const NULL_RECEIVER: &str = "null";

/// The resolved Alertmanager; a problem of one receiver leaves only that one out.
pub fn resolve(
    spec: &MonitoringStackSpec,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Result<Alertmanager, Problem> {
    let default = AlertingSpec::default();
    let alerting = spec.alerting.as_ref().unwrap_or(&default);
    let workload = Common {
        component: Component::Alertmanager,
        image: alerting.image.as_ref(),
        version: alerting.version.as_ref(),
        replicas: alerting.replicas,
        resources: alerting.resources.as_ref(),
        storage: alerting.storage.as_ref(),
        scheduling: spec.scheduling.as_ref(),
    }
    .resolve()?;
    let mut files = SecretFiles::new(inputs);
    let receivers = receivers(alerting, &mut files, problems);
    let routes = routes(alerting, &receivers, problems);
    Ok(Alertmanager {
        workload,
        receivers,
        routes,
        secrets: files.into_files(),
    })
}

fn receivers(
    alerting: &AlertingSpec,
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
            kind(receiver, &field, files)
        };
        match resolved {
            Ok(kind) => taken.push(Receiver {
                name: name.clone(),
                kind,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    taken
}

fn kind(
    receiver: &alerting::Receiver,
    field: &str,
    files: &mut SecretFiles<'_>,
) -> Result<ReceiverKind, Problem> {
    let name = &receiver.name;
    match (&receiver.slack, &receiver.email, &receiver.webhook) {
        (Some(slack), None, None) => Ok(ReceiverKind::Slack {
            channel: slack.channel.clone(),
            url_file: files.copy(
                format!("slack-{name}-url"),
                format!("{field}.slack.webhookSecretRef"),
                &slack.webhook_secret_ref,
            )?,
        }),
        (None, Some(email), None) => email_kind(email, name, field, files),
        (None, None, Some(webhook)) => match webhook {
            Webhook {
                url: Some(url),
                url_secret_ref: None,
            } => Ok(ReceiverKind::Webhook { url: url.clone() }),
            Webhook {
                url: None,
                url_secret_ref: Some(key),
            } => Ok(ReceiverKind::SecretWebhook {
                url_file: files.copy(
                    format!("webhook-{name}-url"),
                    format!("{field}.webhook.urlSecretRef"),
                    key,
                )?,
            }),
            _ => Err(Problem::new(
                format!("{field}.webhook"),
                "exactly one of url, urlSecretRef",
            )),
        },
        _ => Err(Problem::new(field, "exactly one of slack, email, webhook")),
    }
}

fn email_kind(
    email: &Email,
    name: &str,
    field: &str,
    files: &mut SecretFiles<'_>,
) -> Result<ReceiverKind, Problem> {
    let auth = match (&email.username, &email.password_secret_ref) {
        (None, None) => None,
        (Some(username), Some(key)) => {
            let file = format!("email-{name}-password");
            let field = format!("{field}.email.passwordSecretRef");
            Some((username.clone(), files.copy(file, field, key)?))
        }
        _ => {
            let message = "username and passwordSecretRef: both or none";
            return Err(Problem::new(format!("{field}.email"), message));
        }
    };
    Ok(ReceiverKind::Email {
        to: email.to.clone(),
        from: email.from.clone(),
        smarthost: email.smarthost.clone(),
        auth,
    })
}

/// Routes with only the receivers that exist. A route that has lost all of its receivers goes
/// too, so that its alerts can still reach a later route instead of nobody.
fn routes(
    alerting: &AlertingSpec,
    receivers: &[Receiver],
    problems: &mut Vec<Problem>,
) -> Vec<Route> {
    let declared = |name: &String| alerting.receivers.iter().any(|other| &other.name == name);
    let mut taken = Vec::new();
    for (index, route) in alerting.routes.iter().enumerate() {
        let field = format!("spec.alerting.routes[{index}]");
        if let Some(Duration(text)) = &route.repeat_interval
            && duration::parse_millis(text).is_none()
        {
            let message = duration::refusal(text, "4h");
            problems.push(Problem::new(format!("{field}.repeatInterval"), message));
            continue;
        }
        for name in route.receivers.iter().filter(|name| !declared(name)) {
            let message = format!("there is no receiver {name:?} in spec.alerting.receivers");
            problems.push(Problem::new(format!("{field}.receivers"), message));
        }
        let mut kept = route.clone();
        kept.receivers
            .retain(|name| receivers.iter().any(|receiver| &receiver.name == name));
        if kept.receivers.is_empty() == route.receivers.is_empty() {
            taken.push(kept);
        }
    }
    taken
}
