//! Sending batches: in order for each source, side by side for different ones, again until they
//! are taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::batch::Batch;
use super::client::{Answer, Client};
use super::metrics::Metrics;

/// Requests at once for one tenant, beside the one that is kept for sources with little to say.
const REQUESTS: usize = 3;
/// How long a failed request waits: at least, and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(15));

/// Batches that were taken, on their way back to the reader.
#[derive(Debug, Default)]
pub struct Acks {
    taken: Mutex<Vec<Batch>>,
    reader: Mutex<Option<Thread>>,
}

impl Acks {
    /// The reader is this thread.
    pub fn read_here(&self) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
    }

    /// Moves what has come into `out`.
    pub fn take(&self, out: &mut Vec<Batch>) {
        out.append(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Wakes the reader.
    pub fn wake(&self) {
        if let Some(thread) = &*self.reader.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.unpark();
        }
    }

    fn give(&self, batch: Batch) {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(batch);
        self.wake();
    }
}

/// Where batches go, as it is now.
#[derive(Clone, Debug)]
pub struct Target {
    /// The receiver.
    pub client: Arc<Client>,
    /// Names of tenants by their numbers.
    pub tenants: Arc<[Option<String>]>,
}

/// One tenant's turn-taking.
#[derive(Debug)]
struct Lane {
    bulk: Semaphore,
    quiet: Semaphore,
    failing: Mutex<Option<Instant>>,
    recovered: Notify,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            bulk: Semaphore::new(REQUESTS),
            quiet: Semaphore::new(1),
            failing: Mutex::default(),
            recovered: Notify::new(),
        }
    }
}

/// Sends what comes until the sender is gone.
pub async fn run(
    mut batches: mpsc::UnboundedReceiver<Batch>,
    target: watch::Receiver<Target>,
    acks: Arc<Acks>,
    metrics: Metrics,
) {
    let mut lanes: HashMap<usize, Arc<Lane>> = HashMap::new();
    let mut waiting: Vec<Batch> = Vec::new();
    let mut busy: Vec<u32> = Vec::new();
    let mut sending = FuturesUnordered::new();
    loop {
        // A batch starts when no earlier one holds entries of the same source.
        let mut before = busy.clone();
        let mut at = 0;
        while let Some(batch) = waiting.get(at) {
            if batch.sources.iter().any(|source| before.contains(source)) {
                before.extend(&batch.sources);
                at += 1;
                continue;
            }
            let batch = waiting.remove(at);
            before.extend(&batch.sources);
            busy.extend(&batch.sources);
            let lane = lanes.entry(batch.tenant).or_default().clone();
            sending.push(deliver(batch, lane, target.clone(), &metrics));
        }
        tokio::select! {
            batch = batches.recv() => match batch {
                Some(batch) => waiting.push(batch),
                None => return,
            },
            Some(batch) = sending.next() => {
                busy.retain(|source| !batch.sources.contains(source));
                acks.give(batch);
            }
        }
    }
}

/// Sends a batch until it is taken.
async fn deliver(
    batch: Batch,
    lane: Arc<Lane>,
    mut target: watch::Receiver<Target>,
    metrics: &Metrics,
) -> Batch {
    if batch.body.is_empty() {
        return batch;
    }
    loop {
        let now = target.borrow_and_update().clone();
        let slots = if batch.bulk { &lane.bulk } else { &lane.quiet };
        // Nobody closes the semaphore.
        let permit = slots.acquire().await.ok();
        let tenant = now.tenants.get(batch.tenant).and_then(Option::as_deref);
        let answer = now.client.push(tenant, batch.body.clone()).await;
        drop(permit);
        let asked = match verdict(&answer) {
            Verdict::Taken => {
                lane.works();
                metrics
                    .requests
                    .with_label_values(&[&status(&answer)])
                    .inc();
                metrics.sent_entries.inc_by(batch.entries);
                metrics.sent_bytes.inc_by(batch.body.len() as u64);
                return batch;
            }
            Verdict::Refused(reason, count) => {
                lane.works();
                metrics
                    .requests
                    .with_label_values(&[&status(&answer)])
                    .inc();
                let count = count.unwrap_or(batch.entries).min(batch.entries);
                metrics.dropped.with_label_values(&[reason]).inc_by(count);
                metrics.sent_entries.inc_by(batch.entries - count);
                metrics.sent_bytes.inc_by(batch.body.len() as u64);
                let said = describe(&answer);
                tracing::warn!(
                    reason,
                    entries = count,
                    said,
                    "Loki refuses entries; they are not sent again"
                );
                metrics.say(said);
                return batch;
            }
            Verdict::Again(asked) => asked,
        };
        metrics
            .requests
            .with_label_values(&[&status(&answer)])
            .inc();
        metrics.retries.inc();
        let said = describe(&answer);
        let age = lane.fails(&said);
        metrics.say(said);
        tokio::select! {
            () = tokio::time::sleep(asked.unwrap_or_else(|| backoff(age, spread()))) => {}
            // The one that got through first shows the others that it is worth to try.
            () = lane.recovered.notified(), if asked.is_none() => {}
            Ok(()) = target.changed() => {}
        }
    }
}

impl Lane {
    fn works(&self) {
        let failing = self
            .failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(since) = failing {
            tracing::info!(after = since.elapsed().as_secs(), "Loki takes logs again");
            self.recovered.notify_waiters();
        }
    }

