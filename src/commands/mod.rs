//! The subcommands that need no cluster: `crds`, `render`, `check`.

use std::{fs, io::Write, path::Path};

use anyhow::Context;
use serde::Serialize;

mod check;
mod finding;
mod located;
mod manifests;
mod promtool;
mod render;
mod schema;

pub use check::check;
pub use render::render;

/// Writes the custom resource definitions as YAML documents.
pub fn crds(out: &mut impl Write) -> anyhow::Result<()> {
    crate::api::crds()
        .iter()
        .try_for_each(|crd| document(out, crd))
}

/// Writes each definition into a file of its own: `<plural>.yaml`.
pub fn write_crds(folder: &Path) -> anyhow::Result<()> {
    for crd in crate::api::crds() {
        let path = folder.join(format!("{}.yaml", crd.spec.names.plural));
        fs::write(&path, serde_saphyr::to_string(&crd)?)
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Writes one YAML document.
fn document(out: &mut impl Write, value: &impl Serialize) -> anyhow::Result<()> {
    writeln!(out, "---")?;
    out.write_all(serde_saphyr::to_string(value)?.as_bytes())?;
    Ok(())
}
