//! The shipping of logs on the page.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::BoxFuture;
use jiff::Timestamp;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, Registry};
use tokio::sync::watch;

use super::metrics::{Lag, Metrics, Said};
use super::push::Target;
use crate::agent::page::Source;
use crate::agent::page::host::label;
use crate::agent::page::shape::{Column, Shape, Unit};
use crate::agent::page::table::{Record, Table};

/// Containers that are shown: those that lag most.
const MOST_LAGS: usize = 100;
/// Lines on their way are younger, in seconds; older ones lag.
const ON_TIME: f64 = 60.0;

const SHIPPING: &[Column] = &[
    Column::gauge("lag", "Lag", Unit::Bytes),
    Column::gauge("age", "Oldest", Unit::Seconds),
    Column::rate("lines", "Lines read", Unit::PerSecond),
    Column::rate("entries", "Entries sent", Unit::PerSecond),
    Column::rate("sent", "Sent", Unit::BytesPerSecond),
    Column::gauge("retries", "Retries", Unit::Count).plain(),
];

const LAGS: &[Column] = &[
    Column::gauge("age", "Oldest", Unit::Seconds),
    Column::gauge("lag", "Lag", Unit::Bytes),
];

const LEFT_OUT: &[Column] = &[
    Column::rate("rate", "Rate", Unit::PerSecond),
    Column::gauge("total", "Total", Unit::Count).plain(),
];

/// What is shown.
#[derive(Debug)]
pub struct Shown {
    metrics: Metrics,
    target: watch::Receiver<Target>,
    shipping: Arc<Table>,
    lags: Arc<Table>,
    left_out: Arc<Table>,
}

impl Shown {
    /// Nothing is recorded yet.
    pub fn new(metrics: Metrics, target: watch::Receiver<Target>) -> Arc<Self> {
        let table = |name, title, heads, details, columns| {
            Table::new(Shape {
                name,
                title,
                heads,
                details,
                columns,
            })
            .into()
        };
        Arc::new(Self {
            metrics,
            target,
            shipping: table("logs", "Logs", &["receiver"], &["reason"], SHIPPING),
            lags: table(
                "log-lags",
                "Logs by container",
                &["container"],
                &["pod", "namespace"],
                LAGS,
            ),
            left_out: table(
                "log-losses",
                "Log lines left out, changed or lost",
                &["subject"],
                &["what"],
                LEFT_OUT,
            ),
        })
    }

    /// Records at each scrape of this registry too.
    ///
    /// # Errors
    /// When it was registered already.
    pub fn register(self: &Arc<Self>, registry: &Registry) -> prometheus::Result<()> {
        let name = "masthead_agent_log_page".to_owned();
        let desc = Desc::new(name, "Nothing.".to_owned(), Vec::new(), HashMap::new())?;
        let shown = self.clone();
        registry.register(Box::new(Recorder { shown, desc }))
    }

    /// Records what is so now.
    pub fn record(&self) {
        let now = Timestamp::now();
        let seconds = now.as_millisecond() as f64 / 1e3;
        let nanoseconds = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        let lags = Lagging::of(self.metrics.lags.most(usize::MAX), nanoseconds);
        self.record_shipping(seconds, &lags, now);
        self.record_lags(seconds, &lags);
        self.record_left_out(seconds);
    }

    fn record_shipping(&self, now: f64, lags: &Lagging, at: Timestamp) {
        let receiver = self.target.borrow().client.place();
        let (state, reason) = state(lags.oldest, self.metrics.last_error().as_ref(), at);
        let mut labels = String::new();
        for (name, content) in [
            ("receiver", receiver.as_str()),
            ("state", state),
            ("reason", &reason),
        ] {
            label(&mut labels, name, content);
        }
        let metrics = &self.metrics;
        let values = [
            lags.bytes,
            lags.oldest,
            metrics.read_lines.get() as f64,
            metrics.sent_entries.get() as f64,
            metrics.sent_bytes.get() as f64,
            metrics.retries.get() as f64,
        ];
        let row = Record {
            key: "logs",
            labels: &labels,
            values: &values,
        };
        self.shipping.record(now, [row]);
    }

