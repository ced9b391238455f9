//! `spec.dashboards`: Grafana.

mod ingress;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::{
    Inputs,
    model::{Credentials, Grafana, Namespaces, SecretValue},
    namespaces,
    problem::Problem,
    workload::Common,
};
use crate::api::{
    component::Component,
    dashboards::{Extra, ShippedSpec},
    stack::{DashboardsSpec, MonitoringStackSpec},
};

pub use users::{DASHBOARD_LABELS, RefusedDashboard, SHARDS};

/// Resolves Grafana; beside it, the dashboards of users that were left out.
pub fn resolve(
    spec: &MonitoringStackSpec,
    own: Own<'_>,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Result<(Grafana, Vec<RefusedDashboard>), Problem> {
    let default = DashboardsSpec::default();
    let dashboards = spec.dashboards.as_ref().unwrap_or(&default);
    let workload = Common {
        component: Component::Grafana,
        image: dashboards.image.as_ref(),
        version: dashboards.version.as_ref(),
        replicas: None,
        resources: dashboards.resources.as_ref(),
        storage: dashboards.storage.as_ref(),
        scheduling: spec.scheduling.as_ref(),
    }
    .resolve()?;
    let admin = admin(dashboards, inputs, problems);
    let ingress = dashboards
        .ingress
        .as_ref()
        .map(|spec| ingress::resolve(spec, own, inputs, problems));
    let root_url = dashboards
        .root_url
        .clone()
        .or_else(|| ingress.as_ref().map(ingress::address));
    let namespaces = namespaces::select(
        "spec.dashboards.namespaces",
        dashboards.namespaces.as_ref(),
        own.namespace,
        inputs,
        problems,
    )?;
    let selector = dashboards.selector.clone().unwrap_or_default();
    let judged = users::judge(&inputs.dashboards, |map| {
        let here = match &namespaces {
            Namespaces::All => true,
            Namespaces::These(names) => map.namespace().is_some_and(|name| names.contains(&name)),
        };
        here && users::has_labels(map, &selector)
    });
    problems.extend(judged.refused.iter().map(RefusedDashboard::problem));
    let grafana = Grafana {
        workload,
        admin_user: admin.user,
        admin_password: admin.password,
        applied: inputs.grafana_applied.as_ref().and_then(credentials),
        shipped: shipped(dashboards.shipped.as_ref()),
        shards: judged.shards,
        sub_path: root_url.as_deref().map(sub_path).unwrap_or_default(),
        root_url,
        anonymous_viewer: dashboards.anonymous_viewer.unwrap_or(false),
        ingress,
    };
    Ok((grafana, judged.refused))
}

/// The stack that Grafana belongs to.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

/// The admin: of the Secret that was named, else of the generated one, else a new one.
fn admin(dashboards: &DashboardsSpec, inputs: &Inputs, problems: &mut Vec<Problem>) -> Credentials {
    let named = dashboards
        .admin_secret_ref
        .as_ref()
        .map(|reference| &reference.name.0);
    let given = named.and_then(|name| match inputs.secrets.get(name).map(credentials) {
        Some(Some(found)) => Some(found),
        None if inputs.assume_secrets => None,
        found => {
            let what = if found.is_some() {
                format!("the Secret {name:?} lacks the keys admin-user and admin-password")
            } else {
                format!("there is no Secret {name:?} in this namespace")
            };
            problems.push(Problem::new("spec.dashboards.adminSecretRef", what));
            None
        }
    });
    given
        .or_else(|| inputs.grafana_admin.as_ref().and_then(credentials))
        .unwrap_or_else(|| Credentials {
            user: SecretValue(b"admin".to_vec()),
            password: inputs.fresh_password.clone(),
        })
}

fn shipped(spec: Option<&ShippedSpec>) -> Option<BTreeSet<Extra>> {
    let Some(spec) = spec else {
        return Some(BTreeSet::new());
    };
    spec.enabled
        .unwrap_or(true)
        .then(|| spec.extra.iter().copied().collect())
}

/// The path of an address, without a slash at its end.
fn sub_path(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find('/').and_then(|at| after_scheme.get(at..));
    let path = path.unwrap_or_default();
    let end = path.find(['?', '#']).unwrap_or(path.len());
    path.get(..end)
        .unwrap_or_default()
        .trim_end_matches('/')
        .to_owned()
}

/// The admin's name and password, if a Secret holds both.
fn credentials(data: &BTreeMap<String, SecretValue>) -> Option<Credentials> {
    let value = |key: &str| data.get(key).filter(|value| !value.0.is_empty()).cloned();
    Some(Credentials {
        user: value("admin-user")?,
        password: value("admin-password")?,
    })
}

#[cfg(test)]
mod tests {
    use super::sub_path;

    #[test]
    fn the_path_of_an_address_is_what_comes_after_the_host() {
        for (url, path) in [
            ("https://example.org", ""),
            ("https://example.org/", ""),
            ("https://example.org/grafana/", "/grafana"),
            ("https://example.org:3000/a/b?x=1", "/a/b"),
        ] {
            assert_eq!(sub_path(url), path, "{url}");
        }
    }
}
