//! The command line. Every flag of the operator and the agent has an environment variable,
//! `MASTHEAD_…`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Metrics, logs, alerts and dashboards for Kubernetes from one resource.
#[derive(Debug, Parser)]
#[command(name = "masthead", version, about, propagate_version = true)]
pub struct Cli {
    /// What to log: a level or directives such as `info,masthead=debug`.
    #[arg(long, env = "MASTHEAD_LOG", default_value = "info", global = true)]
    pub log: String,
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands of the one binary.
#[derive(Debug, Subcommand)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one, for as long as the process runs"
)]
pub enum Command {
    /// Run the operator.
    #[cfg(feature = "controller")]
    Controller(ControllerArgs),
    /// Gather this host's metrics and serve them.
    #[cfg(feature = "agent")]
    Agent(AgentArgs),
    /// Print the custom resource definitions.
    #[cfg(feature = "controller")]
    Crds(CrdsArgs),
    /// Print every object that a stack becomes, without a cluster.
    #[cfg(feature = "controller")]
    Render(RenderArgs),
    /// Check stacks and rules without a cluster; exit code 1 when something is wrong.
    #[cfg(feature = "controller")]
    Check(CheckArgs),
    /// Print the version.
    Version,
}

/// Flags of `masthead controller`.
#[cfg(feature = "controller")]
#[derive(Clone, Debug, Args)]
pub struct ControllerArgs {
    /// The namespace the operator itself runs in; holds its Lease.
    #[arg(long, env = "MASTHEAD_NAMESPACE", default_value = "masthead-system")]
    pub namespace: String,
    /// This replica's name, the holder of the Lease; a pod sets its own name.
    #[arg(long, env = "MASTHEAD_POD_NAME", default_value = "masthead-local")]
    pub pod_name: String,
    /// The image of this binary; the agents run it too.
    #[arg(long, env = "MASTHEAD_IMAGE", default_value = concat!("masthead.dev/masthead:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
    /// Namespaces to work in; none: the whole cluster.
    #[arg(long, env = "MASTHEAD_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// The name of the chart's `ClusterRoles`: `<prefix>-prometheus` and so on.
    #[arg(long, env = "MASTHEAD_ROLE_PREFIX", default_value = "masthead")]
    pub role_prefix: String,
    /// The operator's own `ServiceAccount`.
    #[arg(long, env = "MASTHEAD_SERVICE_ACCOUNT", default_value = "masthead")]
    pub service_account: String,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    #[arg(long, env = "MASTHEAD_ADMIN_ADDRESS", default_value = "0.0.0.0:8080")]
    pub admin_address: std::net::SocketAddr,
    /// The cluster's DNS domain.
    #[arg(long, env = "MASTHEAD_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// The headless Service of the operator's own metrics, which every Prometheus scrapes; none:
    /// nobody does, as for an operator outside of the cluster.
    #[arg(long, env = "MASTHEAD_METRICS_SERVICE")]
    pub metrics_service: Option<String>,
    /// Where the pages are that say what to do about an alert: each is `<here>/<alert>.md`.
    #[arg(long, env = "MASTHEAD_RUNBOOKS", default_value = crate::api::defaults::RUNBOOKS)]
    pub runbooks: String,
    /// The folder of the nodes below which stacks may have log files shipped; empty: no files,
    /// and no journal.
    #[arg(
        long,
        env = "MASTHEAD_AGENT_HOST_LOGS",
        default_value = crate::api::defaults::HOST_LOGS,
        value_parser = host_folder
    )]
    pub agent_host_logs: String,
}

/// A folder that can be mounted under its own name.
#[cfg(feature = "controller")]
fn host_folder(text: &str) -> Result<String, String> {
    let folder = text.trim_end_matches('/');
    let mut parts = folder.split('/').skip(1);
    let good = folder.starts_with('/') && !parts.any(|part| ["", ".", ".."].contains(&part));
    if text.is_empty() || good {
        return Ok(folder.to_owned());
    }
    Err("not the absolute path of a folder below /, such as /var/log".into())
}

/// Flags of `masthead agent`.
#[cfg(feature = "agent")]
#[derive(Clone, Debug, Args)]
pub struct AgentArgs {
    /// The configuration file; none: everything this host offers.
    #[arg(long, env = "MASTHEAD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where the node's metrics are served.
    #[arg(long, env = "MASTHEAD_NODE_ADDRESS", default_value = "0.0.0.0:9100")]
    pub node_address: std::net::SocketAddr,
    /// Where the containers' metrics are served.
    #[arg(
        long,
        env = "MASTHEAD_CONTAINERS_ADDRESS",
        default_value = "0.0.0.0:8081"
    )]
    pub containers_address: std::net::SocketAddr,
    /// Where PostgreSQL's metrics are served.
    #[arg(
        long,
        env = "MASTHEAD_POSTGRES_ADDRESS",
        default_value = "0.0.0.0:9187"
    )]
    pub postgres_address: std::net::SocketAddr,
    /// Where `/livez`, `/readyz` and the agent's own `/metrics` are served.
    #[arg(long, env = "MASTHEAD_ADMIN_ADDRESS", default_value = "0.0.0.0:9110")]
    pub admin_address: std::net::SocketAddr,
    /// The host's procfs.
    #[arg(long, env = "MASTHEAD_PROC", default_value = "/proc")]
    pub proc: PathBuf,
    /// The host's sysfs.
    #[arg(long, env = "MASTHEAD_SYS", default_value = "/sys")]
    pub sys: PathBuf,
    /// The host's root file system.
    #[arg(long, env = "MASTHEAD_ROOTFS", default_value = "/")]
    pub rootfs: PathBuf,
    /// The Kubernetes node's name; stands for the host's name where its own cannot be read.
    #[arg(long, env = "MASTHEAD_NODE_NAME")]
    pub node_name: Option<String>,
    /// Loki's address, such as `http://loki:3100`; goes before the configuration file's. Without a
    /// file the logs of this host's containers, its syslog and its journal are sent there.
    #[arg(long, env = "MASTHEAD_LOKI")]
    pub loki: Option<String>,
    /// The folder that keeps how far logs are delivered; goes before the configuration file's,
    /// where it is /var/lib/masthead unless it says otherwise.
    #[arg(long, env = "MASTHEAD_STATE")]
    pub state: Option<PathBuf>,
}

/// Flags of `masthead crds`.
#[cfg(feature = "controller")]
#[derive(Clone, Debug, Args)]
pub struct CrdsArgs {
    /// A folder that gets one file for each, instead of standard output.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Flags of `masthead render`.
#[cfg(feature = "controller")]
#[derive(Clone, Debug, Args)]
pub struct RenderArgs {
    /// Files or folders of YAML with stacks, rules and the Secrets they name; `-` reads standard input.
    #[arg(short = 'f', long = "file", required = true)]
    pub files: Vec<PathBuf>,
    /// The image the agents run.
    #[arg(long, env = "MASTHEAD_IMAGE", default_value = concat!("masthead.dev/masthead:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
}

/// Flags of `masthead check`.
#[cfg(feature = "controller")]
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Files or folders of YAML with stacks, rules and Secrets; other kinds are passed over; `-` reads standard input.
    #[arg(short = 'f', long = "file", required = true)]
    pub files: Vec<PathBuf>,
}
