//! The operator's edge: everything that talks to an API server or a back end.
//!
//! One replica acts, the one that holds the Lease; the others stand by without watching
//! anything. A replica that loses the Lease drops what it is doing at once, well before a peer
//! may take over, and stands in line again: nothing of its term is left, so a restart of the
//! process would gain nothing.

pub mod apply;
pub mod backend;
pub mod burst;
pub mod conditions;
pub mod context;
pub mod dashboards;
pub mod deliver;
pub mod dereference;
pub mod discovery;
pub mod drift;
pub mod error;
pub mod events;
pub mod foreign;
pub mod immutable;
pub mod judged;
pub mod kept;
pub mod lease;
pub mod live;
pub mod memory;
pub mod metrics;
pub mod observe;
pub mod owner;
pub mod pace;
pub mod prune;
pub mod publish;
pub mod quarantine;
pub mod reconcile;
pub mod rules;
pub mod seen;
pub mod status;
pub mod sweep;
pub mod told;
pub mod unclaimed;
pub mod volumes;
pub mod watch;

use std::{convert::Infallible, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt, stream};
use kube::{
    Client, Config,
    runtime::controller::{self, applier},
};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Readiness, ReadinessHandle},
    cli::ControllerArgs,
    telemetry,
};
use context::{Context, Scope};
use lease::{Candidate, Timing};
use publish::Living;
use sweep::Sweeper;

/// Events that come in a burst wake a stack once. Short: a rule should be active within a second.
const WINDOW: Duration = Duration::from_millis(100);
/// The pause before a term that could not start is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long running reconciles may take after the stop.
const GRACE: Duration = Duration::from_secs(8);
/// There in every pod with a service account: pods can be reached by their addresses then.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Runs the operator until `stop` is cancelled: running reconciles finish, the Lease is given
/// back.
///
/// # Errors
/// When there is no way to an API server, or the admin address cannot be had.
pub async fn run(args: ControllerArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let config = Config::infer().await.context(
        "no way to an API server: set KUBECONFIG, or run in a pod with a service account",
    )?;
    let client = Client::try_from(config).context("the API server's address or credentials")?;
    run_with(args, client, Timing::default(), stop).await
}

/// [`run`] with a client and a Lease's timing of one's own.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    args: ControllerArgs,
    client: Client,
    timing: Timing,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let registry = prometheus::Registry::new();
    telemetry::build_info(&registry)?;
    let metrics = metrics::Metrics::new(&registry)?;
    let readiness = Readiness::default();
    let (caches, lease) = (readiness.register("caches"), readiness.register("lease"));
    let address = args.admin_address;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("--admin-address {address}: choose a free one"))?;
    let router = admin::router(readiness, registry);
    let admin = tokio::spawn(admin::serve(listener, router, stop.clone()));

    let in_cluster = Path::new(POD_TOKEN).exists();
    let context = Arc::new(Context::new(&args, client.clone(), metrics, in_cluster));
    let candidate = Candidate::new(client, &args.namespace, &args.pod_name, timing);
    let operator = Operator {
        context,
        namespaces: args.watch_namespaces,
        caches,
        lease,
        stop,
    };
    operator.lead(candidate).await;
    admin
        .await
        .context("the admin server")?
        .context("the admin server")
}

/// A replica of the operator.
struct Operator {
    context: Arc<Context>,
    /// The namespaces to work in; none: the whole cluster.
    namespaces: Vec<String>,
    caches: ReadinessHandle,
    lease: ReadinessHandle,
    stop: CancellationToken,
}

