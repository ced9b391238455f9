//! What the API server serves: asked once, kept for ten minutes, asked again after a surprise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{Client, api::ApiResource};
use tokio::sync::Mutex;

use super::error::{Error, code};
use crate::resolve::model::Server;

const KEPT: Duration = Duration::from_mins(10);

/// The kinds the API server serves. Clones share what they know.
#[derive(Clone)]
pub struct Discovery {
    client: Client,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    server: Option<(Server, Instant)>,
    /// The kinds of each group and version, empty when it is not served.
    kinds: BTreeMap<String, (BTreeSet<String>, Instant)>,
}

impl Discovery {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Arc::default(),
        }
    }

    /// Whether the server serves this kind.
    pub async fn serves(&self, resource: &ApiResource) -> Result<bool, Error> {
        let mut known = self.known.lock().await;
        let version = &resource.api_version;
        if !known.kinds.get(version).is_some_and(|(_, at)| fresh(*at)) {
            let kinds = self.kinds(version).await?;
            known.kinds.insert(version.clone(), (kinds, Instant::now()));
        }
        Ok(known
            .kinds
            .get(version)
            .is_some_and(|(kinds, _)| kinds.contains(&resource.kind)))
    }

    /// What the renderers have to know of the server.
    pub async fn server(&self) -> Result<Server, Error> {
        let mut known = self.known.lock().await;
        if let Some((server, at)) = known.server
            && fresh(at)
        {
            return Ok(server);
        }
        let server = self.ask().await?;
        known.server = Some((server, Instant::now()));
        Ok(server)
    }

    /// Forgets everything: an answer did not fit what was known.
    pub async fn forget(&self) {
        *self.known.lock().await = Known::default();
    }

    async fn kinds(&self, version: &str) -> Result<BTreeSet<String>, Error> {
        let answer = if version.contains('/') {
            self.client.list_api_group_resources(version).await
        } else {
            self.client.list_core_api_resources(version).await
        };
        match answer {
            Ok(list) => Ok(list.resources.into_iter().map(|r| r.kind).collect()),
            Err(error) if code(&error) == Some(404) => Ok(BTreeSet::new()),
            Err(error) => Err(Error::doing(format!("ask which kinds {version} has"))(
                error,
            )),
        }
    }

    async fn ask(&self) -> Result<Server, Error> {
        let groups = self
            .client
            .list_api_groups()
            .await
            .map_err(Error::doing("list the API groups"))?;
        let versions: BTreeSet<String> = groups
            .groups
            .into_iter()
            .flat_map(|group| group.versions)
            .map(|version| version.group_version)
            .collect();
        Ok(server(&versions))
    }
}

fn fresh(at: Instant) -> bool {
    at.elapsed() < KEPT
}

/// What follows from the served versions.
fn server(versions: &BTreeSet<String>) -> Server {
    Server {
        policy_v1: versions.contains("policy/v1"),
        endpoint_slices: versions.contains("discovery.k8s.io/v1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_judged_by_the_versions_it_serves() {
        let judged = |list: &[&str]| server(&list.iter().map(ToString::to_string).collect());
        let (old, new) = (
            judged(&["policy/v1beta1", "apps/v1"]),
            judged(&["policy/v1", "discovery.k8s.io/v1"]),
        );
        assert!(!old.policy_v1 && !old.endpoint_slices);
        assert!(new.policy_v1 && new.endpoint_slices);
    }
}
