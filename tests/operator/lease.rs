//! Two candidates for one Lease.

use std::time::{Duration, Instant};

use masthead::controller::lease::{Candidate, Timing};
use tokio_util::sync::CancellationToken;

use crate::bench::Bench;

const TIMING: Timing = Timing {
    duration: Duration::from_secs(2),
    deadline: Duration::from_secs(1),
    retry: Duration::from_millis(200),
};

pub async fn one_of_two_acts_and_the_other_takes_over(bench: &Bench) {
    bench.server.namespace("lease").await;
    let candidate = |name: &str| Candidate::new(bench.client.clone(), "lease", name, TIMING);
    let (mut one, mut two) = (candidate("one"), candidate("two"));
    let go_on = CancellationToken::new();
    assert!(one.acquire(&go_on, || ()).await);

    // While the first renews, the second only looks.
    let (kept, waited) = tokio::join!(keep_for(&mut one, 3), acquire_for(&mut two, 3));
    assert!(kept && !waited);

    // The first falls silent: the second waits for the Lease's whole duration, then takes it.
    let silent = Instant::now();
    assert!(acquire_for(&mut two, 10).await);
    assert!(
        silent.elapsed() >= Duration::from_millis(1500),
        "{:?}",
        silent.elapsed()
    );
    // The first notices at its next look and steps down.
    assert!(!keep_for(&mut one, 10).await);

    // Given back, it is free at once.
    two.release().await.unwrap();
    let released = Instant::now();
    assert!(acquire_for(&mut one, 10).await);
    assert!(
        released.elapsed() < TIMING.duration,
        "{:?}",
        released.elapsed()
    );
    // Who does not hold it gives nothing back.
    two.release().await.unwrap();
    assert!(keep_for(&mut one, 1).await);
}

async fn keep_for(candidate: &mut Candidate, seconds: u64) -> bool {
    candidate.keep(&stop_after(seconds)).await
}

async fn acquire_for(candidate: &mut Candidate, seconds: u64) -> bool {
    candidate.acquire(&stop_after(seconds), || ()).await
}

fn stop_after(seconds: u64) -> CancellationToken {
    let stop = CancellationToken::new();
    let later = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        later.cancel();
    });
    stop
}
