//! Containers under cAdvisor's names.
//!
//! ```text
//! <sys>/fs/cgroup ─► tree: root, pods, containers ─┐
//! API server ─► pods ─┐                            ├─► plan ─► rows ─► metrics ─► text
//! Docker ─► docker ───┴─► told ────────────────────┘            ▲
//!                            <proc>/<pid>/net/dev ─► process ───┘
//! ```
//!
//! Files are read when somebody asks; what is told comes by itself and is never waited for.
//! Samples carry no time, and a container that ends takes its series with it.

mod cri;
mod disk;
mod docker;
mod figures;
mod files;
mod identity;
mod kept;
mod machine;
mod metrics;
mod network;
mod oom;
mod plan;
mod pod;
mod pods;
mod process;
mod shown;
mod state;
mod text;
mod told;
mod tree;
mod v1;
mod v2;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::body::Bytes;
use futures::future::BoxFuture;
use prometheus::{Counter, IntCounter, Registry};
use tokio_util::sync::CancellationToken;

use super::deadline::{Job, Runner};
use super::flight::Flight;
use super::page::{Source, Table};
use super::roots::Roots;
use crate::api::agent_config::ContainersConfig;
use disk::Disk;
use figures::{Figures, Limits};
use files::Folder;
use kept::Budget;
use machine::Machine;
use metrics::Row;
use plan::{Entry, Plan};
use process::Processes;
use text::{Kind, Labels, Text};
use tree::{Group, Open, Tree};

#[cfg(any(test, feature = "fuzz"))]
pub use cri::fuzz;
pub use pod::Pod;
pub use pods::follow as follow_pods;
pub use told::{Shared, Watch};

/// Limits change seldom and are a third of the files, so they are read again this often.
const LIMITS_AGE: Duration = Duration::from_mins(1);

/// How long the file systems of containers may take to tell their size, each.
const DISK_DEADLINE: Duration = Duration::from_millis(300);

/// The containers of this node.
#[derive(Debug)]
pub struct Containers {
    config: ContainersConfig,
    /// The runtime's socket, as this process sees it.
    runtime: Option<PathBuf>,
    told: Shared,
    gatherer: Mutex<Gatherer>,
    flight: Flight,
    counts: Counts,
    table: Arc<Table>,
}

/// What is kept from one gather to the next.
#[derive(Debug)]
struct Gatherer {
    roots: Roots,
    /// None until there are control groups to be seen.
    tree: Option<Tree>,
    proc: Folder,
    machine: Machine,
    processes: Processes,
    /// What is kept of each group, by path and inode.
    known: HashMap<(String, u64), Known>,
    budget: Budget,
    /// Tells this gather from the one before.
    round: u64,
    /// Asks for the sizes of file systems, which may hang.
    disks: Runner,
    /// Names of block devices by number.
    devices: HashMap<String, String>,
    buffer: Vec<u8>,
    /// How long the last text was.
    length: usize,
}

/// A group that is kept.
#[derive(Debug)]
struct Known {
    /// Its open files, if there is room for them.
    open: Option<Open>,
    /// Its limits, and when they were read.
    limits: (Limits, Instant),
    /// The last gather that asked for it.
    round: u64,
}

/// What is counted about the work itself.
#[derive(Clone, Debug)]
struct Counts {
    gathers: IntCounter,
    seconds: Counter,
    cut: IntCounter,
}

impl Containers {
    /// Nothing is read yet but what the machine is.
    ///
    /// # Errors
    /// When the host's procfs cannot be opened.
    pub fn new(
        config: ContainersConfig,
        roots: Roots,
        registry: &Registry,
    ) -> anyhow::Result<Arc<Self>> {
        let counts = Counts {
            gathers: IntCounter::new(
                "masthead_agent_container_gathers_total",
                "Gathers of the containers' metrics; requests at the same time share one.",
            )?,
            seconds: Counter::new(
                "masthead_agent_container_gather_seconds_total",
                "Time spent in gathers of the containers' metrics, in seconds.",
            )?,
            cut: IntCounter::new(
                "masthead_agent_container_series_cut_total",
                "Series left out because the node has more than containers.maxSeries.",
            )?,
        };
        registry.register(Box::new(counts.gathers.clone()))?;
        registry.register(Box::new(counts.seconds.clone()))?;
        registry.register(Box::new(counts.cut.clone()))?;
        let runtime = config.cri.as_ref().map(|path| roots.in_rootfs(path));
        let gatherer = Gatherer {
            tree: None,
            proc: Folder::open(&roots.proc)
                .with_context(|| format!("--proc {}", roots.proc.display()))?,
            machine: Machine::read(&roots),
            processes: Processes::new(roots.proc.clone()),
            known: HashMap::new(),
            budget: Budget::of_process(),
            round: 0,
            devices: HashMap::new(),
            disks: Runner::new("disk", DISK_DEADLINE),
            buffer: Vec::new(),
            length: 0,
            roots,
        };
        Ok(Arc::new(Self {
            config,
            runtime,
            told: Shared::default(),
            gatherer: Mutex::new(gatherer),
            flight: Flight::new("containers"),
            counts,
            table: Arc::new(shown::table()),
        }))
    }

