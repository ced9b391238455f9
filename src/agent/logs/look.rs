//! The reader's look around, once a second: which sources there are, what they are called, and which
//! have something to say.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::describe::{describe, lag_of, settled_out, show_by_name};
use super::discover::{Change, Docker, Found, Plain, Pods, Scan};
use super::files::Look;
use super::hints::Hints;
use super::journal::Journals;
use super::reader::Reader;
use super::settle::{is_late, settle};
use super::source::Source;
use super::tail::Tail;
use super::tenant::Tenant;

/// How many looks go by before a file is looked at that has not changed, as the kernel has it.
const CALM: u64 = 10;
/// How often folders are looked at.
const SCAN: Duration = Duration::from_secs(2);
/// How many of those looks go by for folders of whose names the kernel would tell.
const CALM_SCAN: u64 = 5;

impl Reader {
    /// Sets up what is looked at, as the configuration has it.
    pub(super) fn look_where(&mut self) {
        let config = &self.parts.plan.config;
        let docker = config.docker.clone().unwrap_or_default().directory;
        self.pods = config
            .pods
            .as_ref()
            .map(|pods| Pods::new(pods.directory.as_str().into(), Path::new(&docker)));
        self.docker = config
            .docker
            .as_ref()
            .map(|docker| Docker::new(docker.directory.as_str().into()));
        let files = config
            .files
            .iter()
            .map(|file| self.parts.roots.in_rootfs(&file.path));
        let files = files.collect();
        self.plain = Plain::new(files, self.parts.roots.rootfs.clone());
        let journal = config
            .journal
            .iter()
            .flat_map(|journal| &journal.directories);
        self.journals = Journals::new(journal.map(PathBuf::from).collect());
        self.hints = Hints::default();
        for source in self.sources.values_mut() {
            source.watch = None;
        }
        self.scanned = None;
        self.anew = true;
        let tenants = self.parts.plan.tenants.len();
        while self.tenants.len() < tenants {
            self.tenants.push(Tenant::default());
        }
    }

    /// What happens once a second: look, and see which sources have something to say.
    pub(super) fn tick(&mut self) {
        self.ticked = Instant::now();
        self.work.tick();
        self.hear();
        // Whoever is gone soon is seen sooner.
        if self.stirred || self.scanned.is_none_or(|at| at.elapsed() >= SCAN) {
            self.reload();
            self.scan();
        }
        self.settle();
        self.ticks += 1;
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
            if let Some((pod, rate)) = source.limited() {
                self.allowances.give(pod, rate, self.ticks);
            }
            if source.bulk && source.outstanding == 0 {
                source.bulk = false;
            }
            if excluded {
                continue;
            }
            // Calm ones are looked at now and then, should the kernel have told us nothing.
            let due = (self.ticks + u64::from(source.id)).is_multiple_of(CALM);
            let wants = (source.is_told() && !source.queued)
                || ((due || !source.is_calm()) && source.wants(now));
            // Until a turn has come to the end.
            source.hinted = wants;
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
        self.allowances.forget(self.ticks);
        for id in over {
            if let Some(source) = self.sources.remove(&id) {
                source
                    .watch
                    .iter()
                    .for_each(|watch| self.hints.leave(*watch));
                self.by_key.remove(&source.key);
                self.parts.metrics.lags.remove(&source.lag);
                self.dirty = true;
            }
        }
    }

    /// Hears what the kernel has to tell.
    fn hear(&mut self) {
        let sources = &mut self.sources;
        let told = self.hints.take(|source| {
            if let Some(source) = sources.get_mut(&source) {
                source.hinted = true;
            }
        });
        if !told.whole {
            for source in sources.values_mut() {
                source.hinted = true;
            }
        }
        self.stirred |= told.names || !told.whole;
    }

