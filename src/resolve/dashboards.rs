//! `spec.dashboards`: Grafana.

use std::collections::BTreeMap;

use super::{
    Inputs,
    model::{Grafana, SecretValue},
    problem::Problem,
    workload::Common,
};
use crate::api::{
    component::Component,
    stack::{DashboardsSpec, MonitoringStackSpec},
};

/// Resolves Grafana.
pub fn resolve(
    spec: &MonitoringStackSpec,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Result<Grafana, Problem> {
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
    let (admin_user, admin_password) = given
        .or_else(|| inputs.grafana_admin.as_ref().and_then(credentials))
        .unwrap_or_else(|| {
            (
                SecretValue(b"admin".to_vec()),
                inputs.fresh_password.clone(),
            )
        });
    Ok(Grafana {
        workload,
        admin_user,
        admin_password,
    })
}

/// The admin's name and password, if a Secret holds both.
fn credentials(data: &BTreeMap<String, SecretValue>) -> Option<(SecretValue, SecretValue)> {
    let value = |key: &str| data.get(key).filter(|value| !value.0.is_empty()).cloned();
    Some((value("admin-user")?, value("admin-password")?))
}
