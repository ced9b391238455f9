//! A new file that gets the inode of a deleted one.

use std::{fs, os::unix::fs::MetadataExt};

use crate::{
    agent::{Agent, wait_until},
    kill::all_there,
    loki::{Limits, Loki},
    node::{Node, file},
    writer::{Cri, append},
};
use std::io::Write;

/// Another file with the inode of one that was delivered, in its place or elsewhere. Freed inodes
/// come back to whoever is first, so the test keeps the inode and gives it another content: for an
/// agent that was down there is no difference.
fn used_again(name: &str, pod: &str) {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let first_name = format!("{name}-first");
    let mut first = Cri::new(&first_name, node.container("pod-a"));
    let agent = Agent::start(&node);
    first.write(1000, 200);
    wait_until("the first file comes", || {
        loki.ledger("", |it| it.count(&first_name)) == 1000
    });
    agent.stop();
    let inode = fs::metadata(first.path()).unwrap().ino();
    let place = node.container(pod).join("0.log");
    fs::rename(first.path(), &place).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&place)
        .unwrap();
    let mut second = Cri::new(&format!("{name}-second"), node.container(pod));
    assert_eq!(fs::metadata(second.path()).unwrap().ino(), inode);
    // Longer than the first one was, so that its length does not give it away.
    second.write(2000, 200);
    let _agent = Agent::start(&node);
    all_there(&loki, &[first, second]);
}

#[test]
fn an_inode_that_is_used_again_in_the_same_place_is_another_file() {
    used_again("here", "pod-a");
}

#[test]
fn an_inode_that_is_used_again_elsewhere_is_another_file() {
    used_again("there", "pod-b");
}

#[test]
fn a_file_that_is_cut_and_written_anew_is_read_from_its_start() {
    let loki = Loki::start(Limits::generous(), false);
    let path = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = path.path().join("app.log");
    let node = Node::with(&loki, |logs| {
        logs.files = vec![file(&path.path().join("*.log"))];
    });
    let line = |writer: &str, number: u64| format!("w={writer} n={number} {number:080}\n");
    let lines =
        |writer: &str, count: u64| -> String { (0..count).map(|n| line(writer, n)).collect() };
    let count = |writer: &'static str| loki.ledger("", |it| it.count(writer));
    append(&log).write_all(lines("a", 100).as_bytes()).unwrap();
    let agent = Agent::start(&node);
    wait_until("the first content comes", || count("a") == 100);
    // While it runs, as logrotate's copytruncate does.
    fs::copy(&log, path.path().join("app.log.1")).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&log)
        .unwrap();
    append(&log).write_all(lines("b", 50).as_bytes()).unwrap();
    wait_until("the second content comes", || count("b") == 50);
    // While it is down, and longer than before.
    agent.stop();
    fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&log)
        .unwrap();
    append(&log).write_all(lines("c", 500).as_bytes()).unwrap();
    let _agent = Agent::start(&node);
    wait_until("the third content comes", || count("c") == 500);
    let report = loki.ledger("", |it| it.report());
    assert_eq!(
        (report.lines, report.missing, report.doubles),
        (650, 0, 0),
        "{report:?}"
    );
}
