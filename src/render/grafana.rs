//! Grafana: the dashboards.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        core::v1::{EnvVar, EnvVarSource, PodTemplateSpec, Secret, SecretKeySelector, Volume},
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::{
    access,
    config::{self, grafana::SECRETS_DIR},
    digest, files, flows, meta, network,
    objects::{Objects, Stage},
    pod::{self, Pod, Probes, User},
    volume,
};
use crate::{
    api::component::Component,
    resolve::model::{Grafana, SecretValue, Stack},
};

const COMPONENT: Component = Component::Grafana;
/// The user `grafana` of the image.
const USER: User = User::NonRoot(472);
/// The key of the admin's name in the admin Secret.
pub const ADMIN_USER: &str = "admin-user";
/// The key of the admin's password in the admin Secret.
pub const ADMIN_PASSWORD: &str = "admin-password";

/// Settings by their variables: nothing is reported, looked up or fetched from outside.
const SETTINGS: [(&str, &str); 11] = [
    ("GF_ANALYTICS_REPORTING_ENABLED", "false"),
    ("GF_ANALYTICS_CHECK_FOR_UPDATES", "false"),
    ("GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "false"),
    ("GF_LOG_MODE", "console"),
    ("GF_NEWS_NEWS_FEED_ENABLED", "false"),
    // Bundled plugins live on the read-only root: an update of them would fail at every start.
    ("GF_PLUGINS_PREINSTALL_AUTO_UPDATE", "false"),
    ("GF_PLUGINS_PREINSTALL_DISABLED", "true"),
    ("GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED", "true"),
    ("GF_SECURITY_DISABLE_GRAVATAR", "true"),
    ("GF_SNAPSHOTS_EXTERNAL_ENABLED", "false"),
    ("GF_USERS_ALLOW_SIGN_UP", "false"),
];

/// The objects of Grafana, if it is enabled.
#[must_use]
pub fn objects(stack: &Stack) -> Objects {
    let Some(grafana) = &stack.grafana else {
        return Objects::default();
    };
    let mut objects = Objects::default();
    objects.add(Stage::Access, &access::service_account(stack, COMPONENT));
    let text = config::to_yaml(&config::grafana::data_sources(stack, grafana));
    // Both are read at the start only.
    let secrets = secrets(stack);
    let hash = start_hash(&text, &secrets);
    let file = files::config_file(stack, COMPONENT, "datasources.yaml", text);
    objects.add(Stage::Config, &file);
    objects.add(Stage::Config, &admin_secret(stack, grafana));
    if !secrets.is_empty() {
        let name = files::secrets_name(stack, COMPONENT);
        let secret = files::secret(stack, COMPONENT, name, secrets);
        objects.add(Stage::Config, &secret);
    }
    if let Some(volume) = &grafana.workload.volume {
        let claim = volume::claim(stack, COMPONENT, volume);
        objects.add(Stage::Config, &claim);
    }
    objects.extend(network::objects(stack, COMPONENT));
    let pod = pod(stack, grafana, hash);
    let template = pod::template(stack, COMPONENT, &grafana.workload, pod);
    objects.add(Stage::Workload, &deployment(stack, template));
    objects
}

/// The secret files: those of a Loki that runs elsewhere.
fn secrets(stack: &Stack) -> BTreeMap<String, SecretValue> {
    let external = stack.external_loki.as_ref();
    external.map_or_else(BTreeMap::new, |loki| loki.secrets.clone())
}

fn start_hash(text: &str, secrets: &BTreeMap<String, SecretValue>) -> String {
    let secrets = secrets.iter();
    let hashes = secrets.map(|(name, SecretValue(value))| name.clone() + &digest::short(value));
    let parts: Vec<String> = [text.to_owned()].into_iter().chain(hashes).collect();
    digest::short(parts.join("\n"))
}

/// The name of the Secret with the admin's name and password.
#[must_use]
pub fn admin_secret_name(stack: &Stack) -> String {
    format!("{}-admin", stack.child_name(COMPONENT))
}

fn admin_secret(stack: &Stack, grafana: &Grafana) -> Secret {
    let values = BTreeMap::from([
        (ADMIN_USER.to_owned(), grafana.admin_user.clone()),
        (ADMIN_PASSWORD.to_owned(), grafana.admin_password.clone()),
    ]);
    files::secret(stack, COMPONENT, admin_secret_name(stack), values)
}

/// One pod, stopped before the next starts: they would share one database file.
fn deployment(stack: &Stack, template: PodTemplateSpec) -> Deployment {
    Deployment {
        metadata: meta::owned(stack, COMPONENT, stack.child_name(COMPONENT)),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: LabelSelector {
                match_labels: Some(meta::selector(stack, COMPONENT)),
                ..LabelSelector::default()
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".into()),
                ..DeploymentStrategy::default()
            }),
            template,
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod(stack: &Stack, grafana: &Grafana, config_hash: String) -> Pod {
    let mut env = vec![
        admin_env(stack, "GF_SECURITY_ADMIN_USER", ADMIN_USER),
        admin_env(stack, "GF_SECURITY_ADMIN_PASSWORD", ADMIN_PASSWORD),
    ];
    env.extend(SETTINGS.map(|(name, value)| pod::env(name, value)));
    let mut volumes = vec![
        volume::config_map("datasources", stack.child_name(COMPONENT), false),
        data_volume(stack, grafana),
        volume::empty_dir("logs"),
        volume::empty_dir("tmp"),
    ];
    let mut mounts = vec![
        volume::read_only("datasources", "/etc/grafana/provisioning/datasources"),
        volume::mount(volume::DATA, "/var/lib/grafana"),
        volume::mount("logs", "/var/log/grafana"),
        volume::mount("tmp", "/tmp"),
    ];
    if stack.external_loki.is_some() {
        let name = files::secrets_name(stack, COMPONENT);
        volumes.push(volume::optional_secret("secrets", name));
        mounts.push(volume::read_only("secrets", SECRETS_DIR));
    }
    Pod {
        user: USER,
        args: Vec::new(),
        env,
        volumes,
        mounts,
        probes: Probes {
            port: flows::HTTP,
            startup: "/api/health",
            readiness: "/api/health",
            liveness: "/api/health",
            // The database is migrated first.
            startup_seconds: 300,
        },
        api_token: false,
        grace_seconds: 30,
        config_hash: Some(config_hash),
    }
}

fn data_volume(stack: &Stack, grafana: &Grafana) -> Volume {
    match grafana.workload.volume {
        Some(_) => volume::claimed(volume::DATA, stack.child_name(COMPONENT)),
        None => volume::empty_dir(volume::DATA),
    }
}

/// Grafana reads these when it makes its database, at the very first start.
fn admin_env(stack: &Stack, variable: &str, key: &str) -> EnvVar {
    EnvVar {
        name: variable.into(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: admin_secret_name(stack),
                key: key.into(),
                ..SecretKeySelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}
