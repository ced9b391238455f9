//! Which namespaces a selector means.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inputs, model::Namespaces, problem::Problem};
use crate::api::{stack::MonitoringStackSpec, value::NamespaceSelector};

/// Whether the namespaces of the cluster have to be known to resolve this.
#[must_use]
pub fn are_asked_for(spec: &MonitoringStackSpec) -> bool {
    let discovery = spec.discovery.as_ref();
    let dashboards = spec.dashboards.as_ref();
    let selectors = [
        discovery.and_then(|it| it.namespaces.as_ref()),
        discovery.and_then(|it| it.prometheus_operator.as_ref()?.namespaces.as_ref()),
        dashboards.and_then(|it| it.namespaces.as_ref()),
    ];
    selectors
        .into_iter()
        .flatten()
        .any(|selector| !selector.names.is_empty() || !selector.match_labels.is_empty())
}

/// The namespaces that a selector means. `field` is the selector's path, `own` the stack's
/// namespace, which is always among them. A name that no namespace has is a problem of its own.
///
/// # Errors
/// When the selector cannot be followed at all: several ways at once, or a way that takes more
/// than an operator with `watchNamespaces` may see.
pub fn select(
    field: &str,
    selector: Option<&NamespaceSelector>,
    own: &str,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Result<Namespaces, Problem> {
    let mut chosen = BTreeSet::from([own.to_owned()]);
    let Some(selector) = selector else {
        return Ok(Namespaces::These(chosen));
    };
    let all = selector.all.unwrap_or(false);
    let ways = [
        all,
        !selector.names.is_empty(),
        !selector.match_labels.is_empty(),
    ];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return Err(Problem::new(
            field,
            "all, names or matchLabels: one of them",
        ));
    }
    if (all || !selector.match_labels.is_empty()) && !inputs.operator.cluster_wide {
        let message =
            "this operator works in some namespaces only (watchNamespaces): write their names";
        return Err(Problem::new(field, message));
    }
    if all {
        return Ok(Namespaces::All);
    }
    for (index, name) in selector.names.iter().enumerate() {
        if exists(inputs, &name.0) {
            chosen.insert(name.0.clone());
        } else {
            let message = format!("there is no namespace {:?}", name.0);
            problems.push(Problem::new(format!("{field}.names[{index}]"), message));
        }
    }
    if !selector.match_labels.is_empty() {
        let fitting = inputs.namespaces.iter().flatten();
        let fitting = fitting.filter(|(_, labels)| fits(selector, labels));
        chosen.extend(fitting.map(|(name, _)| name.clone()));
    }
    Ok(Namespaces::These(chosen))
}

/// Where nobody knows the namespaces, a name is taken as it is.
fn exists(inputs: &Inputs, name: &str) -> bool {
    let known = inputs.namespaces.as_ref();
    known.is_none_or(|known| known.contains_key(name))
}

fn fits(selector: &NamespaceSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut wanted = selector.match_labels.iter();
    wanted.all(|(name, value)| labels.get(name) == Some(&value.0))
}

#[cfg(test)]
mod tests;
