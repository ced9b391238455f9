//! `spec.agent`: the agent on every node.

mod node;

use super::{Inputs, agent_logs, model::Agent, postgres, problem::Problem, workload::Common};
use crate::api::{
    agent::AgentSpec,
    agent_config::{AgentConfig, ContainersConfig, LogsConfig, PodsConfig},
    component::Component,
    stack::MonitoringStackSpec,
    value::{ImageReference, ImageVersion, Scheduling, Toleration, TolerationOperator},
};

/// Resolves the agent; problems of single collectors' settings leave only those out.
pub fn resolve(
    spec: &MonitoringStackSpec,
    namespace: &str,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
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
    let containers = agent.containers.clone().unwrap_or_default();
    let image = ImageReference(inputs.operator.image.clone());
    let version = ImageVersion(env!("CARGO_PKG_VERSION").into());
    // An operator that works in namespaces of its own cannot give its agents more than that.
    let pods = PodsConfig {
        namespace: (!inputs.operator.cluster_wide).then(|| namespace.to_owned()),
    };
    let postgres = agent.postgres.as_ref();
    let postgres = postgres.map(|spec| postgres::resolve(spec, namespace, inputs, problems));
    let (postgres, secrets) = postgres.unzip();
    Ok(Agent {
        workload: Common {
            component: Component::Agent,
            image: Some(&image),
            version: Some(&version),
            replicas: None,
            resources: agent.resources.as_ref(),
            storage: None,
            scheduling: Some(&scheduling),
        }
        .resolve()?,
        config: AgentConfig {
            node: node::resolve(&agent.node.clone().unwrap_or_default(), problems),
            containers: containers
                .enabled
                .unwrap_or(true)
                .then(|| ContainersConfig {
                    labels: containers.labels,
                    pods: Some(pods),
                    cri: containers.runtime_socket,
                    ..ContainersConfig::default()
                }),
            logs: logs(spec, namespace, inputs, problems)?,
            postgres,
        },
        secrets: secrets.unwrap_or_default(),
    })
}

/// The lines to ship; without a Loki of either kind there is nowhere to ship to.
fn logs(
    spec: &MonitoringStackSpec,
    namespace: &str,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Result<Option<LogsConfig>, Problem> {
    let wanted = spec.agent.as_ref().and_then(|agent| agent.logs.as_deref());
    if spec.logs.as_ref().and_then(|logs| logs.enabled) != Some(false) {
        return agent_logs::resolve(wanted, namespace, inputs, problems);
    }
    if wanted.is_some_and(|logs| logs.enabled != Some(false)) {
        let message = "there is no Loki to ship to: spec.logs.enabled is false";
        problems.push(Problem::new("spec.agent.logs", message));
    }
    Ok(None)
}