impl Operator {
    /// Stands in line for the Lease and acts while it has it.
    async fn lead(self, mut candidate: Candidate) {
        let this = Arc::new(self);
        let leader = &this.context.metrics.leader;
        loop {
            // Who stands by has no caches that could lag.
            this.caches.set(true);
            if !candidate.acquire(&this.stop, || this.lease.set(true)).await {
                return;
            }
            tracing::info!("the Lease is held: acting");
            leader.set(1);
            this.caches.set(false);
            let mut term = JoinSet::new();
            term.spawn(this.clone().act());
            let ended = CancellationToken::new();
            let held = tokio::select! {
                _ = term.join_next() => true,
                held = candidate.keep(&ended) => held,
            };
            term.shutdown().await;
            leader.set(0);
            this.context.metrics.stacks.set(0);
            if !held {
                tracing::warn!("the Lease is lost: standing by");
            } else if let Err(error) = candidate.release().await {
                tracing::warn!(%error, "the Lease expires by itself");
            }
            if this.stop.is_cancelled() {
                return;
            }
        }
    }

    /// Watches and reconciles until told to stop, then lets running reconciles finish.
    async fn act(self: Arc<Self>) {
        // Who led in between may have found out more.
        self.context.quarantine.forget_all();
        let mut tasks = JoinSet::new();
        let gone = Arc::new(Notify::new());
        let mut streams = Vec::new();
        let mut ready = Vec::new();
        for namespace in self.scopes() {
            let start = watch::start(&self.context, namespace, &gone, &mut tasks).await;
            let watched = match start {
                Ok(watched) => watched,
                Err(error) => {
                    tracing::warn!(%error, "the watches cannot start yet");
                    tokio::time::sleep(AGAIN).await;
                    return;
                }
            };
            ready.push(watched.synced.clone());
            streams.push(self.reconciles(watched));
        }
        let this = self.clone();
        tasks.spawn(async move {
            for mut synced in ready {
                if !synced.wait().await {
                    return;
                }
            }
            this.caches.set(true);
        });
        if self.namespaces.is_empty() {
            let this = self.clone();
            tasks.spawn(async move { this.sweeper().run(&gone, &this.stop).await });
        }
        let reconciles = stream::select_all(streams).for_each(|()| std::future::ready(()));
        let out_of_patience = async {
            self.stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            () = reconciles => {}
            () = out_of_patience => tracing::warn!("reconciles cut off"),
        }
    }

    fn scopes(&self) -> Vec<Option<&str>> {
        if self.namespaces.is_empty() {
            return vec![None];
        }
        self.namespaces
            .iter()
            .map(|name| Some(name.as_str()))
            .collect()
    }

    /// The reconciles of one scope as they end.
    fn reconciles(&self, watched: watch::Watched) -> stream::BoxStream<'static, ()> {
        let scope = Arc::new(Scope {
            context: self.context.clone(),
            living: Living(watched.stacks.clone()),
            rules: watched.rules,
            dashboards: watched.dashboards,
            foreigners: watched.foreigners,
            reaches: watched.reaches,
        });
        let mut synced = watched.synced;
        // A stack without its rules would take them out of Prometheus.
        let queue = stream::once(async move { synced.wait().await })
            .flat_map(|_| stream::empty())
            .chain(burst::bursts(watched.queue, WINDOW).map(Ok::<_, Infallible>))
            .take_until(self.stop.clone().cancelled_owned());
        // The library's own bound serves whoever came last first: under load some would never have
        // their turn. So all that were woken stand in line for a slot.
        let config = controller::Config::default();
        applier(
            |stack, scope| Box::pin(reconcile::reconcile(stack, scope)),
            |_, never: &Infallible, _| match *never {},
            scope,
            watched.stacks,
            Box::pin(queue),
            config,
        )
        .filter_map(|ended| async move {
            // A stack that went while it was in the queue.
            ended
                .inspect_err(|error| tracing::debug!(%error, "nothing to reconcile"))
                .ok()
        })
        .map(|_| ())
        .boxed()
    }

    fn sweeper(&self) -> Sweeper {
        Sweeper {
            client: self.context.client.clone(),
            discovery: self.context.discovery.clone(),
            metrics: self.context.metrics.clone(),
        }
    }
}
