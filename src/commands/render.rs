//! `masthead render`: every object that a stack becomes, without a cluster.

use std::io::Write;

use anyhow::bail;

use super::{document, finding::Finding, manifests::Manifests};
use crate::{cli::RenderArgs, render, resolve};

/// Writes the objects of every stack in the files as YAML documents. What was left out of a stack,
/// its rules among it, is a comment before its objects.
pub fn render(args: &RenderArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let manifests = Manifests::read(&args.files)?;
    if !manifests.findings.is_empty() {
        return Err(nothing(manifests.findings));
    }
    if manifests.stacks.is_empty() {
        bail!("no MonitoringStack in these files: give -f a file or folder that has one");
    }
    for found in &manifests.stacks {
        let stack = &found.object;
        let inputs = manifests.inputs(stack, &args.image);
        let resolution = match resolve::resolve(stack, &inputs) {
            Ok(resolution) => resolution,
            Err(problems) => {
                return Err(nothing(problems.iter().map(|it| found.source.problem(it))));
            }
        };
        for problem in &resolution.problems {
            writeln!(out, "# left out: {problem}")?;
        }
        for rule in &resolution.rules {
            for problem in &rule.problems {
                writeln!(out, "# left out: AlertRule {}: {problem}", rule.name)?;
            }
        }
        for object in render::render(&resolution.stack).into_ordered() {
            document(out, &object.body)?;
        }
    }
    Ok(())
}

/// The error: each thing on a line of its own.
fn nothing(things: impl IntoIterator<Item = Finding>) -> anyhow::Error {
    let things: Vec<_> = things.into_iter().map(|it| it.to_string()).collect();
    anyhow::anyhow!("nothing is rendered:\n{}", things.join("\n"))
}
