//! A plain Docker host: a real Docker, and an agent that knows Loki's address and nothing else.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
};

use crate::{
    agent::wait_until,
    dockerd,
    loki::{Limits, Loki},
};

/// Where Docker puts the groups, apart from those of others.
const GROUPS: &str = "masthead-test-logs";
/// Folders of the host's that are the test's own: nothing else's logs are sent, and the state of
/// another agent stays as it is. The syslog is there by tradition.
const MOUNTS: &str = r#"
mount -t tmpfs tmpfs /var/log
mount -t tmpfs tmpfs /var/lib
mkdir /var/lib/docker
mount --bind "$DIR/data" /var/lib/docker
echo 'w=syslog n=0 a line of the host' > /var/log/syslog
"#;
/// What its containers write: to both outputs, one with compose's labels, one whose file is rotated
/// and compressed by Docker, one in lines that Docker cuts into parts, one that ends and is removed.
const CONTAINERS: &str = r#"
write='i=0; while [ $i -lt $LINES ]; do echo "w=$NAME n=$i GET /cart/checkout 200 12ms user=4711"; i=$((i+1)); done'
run first --env NAME=first --env LINES=3000 --label com.docker.compose.project=shop \
    --label com.docker.compose.service=web load:1 sh -c "$write"
run errors --env NAME=errors --env LINES=500 load:1 sh -c "{ $write; } >&2"
run turning --env NAME=turning --env LINES=4000 --log-opt max-size=100k --log-opt max-file=20 \
    --log-opt compress=true load:1 sh -c "$write"
run long load:1 sh -c 'x=$(head -c 40000 /dev/zero | tr "\0" x); echo "w=long n=0 $x end"; echo w=long n=1'
run brief --rm --env NAME=brief --env LINES=100 load:1 sh -c "$write; sleep 4"
"#;

/// Ends what it runs, all of it, when it goes.
struct Host {
    child: Child,
    folder: tempfile::TempDir,
}

impl Host {
    fn said(&self, by: &str) -> String {
        fs::read_to_string(self.folder.path().join(by)).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
        if std::thread::panicking() {
            let (agent, docker) = (self.said("agent"), self.said("log"));
            eprintln!("the agent said:\n{agent}\nDocker said:\n{docker}");
        }
    }
}

#[test]
fn with_lokis_address_alone_a_docker_hosts_lines_are_all_shipped() {
    if !dockerd::is_there() {
        return;
    }
    let unshare = ["--mount", "--pid", "--fork", "--kill-child"];
    let trial = Command::new("unshare")
        .args(unshare)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    if !trial.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: unshare(1) is missing or refused; run as root");
        return;
    }
    let loki = Loki::start(Limits::generous(), true);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let _groups = dockerd::Groups(GROUPS);
    let script = dockerd::script(GROUPS, "/var/lib/docker", MOUNTS, CONTAINERS);
    let output = File::create(folder.path().join("agent")).unwrap();
    let mut command = Command::new("unshare");
    for endpoint in ["NODE", "CONTAINERS", "POSTGRES", "ADMIN"] {
        command.env(format!("MASTHEAD_{endpoint}_ADDRESS"), "127.0.0.1:0");
    }
    let child = command
        .args(unshare)
        .args([
            "sh",
            "-euc",
            &format!("{script}exec \"$BINARY\" agent --loki \"$LOKI\""),
        ])
        .env("DIR", folder.path())
        .env("BINARY", env!("CARGO_BIN_EXE_masthead"))
        .env("LOKI", loki.url())
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let _host = Host { child, folder };
    let written = [
        ("first", 3000),
        ("errors", 500),
        ("turning", 4000),
        ("long", 2),
        ("brief", 100),
        ("syslog", 1),
    ];
    let come = |writer: &str| loki.ledger("", |it| it.count(writer));
    for (writer, lines) in written {
        wait_until(writer, || come(writer) == lines);
    }
    let report = loki.ledger("", |it| it.report());
    let counts = (report.missing, report.doubles, report.disorder);
    assert_eq!(counts, (0, 0, 0), "{report:?}");
    let streams: Vec<String> = loki.ledger("", |it| it.streams.keys().cloned().collect());
    for labels in [
        r#"{app="web",container="first",job="shop/web",stream="stdout"}"#,
        r#"{app="errors",container="errors",job="docker/errors",stream="stderr"}"#,
        r#"{app="turning",container="turning",job="docker/turning",stream="stdout"}"#,
        r#"{filename="/var/log/syslog",job="syslog"}"#,
    ] {
        assert!(
            streams.iter().any(|it| it.replace(", ", ",") == labels),
            "{labels}: {streams:?}"
        );
    }
}
