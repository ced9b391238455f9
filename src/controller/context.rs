//! What every reconcile needs, made once.

use kube::{Client, core::DeserializeGuard};
use tokio::sync::Semaphore;

use super::{
    apply::Applier,
    backend::Backends,
    dashboards::Dashboards,
    deliver::Deliverer,
    discovery::Discovery,
    events::Events,
    foreign::Foreigners,
    judged::Judgements,
    memory::Memory,
    metrics::Metrics,
    pace::Pace,
    publish::{Living, Publisher},
    quarantine::Quarantine,
    rules::KnownRules,
    told::Told,
    unclaimed::Reaches,
};
use crate::{
    api::{rule::AlertRule, stack::MonitoringStack},
    cli::ControllerArgs,
    resolve::model::Operator,
};

/// A stack as the watch gives it: one that cannot be decoded does not stop the others.
pub type Guarded = DeserializeGuard<MonitoringStack>;
/// A rule as the watch gives it.
pub type Rule = DeserializeGuard<AlertRule>;

/// Stacks reconciled at the same time, in the whole process.
const CONCURRENT: usize = 4;

/// What every reconcile needs.
pub struct Context {
    /// Talks to the API server.
    pub client: Client,
    /// Who renders.
    pub operator: Operator,
    /// What the API server serves.
    pub discovery: Discovery,
    /// What was written before.
    pub memory: Memory,
    /// Applies objects.
    pub applier: Applier,
    /// Talks to Prometheus and its like.
    pub backends: Backends,
    /// Brings them their configuration.
    pub deliverer: Deliverer,
    /// What was found of each `PrometheusRule`.
    pub judgements: Judgements,
    /// Rules that Prometheus refuses whatever was found.
    pub quarantine: Quarantine,
    /// Writes statuses and Events.
    pub publisher: Publisher,
    /// Which dashboards were told to be left out.
    pub told: Told,
    /// The same of objects of prometheus-operator's kinds.
    pub told_foreign: Told,
    /// The operator's own metrics.
    pub metrics: Metrics,
    /// When to come back.
    pub pace: Pace,
    /// Bounds how many stacks are reconciled at once; who waits longest is next.
    pub slots: Semaphore,
}

impl Context {
    /// Everything from the command line and a client. `in_cluster`: pods can be reached directly.
    #[must_use]
    pub fn new(args: &ControllerArgs, client: Client, metrics: Metrics, in_cluster: bool) -> Self {
        let discovery = Discovery::new(client.clone());
        let memory = Memory::default();
        let events = Events::new(client.clone(), &args.pod_name);
        let backends = Backends::new(client.clone(), in_cluster);
        Self {
            operator: Operator {
                image: args.image.clone(),
                namespace: args.namespace.clone(),
                role_prefix: args.role_prefix.clone(),
                cluster_domain: args.cluster_domain.clone(),
                metrics_service: args.metrics_service.clone(),
                runbooks: args.runbooks.trim_end_matches('/').to_owned(),
                cluster_wide: args.watch_namespaces.is_empty(),
                host_logs: Some(args.agent_host_logs.clone()).filter(|folder| !folder.is_empty()),
            },
            applier: Applier::new(client.clone(), discovery.clone(), memory.clone()),
            deliverer: Deliverer::new(client.clone(), backends.clone()),
            backends,
            judgements: Judgements::default(),
            quarantine: Quarantine::default(),
            publisher: Publisher::new(client.clone(), events, metrics.clone()),
            told: Told::default(),
            told_foreign: Told::default(),
            pace: Pace::default(),
            slots: Semaphore::new(CONCURRENT),
            client,
            discovery,
            memory,
            metrics,
        }
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, uid: &str) {
        self.memory.forget(uid);
        self.pace.forget(uid);
        self.told.forget(uid);
        self.told_foreign.forget(uid);
        self.backends.refusals.forget(uid);
        self.deliverer.forget(uid);
        self.quarantine.forget(uid);
    }
}

/// One watched namespace, or the whole cluster.
pub struct Scope {
    /// What all scopes share.
    pub context: std::sync::Arc<Context>,
    /// The stacks in this scope.
    pub living: Living,
    /// The `AlertRules` in this scope.
    pub rules: KnownRules,
    /// The dashboards of users in this scope.
    pub dashboards: Dashboards,
    /// The objects of prometheus-operator's kinds in this scope.
    pub foreigners: Foreigners,
    /// Whose rules each stack takes, as it was at its last look.
    pub reaches: Reaches,
}
