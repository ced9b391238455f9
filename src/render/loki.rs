//! Loki: the log store.

use super::{
    access,
    config::{
        self,
        loki::{DATA_DIR, RULES_DIR, TENANT},
    },
    digest, files, flows, network,
    objects::{Objects, Stage},
    pod::{self, Pod, Probes, User},
    rules, stateful_set, volume,
};
use crate::{api::component::Component, resolve::model::Stack};

const COMPONENT: Component = Component::Loki;
const CONFIG_DIR: &str = "/etc/loki/config";
const CONFIG_FILE: &str = "loki.yaml";
/// The user `loki` of the image.
const USER: User = User::NonRoot(10_001);

/// The objects of Loki, if it is enabled.
#[must_use]
pub fn objects(stack: &Stack) -> Objects {
    let Some(loki) = &stack.loki else {
        return Objects::default();
    };
    let mut objects = Objects::default();
    objects.add(Stage::Access, &access::service_account(stack, COMPONENT));
    let text = config::to_yaml(&config::loki::config(stack, loki));
    // Loki reads the file at its start only, the rules at each poll.
    let hash = digest::short(&text);
    let file = files::config_file(stack, COMPONENT, CONFIG_FILE, text);
    objects.add(Stage::Config, &file);
    objects.extend(rules::objects(stack, COMPONENT, &loki.rule_files));
    objects.extend(network::objects(stack, COMPONENT));
    let template = pod::template(stack, COMPONENT, &loki.workload, pod(stack, hash));
    objects.extend(stateful_set::objects(
        stack,
        COMPONENT,
        &loki.workload,
        template,
    ));
    objects
}

fn pod(stack: &Stack, config_hash: String) -> Pod {
    Pod {
        user: USER,
        args: vec![format!("-config.file={CONFIG_DIR}/{CONFIG_FILE}")],
        env: Vec::new(),
        volumes: vec![
            volume::config_map("config", stack.child_name(COMPONENT), false),
            volume::config_maps("rules", rules::shard_names(stack, COMPONENT)),
            // The compactor maps its marker files there.
            volume::empty_dir("tmp"),
        ],
        mounts: vec![
            volume::read_only("config", CONFIG_DIR),
            // All rules of a tenant are in one directory: Loki does not look into deeper ones.
            volume::read_only("rules", format!("{RULES_DIR}/{TENANT}")),
            volume::mount(volume::DATA, DATA_DIR),
            volume::mount("tmp", "/tmp"),
        ],
        probes: Probes {
            port: flows::HTTP,
            startup: "/ready".into(),
            readiness: "/ready".into(),
            // Not `/ready`: what it waits for, a restart would only start again.
            liveness: "/services".into(),
            // A write-ahead log is replayed first.
            startup_seconds: 900,
        },
        api_token: false,
        grace_seconds: 300,
        config_hash: Some(config_hash),
    }
}
