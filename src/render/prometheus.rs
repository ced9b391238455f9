//! Prometheus: the metrics store and rule evaluator.

use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use super::{
    Delivery, Proof, access,
    config::{
        self,
        prometheus::{RULES_DIR, SECRETS_DIR},
    },
    default_rules, digest, files, flows, network,
    objects::{Objects, Stage},
    pod::{self, Pod, Probes, User},
    recording, rules, stateful_set,
    version::Feature,
    volume,
};
use crate::{
    api::component::Component,
    resolve::model::{self, Namespaces, RuleFiles, Stack},
};

/// The chart's role for a namespace that is scraped, without its prefix.
const ROLE: &str = "prometheus";
const COMPONENT: Component = Component::Prometheus;
const CONFIG_DIR: &str = "/etc/prometheus/config";
const CONFIG_FILE: &str = "prometheus.yml";
const DATA_DIR: &str = "/prometheus";
/// The user `nobody` of the image.
const USER: User = User::NonRoot(65_534);

/// The objects of Prometheus, if it is enabled.
#[must_use]
pub fn objects(stack: &Stack) -> Objects {
    let Some(prometheus) = &stack.prometheus else {
        return Objects::default();
    };
    let mut objects = access(stack, prometheus);
    let config = Config::of(stack, prometheus);
    let file = files::config_file(stack, COMPONENT, CONFIG_FILE, config.text);
    objects.add(Stage::Config, &file);
    objects.extend(rules::objects(
        stack,
        COMPONENT,
        &rule_files(stack, prometheus),
    ));
    if !prometheus.secrets.is_empty() {
        let name = files::secrets_name(stack, COMPONENT);
        let secret = files::secret(stack, COMPONENT, name, prometheus.secrets.clone());
        objects.add(Stage::Config, &secret);
    }
    objects.extend(default_rules::objects(stack));
    objects.extend(network::objects(stack, COMPONENT));
    let workload = &prometheus.workload;
    let template = pod::template(stack, COMPONENT, workload, pod(stack, prometheus));
    objects.extend(stateful_set::objects(stack, COMPONENT, workload, template));
    objects
}

/// How to prove that the rendered configuration is loaded.
#[must_use]
pub fn delivery(stack: &Stack) -> Option<Delivery> {
    let prometheus = stack.prometheus.as_ref()?;
    let config = Config::of(stack, prometheus).hash;
    let rules = rules::hash(&rule_files(stack, prometheus));
    Some(Delivery {
        component: COMPONENT,
        port: flows::http_port(COMPONENT),
        hash: digest::short(format!("{config}{rules}")),
        proof: Proof::PrometheusConfigHolds(config),
    })
}

/// The rule files that it has to load: those of users, and the stack's own.
#[must_use]
pub fn rule_files(stack: &Stack, prometheus: &model::Prometheus) -> RuleFiles {
    let mut files = prometheus.rule_files.clone();
    recording::add(stack, &mut files);
    files
}

/// The configuration file of Prometheus.
struct Config {
    text: String,
    hash: String,
}

impl Config {
    /// The hash of the file stands in the file as part of a rule path that matches nothing: so the
    /// configuration that Prometheus shows tells which one it is. Each rule file has a mark of its
    /// own: a changed rule changes no more than its own shard.
    fn of(stack: &Stack, prometheus: &model::Prometheus) -> Self {
        let mut config = config::prometheus::config(stack, prometheus);
        let hash = digest::short(config::to_yaml(&config));
        config
            .rule_files
            .push(format!("/etc/prometheus/marker/{hash}/*.yaml"));
        Self {
            text: config::to_yaml(&config),
            hash,
        }
    }
}

/// Prometheus discovers its targets through the API: the stack's pods, the nodes, and what asks to
/// be scraped.
fn access(stack: &Stack, prometheus: &model::Prometheus) -> Objects {
    let mut objects = Objects::default();
    objects.add(Stage::Access, &access::service_account(stack, COMPONENT));
    objects.add(Stage::Access, &access::role_binding(stack, COMPONENT, ROLE));
    if stack.operator.cluster_wide {
        let nodes = "prometheus-nodes";
        let binding = access::cluster_role_binding(stack, COMPONENT, nodes, COMPONENT.name());
        objects.add(Stage::Access, &binding);
    }
    match prometheus.discovery.as_ref().map(|it| &it.reach) {
        None => {}
        Some(Namespaces::All) => {
            let name = "prometheus-discovery";
            let binding = access::cluster_role_binding(stack, COMPONENT, ROLE, name);
            objects.add(Stage::Access, &binding);
        }
        Some(Namespaces::These(names)) => {
            for namespace in names.iter().filter(|name| **name != stack.namespace) {
                let binding = access::role_binding_in(stack, COMPONENT, ROLE, namespace);
                objects.add(Stage::Access, &binding);
            }
        }
    }
    objects
}

fn pod(stack: &Stack, prometheus: &model::Prometheus) -> Pod {
    let (volumes, mounts) = volumes(stack);
    Pod {
        user: USER,
        args: args(prometheus),
        // The external label `replica` reads it.
        env: vec![pod::env_field("POD_NAME", "metadata.name")],
        volumes,
        mounts,
        probes: Probes {
            port: flows::HTTP,
            startup: "/-/ready".into(),
            readiness: "/-/ready".into(),
            liveness: "/-/healthy".into(),
            // A write-ahead log of hours is replayed first.
            startup_seconds: 900,
        },
        api_token: true,
        grace_seconds: 600,
        config_hash: None,
    }
}

fn args(prometheus: &model::Prometheus) -> Vec<String> {
    let mut args = vec![
        format!("--config.file={CONFIG_DIR}/{CONFIG_FILE}"),
        format!("--storage.tsdb.path={DATA_DIR}"),
        // The operator reloads.
        "--web.enable-lifecycle".to_owned(),
        // Loki's recording rules are written here.
        "--web.enable-remote-write-receiver".to_owned(),
    ];
    if !Feature::PrometheusRetentionInFile.is_in(&prometheus.workload.version) {
        args.extend([
            format!("--storage.tsdb.retention.time={}", prometheus.retention),
            format!(
                "--storage.tsdb.retention.size={}",
                prometheus.retention_size
            ),
        ]);
    }
    args
}

/// The same for every stack: no rule, receiver or secret changes them.
fn volumes(stack: &Stack) -> (Vec<Volume>, Vec<VolumeMount>) {
    let mut volumes = vec![
        volume::config_map("config", stack.child_name(COMPONENT), false),
        volume::optional_secret("secrets", files::secrets_name(stack, COMPONENT)),
    ];
    let mut mounts = vec![
        volume::read_only("config", CONFIG_DIR),
        volume::read_only("secrets", SECRETS_DIR),
        volume::mount(volume::DATA, DATA_DIR),
    ];
    for (shard, name) in rules::shard_names(stack, COMPONENT).enumerate() {
        let volume_name = format!("rules-{shard}");
        mounts.push(volume::read_only(
            &volume_name,
            format!("{RULES_DIR}/{shard}"),
        ));
        volumes.push(volume::config_map(&volume_name, name, true));
    }
    (volumes, mounts)
}
