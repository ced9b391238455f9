//! Alerts that silence others.

use super::{super::problem::Problem, matchers};
use crate::api::alerting::{AlertingSpec, route::InhibitRule};

/// The rules that are right. One that is wrong silences nothing: better told twice than not at all.
pub fn resolve(alerting: &AlertingSpec, problems: &mut Vec<Problem>) -> Vec<InhibitRule> {
    let mut taken = Vec::new();
    for (index, rule) in alerting.inhibit_rules.iter().enumerate() {
        match check(rule, &format!("spec.alerting.inhibitRules[{index}]")) {
            Ok(()) => taken.push(rule.clone()),
            Err(problem) => problems.push(problem),
        }
    }
    taken
}

fn check(rule: &InhibitRule, field: &str) -> Result<(), Problem> {
    for (name, side) in [("source", &rule.source), ("target", &rule.target)] {
        let field = format!("{field}.{name}");
        if side.is_empty() {
            return Err(Problem::new(field, "one matcher at least"));
        }
        matchers::check(side, &field)?;
    }
    Ok(())
}
