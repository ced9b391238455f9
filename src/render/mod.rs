//! From the resolved stack to Kubernetes objects: pure and infallible.
//!
//! One file per workload, each a function from the stack to its objects. A new workload is a field
//! of the stack, a file here, a line in `COMPONENTS`, and the ports it opens in [`flows`]:
//! Services, network policies, scrape jobs, hardening and probes follow from those. Metadata comes
//! from [`meta`] alone; what depends on a component's version is in the table of `version`.

mod access;
mod agent;
mod alertmanager;
pub mod body;
pub mod config;
pub mod dashboards;
pub mod default_rules;
mod digest;
mod files;
pub mod flows;
pub mod grafana;
mod loki;
pub mod meta;
mod network;
pub mod objects;
mod pod;
mod prometheus;
mod recording;
mod rules;
mod stateful_set;
mod version;
mod volume;

use crate::{api::component::Component, resolve::model::Stack};
use objects::Objects;

pub use prometheus::rule_files;

/// The components: each renders itself, or nothing when the stack has it not.
const COMPONENTS: [fn(&Stack) -> Objects; 5] = [
    prometheus::objects,
    alertmanager::objects,
    loki::objects,
    grafana::objects,
    agent::objects,
];

/// Every object of a stack. The same stack gives the same bytes.
#[must_use]
pub fn render(stack: &Stack) -> Objects {
    let mut objects = Objects::default();
    for component in COMPONENTS {
        objects.extend(component(stack));
    }
    objects.sealed()
}

/// How to prove that the processes of a component run the configuration that was rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The component; its pods carry [`meta::selector`].
    pub component: Component,
    /// The port of its HTTP API.
    pub port: u16,
    /// What the process has to say.
    pub proof: Proof,
    /// A hash of all that is delivered.
    pub hash: String,
}

impl Delivery {
    /// The hash of the configuration file alone, for people. Of rules each says for itself whether
    /// it is loaded: a stack's status need not change with every one of thousands.
    #[must_use]
    pub fn file_hash(&self) -> &str {
        match &self.proof {
            Proof::PrometheusConfigHolds(hash) => hash,
            Proof::AlertmanagerHash(_) => &self.hash,
        }
    }
}

/// What a process says once it runs the wanted configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// Prometheus: `GET /api/v1/status/config` holds this text, which is part of a rule path (the
    /// API re-marshals the file, so comments vanish). Its rules are proven by what it lists of them.
    PrometheusConfigHolds(String),
    /// Alertmanager: the metric `alertmanager_config_hash` has this value (the first six bytes of
    /// the file's MD5, little endian).
    AlertmanagerHash(f64),
}

/// The components whose configuration is reloaded while they run.
#[must_use]
pub fn deliveries(stack: &Stack) -> Vec<Delivery> {
    [prometheus::delivery(stack), alertmanager::delivery(stack)]
        .into_iter()
        .flatten()
        .collect()
}
