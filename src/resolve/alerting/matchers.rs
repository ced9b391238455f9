//! Matchers: what a label's value has to be.

use super::super::{problem::Problem, re2};
use crate::api::alerting::route::Matcher;

/// The first thing that is wrong with matchers. A pattern that does not compile makes Alertmanager
/// refuse its whole configuration.
pub fn check(matchers: &[Matcher], field: &str) -> Result<(), Problem> {
    for (index, matcher) in matchers.iter().enumerate() {
        if !matcher.operator.unwrap_or_default().is_regex() {
            continue;
        }
        if let Some(wrong) = re2::problem(&matcher.value) {
            let message = format!("{:?} is no regular expression: {wrong}", matcher.value);
            return Err(Problem::new(format!("{field}[{index}].value"), message));
        }
    }
    Ok(())
}
