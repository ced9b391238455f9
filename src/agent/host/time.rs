//! `node_time_*`: the clock, its zone and its source.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

const NANOSECONDS_PER_SECOND: f64 = 1e9;
const CLOCKSOURCES: &str = "devices/system/clocksource";

/// The clock, its zone and its source.
pub struct Time;

impl Collector for Time {
    fn name(&self) -> &'static str {
        "time"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let now = Timestamp::now();
        let seconds = now.as_nanosecond() as f64 / NANOSECONDS_PER_SECOND;
        out.gauge(
            "node_time_seconds",
            "System time in seconds since epoch (1970).",
        )
        .sample(&[], seconds);
        let zone = host_zone(roots);
        let offset = zone.to_offset_info(now);
        let help = "System time zone offset in seconds.";
        out.gauge("node_time_zone_offset_seconds", help).sample(
            &[("time_zone", offset.abbreviation())],
            offset.offset().seconds().into(),
        );
        write_clocksources(roots, out)
    }
}

/// The host's zone, `/etc/localtime` below its root: this process's own is the container's. UTC
/// where there is none, as in localtime(5).
fn host_zone(roots: &Roots) -> TimeZone {
    let file = follow(roots, "/etc/localtime");
    let zone = std::fs::read(file)
        .ok()
        .and_then(|data| TimeZone::tzif("host", &data).ok());
    zone.unwrap_or(TimeZone::UTC)
}

/// A host's path with its symbolic link followed within the host's root: an absolute target
/// would otherwise lead into the container's.
fn follow(roots: &Roots, path: &str) -> PathBuf {
    let here = roots.in_rootfs(path);
    match std::fs::read_link(&here) {
        Ok(target) if target.is_absolute() => roots
            .rootfs
            .join(target.strip_prefix(Path::new("/")).unwrap_or(&target)),
        _ => here,
    }
}

fn write_clocksources(roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
    let sources = read_clocksources(roots)?;
    let help = "Available clocksources read from '/sys/devices/system/clocksource'.";
    let mut family = out.gauge("node_time_clocksource_available_info", help);
    for (device, source) in sources.iter().enumerate() {
        let device = device.to_string();
        for name in source.available.split_ascii_whitespace() {
            family.sample(&[("clocksource", name), ("device", &device)], 1.0);
        }
    }
    let help = "Current clocksource read from '/sys/devices/system/clocksource'.";
    let mut family = out.gauge("node_time_clocksource_current_info", help);
    for (device, source) in sources.iter().enumerate() {
        let labels = [
            ("clocksource", source.current.trim()),
            ("device", &device.to_string()),
        ];
        family.sample(&labels, 1.0);
    }
    Ok(())
}

struct Clocksource {
    available: String,
    current: String,
}

/// `clocksource0`, `clocksource1` and so on, as long as there are more.
fn read_clocksources(roots: &Roots) -> Result<Vec<Clocksource>, CollectError> {
    let mut sources = Vec::new();
    loop {
        let folder = format!("{CLOCKSOURCES}/clocksource{}", sources.len());
        let available = match roots.read_sys(format!("{folder}/available_clocksource")) {
            Err(error) if error.is_absent() => return Ok(sources),
            other => other?,
        };
        let current = roots.read_sys(format!("{folder}/current_clocksource"))?;
        sources.push(Clocksource { available, current });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_link_is_followed_within_the_hosts_root() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            rootfs: folder.path().into(),
        };
        assert_eq!(host_zone(&roots), TimeZone::UTC);

        let etc = folder.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::os::unix::fs::symlink("/usr/share/zoneinfo/X", etc.join("localtime")).unwrap();
        let target = folder.path().join("usr/share/zoneinfo/X");
        assert_eq!(follow(&roots, "/etc/localtime"), target);
    }
}
