//! The agent: Masthead's own collector, on every node.

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet},
        core::v1::{PodTemplateSpec, Volume, VolumeMount},
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
    api::{agent_config::AgentConfig, component::Component},
    resolve::{
        model::{Agent, Stack},
        postgres::SECRETS_DIR,
    },
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
/// Where logs are on the node; mounted under the same names, since the kubelet's links into the
/// container runtime's folder are absolute.
const LOGS: &str = "/var/log";
const DOCKER_LOGS: &str = "/var/lib/docker/containers";
/// What the agent keeps on the node, one folder for each stack. No name holds a `_`.
const STATE: &str = "/var/lib/masthead";

/// The objects of the agent, if it is enabled.
#[must_use]
pub fn objects(stack: &Stack) -> Objects {
    let Some(agent) = &stack.agent else {
        return Objects::default();
    };
    let mut objects = Objects::default();
    let config = config::agent::config(stack, agent);
    objects.extend(access(stack, &config));
    // The agent follows its file: pods are replaced only for what it reads at the start.
    let hash = digest::short(config::to_yaml(&config::agent::at_start(&config)));
    let text = config::to_yaml(&config);
    let file = files::config_file(stack, COMPONENT, CONFIG_FILE, text);
    objects.add(Stage::Config, &file);
    objects.extend(secrets(stack, agent));
    objects.extend(network::objects(stack, COMPONENT));
    let template = pod::template(stack, COMPONENT, &agent.workload, pod(stack, &config, hash));
    objects.add(Stage::Workload, &daemon_set(stack, template));
    objects
}

/// The one Secret whose values are files of the agent.
fn secrets(stack: &Stack, agent: &Agent) -> Objects {
    let mut files = agent.secrets.clone();
    let external = stack.external_loki.iter();
    files.extend(external.flat_map(|loki| loki.secrets.clone()));
    let mut objects = Objects::default();
    if !files.is_empty() {
        let name = files::secrets_name(stack, COMPONENT);
        let secret = files::secret(stack, COMPONENT, name, files);
        objects.add(Stage::Config, &secret);
    }
    objects
}

/// The pods of a node give their containers' names, the labels of their lines, and the addresses
/// of the PostgreSQL servers among them: the one thing the agent asks the API for.
fn access(stack: &Stack, config: &AgentConfig) -> Objects {
    let mut objects = Objects::default();
    objects.add(Stage::Access, &access::service_account(stack, COMPONENT));
    if !asks_the_api(config) {
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

fn asks_the_api(config: &AgentConfig) -> bool {
    let postgres = config.postgres.as_ref();
    config.containers.is_some()
        || config.logs.is_some()
        || postgres.is_some_and(|it| it.discover.is_some())
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

fn pod(stack: &Stack, config: &AgentConfig, config_hash: String) -> Pod {
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    for (volume, mount) in sources(stack, config) {
        volumes.push(volume);
        mounts.push(mount);
    }
    Pod {
        user: User::RootReader,
        args: args(),
        env: vec![
            pod::env_field("MASTHEAD_NODE_NAME", "spec.nodeName"),
            // The C library would give each thread a heap of its own: an eighth of the agent.
            pod::env("MALLOC_ARENA_MAX", "1"),
        ],
        volumes,
        mounts,
        probes: Probes {
            port: "admin",
            startup: "/livez".into(),
            readiness: "/readyz".into(),
            liveness: "/livez".into(),
            startup_seconds: 60,
        },
        api_token: asks_the_api(config),
        grace_seconds: 30,
        config_hash: Some(config_hash),
    }
}

fn sources(stack: &Stack, config: &AgentConfig) -> Vec<(Volume, VolumeMount)> {
    let config_map = volume::config_map("config", stack.child_name(COMPONENT), false);
    let secret = volume::optional_secret("secrets", files::secrets_name(stack, COMPONENT));
    let mut sources = vec![
        (config_map, volume::read_only("config", CONFIG_DIR)),
        (secret, volume::read_only("secrets", SECRETS_DIR)),
        host("proc", "/proc", PROC),
        host("sys", "/sys", SYS),
        followed(host("root", "/", ROOT)),
    ];
    if config.logs.is_some() {
        let kept = format!("{STATE}/{}_{}", stack.namespace, stack.name);
        sources.extend([
            followed(host("logs", LOGS, LOGS)),
            followed(host("docker-logs", DOCKER_LOGS, DOCKER_LOGS)),
            // The one place that the agent writes to.
            (
                volume::host_path_made("state", &kept),
                volume::mount("state", STATE),
            ),
        ]);
    }
    sources
}

/// A folder of the node, which can be read.
fn host(name: &str, path: &str, mounted: &str) -> (Volume, VolumeMount) {
    (
        volume::host_path(name, path),
        volume::read_only(name, mounted),
    )
}

/// What is mounted on the node later shows here too.
fn followed((volume, mount): (Volume, VolumeMount)) -> (Volume, VolumeMount) {
    let mount_propagation = Some("HostToContainer".into());
    (
        volume,
        VolumeMount {
            mount_propagation,
            ..mount
        },
    )
}

fn args() -> Vec<String> {
    let config = format!("{CONFIG_DIR}/{CONFIG_FILE}");
    [
        "agent", "--config", &config, "--proc", PROC, "--sys", SYS, "--rootfs", ROOT,
    ]
    .map(str::to_owned)
    .into()
}
