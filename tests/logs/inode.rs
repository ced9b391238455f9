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

#[test]
fn a_file_with_the_inode_of_an_older_one_is_another_file() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut first = Cri::new("first", node.container("pod-a"));
    let agent = Agent::start(&node);
    first.write(1000, 200);
    wait_until("the first file comes", || {
        loki.ledger("", |it| it.count("first")) == 1000
    });
    agent.stop();
    let inode = fs::metadata(first.path()).unwrap().ino();
    first.close();
    let (mut second, tries) = (0..200)
        .find_map(|tries| {
            fs::remove_file(node.container("pod-a").join("0.log")).unwrap();
            let second = Cri::new("second", node.container("pod-a"));
            let found = fs::metadata(second.path()).unwrap().ino();
            (found == inode).then_some((second, tries))
        })
        .expect("this file system gives inodes again");
    eprintln!("inode {inode} came again after {tries} tries");
    // Longer than the first one was, so that its length does not give it away.
    second.write(2000, 200);
    let _agent = Agent::start(&node);
    all_there(&loki, &[first, second]);
}

#[test]
fn a_file_that_is_cut_and_written_anew_is_read_from_its_start() {
    let loki = Loki::start(Limits::generous(), false);
    let path = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = path.path().join("app.log");
    let node = Node::with(&loki, |logs| {
        logs.files = vec![file(&path.path().join("*.log"))]
    });
    let line = |writer: &str, number: u64| format!("w={writer} n={number} {:080}\n", number);
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
