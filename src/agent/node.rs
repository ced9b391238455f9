//! One gather of the host's metrics: all collectors, within a deadline, shared by all who ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::collector::{self, CollectError, Collector};
use super::config::Live;
use super::deadline::{Job, Runner};
use super::exposition::{Exposition, merge};
use super::flight::Flight;
use super::metrics::Metrics;
use super::page::{Source, Table, host};
use super::roots::Roots;
use crate::api::agent_config::AgentConfig;
use axum::body::Bytes;
use futures::future::BoxFuture;

/// How long the collectors together may take, so that a scrape is answered within a second.
const DEADLINE: Duration = Duration::from_millis(800);

/// The host's collectors.
pub struct Node {
    roots: Arc<Roots>,
    source: Option<Origin>,
    loaded: Mutex<Loaded>,
    runner: Runner,
    /// Where gathers wait for the collectors.
    flight: Flight,
    metrics: Metrics,
    tables: host::Tables,
}

/// Where the choice of collectors comes from.
struct Origin {
    live: Arc<Live>,
    node_name: Option<String>,
}

/// The collectors that the configuration leaves on.
#[derive(Clone)]
struct Loaded {
    config: Arc<AgentConfig>,
    entries: Arc<[Entry]>,
}

struct Entry {
    collector: Arc<dyn Collector>,
    /// The memory of the last gather, to be written again; lost when the collector hangs.
    buffer: Mutex<Exposition>,
    failing: AtomicBool,
}

/// What one collector's run gave.
struct Run {
    out: Exposition,
    result: Result<(), CollectError>,
    took: Duration,
}

impl Node {
    /// The collectors that the configuration leaves on; `node_name` as in [`collector::all`].
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(
        live: Arc<Live>,
        roots: Roots,
        node_name: Option<&str>,
        metrics: Metrics,
    ) -> anyhow::Result<Arc<Self>> {
        let config = live.current();
        let on = match &config.node {
            Some(node) => collector::chosen(node, node_name)?,
            None => Vec::new(),
        };
        let source = Origin {
            live,
            node_name: node_name.map(str::to_owned),
        };
        Ok(Self::with(config, on, roots, metrics, Some(source)))
    }

    fn with(
        config: Arc<AgentConfig>,
        on: Vec<Arc<dyn Collector>>,
        roots: Roots,
        metrics: Metrics,
        source: Option<Origin>,
    ) -> Arc<Self> {
        Arc::new(Self {
            roots: Arc::new(roots),
            source,
            loaded: Mutex::new(Loaded {
                config,
                entries: entries(on),
            }),
            runner: Runner::new("collect", DEADLINE),
            flight: Flight::new("gather"),
            metrics,
            tables: host::Tables::default(),
        })
    }

    /// The collectors as the configuration has them now. They are made anew only when their part
    /// of it has changed, since some remember what they have shown.
    fn entries(&self) -> Arc<[Entry]> {
        let mut loaded = lock(&self.loaded);
        let Some(source) = &self.source else {
            return loaded.entries.clone();
        };
        let config = source.live.current();
        if config.node != loaded.config.node {
            let chosen = config.node.as_ref().map_or(Ok(Vec::new()), |node| {
                collector::chosen(node, source.node_name.as_deref())
            });
            match chosen {
                Ok(on) => loaded.entries = entries(on),
                // Not to be expected: it was tried when the file was read.
                Err(error) => tracing::error!(error = format!("{error:#}"), "collectors stay"),
            }
        }
        loaded.config = config;
        loaded.entries.clone()
    }

    /// The metrics as they are now; `None` when the gather panicked.
    pub async fn scrape(self: &Arc<Self>) -> Option<Bytes> {
        self.metrics.scrapes.inc();
        self.shared().await
    }

    /// The gather under way, or a new one.
    async fn shared(self: &Arc<Self>) -> Option<Bytes> {
        let node = self.clone();
        self.flight.join(move || node.gather()).await
    }