    fn record_lags(&self, now: f64, lags: &Lagging) {
        let most = lags.all.iter().take(MOST_LAGS);
        let lines: Vec<_> = most
            .map(|(lag, age)| {
                let state = if *age > ON_TIME { "lagging" } else { "works" };
                let mut labels = String::new();
                for (name, content) in [
                    ("container", lag.container.as_str()),
                    ("pod", &lag.pod),
                    ("namespace", &lag.namespace),
                    ("state", state),
                ] {
                    label(&mut labels, name, content);
                }
                let key = format!("{}/{}/{}", lag.namespace, lag.pod, lag.container);
                let bytes = lag.bytes.load(Ordering::Relaxed) as f64;
                (key, labels, [*age, bytes])
            })
            .collect();
        let rows = lines.iter().map(|(key, labels, values)| Record {
            key,
            labels,
            values,
        });
        self.lags.record(now, rows);
    }

    fn record_left_out(&self, now: f64) {
        let metrics = &self.metrics;
        let counts = [
            ("left out or refused", "entries", &metrics.dropped),
            ("sent otherwise", "entries", &metrics.changed),
            ("gone before they were read", "times", &metrics.losses),
            ("gone before they were read", "bytes", &metrics.lost_bytes),
        ];
        let lines = counts.into_iter().flat_map(|(what, of, counter)| {
            by_reason(counter).into_iter().map(move |(reason, count)| {
                let mut labels = String::new();
                label(&mut labels, "subject", &reason);
                label(&mut labels, "what", &format!("{of} {what}"));
                (format!("{of} {what} {reason}"), labels, [count, count])
            })
        });
        let lines: Vec<_> = lines.filter(|(_, _, [count, _])| *count > 0.0).collect();
        let rows = lines.iter().map(|(key, labels, values)| Record {
            key,
            labels,
            values,
        });
        self.left_out.record(now, rows);
    }
}

impl Source for Shown {
    fn tables(&self) -> Vec<Arc<Table>> {
        let all = [&self.shipping, &self.lags, &self.left_out];
        all.map(Arc::clone).to_vec()
    }

    fn refresh(self: Arc<Self>) -> BoxFuture<'static, ()> {
        self.record();
        Box::pin(async {})
    }
}

/// Records for the page when Prometheus asks for the agent's own metrics, so that a page that is
/// opened now has a past.
struct Recorder {
    shown: Arc<Shown>,
    /// The registry tells its collectors apart by these; no series has this name.
    desc: Desc,
}

impl Collector for Recorder {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.shown.record();
        Vec::new()
    }
}

/// What is not delivered yet.
#[derive(Debug, Default)]
struct Lagging {
    bytes: f64,
    oldest: f64,
    /// With their ages, the oldest first.
    all: Vec<(Arc<Lag>, f64)>,
}

impl Lagging {
    fn of(all: Vec<Arc<Lag>>, now: i64) -> Self {
        let aged = all.into_iter().map(|lag| {
            let age = lag.seconds(now);
            (lag, age)
        });
        let mut lagging = Self {
            all: aged.collect(),
            ..Self::default()
        };
        lagging.all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        for (lag, age) in &lagging.all {
            lagging.bytes += lag.bytes.load(Ordering::Relaxed) as f64;
            lagging.oldest = lagging.oldest.max(*age);
        }
        lagging
    }
}

/// How the shipping does, and the last error with its time.
fn state(oldest: f64, error: Option<&Said>, now: Timestamp) -> (&'static str, String) {
    let recent = |said: &Said| now.duration_since(said.at).as_secs_f64() <= ON_TIME;
    let state = match error {
        Some(said) if recent(said) && oldest > ON_TIME => "fails",
        _ if oldest > ON_TIME => "lagging",
        _ => "works",
    };
    let told = error.map(|said| {
        format!(
            "last error, {}: {}",
            said.at.strftime("%F %T UTC"),
            said.text
        )
    });
    (state, told.unwrap_or_default())
}

