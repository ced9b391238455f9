//! Fetching everything a stack refers to.

mod foreign;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{Api, Client, api::ApiResource};

use super::{
    conditions::reason, discovery::Discovery, error::Error, foreign::Snapshot, judged::Judgements,
    live, rules::KnownRule,
};
use crate::{
    api::{component::Component, stack::MonitoringStack},
    resolve::{
        Inputs,
        model::{Operator, SecretValue},
        namespaces,
        prometheus_operator::objects,
        references,
        rules::{BARRED_FIELD, Bar, Barred, Judged, Reach},
    },
};

/// Secrets fetched at the same time.
const CONCURRENT: usize = 4;
const PASSWORD_LENGTH: usize = 32;

type Data = BTreeMap<String, SecretValue>;

/// Fetches what a stack refers to. Secrets are read by name, one by one: the operator neither
/// lists nor watches what it was not pointed to.
pub async fn dereference(
    client: &Client,
    discovery: &Discovery,
    operator: &Operator,
    stack: &MonitoringStack,
    cached: Cached<'_>,
) -> Result<Inputs, Error> {
    let namespace = stack.metadata.namespace.as_deref();
    let namespace = namespace.ok_or(Error::Incomplete("a namespace"))?;
    let name = stack.metadata.name.as_deref();
    let name = name.ok_or(Error::Incomplete("a name"))?;
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secrets = stream::iter(references(stack))
        .map(|name| {
            let api = &api;
            async move { Ok::<_, Error>(secret(api, &name).await?.map(|data| (name, data))) }
        })
        .buffer_unordered(CONCURRENT)
        .try_filter_map(|found| std::future::ready(Ok(found)))
        .try_collect()
        .await?;
    let grafana = format!("{name}-{}", Component::Grafana.name());
    let mut inputs = Inputs {
        operator: operator.clone(),
        server: discovery.server().await?,
        secrets,
        assume_secrets: false,
        grafana_admin: secret(&api, &format!("{grafana}-admin")).await?,
        grafana_applied: secret(&api, &format!("{grafana}-applied")).await?,
        dashboards: cached.dashboards,
        fresh_password: fresh_password()?,
        rules: cached.rules,
        barred: cached.barred,
        prometheus_operator: objects::Inputs::default(),
        namespaces: known_namespaces(client, operator, stack).await?,
    };
    let foreign = foreign::take(client, stack, &inputs, cached.foreign, cached.judgements).await?;
    let groups = foreign.rules.iter().flat_map(|(_, judged)| &judged.groups);
    inputs.rules.extend(groups.cloned());
    inputs.prometheus_operator = foreign;
    Ok(inputs)
}

/// What the watches know already.
pub struct Cached<'a> {
    /// What was found of the rules that the stack takes.
    pub rules: Vec<Arc<Judged>>,
    /// Rule files that an engine refuses.
    pub barred: BTreeMap<String, Barred>,
    /// The `ConfigMaps` that are labelled as dashboards.
    pub dashboards: Vec<Arc<ConfigMap>>,
    /// The objects of prometheus-operator's kinds.
    pub foreign: Snapshot,
    /// What was found of `PrometheusRules`.
    pub judgements: &'a Judgements,
}

/// The labels of every namespace, if a selector of the stack asks for them and the operator may
/// know them.
async fn known_namespaces(
    client: &Client,
    operator: &Operator,
    stack: &MonitoringStack,
) -> Result<Option<BTreeMap<String, BTreeMap<String, String>>>, Error> {
    if !operator.cluster_wide || !namespaces::are_asked_for(&stack.spec) {
        return Ok(None);
    }
    let resource = ApiResource::erase::<Namespace>(&());
    let found = live::list_kind(client, &resource, None, "")
        .await
        .map_err(Error::doing("list the namespaces"))?;
    let stay = found
        .into_iter()
        .filter(|it| it.deletion_timestamp.is_none());
    let labels = stay.filter_map(|it| Some((it.name?, it.labels.unwrap_or_default())));
    Ok(Some(labels.collect()))
}

/// The `AlertRules` that a stack has something to say of.
#[derive(Debug, Default)]
pub struct Rules {
    /// Those it takes, and those that it no longer takes but that still say so.
    pub told: Vec<Arc<KnownRule>>,
    /// What was found of those it takes.
    pub judged: Vec<Arc<Judged>>,
    /// Those in its reach that cannot be decoded.
    pub broken: Vec<Arc<KnownRule>>,
}

