//! PostgreSQL on this host, without a configuration.

use std::path::Path;

use super::login::PORT;
use super::target::Target;
use crate::api::agent_config::{PostgresLogin, PostgresTarget};

/// Where servers put their Unix socket: Debian's and Red Hat's choice, and upstream's.
const FOLDERS: [&str; 3] = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

/// The server that may be here; it has no name, so its series are as those of a
/// `postgres_exporter` beside it. Without a socket, loopback is tried.
pub fn target(rootfs: &Path) -> Target {
    let folder = FOLDERS.iter().find_map(|folder| {
        let folder = rootfs.join(folder.trim_start_matches('/'));
        let socket = folder.join(format!(".s.PGSQL.{PORT}"));
        socket
            .exists()
            .then(|| folder.to_string_lossy().into_owned())
    });
    let config = PostgresTarget {
        host: folder.unwrap_or_else(|| "127.0.0.1".into()),
        login: PostgresLogin::default(),
        ..PostgresTarget::default()
    };
    let mut target = Target::new(config, &[]);
    target.optional = true;
    target
}

/// The name of the user that this process runs as: whom a server that trusts its own host lets in.
pub fn user() -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    named(&passwd, &uid).map(str::to_owned)
}

/// The name in the line `name:x:uid:…`.
pub fn named<'a>(passwd: &'a str, uid: &str) -> Option<&'a str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_socket_is_preferred_to_loopback() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(target(folder.path()).config.host, "127.0.0.1");
        let run = folder.path().join("run/postgresql");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join(".s.PGSQL.5432"), "").unwrap();
        let target = target(folder.path());
        assert_eq!(target.config.host, run.to_string_lossy());
        assert_eq!(target.server(), "localhost:5432");
        assert_eq!(target.labels, "");
    }

    #[test]
    fn the_user_is_found_by_number() {
        let passwd = "broken\nroot:x:0:0:root:/root:/bin/bash\npg:x:26:26::/var:/bin/sh\n";
        assert_eq!(named(passwd, "26"), Some("pg"));
        assert_eq!(named(passwd, "1"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _found = named(&text, "0");
        }
    }
}
