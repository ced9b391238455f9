//! One gather shared by all who ask at the same time.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use tokio::sync::watch;

/// The text of a gather, once it is there.
type Pending = watch::Receiver<Option<Bytes>>;

/// The gather under way, if any.
#[derive(Clone, Debug, Default)]
pub struct Flight(Arc<Mutex<Option<Pending>>>);

impl Flight {
    /// Joins the gather under way or starts one on a thread of its own: a scraper that hangs up
    /// must not take it from the others. `None` when the gather panicked.
    pub async fn join(&self, gather: impl FnOnce() -> String + Send + 'static) -> Option<Bytes> {
        let start = |taking: Taking| {
            tokio::task::spawn_blocking(move || {
                let taking = taking;
                let text = gather();
                taking.land(text);
            });
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
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pending) = &*under_way {
            return pending.clone();
        }
        let (sender, pending) = watch::channel(None);
        *under_way = Some(pending.clone());
        start(Taking {
            sender,
            ended: Ended(self.clone()),
        });
        pending
    }
}

async fn landed(mut pending: Pending) -> Option<Bytes> {
    let text = pending.wait_for(Option::is_some).await.ok()?;
    text.clone()
}

/// The gather's end of a flight.
struct Taking {
    sender: watch::Sender<Option<Bytes>>,
    ended: Ended,
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
struct Ended(Flight);

impl Drop for Ended {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_and_who_asks_later_does_not() {
        let (flight, count) = (Flight::default(), Arc::new(AtomicU32::new(0)));
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
        let flight = Flight::default();
        assert_eq!(flight.join(|| panic!("made up")).await, None);
        assert_eq!(flight.join(|| "well".into()).await.unwrap(), "well");
    }
}
