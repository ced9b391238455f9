//! PostgreSQL under `postgres_exporter`'s names.
//!
//! ```text
//! configuration ─┐                         ┌─► session (one for each database) ─► server
//! pods of this   ├─► targets ─► gather ────┤
//! node, host ────┘                         └─► rows ─► families ─► union of all targets
//! ```
//!
//! `/metrics` tells every target of this agent, each with the label `instance`; `/probe?target=`
//! tells one, without it. Servers are asked when somebody asks, over connections that are kept;
//! between scrapes nothing runs.

mod custom;
mod discover;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod gather;
mod local;
mod login;
mod queries;
mod rows;
mod seen;
mod session;
mod settings;
mod shown;
mod statements;
mod table;
mod target;
mod version;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::Bytes;
use futures::future;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::config::Live;
use super::exposition;
use super::flight::Flight;
use super::page::{Source, Table};
use crate::api::agent_config::{PostgresConfig, PostgresTarget};
use discover::{Found, Pods};
use shown::Shown;
use target::Target;

/// The PostgreSQL servers of this agent.
#[derive(Debug)]
pub struct Postgres {
    live: Arc<Live>,
    rootfs: PathBuf,
    pods: Pods,
    targets: Mutex<Vec<Arc<Target>>>,
    flight: Flight,
    shown: Arc<Shown>,
}

/// What is known of a name in `/probe?target=`.
pub enum Probe {
    /// The metrics; none when the gather panicked.
    Told(Option<Bytes>),
    /// There is none of that name; there are these.
    Unknown(Vec<String>),
}

impl Postgres {
    /// Nothing is connected to yet.
    pub fn new(live: Arc<Live>, rootfs: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            live,
            rootfs,
            pods: Pods::default(),
            targets: Mutex::default(),
            flight: Flight::new("postgres"),
            shown: Arc::default(),
        })
    }

    /// Follows the pods of this node until `stop`, if the configuration asks for it at the start.
    pub async fn follow(self: Arc<Self>, node: Option<String>, stop: CancellationToken) {
        let config = self.config();
        let (Some(wanted), Some(node)) = (&config.discover, node) else {
            return;
        };
        match kube::Client::try_default().await {
            Ok(client) => tokio::select! {
                () = stop.cancelled() => {}
                () = self.pods.follow(client, &node, wanted) => {}
            },
            Err(error) => tracing::warn!(%error, "no way to the API server; no pod is scraped"),
        }
    }

    /// All targets but those that are told by their name only. `allowed` is how many seconds the
    /// scraper waits.
    pub async fn scrape(&self, allowed: Option<f64>) -> Option<Bytes> {
        let config = self.config();
        let targets = self.targets(&config);
        let until = Instant::now() + gather::budget(allowed);
        let shown = self.shown.clone();
        shown.ask();
        let gather = async move {
            let wanted = targets.iter().filter(|target| !target.config.only_probe);
            let gathers = wanted.map(|target| {
                let labels = target.labels.clone();
                tokio::spawn(target.clone().gather(config.clone(), labels, until))
            });
            let told = future::join_all(gathers).await;
            shown.record(&targets);
            exposition::union(told.iter().flatten())
        };
        self.flight.join_async(gather).await
    }

    /// One target by its name.
    pub async fn probe(&self, name: &str, allowed: Option<f64>) -> Probe {
        let config = self.config();
        let targets = self.targets(&config);
        let Some(target) = targets.iter().find(|target| target.config.name == name) else {
            let names = targets.iter().map(|target| target.config.name.clone());
            return Probe::Unknown(names.filter(|name| !name.is_empty()).collect());
        };
        let until = Instant::now() + gather::budget(allowed);
        let gather = target.clone().gather(config, String::new(), until);
        // On the heap: a gather holds all its queries, and each request would hold it again.
        let (shown, all) = (self.shown.clone(), targets.clone());
        let gather = Box::pin(async move {
            let told = gather.await;
            shown.record(&all);
            exposition::union([&told])
        });
        Probe::Told(target.flight.join_async(gather).await)
    }

    fn config(&self) -> Arc<PostgresConfig> {
        let config = self.live.current();
        Arc::new(config.postgres.clone().unwrap_or_default())
    }

    /// The targets as configured and found now. One that is as before keeps its connections; what
    /// is gone loses them.
    fn targets(&self, config: &PostgresConfig) -> Vec<Arc<Target>> {
        let named = config.targets.iter().map(|it| Target::new(it.clone(), &[]));
        let found = config.discover.iter().flat_map(|discover| {
            let pods = self.pods.list();
            pods.into_iter().map(|pod| of_pod(&pod, discover))
        });
        let local = config.local.then(|| local::target(&self.rootfs));
        let mut known = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = named.chain(found).chain(local).map(|target| {
            let same = known.iter().find(|it| {
                (&it.config, &it.labels, it.optional)
                    == (&target.config, &target.labels, target.optional)
            });
            same.cloned().unwrap_or_else(|| Arc::new(target))
        });
        *known = wanted.collect();
        known.clone()
    }
}

impl Source for Postgres {
    fn tables(&self) -> Vec<Arc<Table>> {
        self.shown.tables()
    }

    fn refresh(self: Arc<Self>) -> BoxFuture<'static, ()> {
        let known = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let targets = known.clone();
        drop(known);
        self.shown.record(&targets);
        if self.shown.is_due() {
            // Not waited for: a server that hangs must not hold up the page.
            tokio::spawn(async move { self.scrape(None).await });
        }
        Box::pin(async {})
    }
}

fn of_pod(pod: &Found, discover: &crate::api::agent_config::PostgresDiscovery) -> Target {
    let config = PostgresTarget {
        name: pod.name.clone(),
        host: pod.ip.clone(),
        port: discover.port,
        login: discover.login.clone(),
        only_probe: false,
    };
    Target::new(config, &[("namespace", &pod.namespace), ("pod", &pod.name)])
}
