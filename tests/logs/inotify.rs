//! A node whose limits on inotify are used up.

use crate::{
    agent::Agent,
    kill::all_there,
    length,
    loki::{Limits, Loki},
    node::Node,
    writer::Cri,
};

/// In a user namespace of the agent's own, where the limits are that namespace's alone.
fn limited(instances: u32, watches: u32) {
    let script = format!(
        "echo {instances} > /proc/sys/user/max_inotify_instances && \
         echo {watches} > /proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\""
    );
    let wrapper = ["unshare", "--user", "--map-root-user", "sh", "-c", &script];
    let loki = Loki::start(Limits::generous(), false);
    let node = Node::new(&loki);
    let mut writers: Vec<Cri> = (0..20)
        .map(|number| format!("watched-{number}"))
        .map(|name| Cri::new(&name, node.container(&name)))
        .collect();
    let _agent = Agent::start_in(&node, &wrapper);
    for _ in 0..length(5, 100) {
        writers.iter_mut().for_each(|writer| writer.write(50, 150));
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    writers.iter_mut().for_each(|writer| writer.rotate(5));
    writers.iter_mut().for_each(|writer| writer.write(50, 150));
    all_there(&loki, &writers);
}

#[test]
fn with_eight_watches_every_file_is_still_followed() {
    limited(8, 8);
}

#[test]
fn without_inotify_every_file_is_still_followed() {
    limited(0, 0);
}
