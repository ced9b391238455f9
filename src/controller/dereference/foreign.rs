//! The objects of prometheus-operator's kinds that a stack takes, with the Secrets and `ConfigMaps`
//! that they name.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client};

use super::CONCURRENT;
use crate::{
    api::stack::MonitoringStack,
    controller::{
        error::{Error, code},
        foreign::Snapshot,
        judged::Judgements,
    },
    resolve::{
        Inputs,
        model::SecretValue,
        prometheus_operator::{
            is_wanted,
            objects::{self, Content, Kind, Place, SHARED_WITH},
            references, selected, sources,
        },
    },
};

/// What a stack takes of what there is.
pub async fn take(
    client: &Client,
    stack: &MonitoringStack,
    inputs: &Inputs,
    there: Snapshot,
    judgements: &Judgements,
) -> Result<objects::Inputs, Error> {
    if !there.installed || !is_wanted(&stack.spec) {
        return Ok(objects::Inputs::default());
    }
    let namespace = stack.metadata.namespace.as_deref().unwrap_or_default();
    // What is wrong with the selector is said when the stack is resolved.
    let sources = sources(&stack.spec, namespace, inputs, &mut Vec::new());
    let taken = selected(&stack.spec, &sources, &there.objects);
    let contents = stream::iter(references(namespace, &taken))
        .map(|place| async move {
            let found = content(client, &place).await?;
            Ok::<_, Error>(found.map(|content| (place, content)))
        })
        .buffer_unordered(CONCURRENT)
        .try_filter_map(|found| std::future::ready(Ok(found)))
        .try_collect::<BTreeMap<_, _>>()
        .await?;
    let rules = taken.iter().filter(|it| it.kind == Kind::PrometheusRule);
    let rules = rules.map(|object| (object.clone(), judgements.of(object)));
    Ok(objects::Inputs {
        installed: true,
        rules: rules.collect(),
        taken,
        contents,
        unreadable: there.unreadable,
    })
}

async fn content(client: &Client, place: &Place) -> Result<Option<Content>, Error> {
    let Place {
        secret,
        namespace,
        name,
    } = place;
    if *secret {
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let found = readable(api.get_opt(name).await, place)?;
        return Ok(found.map(|secret| Content {
            data: secret
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key, SecretValue(value.0)))
                .collect(),
            shared_with: shared_with(&secret.metadata),
        }));
    }
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = readable(api.get_opt(name).await, place)?;
    Ok(found.map(|map| Content {
        data: map
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, SecretValue(value.into_bytes())))
            .collect(),
        shared_with: shared_with(&map.metadata),
    }))
}

/// What may not be read is as good as not there: it takes out who names it, not the stack.
fn readable<K>(found: kube::Result<Option<K>>, place: &Place) -> Result<Option<K>, Error> {
    match found {
        Err(error) if matches!(code(&error), Some(400 | 403 | 422)) => Ok(None),
        found => found.map_err(Error::doing(format!(
            "read {}/{}, which an object of prometheus-operator's kinds names",
            place.namespace, place.name
        ))),
    }
}

/// The namespaces whose stacks may copy it.
fn shared_with(metadata: &ObjectMeta) -> Vec<String> {
    let given = metadata
        .annotations
        .as_ref()
        .and_then(|it| it.get(SHARED_WITH));
    let names = given.into_iter().flat_map(|names| names.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}
