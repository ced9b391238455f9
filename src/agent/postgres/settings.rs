//! `pg_settings_*`: one family for each parameter of the server that is a number or a switch.

use tokio_postgres::Row;

use super::session::text;
use crate::agent::exposition::Exposition;

/// The name in `pg_scrape_collector_success{collector="…"}`.
pub const COLLECTOR: &str = "settings";
/// What this session has set for itself is not the server's. That its transactions only read is
/// such a thing too, but for a standby's.
pub const SQL: &str = "select name, case when name = 'transaction_read_only' \
    and pg_is_in_recovery() then 'on' when source = 'session' or name = 'transaction_read_only' \
    then reset_val else setting end, coalesce(unit, ''), vartype \
    from pg_settings where vartype in ('bool', 'integer', 'real')";

/// Writes the families; `labels` is on each series.
pub fn write(out: &mut Exposition, rows: &[Row], labels: &str) {
    let mut names = Names::default();
    for row in rows {
        let columns = [0, 1, 2, 3].map(|column| text(row, column));
        let columns = columns.each_ref().map(|column| &**column);
        names.write(out, columns, labels);
    }
}

/// The name and help of a family, made in the same memory for each.
#[derive(Debug, Default)]
pub struct Names {
    family: String,
    help: String,
}

impl Names {
    /// Writes one parameter: its name, setting, unit and type.
    pub fn write(
        &mut self,
        out: &mut Exposition,
        [name, setting, unit, kind]: [&str; 4],
        labels: &str,
    ) {
        let Some((suffix, value)) = read(setting, unit, kind) else {
            return;
        };
        self.family.clear();
        self.family.push_str("pg_settings_");
        // Extensions may put other characters in their parameters' names.
        let known = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        self.family.extend(name.chars().map(known));
        self.family.push_str(suffix);
        self.help.clear();
        self.help.push_str("Server Parameter: ");
        self.help.push_str(name);
        if !suffix.is_empty() {
            self.help.push_str(" [Units converted to ");
            self.help.push_str(suffix.trim_start_matches('_'));
            self.help.push_str(".]");
        }
        out.gauge(&self.family, &self.help).labelled(labels, value);
    }
}

/// The name's ending and the value in base units; none when it is no number.
fn read(setting: &str, unit: &str, kind: &str) -> Option<(&'static str, f64)> {
    if kind == "bool" {
        return Some(("", f64::from(setting == "on")));
    }
    let value: f64 = setting.parse().ok()?;
    let Some((suffix, factor, parts)) = factor(unit) else {
        return Some(("", value));
    };
    // It stands for "none" or "as another parameter".
    let special = (value + 1.0).abs() < f64::EPSILON;
    Some((
        suffix,
        if special {
            value
        } else {
            value * factor / parts
        },
    ))
}

/// A unit such as `ms`, `min`, `kB` or `8kB`: the name's ending, how many base units it is, and
/// how many of it make one.
fn factor(unit: &str) -> Option<(&'static str, f64, f64)> {
    let end = unit.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = unit.split_at_checked(end)?;
    let count = if count.is_empty() {
        1.0
    } else {
        count.parse().ok()?
    };
    let (suffix, factor) = match unit {
        "us" => return Some(("_seconds", count, 1e6)),
        "ms" => return Some(("_seconds", count, 1e3)),
        "s" => ("_seconds", 1.0),
        "min" => ("_seconds", 60.0),
        "h" => ("_seconds", 3_600.0),
        "d" => ("_seconds", 86_400.0),
        "B" => ("_bytes", 1.0),
        "kB" => ("_bytes", 1_024.0),
        "MB" => ("_bytes", 1_048_576.0),
        "GB" => ("_bytes", 1_073_741_824.0),
        "TB" => ("_bytes", 1_099_511_627_776.0),
        _ => return None,
    };
    Some((suffix, count * factor, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_become_base_units_and_minus_one_stays() {
        for (setting, unit, kind, expected) in [
            ("on", "", "bool", ("", 1.0)),
            ("off", "", "bool", ("", 0.0)),
            ("100", "", "integer", ("", 100.0)),
            ("0600", "", "integer", ("", 600.0)),
            ("4096", "8kB", "integer", ("_bytes", 33_554_432.0)),
            ("5", "min", "integer", ("_seconds", 300.0)),
            ("-1", "kB", "integer", ("_bytes", -1.0)),
            ("1", "d", "integer", ("_seconds", 86_400.0)),
            ("7", "parsecs", "integer", ("", 7.0)),
        ] {
            assert_eq!(
                read(setting, unit, kind),
                Some(expected),
                "{setting} {unit}"
            );
        }
        assert_eq!(read("2", "ms", "real"), Some(("_seconds", 0.002)));
        assert_eq!(read("warning", "", "integer"), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(setting in "\\PC*", unit in "\\PC*|[0-9]{0,30}[kMGT]?B", kind in "real|bool") {
            let _read = read(&setting, &unit, &kind);
        }
    }
}