    /// Gathers on this thread, which waits for the deadline at most.
    pub fn gather(&self) -> String {
        let begin = Instant::now();
        let entries = self.entries();
        let runs = self
            .runner
            .run(entries.iter().map(|entry| self.job(entry)).collect());
        let mut summary = Exposition::default();
        summarise(&entries, &runs, &mut summary);
        write_build_info(&mut summary);
        let outs = runs.iter().flatten().map(|run| &run.out);
        let text = merge(outs.chain([&summary]));
        self.record(&text, &entries, &runs);
        for (entry, run) in entries.iter().zip(runs) {
            *lock(&entry.buffer) = run.map(|run| run.out).unwrap_or_default();
        }
        self.metrics.gathers.inc();
        self.metrics
            .gather_seconds
            .inc_by(begin.elapsed().as_secs_f64());
        text
    }

    /// Records what the page shows.
    fn record(&self, text: &str, entries: &[Entry], runs: &[Option<Run>]) {
        let now = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
        self.tables.record(now, text);
        let fares = entries.iter().zip(runs).map(|(entry, run)| {
            let run = run.as_ref();
            host::Fare {
                collector: entry.collector.name(),
                outcome: run.map(|run| run.result.as_ref()),
                took: run.map_or(DEADLINE, |run| run.took).as_secs_f64(),
            }
        });
        self.tables.record_collectors(now, fares);
    }

    fn job(&self, entry: &Entry) -> (String, Job<Run>) {
        let (collector, roots) = (entry.collector.clone(), self.roots.clone());
        let mut out = std::mem::take(&mut *lock(&entry.buffer));
        let job = move || {
            let begin = Instant::now();
            out.clear();
            let result = collector.collect(&roots, &mut out);
            Run {
                out,
                result,
                took: begin.elapsed(),
            }
        };
        (entry.collector.name().to_owned(), Box::new(job))
    }
}

impl Source for Node {
    fn tables(&self) -> Vec<Arc<Table>> {
        self.tables.all()
    }

    fn refresh(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { drop(self.shared().await) })
    }
}

fn entries(on: Vec<Arc<dyn Collector>>) -> Arc<[Entry]> {
    on.into_iter()
        .map(|collector| Entry {
            collector,
            buffer: Mutex::default(),
            failing: AtomicBool::default(),
        })
        .collect()
}

/// Success and duration of each collector; tells the log when one starts or stops to fail.
fn summarise(entries: &[Entry], runs: &[Option<Run>], out: &mut Exposition) {
    let rows = || entries.iter().zip(runs);
    let help = "node_exporter: Duration of a collector scrape.";
    let mut family = out.gauge("node_scrape_collector_duration_seconds", help);
    for (entry, run) in rows() {
        let took = run.as_ref().map_or(DEADLINE, |run| run.took);
        family.sample(&[("collector", entry.collector.name())], took.as_secs_f64());
    }
    let help = "node_exporter: Whether a collector succeeded.";
    let mut family = out.gauge("node_scrape_collector_success", help);
    for (entry, run) in rows() {
        let (success, failure) = match run.as_ref().map(|run| &run.result) {
            Some(Ok(())) => (true, None),
            Some(Err(CollectError::Absent(_))) => (false, None),
            Some(Err(error)) => (false, Some(error.to_string())),
            None => (
                false,
                Some("it did not finish in time; while it hangs it is left out".to_owned()),
            ),
        };
        let labels = [("collector", entry.collector.name())];
        family.sample(&labels, f64::from(success));
        entry.report(failure);
    }
}

