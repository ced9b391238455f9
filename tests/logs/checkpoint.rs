//! Checkpoints that a power cut left torn, zeroed, empty, old or not at all.

use std::fs;

use crate::{
    agent::{Agent, wait_until},
    kill::all_there,
    loki::{Limits, Loki},
    node::Node,
    writer::Cri,
};

/// Ships some lines, spoils what the agent remembers, and ships some more.
fn spoiled(name: &str, spoil: impl Fn(&std::path::Path)) -> String {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new(name, node.container(name));
    for _ in 0..2 {
        let agent = Agent::start(&node);
        writer.write(1000, 150);
        wait_until("the first lines come", || {
            loki.ledger("", |it| it.count(name)) == writer.written()
        });
        agent.stop();
    }
    writer.rotate(5);
    writer.write(10, 150);
    let kept: Vec<_> = files(&node.path("state"));
    assert!(!kept.is_empty(), "something is remembered");
    kept.iter().for_each(|path| spoil(path));
    writer.write(1000, 150);
    let agent = Agent::start(&node);
    all_there(&loki, &[writer]);
    agent.said()
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

#[test]
fn a_torn_checkpoint_is_safe_and_said() {
    let said = spoiled("torn", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert!(said.contains("WARN") || said.contains("ERROR"), "{said}");
}

#[test]
fn a_zeroed_checkpoint_is_safe_and_said() {
    let said = spoiled("zeroed", |path| {
        let length = fs::read(path).unwrap().len();
        fs::write(path, vec![0; length]).unwrap();
    });
    assert!(said.contains("WARN") || said.contains("ERROR"), "{said}");
}

#[test]
fn a_flipped_bit_is_safe() {
    spoiled("flipped", |path| {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.len() / 3;
        bytes[at] ^= 0x10;
        fs::write(path, bytes).unwrap();
    });
}

#[test]
fn an_empty_checkpoint_is_safe() {
    spoiled("empty", |path| fs::write(path, "").unwrap());
}

#[test]
fn a_missing_checkpoint_is_safe() {
    spoiled("missing", |path| fs::remove_file(path).unwrap());
}

#[test]
fn an_old_checkpoint_is_safe() {
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writer = Cri::new("old", node.container("old"));
    let agent = Agent::start(&node);
    writer.write(100, 150);
    wait_until("the first lines come", || {
        loki.ledger("", |it| it.count("old")) == 100
    });
    agent.stop();
    let old: Vec<_> = files(&node.path("state"))
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    let agent = Agent::start(&node);
    writer.write(5000, 150);
    wait_until("more lines come", || {
        loki.ledger("", |it| it.count("old")) == 5100
    });
    agent.stop();
    old.into_iter()
        .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    writer.rotate(5);
    writer.write(100, 150);
    let _agent = Agent::start(&node);
    all_there(&loki, &[writer]);
}
