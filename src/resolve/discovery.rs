//! `spec.discovery`: what Prometheus scrapes beside the stack itself.

use super::{
    Inputs,
    model::{Discovery, Namespaces},
    namespaces,
    problem::Problem,
    prometheus_operator,
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
    let annotations = discovery.annotations.unwrap_or(true);
    let kinds = inputs.prometheus_operator.installed && prometheus_operator::is_wanted(spec);
    if !annotations && !kinds {
        return None;
    }
    let field = "spec.discovery.namespaces";
    let selector = discovery.namespaces.as_ref();
    let chosen = namespaces::select(field, selector, namespace, inputs, problems);
    let namespaces = chosen.unwrap_or_else(|problem| {
        problems.push(problem);
        Namespaces::These([namespace.to_owned()].into())
    });
    let reach = if kinds {
        // Whose objects are taken, those namespaces are read too.
        let sources = prometheus_operator::sources(spec, namespace, inputs, problems);
        union(namespaces.clone(), sources)
    } else {
        namespaces.clone()
    };
    Some(Discovery {
        annotations: annotations.then_some(namespaces),
        reach,
    })
}

fn union(one: Namespaces, other: Namespaces) -> Namespaces {
    match (one, other) {
        (Namespaces::These(mut one), Namespaces::These(other)) => {
            one.extend(other);
            Namespaces::These(one)
        }
        _ => Namespaces::All,
    }
}
