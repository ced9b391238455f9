//! `node_uname_info`: kernel, architecture and name of the host.
//!
//! Release, version and machine are the kernel's and equal for everyone. The node name belongs to
//! the UTS namespace: without hostNetwork or hostPID a pod has its own, and both uname(2) and
//! `<proc>/sys/kernel/hostname` answer for the reader's (`proc_do_uts_string`), however procfs is
//! mounted. Nothing that `CAP_DAC_READ_SEARCH` opens leads to another namespace's name (setns(2)
//! takes `CAP_SYS_ADMIN`, `/proc/1/root` takes `CAP_SYS_PTRACE`). So in a container the name is the
//! one that the host was given at boot, `/etc/hostname`, else the name of the Kubernetes node,
//! which is the host's unless an administrator chose another.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Kernel, architecture and name of the host.
#[derive(Debug)]
pub struct Uname {
    node_name: Option<String>,
}

impl Uname {
    /// `node_name` stands for the host's name where `/etc/hostname` has none.
    pub fn new(node_name: Option<&str>) -> Self {
        Self {
            node_name: node_name.map(str::to_owned),
        }
    }

    fn nodename(&self, roots: &Roots, own: String) -> String {
        if roots.native() {
            return own;
        }
        let given = roots.read_rootfs("/etc/hostname").ok();
        given
            .as_deref()
            .and_then(parse_hostname)
            .or(self.node_name.as_deref())
            .map_or(own, Into::into)
    }
}

impl Collector for Uname {
    fn name(&self) -> &'static str {
        "uname"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let uname = rustix::system::uname();
        let labels = [
            ("domainname", uname.domainname().to_string_lossy()),
            ("machine", uname.machine().to_string_lossy()),
            (
                "nodename",
                self.nodename(roots, uname.nodename().to_string_lossy().into())
                    .into(),
            ),
            ("release", uname.release().to_string_lossy()),
            ("sysname", uname.sysname().to_string_lossy()),
            ("version", uname.version().to_string_lossy()),
        ];
        let labels = labels
            .each_ref()
            .map(|(name, value)| (*name, value.as_ref()));
        let help = "Labeled system information as provided by the uname system call.";
        out.gauge("node_uname_info", help).sample(&labels, 1.0);
        Ok(())
    }
}

/// The name in hostname(5): the first line that is no comment. Images ship `localhost` to say
/// that the network will give the name.
fn parse_hostname(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim);
    let name = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    (!name.starts_with("localhost")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodename(etc_hostname: Option<&str>, node_name: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = etc_hostname {
            std::fs::create_dir(folder.path().join("etc")).unwrap();
            std::fs::write(folder.path().join("etc/hostname"), text).unwrap();
        }
        let roots = Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            rootfs: folder.path().into(),
        };
        Uname::new(node_name).nodename(&roots, "pod-1".into())
    }

    #[test]
    fn in_a_container_the_hosts_own_file_comes_before_the_nodes_name() {
        assert_eq!(nodename(Some("# ours\n\nguest\n"), Some("node-1")), "guest");
        assert_eq!(
            nodename(Some("localhost.localdomain\n"), Some("node-1")),
            "node-1"
        );
        assert_eq!(nodename(None, Some("node-1")), "node-1");
        assert_eq!(nodename(None, None), "pod-1");
    }

    #[test]
    fn on_the_host_itself_the_kernel_is_asked() {
        let roots = Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            rootfs: "/".into(),
        };
        assert_eq!(
            Uname::new(Some("node-1")).nodename(&roots, "guest".into()),
            "guest"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse_hostname(&text);
        }
    }
}