    fn scan(&mut self) {
        self.scanned = Some(Instant::now());
        self.scans += 1;
        let mut changes = std::mem::take(&mut self.changes);
        let due = std::mem::take(&mut self.stirred) || self.scans.is_multiple_of(CALM_SCAN);
        let mut scan = Scan {
            now: self.work.nanos,
            hints: &mut self.hints,
            out: &mut changes,
        };
        let pods = self.pods.as_mut().filter(|pods| due || pods.is_blind());
        let pods = pods.map(|pods| pods.scan(&mut scan));
        let docker = self.docker.as_mut();
        let docker = docker.filter(|docker| due || docker.is_blind());
        let docker = docker.map(|docker| docker.scan(&mut scan));
        let looked = [&pods, &docker]
            .iter()
            .all(|it| !matches!(it, Some(Err(_))));
        self.say_unreadable([pods, docker]);
        self.plain.scan(&mut changes);
        self.journals.scan(&mut changes);
        self.work.tick();
        let limit = self.open_limit();
        let mut may_open = limit.saturating_sub(self.count_open());
        if may_open == 0 {
            self.close_idle(limit);
            may_open = limit.saturating_sub(self.count_open());
        }
        let mut seen = HashSet::new();
        for change in changes.drain(..) {
            match change {
                Change::Files(found) => {
                    if self.anew {
                        seen.insert(found.key.clone());
                    }
                    self.found(found, &mut may_open);
                }
                Change::Gone(key) => self.gone(&key, &mut may_open),
                Change::Failed(path, error) => self.parts.metrics.failed(&path, &error),
            }
        }
        self.changes = changes;
        if std::mem::take(&mut self.anew) {
            self.shelve(|source| !source.gone && !seen.contains(&source.key));
        }
        if looked {
            self.forget_gone();
        }
        self.hold_within_bounds();
    }

    /// Says and counts once that a root cannot be read. One that is not there is nothing to worry
    /// about where the other is: most hosts have pods or Docker, and not both.
    fn say_unreadable(&mut self, looked: [Option<io::Result<()>>; 2]) {
        let config = &self.parts.plan.config;
        let roots = [
            config.pods.as_ref().map(|it| it.directory.clone()),
            config.docker.as_ref().map(|it| it.directory.clone()),
        ];
        let other = roots
            .clone()
            .map(|root| root.is_some_and(|it| Path::new(&it).exists()));
        let said = self.unreadable.iter_mut().zip([other[1], other[0]]);
        for ((looked, root), (said, other)) in looked.into_iter().zip(roots).zip(said) {
            let Some(looked) = looked else { continue };
            let Some(error) = looked.err() else {
                *said = false;
                continue;
            };
            let root = root.unwrap_or_default();
            if std::mem::replace(said, true) {
                continue;
            }
            if other && error.kind() == io::ErrorKind::NotFound {
                tracing::info!(folder = root, "there is no such folder, so no logs of it");
            } else {
                self.parts.metrics.failed(Path::new(&root), &error);
            }
        }
    }

    /// What was kept of containers and files that are no more was kept in vain. Whether all of them
    /// had been delivered nobody knows.
    fn forget_gone(&mut self) {
        let (roots, metrics) = (&self.parts.roots, &self.parts.metrics);
        let journals = &self.journals;
        self.saved.sources.retain(|key, saved| {
            let there = match key.split_once(':') {
                Some(("file", path)) => roots.in_rootfs(path).exists(),
                Some(("journal", _)) => !journals.lacks(key),
                _ => Path::new(key).exists(),
            };
            let last = saved.files.iter().filter(|file| !file.finished).map(|file| file.time).max();
            if let (false, Some(last_time)) = (there, last) {
                metrics.lost("deleted", 0);
                tracing::warn!(key, last_time, "logs were deleted while the agent was down; what was written after the last time is lost");
            }
            there
        });
    }

    /// Files that may be open: what is configured, as far as the system allows it.
    fn open_limit(&self) -> usize {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let system = limit.current.and_then(|limit| usize::try_from(limit).ok());
        // The rest is for connections.
        let system = system.unwrap_or(usize::MAX).saturating_sub(128).max(16);
        self.parts.plan.config.limits.open_files.min(system)
    }

    fn count_open(&self) -> usize {
        let files = self.sources.values().flat_map(|source| &source.files);
        files.filter(|file| file.input.is_some()).count()
    }

