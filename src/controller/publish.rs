//! Writing statuses, only when they differ from what the server has.

mod rule;
mod written;

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::ObjectMeta};
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
    api::{stack::MonitoringStack, status::StackStatus},
    render::meta::MANAGER,
};

pub use rule::{Living, Teller};
use written::Written;

/// Others that write the same object at the same time are waited for so often.
const TRIES: usize = 5;

/// Writes statuses and Events.
#[derive(Clone)]
pub struct Publisher {
    client: Client,
    events: Events,
    metrics: Metrics,
    written: Written,
}

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
        if old.is_some_and(|old| same(old, new)) {
            return Ok(());
        }
        let mut version = metadata.resource_version.clone();
        let mut tries = 0;
        loop {
            tries += 1;
            let written = self
                .patch::<MonitoringStack>(metadata, version.as_deref(), new)
                .await;
            match written {
                Ok(_) => break,
                Err(error) => match error.code() {
                    Some(404) => return Ok(()),
                    Some(409) if tries < TRIES => {
                        match self.read::<MonitoringStack>(metadata).await? {
                            Some(newest) => version = newest.metadata.resource_version,
                            None => return Ok(()),
                        }
                    }
                    _ => return Err(error),
                },
            }
        }
        self.events(metadata, &status::transitions(old, new)).await;
        Ok(())
    }

    /// Writes Events about a stack.
    pub async fn events(&self, metadata: &ObjectMeta, transitions: &[Transition]) {
        let stack = MonitoringStack {
            metadata: metadata.clone(),
            ..MonitoringStack::default()
        };
        self.events_about(&stack.object_ref(&()), transitions).await;
    }

    /// Writes Events about any object.
    pub async fn events_about(&self, about: &ObjectReference, transitions: &[Transition]) {
        let published = self.events.publish(about, transitions).await;
        self.metrics.wrote(published);
    }

    /// The status of a stack that cannot be decoded as a whole.
    pub async fn status_of(&self, metadata: &ObjectMeta) -> Result<Option<StackStatus>, Error> {
        let found = self.read::<MonitoringStack>(metadata).await?;
        Ok(found.and_then(|found| status_in(&found)))
    }

    /// The very object as the server has it; none when it is gone.
    async fn read<K>(&self, metadata: &ObjectMeta) -> Result<Option<DynamicObject>, Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let (api, name) = self.api::<K>(metadata)?;
        let doing = format!("read {} {name}", K::kind(&()));
        let found = api.get_opt(name).await.map_err(Error::doing(doing))?;
        Ok(found.filter(|found| found.metadata.uid == metadata.uid))
    }

    /// Server-side apply of a status: what it no longer holds goes. The version goes with it: the
    /// server does not compare the uid there, and without it the status of an object that went
    /// would land on the next one of its name. Gives the new version.
    async fn patch<K>(
        &self,
        metadata: &ObjectMeta,
        version: Option<&str>,
        status: &impl Serialize,
    ) -> Result<Option<String>, Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let (api, name) = self.api::<K>(metadata)?;
        let mut body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": name, "namespace": metadata.namespace},
            "status": status,
        });
        if let Some(version) = version {
            body["metadata"]["resourceVersion"] = version.into();
        }
        let params = PatchParams::apply(MANAGER).force();
        let doing = format!("write the status of {} {name}", K::kind(&()));
        let written = api.patch_status(name, &params, &Patch::Apply(body)).await;
        let written = written.map_err(Error::doing(doing))?;
        self.metrics.wrote(1);
        Ok(written.metadata.resource_version)
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
}

/// Whether two statuses say the same: the server appends what is new to a list with keys, so that
/// it gives it back in another order than the one that was written.
fn same(old: &StackStatus, new: &StackStatus) -> bool {
    let sorted = |status: &StackStatus| {
        let mut status = status.clone();
        status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        status.components.sort_by(|a, b| a.name.cmp(&b.name));
        status
    };
    sorted(old) == sorted(new)
}

/// The status of an object as the server has it; none that can be read is as good as none.
fn status_in<S: DeserializeOwned>(object: &DynamicObject) -> Option<S> {
    let status = object.data.get("status")?;
    S::deserialize(status).ok()
}
