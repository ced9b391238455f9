//! Where an object's targets are searched for: selectors and namespaces.

use std::collections::BTreeSet;

use super::{
    objects::Foreign,
    spec::{LabelSelector, NamespaceSelector},
};
use crate::resolve::{
    model::{Namespaces, jobs::Match},
    problem::Problem,
};

/// The conditions of a selector; without any it fits everything.
pub fn conditions(field: &str, selector: &LabelSelector) -> Result<Vec<Match>, Problem> {
    let mut found: Vec<_> = selector
        .match_labels
        .iter()
        .map(|(key, value)| Match::In(key.clone(), vec![value.clone()]))
        .collect();
    for (index, given) in selector.match_expressions.iter().enumerate() {
        let field = format!("{field}.matchExpressions[{index}]");
        let (key, values) = (given.key.clone(), given.values.clone());
        let condition = match given.operator.as_str() {
            "In" | "NotIn" if values.is_empty() => {
                return Err(Problem::new(format!("{field}.values"), "one at least"));
            }
            "In" => Match::In(key, values),
            "NotIn" => Match::NotIn(key, values),
            "Exists" => Match::Exists(key),
            "DoesNotExist" => Match::Absent(key),
            _ => {
                let message = "In, NotIn, Exists or DoesNotExist";
                return Err(Problem::new(format!("{field}.operator"), message));
            }
        };
        found.push(condition);
    }
    Ok(found)
}

/// The namespaces that a selector means, none for every one, and what is wrong with those that the
/// stack does not scrape.
pub fn namespaces(
    field: &str,
    selector: &NamespaceSelector,
    object: &Foreign,
    reach: &Namespaces,
) -> Result<(Option<Vec<String>>, Option<Problem>), Problem> {
    let asked: BTreeSet<&str> = if selector.any == Some(true) {
        return Ok((names(reach), None));
    } else if selector.match_names.is_empty() {
        [object.namespace.as_str()].into()
    } else {
        selector.match_names.iter().map(String::as_str).collect()
    };
    within(field, asked, reach)
}

/// Those of these namespaces that the stack scrapes, and a word on the others.
pub fn within(
    field: &str,
    asked: BTreeSet<&str>,
    reach: &Namespaces,
) -> Result<(Option<Vec<String>>, Option<Problem>), Problem> {
    let (inside, outside): (Vec<_>, Vec<_>) = asked.into_iter().partition(|name| match reach {
        Namespaces::All => true,
        Namespaces::These(names) => names.contains(*name),
    });
    let missing = (!outside.is_empty()).then(|| {
        let message = format!(
            "the stack does not scrape {}: let its spec.discovery.namespaces select it",
            outside.join(", ")
        );
        Problem::new(field, message)
    });
    match missing {
        Some(problem) if inside.is_empty() => Err(problem),
        missing => Ok((
            Some(inside.into_iter().map(ToOwned::to_owned).collect()),
            missing,
        )),
    }
}

/// Those that the stack scrapes; none: every one.
pub fn names(reach: &Namespaces) -> Option<Vec<String>> {
    match reach {
        Namespaces::All => None,
        Namespaces::These(names) => Some(names.iter().cloned().collect()),
    }
}