    /// What is told about pods, for others who want it.
    pub fn told(&self) -> Shared {
        self.told.clone()
    }

    /// Whether the pods of a node are followed.
    pub fn watches(&self) -> bool {
        self.config.pods.is_some()
    }

    /// Follows those who know the containers' names until `stop`; `node` is this node's name.
    pub async fn follow(self: Arc<Self>, node: Option<String>, stop: CancellationToken) {
        let labels = &self.config.labels;
        let pods = async {
            if let (Some(pods), Some(node)) = (&self.config.pods, node) {
                let namespace = pods.namespace.clone();
                pods::follow(self.told.clone(), node, namespace, labels.clone()).await;
            }
        };
        let docker = async {
            if let Some(socket) = &self.config.docker {
                docker::follow(self.told.clone(), socket.clone(), labels.clone()).await;
            }
        };
        let runtime = async {
            if let Some(socket) = &self.runtime {
                cri::follow(self.told.clone(), socket).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = async { tokio::join!(pods, docker, runtime); } => {}
        }
    }

    /// The metrics as they are now; none when the gather panicked.
    pub async fn scrape(self: &Arc<Self>) -> Option<Bytes> {
        let containers = self.clone();
        self.flight.join(move || containers.gather()).await
    }

    /// Gathers on this thread.
    pub fn gather(&self) -> String {
        let begin = Instant::now();
        let mut gatherer = self.gatherer.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, cut) = gatherer.gather(&self.told, self.config.max_series, &self.table);
        self.counts.gathers.inc();
        self.counts.cut.inc_by(cut as u64);
        self.counts.seconds.inc_by(begin.elapsed().as_secs_f64());
        text
    }
}

impl Source for Containers {
    fn tables(&self) -> Vec<Arc<Table>> {
        vec![self.table.clone()]
    }

    fn refresh(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { drop(self.scrape().await) })
    }
}

impl Gatherer {
    /// Gathers on this thread; returns the text and how many series were cut.
    fn gather(&mut self, shared: &Shared, most: usize, table: &Table) -> (String, usize) {
        if self.tree.is_none() {
            self.tree = Tree::find(&self.roots.sys)
                .inspect_err(|error| tracing::warn!("{error:#}"))
                .ok();
        }
        let groups = self.tree.as_ref().map(Tree::walk).unwrap_or_default();
        let plan = shared.with(|told| Plan::new(&groups, told));
        self.round += 1;
        let mut rows = self.rows(&plan, &groups, shared);
        // A group that has ended gives its descriptors back.
        let round = self.round;
        self.known.retain(|_, known| known.round == round);
        self.disks(&mut rows, shared);
        let now = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
        shared.with(|told| {
            told.kills.keep_alone(plan.kills.iter().map(|(key, _)| key));
            shown::record(table, now, &rows, told);
        });
        let cut = cut(&mut rows, most);

        let mut out = Text::with_capacity(self.length + self.length / 8);
        metrics::write(&rows, now.floor(), &mut out);
        shared.with(|told| {
            let help = "Count of out of memory events observed for the container";
            let mut family = out.family("container_oom_events_total", Kind::Counter, help);
            for (key, labels) in plan.kills.iter().take(most) {
                family.sample(labels, &[], told.kills.total(key).unwrap_or(0.0));
            }
            state::write(told, most, &mut out);
        });
        self.machine.write(&mut out);
        let failed = f64::from(rows.iter().all(|row| row.figures.is_none()));
        let help = "1 if there was an error while getting container metrics, 0 otherwise";
        out.family("container_scrape_error", Kind::Gauge, help)
            .sample(&Labels::default(), &[], failed);
        let text = out.finish();
        self.length = text.len();
        (text, cut)
    }

    fn rows(&mut self, plan: &Plan, groups: &[Group], shared: &Shared) -> Vec<Row> {
        let wanted: Vec<Vec<&str>> = plan
            .entries
            .iter()
            .map(|entry| entry.network.iter().map(String::as_str).collect())
            .collect();
        let networks = self.processes.networks(&wanted, &mut self.buffer);
        let entries = plan.entries.iter().zip(networks);
        entries
            .filter_map(|(entry, mut network)| {
                let group = groups.get(entry.group)?;
                if group.path == "/" {
                    let text = self.proc.read("1/net/dev", &mut self.buffer);
                    network = text.map(network::parse).unwrap_or_default();
                }
                let figures = if entry.figures {
                    // None: it has ended since it was found.
                    Some(
                        self.figures(group, entry)
                            .filter(|it| it.cpu.usage.is_some())?,
                    )
                } else {
                    None
                };
                let kills = figures
                    .as_ref()
                    .and_then(|figures| figures.memory.oom_kills);
                if let (Some((key, run)), Some(kills)) = (&entry.kills, kills) {
                    shared.with(|told| told.kills.read(key, run, group.inode, kills));
                }
                let io = figures.iter().flat_map(|figures| &figures.io);
                Some(Row {
                    identity: group.identity.clone(),
                    docker: entry.docker,
                    labels: entry.labels.clone(),
                    devices: io.map(|io| self.device(&io.number)).collect(),
                    figures,
                    network,
                    started: entry.started.unwrap_or(group.made as f64),
                    ..Row::default()
                })
            })
            .collect()
    }

