//! The reader: one thread that looks, reads and fills batches, turn by turn, and moves the
//! checkpoint when batches come back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::batch::{BATCH, Batch, Packer};
use super::checkpoint::{Saved, Writer};
use super::discover::{Change, Docker, Found, Plain, Pods};
use super::encode;
use super::entries::Work;
use super::files::Look;
use super::metrics::{Lag, Metrics};
use super::plan::Plan;
use super::push::{Acks, Target};
use super::settle::settle;
use super::source::{Kind, Source};
use super::store::Store;
use super::tail::name;
use super::tenant::Tenant;
use crate::agent::config::Live;
use crate::agent::container::Shared;
use crate::agent::roots::Roots;

/// How often sources with little to say are read and sent.
const TICK: Duration = Duration::from_secs(1);
/// How often folders are looked at.
const SCAN: Duration = Duration::from_secs(2);
/// How often the checkpoint is written while batches come back all the time.
const CHECKPOINT: Duration = Duration::from_millis(250);
/// As much as a source with little to say may read in its turn; one with more takes turns apart.
const QUIET_TURN: usize = 256 * 1024;
/// How long batches under way are waited for when the agent stops.
const STOP: Duration = Duration::from_secs(8);

/// What the reader needs from outside.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub plan: Plan,
    /// Its changes.
    pub live: Arc<Live>,
    /// Where the host's files are.
    pub roots: Roots,
    /// What others tell about pods.
    pub told: Shared,
    /// This node's name.
    pub node: Option<String>,
    /// Where the checkpoint is kept.
    pub store: Store,
    /// Where batches go.
    pub batches: mpsc::UnboundedSender<Batch>,
    /// Where they go, as it changes.
    pub target: watch::Sender<Target>,
    /// Where they come back.
    pub acks: Arc<Acks>,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether it is time to end.
    pub stop: Arc<AtomicBool>,
}

/// The reader.
#[derive(Debug)]
pub struct Reader {
    pub(super) parts: Parts,
    pub(super) sources: HashMap<u32, Source>,
    by_key: HashMap<String, u32>,
    next_id: u32,
    saved: Saved,
    pods: Option<Pods>,
    docker: Option<Docker>,
    plain: Plain,
    pub(super) tenants: Vec<Tenant>,
    pub(super) work: Work,
    pub(super) packer: Packer,
    changes: Vec<Change>,
    back: Vec<Batch>,
    writer: Writer,
    /// Whether something is to be written into the checkpoint.
    pub(super) dirty: bool,
    written: Instant,
    scanned: Option<Instant>,
    ticked: Instant,
}

impl Reader {
    /// A reader that goes on where the checkpoint says.
    pub fn new(parts: Parts) -> Self {
        let saved = parts.store.load();
        let config = &parts.plan.config;
        let limit = config.limits.line_bytes;
        let now = Instant::now();
        let mut reader = Self {
            sources: HashMap::new(),
            by_key: HashMap::new(),
            next_id: 0,
            saved,
            pods: None,
            docker: None,
            plain: Plain::new(Vec::new()),
            tenants: Vec::new(),
            // Twice the limit: a line with what the runtime writes around it.
            work: Work::new((limit * 2).max(QUIET_TURN)),
            packer: Packer::default(),
            changes: Vec::new(),
            back: Vec::new(),
            writer: Writer::default(),
            dirty: false,
            written: now,
            scanned: None,
            ticked: now.checked_sub(TICK).unwrap_or(now),
            parts,
        };
        reader.look_where();
        reader
    }

    /// Sets up what is looked at, as the configuration has it.
    fn look_where(&mut self) {
        let config = &self.parts.plan.config;
        self.pods = config
            .pods
            .as_ref()
            .map(|pods| Pods::new(pods.directory.as_str().into()));
        self.docker = config
            .docker
            .as_ref()
            .map(|docker| Docker::new(docker.directory.as_str().into()));
        let files = config
            .files
            .iter()
            .map(|file| self.parts.roots.in_rootfs(&file.path));
        self.plain = Plain::new(files.collect());
        self.scanned = None;
        let tenants = self.parts.plan.tenants.len();
        while self.tenants.len() < tenants {
            self.tenants.push(Tenant::default());
        }
    }

    /// Reads and sends until it is stopped.
    pub fn run(mut self) {
        self.parts.acks.read_here();
        while !self.parts.stop.load(Ordering::Acquire) {
            self.take_back();
            if self.ticked.elapsed() >= TICK {
                self.tick();
            }
            if self.step() {
                continue;
            }
            self.keep(false);
            // Nothing can be done before the next look, unless a batch comes back that held it up.
            let held = self.tenants.iter().any(Tenant::is_held);
            self.parts.acks.wanted.store(held, Ordering::Release);
            if self.take_back() {
                continue;
            }
            std::thread::park_timeout(TICK.saturating_sub(self.ticked.elapsed()));
        }
        self.end();
    }

