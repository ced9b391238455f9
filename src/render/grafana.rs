//! Grafana: the dashboards.
//!
//! Everything in it comes from files, so that a restart, or a lost volume, loses nothing but what
//! people made by hand.

mod files;
mod ingress;

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
    config::grafana::SECRETS_DIR,
    digest, files as shared_files, flows, meta, network,
    objects::{Object, Objects, Stage},
    pod::{self, Pod, Probes, User},
    volume,
};
use crate::{
    api::component::Component,
    resolve::model::{Credentials, Grafana, SecretValue, Stack},
};

pub use ingress::middlewares;

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
    objects.extend(files::objects(stack, grafana));
    objects.add(Stage::Config, &admin_secret(stack, grafana));
    if let Some(applied) = &grafana.applied {
        objects.add(
            Stage::Config,
            &secret(stack, applied_secret_name(stack), applied),
        );
    }
    let secrets = secrets(stack);
    if !secrets.is_empty() {
        let name = shared_files::secrets_name(stack, COMPONENT);
        let secret = shared_files::secret(stack, COMPONENT, name, secrets);
        objects.add(Stage::Config, &secret);
    }
    if let Some(volume) = &grafana.workload.volume {
        let claim = volume::claim(stack, COMPONENT, volume);
        objects.add(Stage::Config, &claim);
    }
    objects.extend(network::objects(stack, COMPONENT));
    objects.extend(ingress::objects(stack, grafana));
    let pod = pod(stack, grafana);
    let template = pod::template(stack, COMPONENT, &grafana.workload, pod);
    objects.add(Stage::Workload, &deployment(stack, template));
    objects
}

/// The secret files: those of a Loki that runs elsewhere.
fn secrets(stack: &Stack) -> BTreeMap<String, SecretValue> {
    let external = stack.external_loki.as_ref();
    external.map_or_else(BTreeMap::new, |loki| loki.secrets.clone())
}

/// A hash of the secret files, if there are any: a new one has new pods, since no data source tells
/// which secrets it was read with.
fn secrets_hash(stack: &Stack) -> Option<String> {
    let secrets = secrets(stack);
    let hashes = secrets
        .iter()
        .map(|(name, SecretValue(value))| name.clone() + &digest::short(value));
    (!secrets.is_empty()).then(|| digest::short(hashes.collect::<Vec<_>>().join("\n")))
}

/// The name of the Secret with the admin's name and password.
#[must_use]
pub fn admin_secret_name(stack: &Stack) -> String {
    format!("{}-admin", stack.child_name(COMPONENT))
}

fn admin_secret(stack: &Stack, grafana: &Grafana) -> Secret {
    let admin = Credentials {
        user: grafana.admin_user.clone(),
        password: grafana.admin_password.clone(),
    };
    secret(stack, admin_secret_name(stack), &admin)
}

/// The Secret with the name and password that Grafana took last, as it is rendered: to write down
/// what it just took.
#[must_use]
pub fn applied_secret(stack: &Stack, taken: &Credentials) -> Option<Object> {
    let mut objects = Objects::default();
    let secret = secret(stack, applied_secret_name(stack), taken);
    objects.add(Stage::Config, &secret);
    objects.sealed().into_ordered().pop()
}

fn applied_secret_name(stack: &Stack) -> String {
    format!("{}-applied", stack.child_name(COMPONENT))
}

fn secret(stack: &Stack, name: String, credentials: &Credentials) -> Secret {
    let values = BTreeMap::from([
        (ADMIN_USER.to_owned(), credentials.user.clone()),
        (ADMIN_PASSWORD.to_owned(), credentials.password.clone()),
    ]);
    shared_files::secret(stack, COMPONENT, name, values)
}

/// What Grafana is to have loaded, and how to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The port of its HTTP API.
    pub port: u16,
    /// The path that its API is below; empty: none.
    pub sub_path: String,
    /// A hash of its provisioning files. The first data source holds it.
    pub hash: String,
    /// The uid of that data source; none when there is none.
    pub source: Option<&'static str>,
    /// The name and password that it is to have.
    pub wanted: Credentials,
    /// Those that it took last.
    pub applied: Option<Credentials>,
}

/// How to tell that Grafana has loaded what was rendered.
#[must_use]
pub fn delivery(stack: &Stack) -> Option<Delivery> {
    let grafana = stack.grafana.as_ref()?;
    let provisioning = files::Provisioning::of(stack, grafana);
    Some(Delivery {
        port: flows::http_port(COMPONENT),
        sub_path: grafana.sub_path.clone(),
        hash: provisioning.hash,
        source: provisioning.source,
        wanted: Credentials {
            user: grafana.admin_user.clone(),
            password: grafana.admin_password.clone(),
        },
        applied: grafana.applied.clone(),
    })
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

fn pod(stack: &Stack, grafana: &Grafana) -> Pod {
    let (mut volumes, mut mounts) = files::volumes(stack);
    volumes.extend([
        data_volume(stack, grafana),
        volume::empty_dir("logs"),
        volume::empty_dir("tmp"),
    ]);
    mounts.extend([
        volume::mount(volume::DATA, "/var/lib/grafana"),
        volume::mount("logs", "/var/log/grafana"),
        volume::mount("tmp", "/tmp"),
    ]);
    if stack.external_loki.is_some() {
        let name = shared_files::secrets_name(stack, COMPONENT);
        volumes.push(volume::optional_secret("secrets", name));
        mounts.push(volume::read_only("secrets", SECRETS_DIR));
    }
    let health = format!("{}/api/health", grafana.sub_path);
    Pod {
        user: USER,
        args: Vec::new(),
        env: env(stack, grafana),
        volumes,
        mounts,
        probes: Probes {
            port: flows::HTTP,
            startup: health.clone().into(),
            readiness: health.clone().into(),
            liveness: health.into(),
            // The database is migrated first.
            startup_seconds: 300,
        },
        api_token: false,
        grace_seconds: 30,
        config_hash: secrets_hash(stack),
    }
}

fn env(stack: &Stack, grafana: &Grafana) -> Vec<EnvVar> {
    let mut env = vec![
        admin_env(stack, "GF_SECURITY_ADMIN_USER", ADMIN_USER),
        admin_env(stack, "GF_SECURITY_ADMIN_PASSWORD", ADMIN_PASSWORD),
    ];
    env.extend(SETTINGS.map(|(name, value)| pod::env(name, value)));
    if let Some(url) = &grafana.root_url {
        env.push(pod::env("GF_SERVER_ROOT_URL", url));
    }
    if !grafana.sub_path.is_empty() {
        env.push(pod::env("GF_SERVER_SERVE_FROM_SUB_PATH", "true"));
    }
    if grafana.anonymous_viewer {
        env.push(pod::env("GF_AUTH_ANONYMOUS_ENABLED", "true"));
        env.push(pod::env("GF_AUTH_ANONYMOUS_ORG_ROLE", "Viewer"));
    }
    if let Some(home) = files::home(stack, grafana) {
        env.push(pod::env("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH", &home));
    }
    env
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
