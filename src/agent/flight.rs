//! One gather shared by all who ask at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::sync::watch;

use super::deadline::Workers;

/// The text of a gather, once it is there.
type Pending = watch::Receiver<Option<Bytes>>;

/// The gather under way, if any, and the thread that it runs on.
#[derive(Clone, Debug)]
pub struct Flight {
    under_way: Arc<Mutex<Option<Pending>>>,
    workers: Workers,
}

impl Flight {
    /// None under way; the thread gets this name.
    pub fn new(thread_name: &'static str) -> Self {
        Self {
            under_way: Arc::default(),
            workers: Workers::new(thread_name),
        }
    }

    /// Joins the gather under way or starts one: ten impatient scrapers cost as much as one. It
    /// runs on a thread of its own, since a scraper that hangs up must not take it from the
    /// others. `None` when the gather panicked.
    pub async fn join(&self, gather: impl FnOnce() -> String + Send + 'static) -> Option<Bytes> {
        let start = |taking: Taking| {
            let task = Box::new(move || {
                let taking = taking;
                let text = gather();
                taking.land(text);
            });
            if let Err(error) = self.workers.run(task) {
                // The sender is gone with the task, which those who wait are told.
                tracing::warn!(%error, "cannot start a thread");
            }
        };
        landed(self.pending(start)).await
    }

    /// The same for a gather that waits for others instead of blocking a thread.
    pub async fn join_async(
        &self,
        gather: impl Future<Output = String> + Send + 'static,
    ) -> Option<Bytes> {
        let start = |taking: Taking| {
            tokio::spawn(async move {
                let taking = taking;
                let text = gather.await;
                taking.land(text);
            });
        };
        landed(self.pending(start)).await
    }

    fn pending(&self, start: impl FnOnce(Taking)) -> Pending {
        let mut under_way = lock(&self.under_way);
        if let Some(pending) = &*under_way {
            return pending.clone();
        }
        let (sender, pending) = watch::channel(None);
        *under_way = Some(pending.clone());
        // The task must be dropped unlocked, should it not have been started.
        drop(under_way);
        start(Taking {
            ended: Ended(self.under_way.clone()),
            sender,
        });
        pending
    }
}

async fn landed(mut pending: Pending) -> Option<Bytes> {
    let text = pending.wait_for(Option::is_some).await.ok()?;
    text.clone()
}

/// The gather's end of a flight. Fields are dropped in order: when a gather panics, those who wait
/// must not hear of it, and ask again, before the next may start.
struct Taking {
    ended: Ended,
    sender: watch::Sender<Option<Bytes>>,
}

impl Taking {
    fn land(self, text: String) {
        let text = Bytes::from(text);
        // From here on a scrape wants newer figures, so it must not join any more.
        drop(self.ended);
        self.sender.send_replace(Some(text));
    }
}

/// Lets the next scrape start a new gather, also when this one panicked.
struct Ended(Arc<Mutex<Option<Pending>>>);

impl Drop for Ended {
    fn drop(&mut self) {
        *lock(&self.0) = None;
    }
}

fn lock(under_way: &Mutex<Option<Pending>>) -> MutexGuard<'_, Option<Pending>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_and_who_asks_later_does_not() {
        let (flight, count) = (Flight::new("test"), Arc::new(AtomicU32::new(0)));
        let ask = || {
            let count = count.clone();
            let gather = move || {
                std::thread::sleep(Duration::from_millis(100));
                count.fetch_add(1, Ordering::Relaxed).to_string()
            };
            let flight = flight.clone();
            tokio::spawn(async move { flight.join(gather).await.unwrap() })
        };
        for expected in ["0", "1"] {
            for asked in [ask(), ask(), ask()] {
                assert_eq!(asked.await.unwrap(), expected);
            }
        }
    }

    #[tokio::test]
    async fn a_gather_that_panics_does_not_block_the_next() {
        let flight = Flight::new("test");
        // Often, for what this is about is who comes first.
        for _ in 0..100 {
            assert_eq!(flight.join(|| panic!("made up")).await, None);
            assert_eq!(flight.join(|| "well".into()).await.unwrap(), "well");
        }
    }
}
