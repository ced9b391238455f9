//! The node agent: one process per node that reads the host and answers scrapes.
//!
//! ```text
//! :9100 /metrics ─► node (single flight) ─► deadline ─► collectors ─► <proc>, <sys>, <rootfs>
//! :8081 /metrics /metrics/cadvisor ─► containers (single flight) ─► <sys>/fs/cgroup, <proc>
//! :8081 / ─► page ─► the figures of all gathers' last minutes
//! :9187 /metrics /probe?target= ─► postgres (single flight) ─► PostgreSQL
//! :9110 /livez /readyz /metrics ─► admin
//! log files, journal ─► logs ─► Loki
//! ```
//!
//! Metrics are read when somebody asks and never else: an agent that is not scraped and ships no
//! logs does not run. What the API server and Docker tell about containers comes by itself.

mod collector;
mod config;
mod container;
mod deadline;
mod exposition;
mod flight;
mod float;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod host;
mod landlock;
mod limit;
pub mod logs;
mod metrics;
mod node;
mod page;
mod postgres;
mod protobuf;
mod roots;
mod sockets;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Readiness};
use crate::cli::AgentArgs;
use crate::telemetry;
use container::Containers;
use metrics::Metrics;
use node::Node;
use page::{Page, Source};
use postgres::{Postgres, Probe};
use roots::Roots;

const INDEX: &str = "<!doctype html><title>masthead agent</title>\
    <p>This node's metrics: <a href=\"/metrics\">/metrics</a></p>\n";

/// Runs the agent until `stop` is cancelled.
///
/// # Errors
/// When the configuration is wrong or an address cannot be bound; the message says what to change.
pub async fn run(args: AgentArgs, stop: CancellationToken) -> anyhow::Result<()> {
    Agent::bind(args).await?.serve(stop).await
}

/// Gives up what the agent does not need, for this thread and those that it will start: to write but
/// to the folder that keeps how far logs are delivered, if it ships any, to start programs, and Unix
/// sockets, unless the configuration names one.
pub fn lock(args: &AgentArgs) {
    // A wrong configuration is told when it is read for use.
    let config = args.source().load().unwrap_or_default();
    let state = config
        .logs
        .as_ref()
        .map(|logs| Path::new(&logs.state))
        // Made here, since a locked agent could not.
        .filter(|state| std::fs::create_dir_all(state).is_ok());
    landlock::lock(state.as_slice());
    if !sockets::wanted(&config) {
        sockets::close();
    }
}

impl AgentArgs {
    fn source(&self) -> config::Source {
        config::Source {
            path: self.config.clone(),
            loki: self.loki.clone(),
            state: self.state.clone(),
        }
    }
}

/// An agent whose configuration is read and whose addresses are bound.
#[derive(Debug)]
pub struct Agent {
    admin: Endpoint,
    /// None when the configuration leaves the node's metrics out.
    node: Option<Endpoint>,
    /// None when it leaves the containers' out.
    containers: Option<(Endpoint, Arc<Containers>, Arc<Page>)>,
    /// None when it leaves PostgreSQL out.
    postgres: Option<(Endpoint, Arc<Postgres>)>,
    /// None when it ships no logs.
    logs: Option<Box<logs::Logs>>,
    node_name: Option<String>,
}

#[derive(Debug)]
struct Endpoint {
    address: SocketAddr,
    listener: TcpListener,
    router: axum::Router,
}

impl Agent {
    /// Reads the configuration and binds the addresses.
    ///
    /// # Errors
    /// When the configuration is wrong or an address cannot be bound.
    pub async fn bind(args: AgentArgs) -> anyhow::Result<Self> {
        let registry = Registry::new();
        let live = Arc::new(config::Live::load(args.source(), &registry)?);
        let config = live.current();
        telemetry::build_info(&registry)?;
        landlock::register(&registry)?;
        sockets::register(&registry)?;
        registry.register(Box::new(ProcessCollector::for_self()))?;

        let roots = Roots {
            proc: args.proc,
            sys: args.sys,
            rootfs: args.rootfs,
        };
        let mut shown: Vec<Arc<dyn Source>> = Vec::new();
        let node = match &config.node {
            Some(_) => {
                let roots = roots.clone();
                let metrics = Metrics::new(&registry)?;
                let node = Node::new(live.clone(), roots, args.node_name.as_deref(), metrics)?;
                shown.push(node.clone());
                Some(Endpoint::bind("--node-address", args.node_address, node_router(node)).await?)
            }
            None => None,
        };
        let containers = match config.containers.clone() {
            Some(config) => Some(Containers::new(config, roots.clone(), &registry)?),
            None => None,
        };
        if let Some(containers) = &containers {
            shown.insert(0, containers.clone());
        }
        let postgres = if config.postgres.is_some() {
            let postgres = Postgres::new(live.clone(), roots.rootfs.clone());
            shown.push(postgres.clone());
            let router = postgres_router(postgres.clone());
            let endpoint = Endpoint::bind("--postgres-address", args.postgres_address, router);
            Some((endpoint.await?, postgres))
        } else {
            None
        };
        let told = containers.as_ref().filter(|it| it.watches());
        let told = told.map(|it| it.told());
        let logs = match config.logs.clone() {
            Some(config) => {
                let node = args.node_name.clone();
                let logs = logs::Logs::new(config, live, roots, told, node, &registry)?;
                shown.push(logs.shown());
                Some(Box::new(logs))
            }
            None => None,
        };
        let containers = match containers {
            Some(containers) => {
                let page = Page::new(shown);
                let router =
                    containers_router(containers.clone()).merge(page::router(page.clone()));
                let address = args.containers_address;
                let endpoint = Endpoint::bind("--containers-address", address, router).await?;
                Some((endpoint, containers, page))
            }
            None => None,
        };
        // All addresses are bound before any is served, so who can ask finds it ready.
        let router = admin::router(Readiness::default(), registry);
        let admin = Endpoint::bind("--admin-address", args.admin_address, router).await?;
        Ok(Self {
            admin,
            node,
            containers,
            postgres,
            logs,
            node_name: args.node_name,
        })
    }

