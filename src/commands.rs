//! The subcommands that need no cluster: `crds`, `render`, `check`.

use std::io::Write;

/// Writes the custom resource definitions as YAML documents.
pub fn crds(out: &mut impl Write) -> anyhow::Result<()> {
    for crd in crate::api::crds() {
        writeln!(out, "---")?;
        out.write_all(serde_saphyr::to_string(&crd)?.as_bytes())?;
    }
    Ok(())
}
