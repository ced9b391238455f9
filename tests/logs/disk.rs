//! A full disk below the agent's state.

use std::{fs, thread, time::Duration};

use crate::{
    agent::{Agent, wait_until},
    kill::all_there,
    length,
    loki::{Limits, Loki},
    node::{Node, text},
    writer::Cri,
};

#[test]
fn with_a_full_disk_lines_are_shipped_on_and_remembered_once_there_is_room() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    // In a mount namespace of the agent's own: a disk of 64 KiB that is full.
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs {0} && \
         dd if=/dev/zero of={0}/filler bs=4k 2>/dev/null; exec \"$0\" \"$@\"",
        text(&node.path("state"))
    );
    let wrapper = ["unshare", "--mount", "sh", "-c", &script];
    let mut writers: Vec<Cri> = (0..4)
        .map(|number| format!("full-{number}"))
        .map(|name| Cri::new(&name, node.container(&name)))
        .collect();
    let agent = Agent::start_in(&node, &wrapper);
    for _ in 0..length(10, 300) {
        writers.iter_mut().for_each(|writer| writer.write(100, 150));
        thread::sleep(Duration::from_millis(200));
    }
    all_there(&loki, &writers);
    wait_until("the full disk is said", || {
        agent.said().contains("No space left")
    });
    let state = std::path::PathBuf::from(format!("/proc/{}/root", agent.pid()))
        .join(text(&node.path("state")).trim_start_matches('/'));
    fs::remove_file(state.join("filler")).unwrap();
    writers.iter_mut().for_each(|writer| writer.write(100, 150));
    all_there(&loki, &writers);
    wait_until("the place is remembered", || {
        fs::read_dir(&state).unwrap().count() > 0
    });
}
