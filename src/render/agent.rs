//! The agent: Masthead's own collector, on every node.

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet},
        core::v1::{PodTemplateSpec, VolumeMount},
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::{
    access, config, digest, files, meta, network,
    objects::{Objects, Stage},
    pod::{self, Pod, Probes, User},
    volume,
};
use crate::{
    api::component::Component,
    resolve::model::{Agent, Stack},
};

const COMPONENT: Component = Component::Agent;
const CONFIG_DIR: &str = "/etc/masthead";
const CONFIG_FILE: &str = "agent.yaml";
/// The chart's role, without its prefix.
const ROLE: &str = "agent";
/// The node's trees, and where the agent finds them.
const PROC: &str = "/host/proc";
const SYS: &str = "/host/sys";
const ROOT: &str = "/host/root";

/// The objects of the agent, if it is enabled.
#[must_use]
pub fn objects(stack: &Stack) -> Objects {
    let Some(agent) = &stack.agent else {
        return Objects::default();
    };
    let mut objects = Objects::default();
    objects.extend(access(stack, agent));
    let text = config::to_yaml(&agent.config);
    // Read at the start only.
    let hash = digest::short(&text);
    let file = files::config_file(stack, COMPONENT, CONFIG_FILE, text);
    objects.add(Stage::Config, &file);
    objects.extend(network::objects(stack, COMPONENT));
    let template = pod::template(stack, COMPONENT, &agent.workload, pod(stack, agent, hash));
    objects.add(Stage::Workload, &daemon_set(stack, template));
    objects
}

/// The pods of a node give their containers' names: the one thing the agent asks the API for.
fn access(stack: &Stack, agent: &Agent) -> Objects {
    let mut objects = Objects::default();
    objects.add(Stage::Access, &access::service_account(stack, COMPONENT));
    if agent.config.containers.is_none() {
        return objects;
    }
    if stack.operator.cluster_wide {
        let binding = access::cluster_role_binding(stack, COMPONENT, ROLE, ROLE);
        objects.add(Stage::Access, &binding);
    } else {
        objects.add(Stage::Access, &access::role_binding(stack, COMPONENT, ROLE));
    }
    objects
}

fn daemon_set(stack: &Stack, template: PodTemplateSpec) -> DaemonSet {
    DaemonSet {
        metadata: meta::owned(stack, COMPONENT, stack.child_name(COMPONENT)),
        spec: Some(DaemonSetSpec {
            selector: LabelSelector {
                match_labels: Some(meta::selector(stack, COMPONENT)),
                ..LabelSelector::default()
            },
            // One at a time would take hours on hundreds of nodes; it is rounded up to one.
            update_strategy: Some(DaemonSetUpdateStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDaemonSet {
                    max_unavailable: Some(IntOrString::String("10%".into())),
                    ..RollingUpdateDaemonSet::default()
                }),
            }),
            template,
            ..DaemonSetSpec::default()
        }),
        ..DaemonSet::default()
    }
}

fn pod(stack: &Stack, agent: &Agent, config_hash: String) -> Pod {
    Pod {
        user: User::RootReader,
        args: args(),
        env: vec![pod::env_field("MASTHEAD_NODE_NAME", "spec.nodeName")],
        volumes: vec![
            volume::config_map("config", stack.child_name(COMPONENT), false),
            volume::host_path("proc", "/proc"),
            volume::host_path("sys", "/sys"),
            volume::host_path("root", "/"),
        ],
        mounts: vec![
            volume::read_only("config", CONFIG_DIR),
            volume::read_only("proc", PROC),
            volume::read_only("sys", SYS),
            // What is mounted on the node later shows here too.
            VolumeMount {
                mount_propagation: Some("HostToContainer".into()),
                ..volume::read_only("root", ROOT)
            },
        ],
        probes: Probes {
            port: "admin",
            startup: "/livez",
            readiness: "/readyz",
            liveness: "/livez",
            startup_seconds: 60,
        },
        api_token: agent.config.containers.is_some(),
        grace_seconds: 30,
        config_hash: Some(config_hash),
    }
}

fn args() -> Vec<String> {
    let config = format!("{CONFIG_DIR}/{CONFIG_FILE}");
    [
        "agent", "--config", &config, "--proc", PROC, "--sys", SYS, "--rootfs", ROOT,
    ]
    .map(str::to_owned)
    .into()
}