impl Rules {
    /// What a stack, `namespace/name`, says on them that Prometheus is not given, by file. An
    /// operator that starts finds there what the one before it had found out.
    #[must_use]
    pub fn barred(&self, stack: &str) -> BTreeMap<String, Barred> {
        let told = self.told.iter();
        told.filter_map(|rule| barred(rule, stack)).collect()
    }
}

fn barred(rule: &KnownRule, stack: &str) -> Option<(String, Barred)> {
    let mut entries = rule.status.as_ref()?.stacks.iter();
    let entry = entries.find(|entry| entry.stack == stack)?;
    let bar = match entry.reason.as_str() {
        reason::REFUSED => Bar::Refused,
        reason::HELD_BACK => Bar::HeldBack,
        _ => return None,
    };
    let judged = rule.judged.as_ref().ok()?;
    let said = entry.message.strip_prefix(BARRED_FIELD)?;
    let barred = Barred {
        mark: judged.file.as_ref()?.mark,
        bar,
        reason: said.trim_start_matches(": ").to_owned(),
    };
    // What was changed since is another rule.
    (entry.observed_generation == rule.generation).then(|| (judged.file_name.to_string(), barred))
}

/// The rules of a stack.
#[must_use]
pub fn rules_of(rules: Vec<Arc<KnownRule>>, reach: &Reach, name: &str) -> Rules {
    let stack = format!("{}/{name}", reach.namespace);
    let mut found = Rules::default();
    for rule in rules {
        let takes = reach.takes(&rule.traits);
        match &rule.judged {
            Ok(judged) if takes => {
                found.judged.push(judged.clone());
                found.told.push(rule);
            }
            Err(_) if takes => found.broken.push(rule),
            Ok(_) if speaks_of(&rule, &stack) => found.told.push(rule),
            _ => {}
        }
    }
    found
}

/// Whether the status of a rule has an entry of this stack.
fn speaks_of(rule: &KnownRule, stack: &str) -> bool {
    let entries = rule.status.iter().flat_map(|status| &status.stacks);
    entries.into_iter().any(|entry| entry.stack == stack)
}

/// What a stack takes, with the namespaces that have the labels it selects by.
pub async fn reach_of(
    client: &Client,
    operator: &Operator,
    stack: &MonitoringStack,
) -> Result<Reach, Error> {
    let selector = stack
        .spec
        .alerting
        .as_ref()
        .and_then(|it| it.rules.as_ref());
    let labels = selector.and_then(|it| Some(&it.namespaces.as_ref()?.match_labels));
    // With `watchNamespaces` nobody may list them: resolving says so.
    let asks = |labels: &&BTreeMap<_, _>| operator.cluster_wide && !labels.is_empty();
    let Some(labels) = labels.filter(asks) else {
        return Ok(Reach::of(stack, BTreeSet::new()));
    };
    let labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", value.0))
        .collect();
    let resource = ApiResource::erase::<Namespace>(&());
    let listed = live::list_kind(client, &resource, None, &labels.join(","))
        .await
        .map_err(Error::doing(
            "list the namespaces that spec.alerting.rules selects",
        ))?;
    let names = listed.into_iter().filter_map(|metadata| metadata.name);
    Ok(Reach::of(stack, names.collect()))
}

async fn secret(api: &Api<Secret>, name: &str) -> Result<Option<Data>, Error> {
    let found = api
        .get_opt(name)
        .await
        .map_err(Error::doing(format!("read Secret {name}")))?;
    Ok(found.map(|secret| {
        let data = secret.data.unwrap_or_default();
        data.into_iter()
            .map(|(key, value)| (key, SecretValue(value.0)))
            .collect()
    }))
}

/// A password of letters and digits.
fn fresh_password() -> Result<SecretValue, Error> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    // Bytes from here on would make the first letters likelier than the others.
    const FAIR: u8 = 248;
    let mut password = Vec::with_capacity(PASSWORD_LENGTH);
    let mut random = [0_u8; 64];
    while password.len() < PASSWORD_LENGTH {
        getrandom::fill(&mut random)?;
        let fair = random.iter().filter(|byte| **byte < FAIR);
        let letters = fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
        password.extend(letters.take(PASSWORD_LENGTH - password.len()));
    }
    Ok(SecretValue(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_password_has_32_letters_and_digits_and_is_never_the_same() {
        let one = fresh_password().unwrap();
        assert_eq!(one.0.len(), PASSWORD_LENGTH);
        assert!(one.0.iter().all(u8::is_ascii_alphanumeric));
        assert_ne!(one, fresh_password().unwrap());
    }
}
