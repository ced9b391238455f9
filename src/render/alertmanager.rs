//! Alertmanager: who is notified of which alert.

use std::collections::BTreeMap;

use super::{
    Delivery, Proof, access,
    config::{
        self,
        alertmanager::{CONFIG_DIR, SECRETS_DIR, template},
    },
    digest, files,
    flows::{self, HTTP},
    meta, network,
    objects::{Objects, Stage},
    pod::{self, Pod, Probes, User},
    stateful_set, volume,
};
use crate::{
    api::component::Component,
    resolve::model::{Alertmanager, Stack},
};

const COMPONENT: Component = Component::Alertmanager;
const CONFIG_FILE: &str = "alertmanager.yml";
const DATA_DIR: &str = "/alertmanager";
const CLUSTER_PORT: u16 = 9094;
/// The user `nobody` of the image.
const USER: User = User::NonRoot(65_534);

/// The objects of Alertmanager, if it is enabled.
#[must_use]
pub fn objects(stack: &Stack) -> Objects {
    let Some(alertmanager) = &stack.alertmanager else {
        return Objects::default();
    };
    let mut objects = Objects::default();
    objects.add(Stage::Access, &access::service_account(stack, COMPONENT));
    let map = files::config_map(
        stack,
        COMPONENT,
        stack.child_name(COMPONENT),
        Files::of(alertmanager).by_name(),
    );
    objects.add(Stage::Config, &map);
    if !alertmanager.secrets.is_empty() {
        let name = files::secrets_name(stack, COMPONENT);
        let secret = files::secret(stack, COMPONENT, name, alertmanager.secrets.clone());
        objects.add(Stage::Config, &secret);
    }
    objects.extend(network::objects(stack, COMPONENT));
    let workload = &alertmanager.workload;
    let template = pod::template(stack, COMPONENT, workload, pod(stack, alertmanager));
    objects.extend(stateful_set::objects(stack, COMPONENT, workload, template));
    objects
}

/// How to prove that the rendered configuration is loaded.
#[must_use]
pub fn delivery(stack: &Stack) -> Option<Delivery> {
    let alertmanager = stack.alertmanager.as_ref()?;
    let text = Files::of(alertmanager).config;
    Some(Delivery {
        component: COMPONENT,
        port: flows::http_port(COMPONENT),
        proof: Proof::AlertmanagerHash(digest::alertmanager(&text)),
        hash: digest::short(text),
    })
}

/// All that Alertmanager loads, but for the secrets.
struct Files {
    config: String,
    template_name: String,
    template: String,
}

impl Files {
    /// The template file is called by its hash, so that the hash of the configuration, which names
    /// it, proves both.
    fn of(alertmanager: &Alertmanager) -> Self {
        let template = template::file(&alertmanager.links);
        let template_name = format!("masthead-{}.tmpl", digest::short(&template));
        let config = config::alertmanager::config(alertmanager, &template_name);
        Self {
            config: config::to_yaml(&config),
            template_name,
            template,
        }
    }

    fn by_name(self) -> BTreeMap<String, String> {
        [
            (CONFIG_FILE.to_owned(), self.config),
            (self.template_name, self.template),
        ]
        .into()
    }
}

fn pod(stack: &Stack, alertmanager: &Alertmanager) -> Pod {
    Pod {
        user: USER,
        args: args(stack, alertmanager.workload.replicas),
        env: vec![pod::env_field("POD_IP", "status.podIP")],
        volumes: vec![
            volume::config_map("config", stack.child_name(COMPONENT), false),
            volume::optional_secret("secrets", files::secrets_name(stack, COMPONENT)),
        ],
        mounts: vec![
            volume::read_only("config", CONFIG_DIR),
            volume::read_only("secrets", SECRETS_DIR),
            volume::mount(volume::DATA, DATA_DIR),
        ],
        probes: Probes {
            port: HTTP,
            startup: "/-/ready",
            readiness: "/-/ready",
            liveness: "/-/healthy",
            startup_seconds: 120,
        },
        api_token: false,
        grace_seconds: 60,
        config_hash: None,
    }
}

fn args(stack: &Stack, replicas: i32) -> Vec<String> {
    let mut args = vec![
        format!("--config.file={CONFIG_DIR}/{CONFIG_FILE}"),
        format!("--storage.path={DATA_DIR}"),
        "--data.retention=120h".to_owned(),
    ];
    if replicas > 1 {
        args.push(format!(
            "--cluster.listen-address=[$(POD_IP)]:{CLUSTER_PORT}"
        ));
        // A cluster never takes in another's replicas, even when it gets an address of theirs.
        args.push(format!(
            "--cluster.label={}/{}",
            stack.namespace, stack.name
        ));
        args.push("--cluster.reconnect-timeout=5m".to_owned());
        args.extend((0..replicas).map(|replica| peer(stack, replica)));
    } else {
        // Empty: no cluster, no port.
        args.push("--cluster.listen-address=".to_owned());
    }
    args
}

fn peer(stack: &Stack, replica: i32) -> String {
    let (name, headless) = (
        stack.child_name(COMPONENT),
        meta::headless_name(stack, COMPONENT),
    );
    let (namespace, domain) = (&stack.namespace, &stack.operator.cluster_domain);
    format!("--cluster.peer={name}-{replica}.{headless}.{namespace}.svc.{domain}:{CLUSTER_PORT}")
}
