//! `masthead check`: what a cluster would say of these files, without one.

use std::io::Write;

use super::{
    finding::Finding,
    manifests::{Found, Manifests},
    promtool,
};
use crate::{
    cli::CheckArgs,
    resolve::{self, problem::Problem, prometheus_operator},
};

/// Writes one line for each thing that is wrong; false when there was any.
pub fn check(args: &CheckArgs, out: &mut impl Write) -> anyhow::Result<bool> {
    let manifests = Manifests::read(&args.files)?;
    let mut findings = manifests.findings.clone();
    for found in &manifests.stacks {
        let inputs = manifests.inputs(&found.object, "masthead");
        let problems = match resolve::resolve(&found.object, &inputs) {
            Ok(resolution) => resolution.problems,
            Err(problems) => problems,
        };
        findings.extend(beyond_the_schema(found, &problems));
    }
    for found in &manifests.rules {
        let problems = resolve::rules::problems(&found.object);
        findings.extend(beyond_the_schema(found, &problems));
    }
    for (source, object) in &manifests.foreign {
        let notes = prometheus_operator::notes(object).into_iter();
        let left_out = notes.filter(|note| note.left_out);
        findings.extend(left_out.map(|note| source.problem(&note.problem)));
    }
    let untested = test(&manifests, &mut findings)?;
    findings.sort();
    findings.dedup();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    if findings.is_empty() {
        writeln!(out, "{}", right(&manifests))?;
    }
    if untested > 0 {
        writeln!(
            out,
            "not run: spec.tests of {untested} AlertRules; put promtool on the PATH"
        )?;
    }
    Ok(findings.is_empty())
}

/// Runs the unit tests of the rules; how many `AlertRules` have some that nobody can run here.
fn test(manifests: &Manifests, findings: &mut Vec<Finding>) -> anyhow::Result<usize> {
    let with_tests: Vec<_> = manifests
        .rules
        .iter()
        .filter(|found| !found.object.spec.tests.is_empty() && found.refused.is_empty())
        .collect();
    if with_tests.is_empty() {
        return Ok(0);
    }
    let Some(promtool) = promtool::find() else {
        return Ok(with_tests.len());
    };
    for found in with_tests {
        let failures = promtool::failures(&promtool, &found.object)?;
        findings.extend(failures.iter().map(|problem| found.source.problem(problem)));
    }
    Ok(0)
}

/// What only the operator knows. It makes the checks of the definitions' rules as well, and
/// some of the schema's, which are told by then.
fn beyond_the_schema<K>(found: &Found<K>, problems: &[Problem]) -> Vec<Finding> {
    let told = |field: &str| found.refused.iter().any(|refused| refused.field == field);
    problems
        .iter()
        .filter(|problem| !told(&problem.field))
        .map(|problem| found.source.problem(problem))
        .collect()
}

fn right(manifests: &Manifests) -> String {
    let counts = [
        (
            manifests.stacks.len(),
            "MonitoringStack",
            "MonitoringStacks",
        ),
        (manifests.rules.len(), "AlertRule", "AlertRules"),
        (
            manifests.foreign.len(),
            "object of prometheus-operator's kinds",
            "objects of prometheus-operator's kinds",
        ),
    ];
    let counted: Vec<_> = counts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
        .collect();
    if counted.is_empty() {
        return "nothing to check: no MonitoringStack and no AlertRule in these files".to_owned();
    }
    format!("nothing is wrong: {}", counted.join(", "))
}
