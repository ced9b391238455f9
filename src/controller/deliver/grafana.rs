//! Delivery to Grafana: its provisioning files by its reload API, and its admin's password.
//!
//! Dashboards need no more than that the kubelet projects them: Grafana looks every ten seconds.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info, warn};

use super::{ConfigState, PATIENCE, running_pods, touch};
use crate::{
    api::component::Component,
    controller::{
        backend::{
            BackendError, Backends, PodRef,
            grafana::{Grafana, Provisioned},
        },
        error,
        observe::pod::is_ready,
    },
    render::{
        grafana::{self as render, Delivery},
        meta::MANAGER,
    },
    resolve::model::{Credentials, Stack},
};

/// The wait for a file that the kubelet was made to look for.
const PAUSE: Duration = Duration::from_millis(300);
/// The two files reach the pod within this time of each other.
const SETTLE: Duration = Duration::from_millis(200);
const NOT_YET: &str = "the new files have not reached the pod yet";

/// Brings files and password to Grafana and says how it went. `fresh`: something of it was just
/// written.
pub async fn deliver(
    client: &Client,
    backends: &Backends,
    stack: &Stack,
    delivery: &Delivery,
    fresh: bool,
) -> ConfigState {
    let failed = |words: String| ConfigState {
        hash: delivery.hash.clone(),
        message: Some(words),
        ..ConfigState::default()
    };
    let pods = match running_pods(client, stack, Component::Grafana).await {
        Ok(pods) => pods,
        Err(error) => return failed(format!("cannot list the pods: {}", error::words(&error))),
    };
    // There is one at a time.
    let Some(pod) = pods.iter().find(|pod| is_ready(pod)).or(pods.first()) else {
        return failed("no pod runs".into());
    };
    let errand = Errand {
        client,
        backends,
        stack,
        delivery,
        pod,
        target: PodRef::of(pod),
    };
    match errand.run(fresh).await {
        Ok(()) => ConfigState {
            hash: delivery.hash.clone(),
            loaded: true,
            ..ConfigState::default()
        },
        Err(words) => failed(format!("pod {}: {words}", errand.target.name)),
    }
}

/// One delivery to one pod.
struct Errand<'a> {
    client: &'a Client,
    backends: &'a Backends,
    stack: &'a Stack,
    delivery: &'a Delivery,
    pod: &'a Pod,
    target: PodRef,
}

