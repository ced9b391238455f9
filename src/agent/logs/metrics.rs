//! What the log pipeline tells about itself.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::entries::Counts;

/// Containers whose lag has a series of its own: those that lag most.
const MOST_SERIES: usize = 500;

/// Counters of the log pipeline.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Lines read.
    pub read_lines: IntCounter,
    /// Bytes read.
    pub read_bytes: IntCounter,
    /// Entries that the receiver has taken.
    pub sent_entries: IntCounter,
    /// Bytes of requests that the receiver has taken.
    pub sent_bytes: IntCounter,
    /// Entries that were left out, by reason.
    pub dropped: IntCounterVec,
    /// Bytes that could not be read any more, by reason.
    pub lost_bytes: IntCounterVec,
    /// Times that something was lost or may have been, by reason.
    pub losses: IntCounterVec,
    /// Entries that were changed, by reason.
    pub changed: IntCounterVec,
    /// Requests, by the status of the answer.
    pub requests: IntCounterVec,
    /// Requests that were sent again.
    pub retries: IntCounter,
    /// Checkpoints written.
    pub checkpoints: IntCounter,
    /// Checkpoints that could not be written.
    pub checkpoint_failures: IntCounter,
    /// Files that cannot be read.
    pub read_failures: IntCounter,
    /// Open files.
    pub open_files: IntGauge,
    /// Files known.
    pub files: IntGauge,
    /// Bytes of deleted files that are held.
    pub pinned_bytes: IntGauge,
    /// What each container lags behind.
    pub lags: Lags,
    last_error: Arc<Mutex<Option<Said>>>,
}

/// An error, and when it was.
#[derive(Clone, Debug)]
pub struct Said {
    /// What went wrong.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// How far a source lags behind.
#[derive(Debug, Default)]
pub struct Lag {
    /// The namespace; empty for what is of no pod.
    pub namespace: String,
    /// The pod; for other sources empty.
    pub pod: String,
    /// The container, or the path.
    pub container: String,
    /// Bytes in its files that are not delivered.
    pub bytes: AtomicU64,
    /// The time of the last record that was delivered, in nanoseconds since 1970.
    pub delivered: AtomicI64,
    /// When nothing was left to be delivered last, in nanoseconds since 1970.
    pub caught_up: AtomicI64,
}

/// All lags.
#[derive(Clone, Debug)]
pub struct Lags {
    all: Arc<Mutex<Vec<Arc<Lag>>>>,
    bytes: GaugeVec,
    seconds: GaugeVec,
}

impl Lag {
    /// The same of a container that is called otherwise.
    pub fn of(&self, container: &str) -> Self {
        let same = |number: &AtomicI64| number.load(Ordering::Relaxed).into();
        Self {
            namespace: self.namespace.clone(),
            pod: self.pod.clone(),
            container: container.to_owned(),
            bytes: self.bytes.load(Ordering::Relaxed).into(),
            delivered: same(&self.delivered),
            caught_up: same(&self.caught_up),
        }
    }

    /// How old the oldest line is that is not delivered, in seconds.
    pub fn seconds(&self, now: i64) -> f64 {
        if self.bytes.load(Ordering::Relaxed) == 0 {
            return 0.0;
        }
        let since = self
            .delivered
            .load(Ordering::Relaxed)
            .max(self.caught_up.load(Ordering::Relaxed));
        (now.saturating_sub(since).max(0)) as f64 / 1e9
    }
}

impl Lags {
    fn new() -> prometheus::Result<Self> {
        let vec = |name: &str, help: &str| {
            GaugeVec::new(Opts::new(name, help), &["namespace", "pod", "container"])
        };
        Ok(Self {
            all: Arc::default(),
            bytes: vec(
                "masthead_agent_log_lag_bytes",
                "Bytes in a container's log files that Loki has not acknowledged.",
            )?,
            seconds: vec(
                "masthead_agent_log_lag_seconds",
                "Age of the oldest line of a container that Loki has not acknowledged.",
            )?,
        })
    }

    /// Adds one.
    pub fn add(&self, lag: Arc<Lag>) {
        self.lock().push(lag);
    }