    /// Sends what is read, and waits for it.
    fn end(&mut self) {
        for tenant in 0..self.tenants.len() {
            self.seal(tenant);
        }
        let begin = Instant::now();
        self.parts.acks.wanted.store(true, Ordering::Release);
        while begin.elapsed() < STOP && self.tenants.iter().any(|tenant| tenant.outstanding() > 0) {
            std::thread::park_timeout(Duration::from_millis(100));
            self.take_back();
        }
        self.dirty = true;
        self.keep(true);
        let left: usize = self.tenants.iter().map(Tenant::outstanding).sum();
        if left > 0 {
            tracing::warn!(
                batches = left,
                "stopped before Loki has taken all logs; they are sent again after the start"
            );
        }
    }

    /// Takes batches that Loki has taken; false when there are none.
    fn take_back(&mut self) -> bool {
        let mut back = std::mem::take(&mut self.back);
        self.parts.acks.take(&mut back);
        let any = !back.is_empty();
        for batch in back.drain(..) {
            if let Some(tenant) = self.tenants.get_mut(batch.tenant) {
                tenant.back(batch.bulk);
            }
            for mark in &batch.marks {
                if let Some(source) = self.sources.get_mut(&mark.source) {
                    source.delivered(mark);
                    source.lag.delivered.store(mark.time, Ordering::Relaxed);
                }
            }
            for id in &batch.sources {
                if let Some(source) = self.sources.get_mut(id) {
                    source.outstanding = source.outstanding.saturating_sub(1);
                }
            }
            self.dirty = true;
        }
        self.back = back;
        if any {
            self.keep(false);
        }
        any
    }

    /// What happens once a second: look, and see which sources have something to say.
    fn tick(&mut self) {
        self.ticked = Instant::now();
        self.work.tick();
        if self.scanned.is_none_or(|at| at.elapsed() >= SCAN) {
            self.scan();
        }
        self.settle();
        let now = self.work.now;
        let mut over = Vec::new();
        for source in self.sources.values_mut() {
            if source.over() {
                over.push(source.id);
                continue;
            }
            let Some(settled) = &source.settled else {
                continue;
            };
            let (tenant, excluded) = (settled.tenant, settled.excluded);
            if let Some(rate) = settled.rate {
                source.allowance = (source.allowance + rate as f64).min(rate as f64 * 2.0);
            }
            if source.bulk && source.outstanding == 0 {
                source.bulk = false;
            }
            if excluded {
                continue;
            }
            let wants = source.wants(now);
            source.lag(self.work.nanos);
            let Some(tenant) = self
                .tenants
                .get_mut(tenant)
                .filter(|_| wants && !source.queued)
            else {
                continue;
            };
            source.queued = true;
            tenant.queue(source.id, source.bulk);
        }
        for id in over {
            if let Some(source) = self.sources.remove(&id) {
                self.by_key.remove(&source.key);
                self.parts.metrics.lags.remove(&source.lag);
                self.dirty = true;
            }
        }
    }

    fn scan(&mut self) {
        self.scanned = Some(Instant::now());
        let mut changes = std::mem::take(&mut self.changes);
        let now = self.work.nanos;
        let pods = self
            .pods
            .as_mut()
            .is_none_or(|pods| pods.scan(now, &mut changes));
        let docker = self
            .docker
            .as_mut()
            .is_none_or(|docker| docker.scan(now, &mut changes));
        self.plain.scan(&mut changes);
        self.work.tick();
        let open = self
            .sources
            .values()
            .flat_map(|source| &source.files)
            .filter(|file| file.input.is_some());
        let mut may_open = self
            .parts
            .plan
            .config
            .limits
            .open_files
            .saturating_sub(open.count());
        for change in changes.drain(..) {
            match change {
                Change::Files(found) => self.found(found, &mut may_open),
                Change::Gone(key) => self.gone(&key, &mut may_open),
            }
        }
        self.changes = changes;
        // What was kept for a container that is no more was kept in vain.
        if pods && docker {
            let lost = |saved: &str| !std::path::Path::new(saved).exists();
            self.saved.sources.retain(|key, _| !lost(key));
        }
        let files = self.sources.values().flat_map(|source| &source.files);
        let (mut known, mut open, mut pinned) = (0, 0, 0);
        for file in files {
            known += 1;
            open += i64::from(file.input.is_some());
            if file.gone && file.input.is_some() {
                pinned += file.size;
            }
        }
        self.parts.metrics.files.set(known);
        self.parts.metrics.open_files.set(open);
        self.parts.metrics.pinned_bytes.set(pinned.cast_signed());
    }