impl Errand<'_> {
    async fn run(&self, fresh: bool) -> Result<(), String> {
        if fresh {
            self.touch().await;
        }
        if !is_ready(self.pod) {
            return Err("it is not ready yet".into());
        }
        let mut login = self.login().await?;
        if !self.stack.paused {
            login = self.rotate(login).await?;
        }
        self.load(self.grafana(&login), fresh).await
    }

    fn grafana<'a>(&'a self, login: &'a Credentials) -> Grafana<'a> {
        Grafana {
            backends: self.backends,
            pod: &self.target,
            port: self.delivery.port,
            sub_path: &self.delivery.sub_path,
            login,
        }
    }

    /// A name and a password that Grafana lets in: those that it took last, else those that it is
    /// to have. Each is tried once and never again in the same pod if it is refused.
    async fn login(&self) -> Result<Credentials, String> {
        let wanted = &self.delivery.wanted;
        let applied = self.delivery.applied.as_ref();
        let candidates = applied
            .into_iter()
            .chain((applied != Some(wanted)).then_some(wanted));
        let (stack, pod) = (&self.stack.uid, self.pod.uid().unwrap_or_default());
        let refusals = &self.backends.refusals;
        for candidate in candidates {
            if refusals.has(stack, &pod, candidate) {
                continue;
            }
            match self.grafana(candidate).lets_in().await {
                Ok(()) => return Ok(candidate.clone()),
                Err(BackendError::Refused { status, .. }) if status.as_u16() == 401 => {
                    warn!(
                        pod = self.target.name,
                        "Grafana refuses a name and a password; they are not tried again."
                    );
                    refusals.add(stack, &pod, candidate);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!(
            "Grafana refuses the admin's name and password, which are not tried again, since it locks a \
             name after some attempts: write the password that it has into the Secret that \
             spec.dashboards.adminSecretRef names, else into {}-grafana-admin, or set it to the Secret's \
             by `grafana cli admin reset-admin-password` in the pod",
            self.stack.name
        ))
    }

    /// Gives the admin the wanted name and password, and writes down what Grafana took.
    async fn rotate(&self, mut login: Credentials) -> Result<Credentials, String> {
        let wanted = &self.delivery.wanted;
        if login.user != wanted.user {
            let name = String::from_utf8_lossy(&wanted.user.0);
            self.grafana(&login)
                .rename(&name)
                .await
                .map_err(|error| format!("the admin cannot be renamed: {error}"))?;
            login.user = wanted.user.clone();
            self.remember(&login).await?;
        }
        if login.password != wanted.password {
            let password = String::from_utf8_lossy(&wanted.password.0);
            self.grafana(&login)
                .change_password(&password)
                .await
                .map_err(|error| format!("the admin's password cannot be changed: {error}"))?;
            login.password = wanted.password.clone();
            info!(
                pod = self.target.name,
                "Grafana's admin has the new password."
            );
        }
        if self.delivery.applied.as_ref() != Some(&login) {
            self.remember(&login).await?;
        }
        Ok(login)
    }

    /// Writes down a name and a password that Grafana took.
    async fn remember(&self, taken: &Credentials) -> Result<(), String> {
        let Some(object) = render::applied_secret(self.stack, taken) else {
            return Ok(());
        };
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.stack.namespace);
        let params = PatchParams::apply(MANAGER).force();
        secrets
            .patch(&object.name, &params, &Patch::Apply(object.body.to_value()))
            .await
            .map(|_| ())
            .map_err(|error| {
                format!(
                    "the Secret {} cannot be written: {}",
                    object.name,
                    error::words(&error)
                )
            })
    }

    /// Makes Grafana read its files until its data source shows the mark of the wanted ones, then
    /// makes it look where its dashboards are.
    async fn load(&self, grafana: Grafana<'_>, fresh: bool) -> Result<(), String> {
        let Some(source) = self.delivery.source else {
            if fresh && !self.stack.paused {
                sleep(PAUSE).await;
                return grafana
                    .reload(Provisioned::Dashboards)
                    .await
                    .map_err(|error| error.to_string());
            }
            return Ok(());
        };
        if self.holds(grafana, source).await? {
            return Ok(());
        }
        if self.stack.paused {
            return Err("the stack is paused".into());
        }
        if !fresh {
            self.touch().await;
        }
        let mut said = NOT_YET.to_owned();
        let insisting = async {
            loop {
                sleep(PAUSE).await;
                match self.attempt(grafana, source).await {
                    Ok(true) => return,
                    Ok(false) => NOT_YET.clone_into(&mut said),
                    Err(words) => said = words,
                }
            }
        };
        timeout_at(Instant::now() + PATIENCE, insisting)
            .await
            .map_err(|_| said)
    }

    async fn attempt(&self, grafana: Grafana<'_>, source: &str) -> Result<bool, String> {
        let words = |error: BackendError| error.to_string();
        grafana
            .reload(Provisioned::DataSources)
            .await
            .map_err(words)?;
        if !self.holds(grafana, source).await? {
            return Ok(false);
        }
        sleep(SETTLE).await;
        grafana
            .reload(Provisioned::Dashboards)
            .await
            .map_err(words)?;
        Ok(true)
    }

    async fn holds(&self, grafana: Grafana<'_>, source: &str) -> Result<bool, String> {
        let mark = grafana
            .mark(source)
            .await
            .map_err(|error| error.to_string())?;
        Ok(mark.as_deref() == Some(&self.delivery.hash))
    }

    async fn touch(&self) {
        if self.stack.paused {
            return;
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.stack.namespace);
        let value = touch::next(touch::current(self.pod), &self.delivery.hash);
        if let Err(error) = touch::write(&pods, &self.target.name, &value).await {
            debug!(pod = self.target.name, %error, "Cannot touch the pod.");
        }
    }
}