/// Dashboards list the exporters of a fleet by this series. The version is ours; what else
/// `node_exporter` puts there, ours has not, but the labels must be there.
fn write_build_info(out: &mut Exposition) {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let help = "A metric with a constant '1' value labeled by version, revision, branch, \
                goversion from which node_exporter was built, and the goos and goarch for the \
                build.";
    let labels = [
        ("branch", "masthead"),
        ("goarch", arch),
        ("goos", std::env::consts::OS),
        ("goversion", "none"),
        ("revision", "none"),
        ("tags", "masthead"),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    out.gauge("node_exporter_build_info", help)
        .sample(&labels, 1.0);
}

impl Entry {
    /// Logs a change only: a failing collector must not fill the log at every scrape.
    fn report(&self, failure: Option<String>) {
        let collector = self.collector.name();
        match (
            self.failing.swap(failure.is_some(), Ordering::Relaxed),
            failure,
        ) {
            (false, Some(error)) => tracing::warn!(collector, error, "a collector fails"),
            (true, None) => tracing::info!(collector, "the collector works again"),
            _ => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does what the closure does, under a name.
    struct Fake<F>(&'static str, F);

    impl<F> Collector for Fake<F>
    where
        F: Fn(&mut Exposition) -> Result<(), CollectError> + Send + Sync,
    {
        fn name(&self) -> &'static str {
            self.0
        }

        fn collect(&self, _: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
            self.1(out)
        }
    }

    fn node(on: Vec<Arc<dyn Collector>>) -> Arc<Node> {
        let roots = Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            rootfs: "/".into(),
        };
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        Node::with(Arc::default(), on, roots, metrics, None)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of Collector::collect")]
    fn works(out: &mut Exposition) -> Result<(), CollectError> {
        out.gauge("node_works", "Works.").sample(&[], 1.0);
        Ok(())
    }

    #[test]
    fn a_failing_collector_does_not_fail_the_scrape() {
        let fails = |out: &mut Exposition| {
            out.gauge("node_before_failure", "Shown.").sample(&[], 1.0);
            Err(CollectError::malformed("stat", "made up"))
        };
        let node = node(vec![
            Arc::new(Fake("fails", fails)),
            Arc::new(Fake("works", works)),
        ]);
        for _ in 0..2 {
            let text = node.gather();
            assert!(text.contains("\nnode_works 1\n"), "{text}");
            assert!(text.contains("\nnode_before_failure 1\n"), "{text}");
            assert!(text.contains("node_scrape_collector_success{collector=\"fails\"} 0\n"));
            assert!(text.contains("node_scrape_collector_success{collector=\"works\"} 1\n"));
        }
    }

    #[test]
    fn a_hung_collector_is_left_out_and_not_asked_again() {
        let hangs = |_: &mut Exposition| {
            std::thread::sleep(Duration::from_secs(4));
            Ok(())
        };
        let node = node(vec![
            Arc::new(Fake("hangs", hangs)),
            Arc::new(Fake("works", works)),
        ]);
        for limit in [Duration::from_secs(1), Duration::from_millis(100)] {
            let begin = Instant::now();
            let text = node.gather();
            assert!(begin.elapsed() < limit, "{:?}", begin.elapsed());
            assert!(text.contains("\nnode_works 1\n"), "{text}");
            assert!(text.contains("node_scrape_collector_success{collector=\"hangs\"} 0\n"));
        }
    }

    #[tokio::test]
    async fn scrapes_at_the_same_time_share_one_gather_and_later_ones_do_not() {
        let slow = |out: &mut Exposition| {
            std::thread::sleep(Duration::from_millis(100));
            works(out)
        };
        let node = node(vec![Arc::new(Fake("slow", slow))]);
        let scrapers: Vec<_> = (0..8)
            .map(|_| {
                let node = node.clone();
                tokio::spawn(async move { node.scrape().await.unwrap() })
            })
            .collect();
        for scraper in scrapers {
            assert!(!scraper.await.unwrap().is_empty());
        }
        assert_eq!(node.metrics.gathers.get(), 1);
        node.scrape().await.unwrap();
        assert_eq!(
            (node.metrics.gathers.get(), node.metrics.scrapes.get()),
            (2, 9)
        );
    }

    #[tokio::test]
    async fn a_scraper_that_hangs_up_does_not_end_the_gather_of_the_others() {
        let slow = |out: &mut Exposition| {
            std::thread::sleep(Duration::from_millis(100));
            works(out)
        };
        let node = node(vec![Arc::new(Fake("slow", slow))]);
        let first = tokio::time::timeout(Duration::from_millis(10), node.scrape());
        assert!(first.await.is_err());
        assert!(node.scrape().await.is_some());
        assert_eq!(node.metrics.gathers.get(), 1);
    }
}
