//! `node_edac_*`: memory errors that were corrected and that could not be.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Memory errors by controller and by row of chips.
pub struct Edac;

/// Controller, row and count; the families' other labels follow from which list it is in.
#[derive(Default)]
struct Counts {
    correctable: Vec<(String, i64)>,
    uncorrectable: Vec<(String, i64)>,
    row_correctable: Vec<(String, String, i64)>,
    row_uncorrectable: Vec<(String, String, i64)>,
}

impl Collector for Edac {
    fn name(&self) -> &'static str {
        "edac"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let counts = match read(roots) {
            Ok(counts) => counts,
            // Hosts without error-correcting memory have no errors: as in node_exporter.
            Err(error) if error.is_absent() => return Ok(()),
            Err(error) => return Err(error),
        };
        for (name, help, rows) in [
            (
                "node_edac_correctable_errors_total",
                "Total correctable memory errors.",
                &counts.correctable,
            ),
            (
                "node_edac_uncorrectable_errors_total",
                "Total uncorrectable memory errors.",
                &counts.uncorrectable,
            ),
        ] {
            let mut family = out.counter(name, help);
            for (controller, count) in rows {
                family.sample(&[("controller", controller)], *count as f64);
            }
        }
        for (name, help, rows) in [
            (
                "node_edac_csrow_correctable_errors_total",
                "Total correctable memory errors for this csrow.",
                &counts.row_correctable,
            ),
            (
                "node_edac_csrow_uncorrectable_errors_total",
                "Total uncorrectable memory errors for this csrow.",
                &counts.row_uncorrectable,
            ),
        ] {
            let mut family = out.counter(name, help);
            for (controller, row, count) in rows {
                family.sample(&[("controller", controller), ("csrow", row)], *count as f64);
            }
        }
        Ok(())
    }
}

/// Documentation/admin-guide/RAS/main.rst, "System Logging" on sysfs. `noinfo` counts errors of
/// which the controller could not tell the row.
fn read(roots: &Roots) -> Result<Counts, CollectError> {
    let all = roots.sys_folder("devices/system/edac/mc")?;
    let mut counts = Counts::default();
    for name in all.names()? {
        let Some((controller, folder)) = number(&name, "mc").zip(all.folder(&name)) else {
            continue;
        };
        let owned = controller.to_owned();
        let unknown = || "unknown".to_owned();
        let count = |file| folder.number(file);
        let add = |rows: &mut Vec<_>, count: Option<i64>| {
            rows.extend(count.map(|count| (owned.clone(), count)));
        };
        add(&mut counts.correctable, count("ce_count"));
        add(&mut counts.uncorrectable, count("ue_count"));
        let add = |rows: &mut Vec<_>, row: String, count: Option<i64>| {
            rows.extend(count.map(|count| (owned.clone(), row, count)));
        };
        let (correctable, uncorrectable) =
            (&mut counts.row_correctable, &mut counts.row_uncorrectable);
        add(correctable, unknown(), count("ce_noinfo_count"));
        add(uncorrectable, unknown(), count("ue_noinfo_count"));
        for name in folder.names()? {
            if let Some((row, folder)) = number(&name, "csrow").zip(folder.folder(&name)) {
                add(correctable, row.to_owned(), folder.number("ce_count"));
                add(uncorrectable, row.to_owned(), folder.number("ue_count"));
            }
        }
    }
    Ok(counts)
}

/// The number after a prefix.
fn number<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let number = name.strip_prefix(prefix)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}
