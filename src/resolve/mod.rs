//! From what users wrote to one valid model, or problems with their field paths: pure.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::ConfigMap;

use crate::api::rule::Engine;

mod agent;
mod agent_logs;
mod alerting;
mod dashboards;
mod discovery;
pub mod duration;
pub mod external_loki;
mod http;
mod image;
mod logs;
mod metrics;
pub mod model;
pub mod namespaces;
pub mod postgres;
pub mod problem;
pub mod prometheus_operator;
pub mod quantity;
mod re2;
pub mod rules;
mod secrets;
mod stack;
mod workload;
pub mod yaml;

pub use dashboards::{DASHBOARD_LABELS, RefusedDashboard, SHARDS};
pub use secrets::references;
pub use stack::resolve;

use model::{Operator, SecretValue, Server, Stack};
use problem::Problem;
use rules::{Bar, Barred, Judged};

/// Everything a stack refers to, fetched beforehand.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The operator that renders.
    pub operator: Operator,
    /// What the API server can store.
    pub server: Server,
    /// The data of the Secrets that [`references`] names and that exist, by name.
    pub secrets: BTreeMap<String, BTreeMap<String, SecretValue>>,
    /// Take a Secret that is not in `secrets` as one that will be there: without a cluster nobody
    /// can tell.
    pub assume_secrets: bool,
    /// The data of the operator's own `<stack>-grafana-admin`, once there.
    pub grafana_admin: Option<BTreeMap<String, SecretValue>>,
    /// The data of the operator's own `<stack>-grafana-applied`, once there.
    pub grafana_applied: Option<BTreeMap<String, SecretValue>>,
    /// The `ConfigMaps` that are labelled as dashboards.
    pub dashboards: Vec<Arc<ConfigMap>>,
    /// A random password, used only where none exists yet.
    pub fresh_password: SecretValue,
    /// The `AlertRules` that the stack selects, by namespace and name.
    pub rules: Vec<Arc<Judged>>,
    /// Rule files that an engine was found to refuse, whatever the checks say.
    pub barred: BTreeMap<String, Barred>,
    /// What there is of prometheus-operator's kinds.
    pub prometheus_operator: prometheus_operator::objects::Inputs,
    /// The labels of every namespace; none when nobody can tell, or no selector asks.
    pub namespaces: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

/// A resolved stack and what had to be left out of it.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// The valid stack.
    pub stack: Stack,
    /// What was left out of it, by field of the stack.
    pub problems: Vec<Problem>,
    /// The dashboards of users that were left out; each is among the problems too.
    pub refused_dashboards: Vec<RefusedDashboard>,
    /// What became of the objects of prometheus-operator's kinds.
    pub prometheus_operator: prometheus_operator::Report,
    /// One verdict for each `AlertRule` in the reach of a stack that evaluates rules, and for each
    /// group of a `PrometheusRule`.
    pub rules: Vec<RuleVerdict>,
}

/// Whether a stack takes rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleVerdict {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The generation that was judged.
    pub generation: Option<i64>,
    /// Who evaluates it.
    pub engine: Engine,
    /// The names of its alerts and records, in order.
    pub rules: Arc<[String]>,
    /// The name of its rule file, a key of [`model::Prometheus::rule_files`], when it was taken.
    pub file: Option<Arc<str>>,
    /// The mark of its content, when it was taken.
    pub mark: Option<u64>,
    /// Why it was left out; empty when it was taken.
    pub problems: Vec<Problem>,
    /// Why the engine is not given it although the checks take it.
    pub bar: Option<Bar>,
    /// Who wrote it.
    pub origin: rules::Origin,
}
