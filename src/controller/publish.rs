//! Writing statuses, only when they differ from what the server has.

mod rule;
mod written;

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
    api::{stack::MonitoringStack, status::StackStatus},
    render::meta::MANAGER,
};

pub use rule::{Living, Teller};
use written::Written;

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
        if old == Some(new) {
            return Ok(());
        }
        self.patch::<MonitoringStack>(metadata, None, new).await?;
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

    /// The status of a stack that cannot be decoded as a whole.
    pub async fn status_of(&self, metadata: &ObjectMeta) -> Result<Option<StackStatus>, Error> {
        let (api, name) = self.api::<MonitoringStack>(metadata)?;
        let doing = format!("read MonitoringStack {name}");
        let object = api.get(name).await.map_err(Error::doing(doing))?;
        Ok(status_in(&object))
    }

    /// Server-side apply of a status: what it no longer holds goes. The uid goes with it, so
    /// that the status of a stack never lands on another one of the same name; and the version
    /// if it matters that nobody has written since. Gives the new version.
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
            "metadata": {"name": name, "namespace": metadata.namespace, "uid": metadata.uid},
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

/// The status of an object as the server has it; none that can be read is as good as none.
fn status_in<S: DeserializeOwned>(object: &DynamicObject) -> Option<S> {
    let status = object.data.get("status")?;
    S::deserialize(status).ok()
}