    /// Closes files that have a name and nothing new, so that others can be opened.
    fn close_idle(&mut self, limit: usize) {
        let mut excess = self.count_open().saturating_sub(limit - limit / 8);
        let files = self
            .sources
            .values_mut()
            .flat_map(|source| &mut source.files);
        for file in
            files.filter(|file| file.input.is_some() && !file.gone && file.seen == file.size)
        {
            if excess == 0 {
                return;
            }
            file.input = None;
            excess -= 1;
        }
    }

    /// Counts what is held, and lets go of deleted files where they are too much: the oldest first.
    fn hold_within_bounds(&mut self) {
        let most = self.parts.plan.config.limits.pinned_bytes;
        let (mut known, mut open, mut pinned) = (0, 0, 0_u64);
        let mut deleted = Vec::new();
        for source in self.sources.values_mut() {
            if source.gone {
                source.sweep();
            }
            for file in &source.files {
                known += 1;
                open += i64::from(file.input.is_some());
                if file.gone && file.input.is_some() {
                    pinned += file.size;
                    deleted.push((file.aside, source.id, file.serial));
                }
            }
        }
        deleted.sort_unstable();
        for (_, id, serial) in deleted {
            if pinned <= most {
                break;
            }
            let files = self.sources.get_mut(&id).map(|source| &mut source.files);
            let file = files.and_then(|files| files.iter_mut().find(|file| file.serial == serial));
            let Some(file) = file else { continue };
            pinned = pinned.saturating_sub(file.size);
            let unread = file.size.saturating_sub(file.read);
            self.parts.metrics.lost("pinned", unread);
            tracing::warn!(path = %file.path.display(), unread, "a deleted log file is let go: logs.limits.pinnedBytes");
            file.input = None;
            file.ended = true;
        }
        self.parts.metrics.files.set(known);
        self.parts.metrics.open_files.set(open);
        self.parts
            .metrics
            .pinned_bytes
            .set(i64::try_from(pinned).unwrap_or(i64::MAX));
    }

    fn found(&mut self, found: Found, may_open: &mut usize) {
        let id = self.by_key.get(&found.key).copied();
        let id = id.unwrap_or_else(|| self.add(&found));
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        source.gone = false;
        source.kind = found.kind;
        source.watch = found.watch;
        if let Some(watch) = found.watch {
            self.hints.belongs(watch, id);
        }
        let mut look = Look {
            now: self.work.now,
            nanos: self.work.nanos,
            metrics: &self.parts.metrics,
            may_open,
        };
        if !source.reconcile(found.files, &mut look) {
            // Other folders have changed by that, which makes them listed again.
            self.plain.forget(&source.key);
        }
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
        let mut source = Source::new(id, found, lag);
        source.fresh = self.fresh;
        if let Some(saved) = self.saved.sources.remove(&found.key) {
            source.fresh = false;
            source.app = saved.app;
            source.resume(saved.files);
        }
        self.by_key.insert(found.key.clone(), id);
        self.sources.insert(id, source);
        id
    }

    fn settle(&mut self) {
        let node = self.parts.node.as_deref();
        let mut waiting = 0;
        for source in self
            .sources
            .values_mut()
            .filter(|source| source.settled.is_none())
        {
            source.settled = settle(source, &self.parts.plan, &self.parts.told, node);
            waiting += usize::from(source.settled.is_none() && is_late(source));
            if let Some(settled) = &source.settled {
                if !settled.app.is_empty() {
                    source.app = Some(settled.app.clone());
                }
                describe(source, &self.parts.told);
                show_by_name(source, &self.parts.metrics.lags);
                if source
                    .settled
                    .as_ref()
                    .is_some_and(|settled| settled.unknown)
                {
                    let unread = source.files.iter().map(Tail::lag).sum();
                    self.parts.metrics.lost("labels_unknown", unread);
                    tracing::warn!(
                        key = source.key,
                        unread,
                        "a deleted pod's lines are left out: rules ask for its labels, which nobody can tell"
                    );
                }
                if settled_out(source) {
                    source.files.iter_mut().for_each(|file| file.input = None);
                }
                self.dirty = true;
            }
        }
        if waiting > 0 && !self.waiting {
            tracing::warn!(
                containers = waiting,
                "lines wait in their files: rules ask for pods' labels, which nobody has told yet"
            );
        }
        self.waiting = waiting > 0;
    }
}
