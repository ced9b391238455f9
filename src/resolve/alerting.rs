//! Alertmanager: from `spec.alerting` to the resolved form.

use super::{
    Inputs, model::Alertmanager, problem::Problem, secrets::SecretFiles, workload::Common,
};
use crate::api::{
    alerting::{AlertingSpec, Links},
    component::Component,
    stack::MonitoringStackSpec,
};

pub mod external;
mod inhibition;
mod matchers;
mod receivers;
mod routes;
mod times;

/// The resolved Alertmanager; a problem of one receiver, route or interval leaves only that out.
pub fn resolve(
    spec: &MonitoringStackSpec,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Result<Alertmanager, Problem> {
    let default = AlertingSpec::default();
    let alerting = spec.alerting.as_ref().unwrap_or(&default);
    let workload = Common {
        component: Component::Alertmanager,
        image: alerting.image.as_ref(),
        version: alerting.version.as_ref(),
        replicas: alerting.replicas,
        resources: alerting.resources.as_ref(),
        storage: alerting.storage.as_ref(),
        scheduling: spec.scheduling.as_ref(),
    }
    .resolve()?;
    let mut files = SecretFiles::new(inputs);
    let receivers = receivers::resolve(alerting, &workload.version, &mut files, problems);
    let time_intervals = times::resolve(alerting, problems);
    let routes = routes::resolve(alerting, &receivers, &time_intervals, problems);
    Ok(Alertmanager {
        receivers,
        routes,
        time_intervals,
        inhibit_warnings: alerting.inhibit_warnings.unwrap_or(true),
        inhibit_rules: inhibition::resolve(alerting, problems),
        links: links(alerting, problems),
        secrets: files.into_files(),
        workload,
    })
}

/// The links whose address is one, without a slash at the end.
pub fn links(alerting: &AlertingSpec, problems: &mut Vec<Problem>) -> Links {
    let given = alerting.links.clone().unwrap_or_default();
    let mut checked = |name: &str, url: Option<String>| {
        let url = url?;
        match super::http::plain_url(&format!("spec.alerting.links.{name}"), &url) {
            Ok(url) => Some(url.trim_end_matches('/').to_owned()),
            Err(problem) => {
                problems.push(problem);
                None
            }
        }
    };
    Links {
        prometheus: checked("prometheus", given.prometheus),
        alertmanager: checked("alertmanager", given.alertmanager),
        grafana: checked("grafana", given.grafana),
    }
}

#[cfg(test)]
mod tests;
