//! `spec.discovery`: what Prometheus scrapes beside the stack itself.

use super::{
    Inputs,
    model::{Discovery, Namespaces},
    namespaces,
    problem::Problem,
};
use crate::api::{discovery::DiscoverySpec, stack::MonitoringStackSpec};

/// What is discovered, if anything. A selector that cannot be followed leaves the stack's own
/// namespace.
pub fn resolve(
    spec: &MonitoringStackSpec,
    namespace: &str,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Option<Discovery> {
    let default = DiscoverySpec::default();
    let discovery = spec.discovery.as_ref().unwrap_or(&default);
    if !discovery.annotations.unwrap_or(true) {
        return None;
    }
    let field = "spec.discovery.namespaces";
    let selector = discovery.namespaces.as_ref();
    let chosen = namespaces::select(field, selector, namespace, inputs, problems);
    let namespaces = chosen.unwrap_or_else(|problem| {
        problems.push(problem);
        Namespaces::These([namespace.to_owned()].into())
    });
    Some(Discovery { namespaces })
}