    /// How long it has failed; says so the first time.
    fn fails(&self, said: &str) -> Duration {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let since = failing.get_or_insert_with(|| {
            tracing::warn!(said, "Loki does not take logs; they wait in their files");
            Instant::now()
        });
        since.elapsed()
    }
}

/// An eighth of how long it has failed already: a short outage is over soon, and in a long one a
/// whole cluster of agents does not run against a receiver that comes up. Spread by a quarter, so
/// that they do not come at the same time.
fn backoff(age: Duration, spread: f64) -> Duration {
    (age / 8).clamp(WAIT.0, WAIT.1).mul_f64(0.75 + spread / 2.0)
}

/// From 0 to 1, different for each that asks.
fn spread() -> f64 {
    f64::from(jiff::Timestamp::now().subsec_nanosecond() % 1000) / 1000.0
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Taken,
    /// So many entries were not taken, or all, and never will be.
    Refused(&'static str, Option<u64>),
    /// To be sent again, after a while that the receiver may have named.
    Again(Option<Duration>),
}

fn verdict(answer: &Answer) -> Verdict {
    let Answer::Status {
        status,
        retry_after,
        text,
    } = answer
    else {
        return Verdict::Again(None);
    };
    match *status {
        // Loki's answer when a policy blocks all that is pushed.
        status if status.as_u16() == 260 => Verdict::Refused("blocked", None),
        status if status.is_success() => Verdict::Taken,
        // The valid entries are stored, though the whole request is answered so.
        StatusCode::BAD_REQUEST => Verdict::Refused(reason(text), refused(text)),
        StatusCode::UNPROCESSABLE_ENTITY => Verdict::Refused("malformed", None),
        StatusCode::PAYLOAD_TOO_LARGE => Verdict::Refused("too_large", None),
        // The rest can be mended while we wait: a limit, a password, an address, an outage.
        _ => Verdict::Again(*retry_after),
    }
}

/// Why entries are refused, from Loki's texts (`pkg/validation/validate.go`).
fn reason(text: &str) -> &'static str {
    let known = [
        ("too far behind", "too_far_behind"),
        ("timestamp too old", "greater_than_max_sample_age"),
        ("timestamp too new", "too_far_in_future"),
        ("max entry size", "line_too_long"),
        ("out of order", "out_of_order"),
        ("label names", "max_label_names_per_series"),
        ("stream limit", "stream_limit"),
        ("structured metadata", "structured_metadata"),
    ];
    let found = known.iter().find(|(part, _)| text.contains(part));
    found.map_or("refused", |(_, reason)| reason)
}

/// How many entries a text says are refused: `total ignored: 3 out of 10` for each stream, or
/// `3 errors like: …; …`, in which one that stands alone has no count. None: it speaks of no entry,
/// so the request as a whole was not understood.
fn refused(text: &str) -> Option<u64> {
    let ignored = text.split("total ignored: ").skip(1);
    let ignored = ignored.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    let ignored: u64 = ignored.sum();
    if ignored > 0 {
        return Some(ignored);
    }
    let of = |part: &str| match part.split_once(" errors like: ") {
        Some((count, _)) => count.trim().parse().unwrap_or(1),
        None => u64::from(reason(part) != "refused"),
    };
    let count: u64 = text.split("; ").map(of).sum();
    (count > 0).then_some(count)
}

fn status(answer: &Answer) -> String {
    match answer {
        Answer::Status { status, .. } => status.as_str().to_owned(),
        Answer::None(_) => "none".to_owned(),
    }
}

fn describe(answer: &Answer) -> String {
    match answer {
        Answer::Status { status, text, .. } => {
            let text: String = text.trim().chars().take(500).collect();
            format!("{status}: {text}")
        }
        Answer::None(error) => error.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> Answer {
        Answer::Status {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            text: text.into(),
        }
    }

    #[test]
    fn what_cannot_be_mended_is_not_sent_again() {
        assert_eq!(verdict(&answer(204, "")), Verdict::Taken);
        assert_eq!(verdict(&answer(260, "")), Verdict::Refused("blocked", None));
        let text = "entry with timestamp 2026-11-22 ignored, reason: 'entry too far behind, entry timestamp is: …',\n\
                    user 'fake', total ignored: 3 out of 10 for stream: {a=\"b\"}";
        assert_eq!(
            verdict(&answer(400, text)),
            Verdict::Refused("too_far_behind", Some(3))
        );
        assert_eq!(
            verdict(&answer(400, "what?")),
            Verdict::Refused("refused", None)
        );
        let text =
            "3 errors like: entry for stream '{}' has timestamp too old: x; entry too far behind";
        assert_eq!(refused(text), Some(4));
        for status in [401, 404, 408, 429, 500, 502, 503] {
            assert_eq!(
                verdict(&answer(status, "")),
                Verdict::Again(None),
                "{status}"
            );
        }
        assert_eq!(verdict(&Answer::None("reset".into())), Verdict::Again(None));
    }

    #[test]
    fn it_waits_longer_the_longer_it_fails() {
        for spread in [0.0, 0.5, 1.0] {
            let waits = [0, 1, 20, 1000].map(|age| backoff(Duration::from_secs(age), spread));
            assert!(waits.is_sorted(), "{spread}: {waits:?}");
            assert!(waits[0] >= WAIT.0 / 2 && waits[3] <= WAIT.1 * 2);
            assert!(waits[2] < Duration::from_secs(4));
        }
    }
}
