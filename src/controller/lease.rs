//! Which of several operators acts: a Lease, taken and kept by optimistic locking.
//!
//! A peer counts as gone when its Lease was not seen to change for the Lease's duration by this
//! process' own clock, so clocks that differ do no harm. The holder stops acting well before
//! that: it gives up when it could not renew for ten of the fifteen seconds.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio_util::sync::CancellationToken;

use super::error::{Error, code};

/// The Lease's name.
const NAME: &str = "masthead";

/// How long a Lease is good, how long its holder tries to renew it, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// A peer may take a Lease that was not seen to change for this long.
    pub duration: Duration,
    /// The holder gives up when it could not renew for this long.
    pub deadline: Duration,
    /// The pause between two looks.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// What a replica last saw of the Lease, and when by its own clock that changed.
#[derive(Clone, Debug)]
struct Seen {
    version: Option<String>,
    since: Instant,
}

/// What to do about a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nobody has it: make it.
    Create,
    /// It is free, or its holder is gone.
    Take,
    /// It is mine.
    Renew,
    /// Another one holds it.
    Wait,
}

/// What to do about a Lease that has stayed as it is for `unchanged`.
#[must_use]
pub fn decide(lease: Option<&LeaseSpec>, me: &str, unchanged: Duration, ours: Duration) -> Action {
    let Some(lease) = lease else {
        return Action::Create;
    };
    // A peer of another version may use another duration: it holds for as long as it says.
    let duration = lease
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(ours, Duration::from_secs);
    match lease.holder_identity.as_deref() {
        Some(holder) if holder == me => Action::Renew,
        None | Some("") => Action::Take,
        Some(_) if unchanged >= duration => Action::Take,
        Some(_) => Action::Wait,
    }
}

/// One candidate for the Lease.
pub struct Candidate {
    api: Api<Lease>,
    me: String,
    timing: Timing,
    seen: Option<Seen>,
}