    /// The root's file system, and the one of Docker's containers.
    fn disks(&self, rows: &mut [Row], shared: &Shared) {
        let of_docker = rows.iter().any(|row| row.docker);
        if of_docker {
            shared.want();
        }
        let docker = of_docker.then(|| shared.with(|told| told.docker_disk.clone()));
        let disk = docker.as_ref().and_then(|docker| self.disk(&docker.root));
        for row in rows.iter_mut() {
            if let (Some(id), Some(docker)) = (&row.identity.container, &docker)
                && row.docker
            {
                row.disk.clone_from(&disk);
                row.written = docker.written.get(id).copied();
            }
        }
        self.layers(rows, shared);
        if let Some(root) = rows.first_mut().filter(|row| row.figures.is_some()) {
            root.disk = self.disk("/");
            root.written = root.disk.as_ref().map(|disk| disk.used);
        }
    }

    /// The file system that holds a path; none when its disk does not answer in time.
    fn disk(&self, path: &str) -> Option<Disk> {
        let (roots, of) = (self.roots.clone(), path.to_owned());
        let job: Job<Option<Disk>> = Box::new(move || Disk::read(&roots, &of));
        self.disks.run(vec![(path.to_owned(), job)]).pop()??
    }

    /// What the containers of the runtime have written, and the file system that it is on.
    fn layers(&self, rows: &mut [Row], shared: &Shared) {
        let ids = rows
            .iter()
            .filter_map(|row| row.identity.container.as_deref());
        shared.want_cri(ids);
        let written = shared.with(|told| told.cri.written.clone());
        if written.bytes.is_empty() {
            return;
        }
        let disk = self.disk(&written.root);
        for row in rows.iter_mut() {
            let id = row.identity.container.as_ref();
            if let Some(bytes) = id.and_then(|id| written.bytes.get(id)) {
                row.disk.clone_from(&disk);
                row.written = Some(*bytes);
            }
        }
    }

    fn figures(&mut self, group: &Group, entry: &Entry) -> Option<Figures> {
        let key = (group.path.clone(), group.inode);
        let buffer = &mut self.buffer;
        let now = Instant::now();
        let known = self.known.remove(&key);
        let (open, limits) = known.map_or((None, None), |known| (known.open, Some(known.limits)));
        let mut open = match open {
            Some(open) => open,
            None => self.tree.as_ref()?.open(&group.path, &self.budget)?,
        };
        let limits = limits
            .filter(|(_, read)| now.duration_since(*read) < LIMITS_AGE)
            .unwrap_or_else(|| (open.limits(buffer), now));
        let mut figures = open.figures(limits.0.quota.is_some(), buffer);
        figures.limits = limits.0.clone();
        if entry.shares.is_some() {
            figures.limits.shares = entry.shares;
        }
        if group.path == "/" {
            self.machine.complete(&mut figures, &self.proc, buffer);
        }
        let known = Known {
            open: open.stays().then_some(open),
            limits,
            round: self.round,
        };
        self.known.insert(key, known);
        Some(figures)
    }

    /// `/dev/<name>` of a block device, as cAdvisor writes it.
    fn device(&mut self, number: &str) -> String {
        if let Some(name) = self.devices.get(number) {
            return name.clone();
        }
        let uevent = self
            .roots
            .read_sys(format!("dev/block/{number}/uevent"))
            .unwrap_or_default();
        let name = uevent
            .lines()
            .find_map(|line| line.strip_prefix("DEVNAME="));
        let name = name.map(|name| format!("/dev/{name}")).unwrap_or_default();
        self.devices.insert(number.to_owned(), name.clone());
        name
    }
}

/// Leaves out the last groups when there are too many series; returns how many series that were.
/// The root comes first, so it is always there.
fn cut(rows: &mut Vec<Row>, most: usize) -> usize {
    let (mut total, mut kept) = (0, 0);
    for row in rows.iter() {
        total += row.series();
        if total > most {
            break;
        }
        kept += 1;
    }
    let rest = rows.split_off(kept);
    rest.iter().map(Row::series).sum()
}

#[cfg(test)]
mod tests;