    fn found(&mut self, found: Found, may_open: &mut usize) {
        let id = self.by_key.get(&found.key).copied();
        let id = id.unwrap_or_else(|| self.add(&found));
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        source.gone = false;
        let mut look = Look {
            now: self.work.now,
            nanos: self.work.nanos,
            metrics: &self.parts.metrics,
            may_open,
        };
        source.reconcile(found.files, &mut look);
        describe(source, &self.parts.told);
        self.dirty = true;
    }

    fn gone(&mut self, key: &str, may_open: &mut usize) {
        let source = self.by_key.get(key).and_then(|id| self.sources.get_mut(id));
        let Some(source) = source else { return };
        source.gone = true;
        let mut look = Look {
            now: self.work.now,
            nanos: self.work.nanos,
            metrics: &self.parts.metrics,
            may_open,
        };
        source.reconcile(Vec::new(), &mut look);
        self.dirty = true;
    }

    fn add(&mut self, found: &Found) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        let lag = Arc::new(lag_of(found, self.work.nanos));
        self.parts.metrics.lags.add(lag.clone());
        let mut source = Source::new(
            id,
            found.key.clone(),
            found.folder.clone(),
            found.kind.clone(),
            lag,
        );
        if let Some(saved) = self.saved.sources.remove(&found.key) {
            source.app = saved.app;
            source.resume(saved.files);
        }
        self.by_key.insert(found.key.clone(), id);
        self.sources.insert(id, source);
        id
    }

    fn settle(&mut self) {
        let node = self.parts.node.as_deref();
        for source in self
            .sources
            .values_mut()
            .filter(|source| source.settled.is_none())
        {
            source.settled = settle(source, &self.parts.plan, &self.parts.told, node);
            if let Some(settled) = &source.settled {
                if !settled.app.is_empty() {
                    source.app = Some(settled.app.clone());
                }
                describe(source, &self.parts.told);
                self.dirty = true;
            }
        }
    }

    /// One source's turn, or one batch closed; false when there is nothing that can be done.
    fn step(&mut self) -> bool {
        let mut done = false;
        for tenant in 0..self.tenants.len() {
            done |= self.step_of(tenant);
        }
        done
    }

    fn step_of(&mut self, index: usize) -> bool {
        let Some(tenant) = self.tenants.get_mut(index) else {
            return false;
        };
        if tenant.may_quiet() {
            if let Some(id) = tenant.next_quiet() {
                self.quiet_turn(index, id);
                return true;
            }
            if !tenant.open.is_empty() {
                self.seal(index);
                return true;
            }
        }
        let sources = &self.sources;
        let ready = |id: &u32| sources.get(id).is_none_or(|source| source.outstanding < 2);
        let Some(id) = tenant.next_bulk(ready) else {
            return false;
        };
        // What it has said before goes before.
        if tenant.open.sources().contains(&id) {
            self.seal(index);
        }
        self.bulk_turn(index, id);
        true
    }

    fn quiet_turn(&mut self, index: usize, id: u32) {
        let more = self.turn(id, QUIET_TURN);
        let (Some(source), Some(tenant)) = (self.sources.get_mut(&id), self.tenants.get_mut(index))
        else {
            return;
        };
        let Some(settled) = &source.settled else {
            return;
        };
        if source.moved {
            let new = tenant.open.add(id, settled, &mut self.work.made);
            source.outstanding += u32::from(new);
            source.marks(tenant.open.marks(id, new));
        }
        source.queued = more;
        if more {
            source.bulk = true;
            tenant.queue(id, true);
        }
        if tenant.open.is_full() {
            self.seal(index);
        }
    }

    fn bulk_turn(&mut self, index: usize, id: u32) {
        let more = self.turn(id, BATCH);
        let (Some(source), Some(tenant)) = (self.sources.get_mut(&id), self.tenants.get_mut(index))
        else {
            return;
        };
        source.queued = more;
        if more {
            tenant.queue(id, true);
        }
        let Some(settled) = source.settled.as_ref().filter(|_| source.moved) else {
            return;
        };
        let quiet = std::mem::take(&mut tenant.open);
        tenant.open.add(id, settled, &mut self.work.made);
        source.marks(tenant.open.marks(id, true));
        source.outstanding += 1;
        self.send(index, true);
        if let Some(tenant) = self.tenants.get_mut(index) {
            tenant.open = quiet;
        }
    }

    /// Lets a source read; what it makes is in the work's buffers.
    fn turn(&mut self, id: u32, budget: usize) -> bool {
        let Some(source) = self.sources.get_mut(&id) else {
            return false;
        };
        self.work.made.counts = super::entries::Counts::default();
        let rate = source.settled.as_ref().and_then(|settled| settled.rate);
        let allowed = if rate.is_some() {
            budget.min(source.allowance as usize)
        } else {
            budget
        };
        let limit = self.parts.plan.config.limits.line_bytes;
        let mut more = source.turn(&mut self.work, limit, allowed, &self.parts.metrics);
        let counts = self.work.made.counts;
        self.parts.metrics.count(&counts);
        if rate.is_some() {
            source.allowance -= counts.bytes as f64;
            // The next look gives it more.
            more &= source.allowance >= 1.0;
        }
        more
    }

    /// Closes the open batch of sources with little to say.
    fn seal(&mut self, index: usize) {
        if self
            .tenants
            .get(index)
            .is_some_and(|tenant| !tenant.open.is_empty())
        {
            self.send(index, false);
        }
    }

    fn send(&mut self, index: usize, bulk: bool) {
        let Some(tenant) = self.tenants.get_mut(index) else {
            return;
        };
        let times = tenant.open.times();
        let packer = &mut self.packer;
        let batch = tenant.open.close(index, bulk, |body| packer.pack(body));
        tenant.sent(bulk);
        // Times that we have given must be the same when it is sent again.
        if times {
            self.dirty = true;
            self.keep(true);
        }
        if self.parts.batches.send(batch).is_err() {
            tracing::error!("nobody sends logs any more");
        }
    }

    /// Writes the checkpoint where something has changed.
    fn keep(&mut self, now: bool) {
        if !self.dirty || (!now && self.written.elapsed() < CHECKPOINT) {
            return;
        }
        self.written = Instant::now();
        self.writer.clear();
        for source in self.sources.values() {
            self.writer.source(&source.key, source.app.as_deref());
            for file in &source.files {
                self.writer.file(&file.record);
            }
        }
        for (key, saved) in &self.saved.sources {
            self.writer.source(key, saved.app.as_deref());
            saved.files.iter().for_each(|file| self.writer.file(file));
        }
        match self.parts.store.write(&self.writer.finish()) {
            Ok(()) => {
                self.dirty = false;
                self.parts.metrics.checkpoints.inc();
            }
            Err(error) => {
                self.parts.metrics.checkpoint_failures.inc();
                self.parts.metrics.say(format!("checkpoint: {error}"));
                tracing::error!(%error, "the checkpoint cannot be written; after a restart logs are sent twice");
            }
        }
    }
}

