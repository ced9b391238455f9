//! Deleting what stacks left outside their namespace: no garbage collector follows there, since
//! an owner reference cannot leave its namespace. The label with the stack's uid stands in for it.

use std::{collections::BTreeSet, time::Duration};

use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PartialObjectMeta},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{discovery::Discovery, error::Error, live, metrics::Metrics, prune};
use crate::{
    api::stack::MonitoringStack,
    render::meta::{MANAGED_BY_LABEL, MANAGER, STACK_UID_LABEL},
};

const EVERY: Duration = Duration::from_mins(10);
/// A reconcile that was under way when its stack went may still have made an object.
const SETTLE: Duration = Duration::from_secs(5);
/// A pause before a failed sweep is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// Sweeps what stacks that are gone have left.
pub struct Sweeper {
    /// Talks to the API server.
    pub client: Client,
    /// Knows what it serves.
    pub discovery: Discovery,
    /// Counts what is deleted.
    pub metrics: Metrics,
}

impl Sweeper {
    /// Sweeps at the start, whenever a stack goes and once more soon after, and every ten minutes.
    pub async fn run(&self, gone: &Notify, stop: &CancellationToken) {
        let mut went = false;
        loop {
            let pause = match self.sweep().await {
                Ok(_) if went => SETTLE,
                Ok(_) => EVERY,
                Err(error) => {
                    tracing::warn!(%error, "leftovers of deleted stacks cannot be swept");
                    AGAIN
                }
            };
            went = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                () = gone.notified() => true,
                () = stop.cancelled() => return,
            };
        }
    }

    /// Sweeps once and tells how many objects went.
    pub async fn sweep(&self) -> Result<usize, Error> {
        // Objects before stacks: an object that is seen then has its stack in the list, unless
        // that is gone.
        let mut found = Vec::new();
        for resource in live::far_kinds() {
            if !self.discovery.serves(&resource).await? {
                continue;
            }
            let selector = format!("{MANAGED_BY_LABEL}={MANAGER},{STACK_UID_LABEL}");
            let objects = live::list_kind(&self.client, &resource, None, &selector)
                .await
                .map_err(Error::doing(format!("list {}", resource.plural)))?;
            found.extend(objects.into_iter().map(|object| (resource.clone(), object)));
        }
        let living = self.living().await?;
        let mut deleted = 0;
        for (resource, object) in found {
            let labels = object.labels.as_ref();
            let uid = labels.and_then(|labels| labels.get(STACK_UID_LABEL));
            if uid.is_none_or(|uid| living.contains(uid)) {
                continue;
            }
            let doing = format!(
                "delete {} {}",
                resource.kind,
                object.name.as_deref().unwrap_or("")
            );
            let gone = prune::delete(&self.client, &resource, &object).await;
            if gone.map_err(Error::doing(doing))? {
                deleted += 1;
                self.metrics.pruned.inc();
                self.metrics.wrote(1);
            }
        }
        Ok(deleted)
    }

    /// The uids of all stacks of the cluster; an error when one cannot be told.
    async fn living(&self) -> Result<BTreeSet<String>, Error> {
        let api: Api<PartialObjectMeta<MonitoringStack>> = Api::all(self.client.clone());
        let stacks = api
            .list(&ListParams::default())
            .await
            .map_err(Error::doing("list the MonitoringStacks"))?;
        let uids = stacks.into_iter().map(|stack| stack.uid());
        uids.collect::<Option<_>>()
            .ok_or(Error::Incomplete("a uid"))
    }
}
