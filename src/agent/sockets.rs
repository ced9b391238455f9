//! The agent gives up Unix sockets, unless its configuration names one.
//!
//! It is user 0, to whom root's sockets belong, and neither a read-only mount nor Landlock keeps
//! anybody from connecting to a socket: whoever took the agent over could ask the node's container
//! runtime for a container with all rights, and be root on the node. So a seccomp filter of its own
//! refuses the system calls that make such sockets (Documentation/userspace-api/seccomp_filter.rst).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use prometheus::{IntGauge, Registry};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use crate::api::agent_config::{AgentConfig, ContainersConfig, PostgresConfig};

static CLOSED: OnceLock<bool> = OnceLock::new();

/// A system call's argument: its index, the bits that count, and the value they must have.
type Argument = (u8, u64, u64);

/// The bits that hold a socket's type; flags are above them.
const TYPE: u64 = 0xf;
/// The bit that the x32 interface sets in its numbers, on kernels that have it.
const X32: i64 = 0x4000_0000;

/// Whether a configuration asks for what is behind a Unix socket.
pub fn wanted(config: &AgentConfig) -> bool {
    let runtime = |it: &ContainersConfig| it.docker.is_some() || it.cri.is_some();
    let database = |it: &PostgresConfig| {
        it.local || it.targets.iter().any(|target| target.host.starts_with('/'))
    };
    config.containers.as_ref().is_some_and(runtime)
        || config.postgres.as_ref().is_some_and(database)
}

/// Closes Unix sockets to this thread and those that it will start, so it comes before the first of
/// them. Where the kernel cannot, the agent runs on: log and metric say so.
pub fn close() {
    let closed = match restrict() {
        Ok(()) => {
            tracing::info!("no Unix socket can be reached (seccomp)");
            true
        }
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "Unix sockets can be reached: seccomp refuses"
            );
            false
        }
    };
    CLOSED.get_or_init(|| closed);
}

/// Refuses what makes a Unix socket that can be connected: `socket`, pairs but those of streams,
/// which are connected already and which the runtime needs for signals, and the ring that does
/// system calls past every filter.
fn restrict() -> anyhow::Result<()> {
    let unix = (0, u64::MAX, libc::AF_UNIX as u64);
    let pair = |kind: u64| vec![unix, (1, TYPE, kind)];
    let pairs = [
        libc::SOCK_DGRAM as u64,
        libc::SOCK_RAW as u64,
        libc::SOCK_SEQPACKET as u64,
    ];
    let refused = [
        (libc::SYS_socket, rules(&[vec![unix]])?),
        (libc::SYS_socketpair, rules(&pairs.map(pair))?),
        (libc::SYS_io_uring_setup, Vec::new()),
    ];
    let mut filter: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (number, rules) in refused {
        if cfg!(target_arch = "x86_64") {
            filter.insert(number | X32, rules.clone());
        }
        filter.insert(number, rules);
    }
    let filter = SeccompFilter::new(
        filter,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EACCES as u32),
        std::env::consts::ARCH.try_into()?,
    )?;
    apply_filter(&BpfProgram::try_from(filter)?)?;
    Ok(())
}

/// Rules of which one must match, and of that all arguments.
fn rules(alternatives: &[Vec<Argument>]) -> anyhow::Result<Vec<SeccompRule>> {
    let condition = |&(index, mask, value): &Argument| {
        let compare = SeccompCmpOp::MaskedEq(mask);
        SeccompCondition::new(index, SeccompCmpArgLen::Dword, compare, value)
    };
    let rule = |arguments: &Vec<Argument>| {
        let conditions = arguments.iter().map(condition).collect::<Result<_, _>>();
        Ok(SeccompRule::new(conditions?)?)
    };
    alternatives.iter().map(rule).collect()
}

/// Shows whether Unix sockets are closed to the process.
///
/// # Errors
/// When the registry has the metric already.
pub fn register(registry: &Registry) -> prometheus::Result<()> {
    let gauge = IntGauge::new(
        "masthead_agent_unix_sockets_closed",
        "Whether the kernel keeps the agent from Unix sockets (seccomp); 0 where its configuration \
         names one.",
    )?;
    gauge.set(CLOSED.get().copied().unwrap_or_default().into());
    registry.register(Box::new(gauge))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_thread_that_gave_them_up_reaches_no_socket_but_the_networks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        // A filter holds for a thread and those it starts: not for the other tests.
        let thread = std::thread::spawn(move || {
            restrict().unwrap();
            let denied = |kind: Option<std::io::Error>| {
                assert_eq!(kind.map(|it| it.kind()), Some(PermissionDenied));
            };
            denied(UnixStream::connect(&path).err());
            denied(UnixDatagram::unbound().err());
            denied(UnixDatagram::pair().err());
            // The runtime's own, for signals.
            assert!(UnixStream::pair().is_ok());
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            assert!(TcpStream::connect(listener.local_addr().unwrap()).is_ok());
            assert!(UdpSocket::bind("127.0.0.1:0").is_ok());
            // Once more on a thread that it starts.
            let below = std::thread::spawn(move || UnixStream::connect(&path).err());
            denied(below.join().unwrap());
        });
        thread.join().unwrap();
    }

    #[test]
    fn a_socket_is_wanted_where_one_is_named() {
        let wants = |yaml: &str| wanted(&serde_saphyr::from_str(yaml).unwrap());
        assert!(!wants("{}"));
        assert!(!wants("{node: {}, containers: {pods: {}}}"));
        assert!(!wants("postgres: {discover: {}, targets: [{host: db}]}"));
        assert!(wants("containers: {cri: /run/containerd/containerd.sock}"));
        assert!(wants("containers: {docker: /run/docker.sock}"));
        assert!(wants("postgres: {local: true}"));
        assert!(wants("postgres: {targets: [{host: /run/postgresql}]}"));
    }
}
