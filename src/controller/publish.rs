//! Writing statuses, only when they differ from what the server has.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    error::Error,
    events::Events,
    metrics::Metrics,
    status::{self, Transition},
};
use crate::{
    api::{
        rule::AlertRule,
        stack::MonitoringStack,
        status::{RuleStatus, StackStatus},
    },
    render::meta::MANAGER,
    resolve::RuleVerdict,
};

/// Statuses of rules written at the same time.
const CONCURRENT: usize = 8;

/// Writes statuses and Events.
#[derive(Clone)]
pub struct Publisher {
    client: Client,
    events: Events,
    metrics: Metrics,
    written: Written,
}

/// The statuses of rules that were written but may not be in the cache yet, by the rule's uid,
/// with the version the cache had.
type Written = Arc<Mutex<HashMap<String, (Option<String>, RuleStatus)>>>;

impl Publisher {
    /// Has written nothing yet.
    #[must_use]
    pub fn new(client: Client, events: Events, metrics: Metrics) -> Self {
        Self {
            client,
            events,
            metrics,
            written: Written::default(),
        }
    }

    /// Writes a stack's status if it changed, and its transitions as Events.
    pub async fn stack(
        &self,
        metadata: &ObjectMeta,
        old: Option<&StackStatus>,
        new: &StackStatus,
    ) -> Result<(), Error> {
        if old == Some(new) {
            return Ok(());
        }
        self.patch::<MonitoringStack>(metadata, new).await?;
        self.events(metadata, &status::transitions(old, new)).await;
        Ok(())
    }

    /// Writes Events about a stack.
    pub async fn events(&self, metadata: &ObjectMeta, transitions: &[Transition]) {
        let stack = MonitoringStack {
            metadata: metadata.clone(),
            ..MonitoringStack::default()
        };
        let published = self
            .events
            .publish(&stack.object_ref(&()), transitions)
            .await;
        self.metrics.wrote(published);
    }

    /// Writes the statuses of the rules that a stack, `namespace/name`, judged. `loaded` holds
    /// the rule files that its processes list.
    pub async fn rules(
        &self,
        stack: &str,
        rules: &[AlertRule],
        verdicts: &[RuleVerdict],
        loaded: &BTreeSet<String>,
        now: jiff::Timestamp,
    ) -> Result<(), Error> {
        let by_name: HashMap<_, _> = rules
            .iter()
            .map(|rule| ((&rule.metadata.namespace, &rule.metadata.name), rule))
            .collect();
        let mut writes = Vec::new();
        for verdict in verdicts {
            let (namespace, name) = (Some(verdict.namespace.clone()), Some(verdict.name.clone()));
            let Some(rule) = by_name.get(&(&namespace, &name)) else {
                continue;
            };
            let old = self.known(rule);
            let loaded = verdict
                .file
                .as_ref()
                .is_some_and(|file| loaded.contains(file));
            let new = status::rule_status(old.as_ref(), verdict, stack, loaded, now);
            if old.as_ref() != Some(&new) {
                writes.push(self.rule(rule, new));
            }
        }
        stream::iter(writes)
            .buffer_unordered(CONCURRENT)
            .try_collect::<()>()
            .await
    }

    /// Says on a rule that no stack takes it.
    pub async fn unclaimed(&self, rule: &AlertRule, now: jiff::Timestamp) -> Result<(), Error> {
        let old = self.known(rule);
        let generation = rule.metadata.generation;
        let namespace = rule.metadata.namespace.as_deref().unwrap_or_default();
        let count = rule.spec.rules.len();
        let new = status::unclaimed_status(old.as_ref(), generation, count, namespace, now);
        if old.as_ref() == Some(&new) {
            return Ok(());
        }
        self.rule(rule, new).await
    }

    async fn rule(&self, rule: &AlertRule, new: RuleStatus) -> Result<(), Error> {
        self.patch::<AlertRule>(&rule.metadata, &new).await?;
        self.remember(rule, new);
        Ok(())
    }

    /// The status of an object that cannot be decoded as a whole.
    pub async fn status_of<K, S>(&self, metadata: &ObjectMeta) -> Result<Option<S>, Error>
    where
        K: Resource<DynamicType = ()>,
        S: DeserializeOwned,
    {
        let (api, name) = self.api::<K>(metadata)?;
        let doing = format!("read {} {name}", K::kind(&()));
        let object = api.get(name).await.map_err(Error::doing(doing))?;
        let status = object.data.get("status").cloned();
        Ok(status.and_then(|status| serde_json::from_value(status).ok()))
    }

    /// Server-side apply of a status: what it no longer holds goes. The uid goes with it, so
    /// that the status of a stack never lands on another one of the same name.
    pub async fn patch<K>(
        &self,
        metadata: &ObjectMeta,
        status: &impl Serialize,
    ) -> Result<(), Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let (api, name) = self.api::<K>(metadata)?;
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": name, "namespace": metadata.namespace, "uid": metadata.uid},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        let doing = format!("write the status of {} {name}", K::kind(&()));
        api.patch_status(name, &params, &Patch::Apply(body))
            .await
            .map_err(Error::doing(doing))?;
        self.metrics.wrote(1);
        Ok(())
    }

    fn api<'a, K>(&self, metadata: &'a ObjectMeta) -> Result<(Api<DynamicObject>, &'a str), Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let namespace = metadata.namespace.as_deref();
        let namespace = namespace.ok_or(Error::Incomplete("a namespace"))?;
        let name = metadata.name.as_deref();
        let name = name.ok_or(Error::Incomplete("a name"))?;
        let resource = ApiResource::erase::<K>(&());
        let api = Api::namespaced_with(self.client.clone(), namespace, &resource);
        Ok((api, name))
    }

    /// The newest status of a rule: the cache's, unless one was written that it has not seen.
    fn known(&self, rule: &AlertRule) -> Option<RuleStatus> {
        let uid = rule.metadata.uid.as_deref().unwrap_or_default();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match written.get(uid) {
            Some((version, status)) if *version == rule.metadata.resource_version => {
                Some(status.clone())
            }
            _ => {
                written.remove(uid);
                rule.status.clone()
            }
        }
    }

    fn remember(&self, rule: &AlertRule, status: RuleStatus) {
        let uid = rule.metadata.uid.clone().unwrap_or_default();
        let version = rule.metadata.resource_version.clone();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(uid, (version, status));
    }
}
