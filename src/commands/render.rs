//! `masthead render`: every object that a stack becomes, without a cluster.

use std::io::Write;

use anyhow::bail;
use kube::ResourceExt;

use super::{document, manifests::Manifests};
use crate::{cli::RenderArgs, render, resolve};

/// Writes the objects of every stack in the files as YAML documents. What was left out of a stack
/// is a comment before its objects.
pub fn render(args: &RenderArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let manifests = Manifests::read(&args.files)?;
    if let Some(finding) = manifests.findings.first() {
        bail!("{finding}");
    }
    if manifests.stacks.is_empty() {
        bail!("no MonitoringStack in these files");
    }
    for found in &manifests.stacks {
        let stack = &found.object;
        let inputs = manifests.inputs(stack.namespace().as_deref(), &args.image);
        let resolution = match resolve::resolve(stack, &inputs) {
            Ok(resolution) => resolution,
            Err(problems) => {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                bail!("{}: {}", found.place, problems.join("; "));
            }
        };
        for problem in &resolution.problems {
            writeln!(out, "# left out: {problem}")?;
        }
        for object in render::render(&resolution.stack).into_ordered() {
            document(out, &object.body)?;
        }
    }
    Ok(())
}
