//! Bursts: many events that wake the same stack wake it once.

use std::{collections::HashSet, hash::Hash, time::Duration};

use futures::{Stream, StreamExt, stream};

/// What comes within `window` of the first one, each once; then the next window.
///
/// The window does not move: a debounce that waits for silence never ends while somebody writes a
/// rule every few milliseconds, and none would be loaded until then.
pub fn bursts<T, S>(events: S, window: Duration) -> impl Stream<Item = T> + Send
where
    T: Eq + Hash + Send + 'static,
    S: Stream<Item = T> + Send,
{
    stream::unfold(Box::pin(events), move |mut events| async move {
        let mut burst = HashSet::from([events.next().await?]);
        let end = tokio::time::sleep(window);
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                biased;
                () = &mut end => break,
                event = events.next() => match event {
                    Some(event) => burst.insert(event),
                    // The rest of the window brings nothing more.
                    None => break,
                },
            };
        }
        Some((stream::iter(burst), events))
    })
    .flatten()
}

#[cfg(test)]
mod tests {
    use tokio::time::{interval, timeout};

    use super::*;

    const WINDOW: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_burst_wakes_each_stack_once() {
        let events = stream::iter(["a", "b", "a", "a"]).chain(stream::pending());
        let mut bursts = Box::pin(bursts(events, WINDOW));
        let mut woken = [bursts.next().await.unwrap(), bursts.next().await.unwrap()];
        woken.sort_unstable();
        assert_eq!(woken, ["a", "b"]);
        assert!(timeout(WINDOW * 3, bursts.next()).await.is_err());
    }

    #[tokio::test]
    async fn events_without_a_pause_wake_all_the_same() {
        let ticks = stream::unfold(interval(WINDOW / 10), |mut ticks| async {
            ticks.tick().await;
            Some(("busy", ticks))
        });
        let bursts = bursts(ticks, WINDOW).take(3).collect::<Vec<_>>();
        let woken = timeout(Duration::from_secs(10), bursts).await.unwrap();
        assert_eq!(woken, ["busy"; 3]);
    }

    #[tokio::test]
    async fn the_last_burst_is_given_when_the_events_end() {
        let woken: Vec<_> = bursts(stream::iter(["a", "a"]), WINDOW).collect().await;
        assert_eq!(woken, ["a"]);
    }
}
