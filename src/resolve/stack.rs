//! The whole stack: each component on its own, so that a wrong one leaves the others alone.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::{
    Inputs, Resolution, agent, alerting, dashboards, external_loki, logs, metrics, model::Stack,
    problem::Problem, prometheus_operator, rules, secrets,
};
use crate::api::{
    component::Component,
    rule::Engine,
    stack::{MonitoringStack, MonitoringStackSpec},
};

/// Resolves a stack. An error means that nothing of it can be rendered.
pub fn resolve(stack: &MonitoringStack, inputs: &Inputs) -> Result<Resolution, Vec<Problem>> {
    check_name(&stack.name_any())?;
    let spec = &stack.spec;
    let namespace = stack.namespace().unwrap_or_else(|| "default".into());
    let place = |engine| rules::place(engine, &inputs.rules, &inputs.barred);
    let (metrics_rules, log_rules) = (place(Engine::Prometheus), place(Engine::Loki));
    let mut parts = Parts {
        problems: Vec::new(),
        held: BTreeSet::new(),
    };
    let (prometheus, taken) = parts
        .take(Component::Prometheus, spec, |problems| {
            metrics::resolve(spec, &namespace, inputs, metrics_rules.files, problems)
        })
        .unzip();
    let verdicts = &metrics_rules.verdicts;
    let report = taken.map(|taken| prometheus_operator::report(inputs, taken, verdicts));
    parts.problems.extend(unselectable(spec, inputs));
    if alerting::external::is_used(spec) {
        let alerting = spec.alerting.iter();
        alerting.for_each(|it| alerting::external::check_alone(it, &mut parts.problems));
    }
    let alertmanager = parts.take(Component::Alertmanager, spec, |problems| {
        alerting::resolve(spec, inputs, problems)
    });
    let loki = parts.take(Component::Loki, spec, |problems| {
        logs::resolve(spec, log_rules.files, problems)
    });
    let name = stack.name_any();
    let own = dashboards::Own {
        name: &name,
        namespace: &namespace,
    };
    let (grafana, refused_dashboards) = parts
        .take(Component::Grafana, spec, |problems| {
            dashboards::resolve(spec, own, inputs, problems)
        })
        .unzip();
    let agent = parts.take(Component::Agent, spec, |problems| {
        agent::resolve(spec, &namespace, inputs, problems)
    });
    let external_loki = external_loki::resolve(spec, inputs, &mut parts.problems);
    Ok(Resolution {
        stack: Stack {
            name,
            namespace,
            uid: stack.metadata.uid.clone().unwrap_or_default(),
            operator: inputs.operator.clone(),
            server: inputs.server,
            prometheus,
            alertmanager,
            loki,
            external_loki,
            grafana,
            agent,
            held: parts.held,
            default_rules: spec
                .alerting
                .as_ref()
                .and_then(|it| it.default_rules.clone())
                .unwrap_or_default(),
            network_policy: spec
                .security
                .as_ref()
                .and_then(|it| it.network_policy)
                .unwrap_or(true),
            image_pull_secrets: secrets::image_pull_secrets(stack, inputs, &mut parts.problems),
            paused: spec.paused.unwrap_or(false),
        },
        problems: parts.problems,
        prometheus_operator: report.unwrap_or_default(),
        refused_dashboards: refused_dashboards.unwrap_or_default(),
        // Without its engine nobody evaluates a rule: the stack takes none.
        rules: [
            (Component::Prometheus, metrics_rules.verdicts),
            (Component::Loki, log_rules.verdicts),
        ]
        .into_iter()
        .filter(|(component, _)| enabled(*component, spec))
        .flat_map(|(_, verdicts)| verdicts)
        .collect(),
    })
}

/// Collects what goes wrong while the components are resolved one by one.
struct Parts {
    problems: Vec<Problem>,
    held: BTreeSet<Component>,
}

impl Parts {
    /// One component: none when it is switched off, or held when its specification is wrong.
    fn take<T>(
        &mut self,
        component: Component,
        spec: &MonitoringStackSpec,
        resolve: impl FnOnce(&mut Vec<Problem>) -> Result<T, Problem>,
    ) -> Option<T> {
        if !enabled(component, spec) {
            return None;
        }
        match resolve(&mut self.problems) {
            Ok(resolved) => Some(resolved),
            Err(problem) => {
                self.problems.push(problem);
                self.held.insert(component);
                None
            }
        }
    }
}

/// An operator that works in some namespaces sees no others, and not their labels.
fn unselectable(spec: &MonitoringStackSpec, inputs: &Inputs) -> Option<Problem> {
    let rules = spec.alerting.as_ref()?.rules.as_ref()?;
    let selector = rules.namespaces.as_ref()?;
    let by_name = selector.match_labels.is_empty() && selector.all != Some(true);
    (!by_name && !inputs.operator.cluster_wide).then(|| {
        Problem::new(
            "spec.alerting.rules.namespaces",
            "this operator works in some namespaces only (watchNamespaces): write their names",
        )
    })
}

/// Every component is on unless its `enabled` says otherwise.
fn enabled(component: Component, spec: &MonitoringStackSpec) -> bool {
    match component {
        Component::Prometheus => spec.metrics.as_ref().and_then(|it| it.enabled),
        // Alerts go to those outside, so the stack has none of its own.
        Component::Alertmanager if alerting::external::is_used(spec) => Some(false),
        Component::Alertmanager => spec.alerting.as_ref().and_then(|it| it.enabled),
        Component::Loki => spec.logs.as_ref().and_then(|it| match &it.external {
            Some(_) => Some(false),
            None => it.enabled,
        }),
        Component::Grafana => spec.dashboards.as_ref().and_then(|it| it.enabled),
        Component::Agent => spec.agent.as_ref().and_then(|it| it.enabled),
    }
    .unwrap_or(true)
}

/// The same check as the CRD's rule: servers before 1.25 do not run those.
fn check_name(name: &str) -> Result<(), Vec<Problem>> {
    let label = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let message = if name.len() > Stack::MAX_NAME {
        format!(
            "{name:?} has {} characters: {} at most, so that the names of the stack's objects fit",
            name.len(),
            Stack::MAX_NAME
        )
    } else if !label {
        format!(
            "{name:?}: letters, digits and dashes, starting with a letter, since Services are named after it"
        )
    } else {
        return Ok(());
    };
    Err(vec![Problem::new("metadata.name", message)])
}

#[cfg(test)]
pub mod fixture;
#[cfg(test)]
mod tests;
