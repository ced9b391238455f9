//! `spec.agent`: the agent on every node.

mod node;

use super::{Inputs, model::Agent, postgres, problem::Problem, workload::Common};
use crate::api::{
    agent::AgentSpec,
    agent_config::{AgentConfig, ContainersConfig, PodsConfig},
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
                    ..ContainersConfig::default()
                }),
            logs: None,
            postgres,
        },
        secrets: secrets.unwrap_or_default(),
    })
}