    /// Where the node's metrics are served, if they are.
    pub fn node_address(&self) -> Option<SocketAddr> {
        self.node.as_ref().map(|endpoint| endpoint.address)
    }

    /// Where the containers' metrics are served, if they are.
    pub fn containers_address(&self) -> Option<SocketAddr> {
        self.containers
            .as_ref()
            .map(|(endpoint, ..)| endpoint.address)
    }

    /// Where PostgreSQL's metrics are served, if they are.
    pub fn postgres_address(&self) -> Option<SocketAddr> {
        self.postgres.as_ref().map(|(endpoint, _)| endpoint.address)
    }

    /// Where health and the agent's own metrics are served.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address
    }

    /// Answers until `stop` is cancelled.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn serve(self, stop: CancellationToken) -> anyhow::Result<()> {
        let node_address = self.node_address().map(tracing::field::display);
        let containers_address = self.containers_address().map(tracing::field::display);
        let postgres_address = self.postgres_address().map(tracing::field::display);
        tracing::info!(node_address, containers_address, postgres_address, admin_address = %self.admin.address, "serving");
        let node = async {
            match self.node {
                Some(endpoint) => endpoint.serve(stop.clone()).await,
                None => Ok(()),
            }
        };
        let containers = async {
            let Some((endpoint, containers, page)) = self.containers else {
                return Ok(());
            };
            let follow = containers.follow(self.node_name.clone(), stop.clone());
            let show = page.run(stop.clone());
            let (served, (), ()) = tokio::join!(endpoint.serve(stop.clone()), follow, show);
            served
        };
        let postgres = async {
            let Some((endpoint, postgres)) = self.postgres else {
                return Ok(());
            };
            let follow = postgres.follow(self.node_name.clone(), stop.clone());
            let (served, ()) = tokio::join!(endpoint.serve(stop.clone()), follow);
            served
        };
        let logs = async {
            match self.logs {
                Some(logs) => Box::pin(logs.run(stop.clone())).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(
            node,
            containers,
            postgres,
            logs,
            self.admin.serve(stop.clone())
        )?;
        Ok(())
    }
}

impl Endpoint {
    async fn bind(flag: &str, address: SocketAddr, router: axum::Router) -> anyhow::Result<Self> {
        let refused =
            || format!("{flag} {address}: cannot listen there; free the port or choose another");
        let listener = TcpListener::bind(address).await.with_context(refused)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            router,
        })
    }

    async fn serve(self, stop: CancellationToken) -> anyhow::Result<()> {
        admin::serve(limit::Limited::new(self.listener), self.router, stop)
            .await
            .with_context(|| format!("serving {}", self.address))
    }
}

fn node_router(node: Arc<Node>) -> axum::Router {
    axum::Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/metrics", get(node_metrics))
        .layer(from_fn_with_state(limit::permits(), limit::requests))
        .with_state(node)
}

async fn node_metrics(State(node): State<Arc<Node>>) -> Response {
    answer(node.scrape().await)
}

/// Two paths for the same: kube-prometheus' dashboards ask for series of the second.
fn containers_router(containers: Arc<Containers>) -> axum::Router {
    axum::Router::new()
        .route("/metrics", get(containers_metrics))
        .route("/metrics/cadvisor", get(containers_metrics))
        .with_state(containers)
}

async fn containers_metrics(State(containers): State<Arc<Containers>>) -> Response {
    answer(containers.scrape().await)
}

fn postgres_router(postgres: Arc<Postgres>) -> axum::Router {
    axum::Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/metrics", get(postgres_metrics))
        .route("/probe", get(postgres_probe))
        .layer(from_fn_with_state(limit::permits(), limit::requests))
        .with_state(postgres)
}

async fn postgres_metrics(State(postgres): State<Arc<Postgres>>, headers: HeaderMap) -> Response {
    answer(postgres.scrape(allowed(&headers)).await)
}

async fn postgres_probe(
    State(postgres): State<Arc<Postgres>>,
    Query(parameters): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(name) = parameters.get("target") else {
        let text = "say which: /probe?target=<name of a target>\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    match postgres.probe(name, allowed(&headers)).await {
        Probe::Told(text) => answer(text),
        Probe::Unknown(names) => {
            let names = names.join(", ");
            let text = format!("there is no target {name:?}; there are: {names}\n");
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}

/// How many seconds Prometheus waits for the answer, as it says.
fn allowed(headers: &HeaderMap) -> Option<f64> {
    let seconds = headers.get("X-Prometheus-Scrape-Timeout-Seconds")?;
    seconds.to_str().ok()?.parse().ok()
}

fn answer(text: Option<Bytes>) -> Response {
    match text {
        Some(text) => ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        None => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the gather ended early\n",
        )
            .into_response(),
    }
}