fn lag_of(found: &Found, now: i64) -> Lag {
    let (namespace, pod, container) = match &found.kind {
        Kind::Pod {
            namespace,
            pod,
            container,
            ..
        } => (namespace.clone(), pod.clone(), container.clone()),
        Kind::Docker { id } => (String::new(), String::new(), id.clone()),
        Kind::Plain { .. } => (String::new(), String::new(), found.key.clone()),
    };
    Lag {
        namespace,
        pod,
        container,
        caught_up: now.into(),
        ..Lag::default()
    }
}

/// Writes the structured metadata of files that have none yet.
fn describe(source: &mut Source, told: &Shared) {
    if source.settled.is_none() {
        return;
    }
    for file in source
        .files
        .iter_mut()
        .filter(|file| file.metadata.is_empty() && !file.ended)
    {
        let out = &mut file.metadata;
        match &source.kind {
            Kind::Pod { uid, container, .. } => {
                let restart = file.order.restart;
                encode::pair(out, "pod_uid", uid);
                let id = told.with(|told| told.pods.get(uid)?.container_id(container, restart));
                if let Some(id) = id {
                    encode::pair(out, "container_id", &id);
                }
                let path = source.folder.join(format!("{restart}.log"));
                encode::pair(out, "filename", &path.to_string_lossy());
                encode::pair(out, "restart", &restart.to_string());
            }
            Kind::Docker { id } => {
                encode::pair(out, "container_id", id);
                let path = source.folder.join(format!("{id}-json.log"));
                encode::pair(out, "filename", &path.to_string_lossy());
            }
            Kind::Plain { .. } => debug_assert!(
                !name(&file.path).is_empty() || file.gone,
                "a file has a name"
            ),
        }
    }
}