impl Candidate {
    /// A candidate of this name for the Lease in a namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str, me: impl Into<String>, timing: Timing) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            me: me.into(),
            timing,
            seen: None,
        }
    }

    /// Waits until the Lease is held by this candidate; false when told to stop. `looked` is
    /// called after each look that reached the server.
    pub async fn acquire(&mut self, stop: &CancellationToken, mut looked: impl FnMut()) -> bool {
        loop {
            let look = tokio::time::timeout(self.timing.deadline, self.look());
            match look.await {
                Ok(Ok(held)) => {
                    looked();
                    if held {
                        return true;
                    }
                }
                Ok(Err(error)) => tracing::warn!(%error, "the Lease cannot be taken"),
                Err(_) => tracing::warn!("the Lease cannot be taken: no answer"),
            }
            if stop
                .run_until_cancelled(tokio::time::sleep(self.timing.retry))
                .await
                .is_none()
            {
                return false;
            }
        }
    }

    /// Keeps the Lease until it is lost or the candidate is told to stop; true when it still
    /// has it then.
    pub async fn keep(&mut self, stop: &CancellationToken) -> bool {
        let mut renewed = Instant::now();
        loop {
            if stop
                .run_until_cancelled(tokio::time::sleep(self.timing.retry))
                .await
                .is_none()
            {
                return true;
            }
            let left = self.timing.deadline.saturating_sub(renewed.elapsed());
            let started = Instant::now();
            match tokio::time::timeout(left, self.look()).await {
                Ok(Ok(true)) => renewed = started,
                Ok(Ok(false)) | Err(_) => return false,
                Ok(Err(error)) => tracing::warn!(%error, "the Lease cannot be renewed"),
            }
            if renewed.elapsed() >= self.timing.deadline {
                return false;
            }
        }
    }

    /// Gives the Lease back, so that a peer need not wait for it to expire.
    pub async fn release(&mut self) -> Result<(), Error> {
        let Some(mut lease) = self.get().await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.me) {
            return Ok(());
        }
        spec.holder_identity = None;
        self.replace(&lease).await.map(|_| ())
    }

    /// Looks once and takes or renews if that is right; true when the Lease is held.
    async fn look(&mut self) -> Result<bool, Error> {
        let current = self.get().await?;
        let version = current
            .as_ref()
            .and_then(|l| l.metadata.resource_version.clone());
        let unchanged = self.unchanged(version);
        let spec = current.as_ref().map(|l| l.spec.clone().unwrap_or_default());
        match decide(spec.as_ref(), &self.me, unchanged, self.timing.duration) {
            Action::Wait => Ok(false),
            Action::Create => self.create().await,
            action => self.write(current.unwrap_or_default(), action).await,
        }
    }

    /// How long the Lease has been seen at this version.
    fn unchanged(&mut self, version: Option<String>) -> Duration {
        match &self.seen {
            Some(seen) if seen.version == version => seen.since.elapsed(),
            _ => {
                self.seen = Some(Seen {
                    version,
                    since: Instant::now(),
                });
                Duration::ZERO
            }
        }
    }

    async fn create(&self) -> Result<bool, Error> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(NAME.into()),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec(None, Action::Create)),
        };
        match self.api.create(&PostParams::default(), &lease).await {
            Ok(_) => Ok(true),
            Err(error) if code(&error) == Some(409) => Ok(false),
            Err(error) => Err(Error::doing("create the Lease")(error)),
        }
    }

    /// Takes or renews. The version read before goes with it, so of two that try one wins.
    async fn write(&self, mut lease: Lease, action: Action) -> Result<bool, Error> {
        lease.spec = Some(self.spec(lease.spec.as_ref(), action));
        self.replace(&lease).await
    }

    async fn replace(&self, lease: &Lease) -> Result<bool, Error> {
        match self.api.replace(NAME, &PostParams::default(), lease).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(code(&error), Some(404 | 409)) => Ok(false),
            Err(error) => Err(Error::doing("update the Lease")(error)),
        }
    }

    async fn get(&self) -> Result<Option<Lease>, Error> {
        self.api
            .get_opt(NAME)
            .await
            .map_err(Error::doing("read the Lease"))
    }

    fn spec(&self, old: Option<&LeaseSpec>, action: Action) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let transitions = old.and_then(|old| old.lease_transitions).unwrap_or(0);
        let renewing = action == Action::Renew;
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(self.timing.duration.as_secs()).ok(),
            acquire_time: if renewing {
                old.and_then(|old| old.acquire_time.clone())
            } else {
                Some(now.clone())
            },
            renew_time: Some(now),
            lease_transitions: Some(transitions + i32::from(action == Action::Take)),
            ..LeaseSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_when_it_is_free_or_its_holder_was_silent_for_its_duration() {
        let held = |holder: &str, seconds| LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: seconds,
            ..LeaseSpec::default()
        };
        let ours = Duration::from_secs(15);
        for (lease, unchanged, action) in [
            (None, 0, Action::Create),
            (Some(LeaseSpec::default()), 0, Action::Take),
            (Some(held("", Some(15))), 0, Action::Take),
            (Some(held("me", Some(15))), 0, Action::Renew),
            (Some(held("me", Some(15))), 99, Action::Renew),
            (Some(held("peer", Some(15))), 0, Action::Wait),
            (Some(held("peer", Some(15))), 14, Action::Wait),
            (Some(held("peer", Some(15))), 15, Action::Take),
            (Some(held("peer", Some(60))), 15, Action::Wait),
            (Some(held("peer", None)), 15, Action::Take),
            (Some(held("peer", None)), 14, Action::Wait),
            (Some(held("peer", Some(-1))), 14, Action::Wait),
        ] {
            let unchanged = Duration::from_secs(unchanged);
            assert_eq!(
                decide(lease.as_ref(), "me", unchanged, ours),
                action,
                "{lease:?} {unchanged:?}"
            );
        }
    }
}