fn by_reason(counter: &IntCounterVec) -> BTreeMap<String, f64> {
    let families = counter.collect();
    let metrics = families.iter().flat_map(MetricFamily::get_metric);
    let counts = metrics.filter_map(|metric| {
        let reason = metric.get_label().first()?.value().to_owned();
        Some((reason, metric.get_counter().get_value()))
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64};

    use jiff::ToSpan;
    use serde_json::{Value, json};

    use super::super::client::Client;
    use super::*;
    use crate::agent::page::table::Frame;
    use crate::api::agent_config::LokiConfig;

    fn shown() -> (Arc<Shown>, Registry) {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let config = LokiConfig {
            url: "http://name:secret@loki:3100".to_owned(),
            ..LokiConfig::default()
        };
        let target = Target {
            client: Arc::new(Client::new(&config).unwrap()),
            tenants: Arc::new([]),
        };
        let (_, target) = watch::channel(target);
        (Shown::new(metrics, target), registry)
    }

    fn lag(container: &str, bytes: u64, delivered: i64) -> Arc<Lag> {
        Arc::new(Lag {
            container: container.to_owned(),
            bytes: AtomicU64::new(bytes),
            delivered: AtomicI64::new(delivered),
            ..Lag::default()
        })
    }

    fn rows(table: &Table) -> (Value, Value) {
        let frame = table.frame(&Frame::default());
        let read = |bytes| serde_json::from_slice::<Value>(bytes).unwrap()["rows"].clone();
        (read(&frame.rows), read(&frame.now))
    }

    #[test]
    fn what_is_not_delivered_what_is_left_out_and_the_last_error_are_shown() {
        let (shown, registry) = shown();
        shown.metrics.lags.add(lag("a", 0, 0));
        shown.metrics.lags.add(lag("b", 7, 1));
        shown
            .metrics
            .dropped
            .with_label_values(&["stage"])
            .inc_by(3);
        shown.metrics.lost("deleted", 0);
        shown.metrics.say("503 from \"Loki\"".to_owned());
        shown.register(&registry).unwrap();
        registry.gather();

        let (labels, figures) = rows(&shown.shipping);
        assert_eq!(labels[0][1]["receiver"], "loki:3100");
        assert_eq!(labels[0][1]["state"], "fails");
        let reason = labels[0][1]["reason"].as_str().unwrap();
        assert!(reason.ends_with(": 503 from \"Loki\""), "{reason}");
        assert_eq!(figures[0][1][0], json!(7.0));

        let (labels, _) = rows(&shown.lags);
        let states = labels.as_array().unwrap().iter();
        let states: BTreeMap<_, _> = states
            .map(|row| {
                (
                    row[1]["container"].as_str().unwrap(),
                    row[1]["state"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(states, BTreeMap::from([("a", "works"), ("b", "lagging")]));

        let (labels, _) = rows(&shown.left_out);
        let mut subjects: Vec<_> = labels
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row[1]["subject"].clone())
            .collect();
        subjects.sort_by_key(ToString::to_string);
        assert_eq!(subjects, [json!("deleted"), json!("stage")]);
    }

    #[test]
    fn those_that_lag_most_are_shown_and_all_are_counted() {
        let (shown, _) = shown();
        for number in 0..MOST_LAGS + 9 {
            shown.metrics.lags.add(lag(&number.to_string(), 1, 1));
        }
        shown.record();
        assert_eq!(shown.lags.numbers().len(), MOST_LAGS);
        let (_, figures) = rows(&shown.shipping);
        assert_eq!(figures[0][1][0], json!(109.0));
    }

    #[test]
    fn an_old_error_does_not_make_a_lag_a_failure() {
        let now = Timestamp::now();
        let said = Said {
            text: "x".to_owned(),
            at: now - 5.minutes(),
        };
        assert_eq!(state(90.0, Some(&said), now).0, "lagging");
        assert_eq!(state(0.5, Some(&said), now).0, "works");
        assert_eq!(state(0.5, None, now), ("works", String::new()));
    }
}