    /// Takes one away.
    pub fn remove(&self, lag: &Arc<Lag>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, lag));
    }

    /// Those that lag most.
    pub fn most(&self, most: usize) -> Vec<Arc<Lag>> {
        let mut all = self.lock().clone();
        if all.len() > most {
            all.sort_by_key(|lag| std::cmp::Reverse(lag.bytes.load(Ordering::Relaxed)));
            all.truncate(most);
        }
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Lag>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Lags {
    fn desc(&self) -> Vec<&Desc> {
        [self.bytes.desc(), self.seconds.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        self.bytes.reset();
        self.seconds.reset();
        for lag in self.most(MOST_SERIES) {
            let labels = [lag.namespace.as_str(), &lag.pod, &lag.container];
            // One that was made anew under its name, while the old one's lines are not delivered
            // yet, is shown with it.
            let bytes = lag.bytes.load(Ordering::Relaxed) as f64;
            self.bytes.with_label_values(&labels).add(bytes);
            let oldest = self.seconds.with_label_values(&labels);
            oldest.set(oldest.get().max(lag.seconds(now)));
        }
        [self.bytes.collect(), self.seconds.collect()].concat()
    }
}

/// Promtail's names for the same, for dashboards and alerts that ask for them.
struct Aliases(Vec<(&'static str, Box<dyn Collector>)>);

impl Collector for Aliases {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let renamed = self.0.iter().flat_map(|(name, of)| {
            let families = of.collect().into_iter();
            families.map(|mut family| {
                family.set_name((*name).to_owned());
                family
            })
        });
        renamed.collect()
    }
}

impl Metrics {
    fn aliases(&self) -> Aliases {
        Aliases(vec![
            (
                "promtail_read_lines_total",
                Box::new(self.read_lines.clone()),
            ),
            (
                "promtail_read_bytes_total",
                Box::new(self.read_bytes.clone()),
            ),
            (
                "promtail_sent_entries_total",
                Box::new(self.sent_entries.clone()),
            ),
            (
                "promtail_sent_bytes_total",
                Box::new(self.sent_bytes.clone()),
            ),
            (
                "promtail_dropped_entries_total",
                Box::new(self.dropped.clone()),
            ),
            (
                "promtail_files_active_total",
                Box::new(self.open_files.clone()),
            ),
        ])
    }

    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("masthead_agent_log_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let vec = |name: &str, help: &str, label: &str| {
            let opts = Opts::new(format!("masthead_agent_log_{name}"), help);
            let counter = IntCounterVec::new(opts, &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("masthead_agent_log_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let lags = Lags::new()?;
        registry.register(Box::new(lags.clone()))?;
        let metrics = Self {
            read_lines: counter("read_lines_total", "Lines read from log files.")?,
            read_bytes: counter("read_bytes_total", "Bytes read from log files.")?,
            sent_entries: counter("sent_entries_total", "Entries that Loki has acknowledged.")?,
            sent_bytes: counter(
                "sent_bytes_total",
                "Bytes of requests, compressed, that Loki has acknowledged.",
            )?,
            dropped: vec(
                "dropped_entries_total",
                "Entries that were not sent or that Loki refused.",
                "reason",
            )?,
            lost_bytes: vec(
                "lost_bytes_total",
                "Bytes of log files that were gone before they were read.",
                "reason",
            )?,
            losses: vec(
                "losses_total",
                "Times that lines were gone before they were read, as far as can be known.",
                "reason",
            )?,
            changed: vec(
                "changed_entries_total",
                "Entries that were sent otherwise than they were written.",
                "reason",
            )?,
            requests: vec(
                "requests_total",
                "Requests to Loki by the status of the answer.",
                "status",
            )?,
            retries: counter("retries_total", "Requests to Loki that were made again.")?,
            checkpoints: counter("checkpoints_total", "Checkpoints written.")?,
            checkpoint_failures: counter(
                "checkpoint_failures_total",
                "Checkpoints that could not be written.",
            )?,
            read_failures: counter(
                "read_failures_total",
                "Times that a log file could not be read.",
            )?,
            open_files: gauge("open_files", "Log files that are open.")?,
            files: gauge("files", "Log files that are known.")?,
            pinned_bytes: gauge(
                "pinned_bytes",
                "Bytes of deleted log files that are held until they are delivered.",
            )?,
            lags,
            last_error: Arc::default(),
        };
        registry.register(Box::new(metrics.aliases()))?;
        Ok(metrics)
    }

    /// A file cannot be read.
    pub fn failed(&self, path: &Path, error: &io::Error) {
        self.read_failures.inc();
        self.say(format!("{}: {error}", path.display()));
        tracing::warn!(path = %path.display(), %error, "a log file cannot be read");
    }

    /// Something is gone.
    pub fn lost(&self, reason: &str, bytes: u64) {
        self.losses.with_label_values(&[reason]).inc();
        self.lost_bytes.with_label_values(&[reason]).inc_by(bytes);
    }

    /// A file was emptied and written anew.
    pub fn truncated(&self, path: &Path, unread: u64) {
        tracing::info!(path = %path.display(), unread, "a log file was truncated; it is read from its beginning");
        if unread > 0 {
            self.lost("truncated", unread);
        }
    }

    /// What a turn has counted.
    pub fn count(&self, counts: &Counts) {
        self.read_lines.inc_by(counts.lines);
        self.read_bytes.inc_by(counts.bytes);
        for (vec, reason, count) in [
            (&self.changed, "unparsable", counts.unparsable),
            (&self.changed, "cut", counts.cut),
            (&self.changed, "invalid_utf8", counts.invalid),
            (&self.changed, "too_many_streams", counts.unlabelled),
            (&self.dropped, "stage", counts.dropped),
            (&self.dropped, "sampled", counts.sampled),
        ] {
            if count > 0 {
                vec.with_label_values(&[reason]).inc_by(count);
            }
        }
    }

    /// Keeps an error to be shown.
    pub fn say(&self, text: String) {
        let at = Timestamp::now();
        *self.said() = Some(Said { text, at });
    }

    /// The last error, however old.
    pub fn last_error(&self) -> Option<Said> {
        self.said().clone()
    }

    fn said(&self) -> MutexGuard<'_, Option<Said>> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
