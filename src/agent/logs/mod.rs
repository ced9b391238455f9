//! Log lines, from files to Loki, none lost.
//!
//! ```text
//! /var/log/pods ─┐
//! Docker's files ├─► discover ─► files ─► source ─► turn ─► cri | docker_json ─► join ─► stage ─┐
//! plain files ───┘   (folders)   (which   (one container)   (a block    (lines)                  │
//!                                is which)                   of bytes)                           ▼
//! checkpoint ◄─ store ◄──────────── reader ◄─ acks ◄─ push ◄─ client ◄─ tenant ◄─ batch ◄─ entries
//!   (how far Loki has said yes)    (a thread)      (tasks)    (HTTP)    (queues)  (snappy)  (protobuf)
//! ```
//!
//! One thread reads; it never waits for the network, and nothing is read that could not be sent:
//! the files are the buffer. A source that has little to say shares a batch with others once a
//! second. One that has more fills batches alone, so that it holds up nobody. A batch is sent until
//! Loki has taken it, batches that hold entries of the same source one after the other. The
//! checkpoint says how far Loki has taken each file; what is sent again after a crash has the same
//! labels, times and text, and Loki keeps one of each.

mod allowance;
mod batch;
mod checkpoint;
mod client;
mod cri;
mod describe;
mod discover;
mod docker_json;
mod encode;
mod entries;
mod fields;
mod files;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod glob;
mod hints;
mod identity;
mod input;
mod join;
mod journal;
mod json;
mod labels;
mod look;
mod metrics;
mod names;
mod plan;
mod push;
mod reader;
mod record;
mod reload;
mod settle;
mod shown;
mod source;
mod stage;
mod stamp;
mod store;
mod tail;
mod tenant;
#[cfg(test)]
mod tests;
mod turn;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use prometheus::Registry;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::config::Live;
use super::container::{Shared, Watch, follow_pods};
use super::roots::Roots;
use crate::api::agent_config::LogsConfig;
use client::Client;
use metrics::Metrics;
use plan::Plan;
use push::Target;
use reader::{Parts, Reader};
use shown::Shown;
use store::Store;

/// Checks a configuration.
///
/// # Errors
/// The message names the field and what would be right.
pub fn check(config: &LogsConfig) -> anyhow::Result<()> {
    Plan::new(config.clone()).map(drop)
}

/// The log pipeline, ready to run.
#[derive(Debug)]
pub struct Logs {
    parts: Parts,
    receiver: mpsc::UnboundedReceiver<batch::Batch>,
    watch: watch::Receiver<Target>,
    shown: Arc<Shown>,
    /// Whether nobody else follows the pods.
    follow: bool,
}

impl Logs {
    /// Reads the checkpoint; `told` is what somebody else learns about pods.
    ///
    /// # Errors
    /// When the configuration is wrong, or the state folder cannot be made.
    pub fn new(
        config: LogsConfig,
        live: Arc<Live>,
        roots: Roots,
        told: Option<Shared>,
        node: Option<String>,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let metrics = Metrics::new(registry)?;
        let plan = Plan::new(config)?;
        let store = Store::open(Path::new(&plan.config.state));
        let (batches, receiver) = mpsc::unbounded_channel();
        let client = Arc::new(Client::new(&plan.config.loki)?);
        let (target, watch) = watch::channel(Target {
            client,
            tenants: plan.tenants.clone(),
        });
        raise_limit();
        let follow = told.is_none();
        let told = told.unwrap_or_default();
        let watched = !follow
            || plan
                .config
                .pods
                .as_ref()
                .is_some_and(|pods| pods.watch.is_some());
        if watched && node.is_some() {
            told.with(|told| told.watch = Watch::Follows);
        } else if plan.asks_for_labels() {
            tracing::warn!(
                "logs: rules ask for pods' labels (matchLabels), which nobody tells, so pods' lines wait; \
                 set logs.pods.watch or containers.pods, and --node-name"
            );
        }
        let parts = Parts {
            plan,
            live,
            roots,
            told,
            node,
            store,
            batches,
            target,
            acks: Arc::default(),
            metrics,
            stop: Arc::new(AtomicBool::new(false)),
        };
        let shown = Shown::new(parts.metrics.clone(), watch.clone());
        shown.register(registry)?;
        Ok(Self {
            parts,
            receiver,
            watch,
            shown,
            follow,
        })
    }

    /// What the page shows of the pipeline.
    pub fn shown(&self) -> Arc<Shown> {
        self.shown.clone()
    }

    /// Ships logs until `stop`, and then what is on its way.
    ///
    /// # Errors
    /// When no thread can be started.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let (acks, ended) = (self.parts.acks.clone(), self.parts.stop.clone());
        let push = push::run(
            self.receiver,
            self.watch,
            acks.clone(),
            self.parts.metrics.clone(),
        );
        let follow = follow(&self.parts, self.follow);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let parts = self.parts;
        let read = move || {
            Reader::new(parts).run();
            // Nobody waits any more where the agent has failed otherwise.
            if sender.send(()).is_err() {
                tracing::debug!("the reader ended last");
            }
        };
        std::thread::Builder::new()
            .name("logs".into())
            .spawn(read)
            .context("the thread for logs")?;
        let asked = async {
            stop.cancelled().await;
            ended.store(true, Ordering::Release);
            acks.wake();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = receiver => Ok(()),
            () = async { tokio::join!(push, asked, follow); } => Ok(()),
        }
    }
}

/// Follows the pods where nobody else does.
fn follow(parts: &Parts, wanted: bool) -> impl Future<Output = ()> + use<> {
    let pods = parts
        .plan
        .config
        .pods
        .as_ref()
        .and_then(|pods| pods.watch.clone());
    let (told, node) = (parts.told.clone(), parts.node.clone());
    async move {
        if let (Some(pods), Some(node), true) = (pods, node, wanted) {
            follow_pods(told, node, pods.namespace, Vec::new()).await;
        }
    }
}

/// As many open files as the system lets us have: each log file that is not delivered is one.
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays");
    }
}
