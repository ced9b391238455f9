//! The reader: one thread that looks, reads and fills batches, turn by turn, and moves the
//! checkpoint when batches come back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::allowance::Allowances;
use super::batch::{BATCH, Batch, Packer};
use super::checkpoint::{Saved, Writer};
use super::discover::{Change, Docker, Plain, Pods};
use super::entries::Work;
use super::hints::Hints;
use super::journal::Journals;
use super::metrics::Metrics;
use super::plan::Plan;
use super::push::{Acks, Target};
use super::source::Source;
use super::store::Store;
use super::tenant::Tenant;
use crate::agent::config::Live;
use crate::agent::container::Shared;
use crate::agent::roots::Roots;

/// How often sources with little to say are read and sent.
const TICK: Duration = Duration::from_secs(1);
/// How often the checkpoint is written while much comes back, and how often otherwise: what was
/// delivered since is sent again after a crash, and Loki keeps one of each.
const CHECKPOINT: Duration = Duration::from_millis(250);
const CALM_CHECKPOINT: Duration = Duration::from_secs(4);
/// How many bytes of requests are much.
const MUCH: usize = 64 * 1024;
/// As much as a source with little to say may read in its turn; one with more takes turns apart.
pub(super) const QUIET_TURN: usize = 256 * 1024;
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
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Reader {
    pub(super) parts: Parts,
    pub(super) sources: HashMap<u32, Source>,
    pub(super) by_key: HashMap<String, u32>,
    pub(super) next_id: u32,
    pub(super) saved: Saved,
    pub(super) pods: Option<Pods>,
    pub(super) docker: Option<Docker>,
    pub(super) plain: Plain,
    pub(super) hints: Hints,
    /// Roots that were said to be unreadable.
    pub(super) unreadable: [bool; 2],
    /// How many looks there were.
    pub(super) ticks: u64,
    /// How many looks at folders there were.
    pub(super) scans: u64,
    /// Whether names have come or gone since folders were looked at.
    pub(super) stirred: bool,
    pub(super) journals: Journals,
    /// Whether there was no journal in the checkpoint.
    pub(super) fresh: bool,
    pub(super) tenants: Vec<Tenant>,
    pub(super) allowances: Allowances,
    pub(super) work: Work,
    pub(super) packer: Packer,
    pub(super) changes: Vec<Change>,
    back: Vec<Batch>,
    writer: Writer,
    /// Whether something is to be written into the checkpoint.
    pub(super) dirty: bool,
    written: Instant,
    /// Bytes of requests that came back since it was written.
    behind: usize,
    pub(super) scanned: Option<Instant>,
    pub(super) ticked: Instant,
    /// Whether some wait for their pods' labels, as was said.
    pub(super) waiting: bool,
    /// Whether everything is reported by the next look, known or not.
    pub(super) anew: bool,
    /// Whether the last checkpoint could not be written.
    unkept: bool,
}

impl Reader {
    /// A reader that goes on where the checkpoint says.
    pub fn new(parts: Parts) -> Self {
        let saved = parts.store.load();
        let fresh = !saved.sources.keys().any(|key| key.starts_with("journal:"));
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
            plain: Plain::new(Vec::new(), parts.roots.rootfs.clone()),
            hints: Hints::default(),
            ticks: 0,
            scans: 0,
            stirred: false,
            unreadable: [false; 2],
            journals: Journals::new(Vec::new()),
            fresh,
            tenants: Vec::new(),
            allowances: Allowances::default(),
            // Twice the limit: a line with what the runtime writes around it.
            work: Work::new((limit * 2).max(QUIET_TURN)),
            packer: Packer::default(),
            changes: Vec::new(),
            back: Vec::new(),
            writer: Writer::default(),
            dirty: false,
            written: now,
            behind: 0,
            scanned: None,
            anew: true,
            unkept: false,
            waiting: false,
            ticked: now.checked_sub(TICK).unwrap_or(now),
            parts,
        };
        reader.look_where();
        reader
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
            // Nothing can be done before the next look, unless a batch comes back.
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
            self.behind += batch.body.len();
            self.dirty = true;
        }
        self.back = back;
        if any {
            self.keep(false);
        }
        any
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
        let allowed = match source.limited() {
            Some((pod, _)) => budget.min(self.allowances.left(pod)),
            None => budget,
        };
        let limit = self.parts.plan.config.limits.line_bytes;
        let mut more = source.turn(&mut self.work, limit, allowed, &self.parts.metrics);
        let counts = self.work.made.counts;
        self.parts.metrics.count(&counts);
        if let Some((pod, _)) = source.limited() {
            self.allowances.take(pod, counts.bytes);
            // The next look gives it more.
            more &= self.allowances.left(pod) > 0;
        }
        more
    }

    /// Closes the open batch of sources with little to say.
    pub(super) fn seal(&mut self, index: usize) {
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
        let encoding = self.parts.plan.config.loki.encoding;
        let batch = tenant
            .open
            .close(index, bulk, |body| packer.pack(body, encoding));
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
        let pause = if self.behind < MUCH {
            CALM_CHECKPOINT
        } else {
            CHECKPOINT
        };
        if !self.dirty || (!now && self.written.elapsed() < pause) {
            return;
        }
        self.written = Instant::now();
        self.behind = 0;
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
                if std::mem::take(&mut self.unkept) {
                    tracing::info!("the checkpoint is written again");
                }
                self.parts.metrics.checkpoints.inc();
            }
            Err(error) => {
                self.parts.metrics.checkpoint_failures.inc();
                self.parts.metrics.say(format!("checkpoint: {error}"));
                if !std::mem::replace(&mut self.unkept, true) {
                    tracing::error!(%error, "the checkpoint cannot be written; after a restart logs are sent twice");
                }
            }
        }
    }
}
