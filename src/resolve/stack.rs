//! The whole stack: each component on its own, so that a wrong one leaves the others alone.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::{
    Inputs, Resolution, alerting, duration, metrics,
    model::{Agent, Grafana, Loki, SecretValue, Stack},
    problem::Problem,
    rules,
    workload::Common,
};
use crate::api::{
    agent_config::{AgentConfig, ContainersConfig, NodeConfig, PodsConfig},
    component::Component,
    defaults,
    stack::{AgentSpec, DashboardsSpec, LogsSpec, MonitoringStack, MonitoringStackSpec},
    value::{Scheduling, Toleration, TolerationOperator},
};

const DAY_MILLIS: u64 = 24 * 3_600_000;

/// Resolves a stack. An error means that nothing of it can be rendered.
pub fn resolve(stack: &MonitoringStack, inputs: &Inputs) -> Result<Resolution, Vec<Problem>> {
    check_name(&stack.name_any())?;
    let spec = &stack.spec;
    let (rule_files, rules) = rules::judge(&inputs.rules);
    let mut parts = Parts {
        problems: Vec::new(),
        held: BTreeSet::new(),
    };
    let prometheus = parts.take(Component::Prometheus, spec, |problems| {
        metrics::resolve(spec, inputs, rule_files, problems)
    });
    let alertmanager = parts.take(Component::Alertmanager, spec, |problems| {
        alerting::resolve(spec, inputs, problems)
    });
    let loki = parts.take(Component::Loki, spec, |_| resolve_loki(spec));
    let grafana = parts.take(Component::Grafana, spec, |problems| {
        resolve_grafana(spec, inputs, problems)
    });
    let namespace = stack.namespace().unwrap_or_else(|| "default".into());
    let agent = parts.take(Component::Agent, spec, |_| {
        resolve_agent(spec, &namespace, inputs)
    });
    Ok(Resolution {
        stack: Stack {
            name: stack.name_any(),
            namespace,
            uid: stack.metadata.uid.clone().unwrap_or_default(),
            operator: inputs.operator.clone(),
            server: inputs.server,
            prometheus,
            alertmanager,
            loki,
            grafana,
            agent,
            held: parts.held,
            network_policy: spec
                .security
                .as_ref()
                .and_then(|it| it.network_policy)
                .unwrap_or(true),
            image_pull_secrets: spec
                .image_pull_secrets
                .iter()
                .map(|secret| secret.name.0.clone())
                .collect(),
            paused: spec.paused.unwrap_or(false),
        },
        problems: parts.problems,
        // Without Prometheus nobody evaluates them: the stack takes none.
        rules: if enabled(Component::Prometheus, spec) {
            rules
        } else {
            Vec::new()
        },
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

/// Every component is on unless its `enabled` says otherwise.
fn enabled(component: Component, spec: &MonitoringStackSpec) -> bool {
    match component {
        Component::Prometheus => spec.metrics.as_ref().and_then(|it| it.enabled),
        Component::Alertmanager => spec.alerting.as_ref().and_then(|it| it.enabled),
        Component::Loki => spec.logs.as_ref().and_then(|it| it.enabled),
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

fn resolve_loki(spec: &MonitoringStackSpec) -> Result<Loki, Problem> {
    let default = LogsSpec::default();
    let logs = spec.logs.as_ref().unwrap_or(&default);
    let field = "spec.logs.retention";
    let retention = metrics::duration_or(field, logs.retention.as_ref(), defaults::RETENTION)?;
    let millis = duration::parse_millis(&retention).unwrap_or_default();
    if millis < DAY_MILLIS {
        let message = format!("{retention} is too short: Loki keeps whole days, 1d at least");
        return Err(Problem::new(field, message));
    }
    Ok(Loki {
        workload: Common {
            component: Component::Loki,
            image: logs.image.as_deref(),
            version: logs.version.as_deref(),
            replicas: None,
            resources: logs.resources.as_ref(),
            storage: logs.storage.as_ref(),
            scheduling: spec.scheduling.as_ref(),
        }
        .resolve()?,
        retention: format!("{}h", millis.div_ceil(3_600_000)),
        // Rules over logs are judged, and refused, by `rules::problems`.
        rule_files: BTreeMap::new(),
    })
}

fn resolve_grafana(
    spec: &MonitoringStackSpec,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Result<Grafana, Problem> {
    let default = DashboardsSpec::default();
    let dashboards = spec.dashboards.as_ref().unwrap_or(&default);
    let workload = Common {
        component: Component::Grafana,
        image: dashboards.image.as_deref(),
        version: dashboards.version.as_deref(),
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

fn resolve_agent(
    spec: &MonitoringStackSpec,
    namespace: &str,
    inputs: &Inputs,
) -> Result<Agent, Problem> {
    let default = AgentSpec::default();
    let agent = spec.agent.as_ref().unwrap_or(&default);
    let everywhere = Toleration {
        operator: Some(TolerationOperator::Exists),
        ..Toleration::default()
    };
    let scheduling = Scheduling {
        node_selector: agent.node_selector.clone(),
        tolerations: vec![everywhere],
        priority_class_name: agent.priority_class_name.clone(),
    };
    let node = agent.node.clone().unwrap_or_default();
    let containers = agent.containers.clone().unwrap_or_default();
    // An operator that works in namespaces of its own cannot give its agents more than that.
    let pods = PodsConfig {
        namespace: (!inputs.operator.cluster_wide).then(|| namespace.to_owned()),
    };
    Ok(Agent {
        workload: Common {
            component: Component::Agent,
            image: Some(&inputs.operator.image),
            version: Some(env!("CARGO_PKG_VERSION")),
            replicas: None,
            resources: agent.resources.as_ref(),
            storage: None,
            scheduling: Some(&scheduling),
        }
        .resolve()?,
        config: AgentConfig {
            node: node.enabled.unwrap_or(true).then_some(NodeConfig {
                disable: node.disable,
                ..NodeConfig::default()
            }),
            containers: containers
                .enabled
                .unwrap_or(true)
                .then(|| ContainersConfig {
                    labels: containers.labels,
                    pods: Some(pods),
                    ..ContainersConfig::default()
                }),
        },
    })
}

#[cfg(test)]
mod tests;
