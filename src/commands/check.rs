//! `masthead check`: what a cluster would say of these files, without one.

use std::io::Write;

use kube::ResourceExt;

use super::manifests::{Finding, Found, Manifests};
use crate::{api::stack::MonitoringStack, cli::CheckArgs, resolve};

/// Writes one line for each thing that is wrong; false when there was any.
pub fn check(args: &CheckArgs, out: &mut impl Write) -> anyhow::Result<bool> {
    let manifests = Manifests::read(&args.files)?;
    let mut findings = manifests.findings.clone();
    for found in &manifests.stacks {
        findings.extend(stack_findings(found, &manifests));
    }
    for found in &manifests.rules {
        let name = format!("AlertRule {}", found.object.name_any());
        findings.extend(
            resolve::rules::problems(&found.object)
                .into_iter()
                .map(|problem| Finding {
                    place: found.place.clone(),
                    message: format!("{name}: {problem}"),
                }),
        );
    }
    findings.sort();
    findings.dedup();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    if findings.is_empty() {
        let (stacks, rules) = (manifests.stacks.len(), manifests.rules.len());
        writeln!(out, "{stacks} stacks and {rules} rules are right")?;
    }
    Ok(findings.is_empty())
}

/// The server's own rules first, then what only the operator knows.
fn stack_findings(found: &Found<MonitoringStack>, manifests: &Manifests) -> Vec<Finding> {
    let stack = &found.object;
    let name = format!("MonitoringStack {}", stack.name_any());
    let finding = |message: String| Finding {
        place: found.place.clone(),
        message: format!("{name}: {message}"),
    };
    let mut findings: Vec<_> = match stack.validate_cel() {
        Ok(()) => Vec::new(),
        Err(errors) => errors
            .iter()
            .map(|error| finding(error.message.clone()))
            .collect(),
    };
    let inputs = manifests.inputs(stack.namespace().as_deref(), "masthead");
    let problems = match resolve::resolve(stack, &inputs) {
        Ok(resolution) => resolution.problems,
        Err(problems) => problems,
    };
    findings.extend(problems.iter().map(|problem| finding(problem.to_string())));
    findings
}
