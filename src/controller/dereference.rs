//! Fetching everything a stack refers to.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, Client, api::ApiResource, runtime::reflector::Store};

use super::{context::Rule, discovery::Discovery, error::Error, live};
use crate::{
    api::{component::Component, rule::AlertRule, stack::MonitoringStack},
    resolve::{
        Inputs,
        model::{Operator, SecretValue},
        namespaces, references,
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
    rules: Vec<AlertRule>,
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
    let admin = format!("{name}-{}-admin", Component::Grafana.name());
    Ok(Inputs {
        operator: operator.clone(),
        server: discovery.server().await?,
        secrets,
        assume_secrets: false,
        grafana_admin: secret(&api, &admin).await?,
        fresh_password: fresh_password()?,
        rules,
        namespaces: known_namespaces(client, operator, stack).await?,
    })
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

/// The `AlertRules` of a namespace that can be decoded, and those that cannot.
#[must_use]
pub fn rules_of(rules: &Store<Rule>, namespace: &str) -> (Vec<AlertRule>, Vec<Arc<Rule>>) {
    let all = rules
        .state_filter(|rule| kube::Resource::meta(rule).namespace.as_deref() == Some(namespace));
    let (mut good, mut broken) = (Vec::new(), Vec::new());
    for rule in all {
        match &rule.0 {
            Ok(rule) => good.push(rule.clone()),
            Err(_) => broken.push(rule),
        }
    }
    // The cache has no order; what is made from it has.
    good.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    (good, broken)
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
