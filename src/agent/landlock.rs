//! The agent locks itself: whatever it is made to do, it writes nowhere and starts no program.
//!
//! It runs as user 0 and sees the host's whole file system. A read-only bind mount of it leaves
//! the mounts below writable, so the mounts alone do not keep what the agent promises; the kernel's
//! Landlock does (Documentation/userspace-api/landlock.rst, Linux 5.13 and later). Reading is not
//! restricted: what may be read is decided by what is mounted.

use std::path::Path;
use std::sync::OnceLock;

use landlock::{
    ABI, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
};
use prometheus::{IntGauge, Registry};

/// Every right to change something that the interface knows up to version 5. Later ones are about
/// sockets and signals, which the agent needs to reach a container runtime.
const INTERFACE: ABI = ABI::V5;

static LOCKED: OnceLock<bool> = OnceLock::new();

/// Locks this thread and those that it will start, so it comes before the first of them. Writing is
/// left to the folders given. Where the kernel cannot, the agent runs unlocked: log and metric say
/// so.
pub fn lock(writable: &[&Path]) {
    let locked = match restrict(writable) {
        Ok(RulesetStatus::FullyEnforced) => {
            tracing::info!("locked by Landlock: nothing can be written or executed");
            true
        }
        Ok(RulesetStatus::PartiallyEnforced) => {
            tracing::info!("locked by Landlock as far as this kernel knows it");
            true
        }
        Ok(RulesetStatus::NotEnforced) => {
            tracing::info!("not locked: this kernel has no Landlock (Linux 5.13 or later)");
            false
        }
        Err(error) => {
            tracing::warn!(error = error.to_string(), "not locked: Landlock refuses");
            false
        }
    };
    LOCKED.get_or_init(|| locked);
}

fn restrict(writable: &[&Path]) -> Result<RulesetStatus, landlock::RulesetError> {
    let writing = AccessFs::from_write(INTERFACE);
    let status = Ruleset::default()
        .handle_access(writing | AccessFs::Execute)?
        .create()?
        .add_rules(path_beneath_rules(writable, writing))?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// Shows whether the process is locked.
///
/// # Errors
/// When the registry has the metric already.
pub fn register(registry: &Registry) -> prometheus::Result<()> {
    let gauge = IntGauge::new(
        "masthead_agent_landlocked",
        "Whether the kernel keeps the agent from writing and executing files (Landlock).",
    )?;
    gauge.set(LOCKED.get().copied().unwrap_or_default().into());
    registry.register(Box::new(gauge))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind::PermissionDenied;

    #[test]
    fn a_locked_thread_reads_everything_and_writes_only_where_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let path = folder.path().to_owned();
        // Landlock holds for a thread and those it starts: not for the other tests.
        let status = std::thread::spawn(move || {
            let status = restrict(&[&state]).unwrap();
            let written = std::fs::write(path.join("file"), "x");
            let denied = written.is_err_and(|error| error.kind() == PermissionDenied);
            let removed = std::fs::remove_dir(&state);
            let denied = denied && removed.is_err_and(|error| error.kind() == PermissionDenied);
            let run = std::process::Command::new("/bin/true").status();
            let denied = denied && run.is_err_and(|error| error.kind() == PermissionDenied);
            std::fs::write(state.join("file"), "x").unwrap();
            assert_eq!(std::fs::read_to_string(state.join("file")).unwrap(), "x");
            assert!(std::fs::read_to_string("/proc/1/mountinfo").is_ok());
            (status, denied)
        });
        let (status, denied) = status.join().unwrap();
        if status == RulesetStatus::NotEnforced {
            eprintln!("SKIPPED: this kernel has no Landlock");
            return;
        }
        assert!(denied);
    }
}
