//! `node_cpu_*`: time per processor and mode, throttling, isolation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// `USER_HZ`, the unit of `/proc/stat`: 100 a second on every platform there is.
const TICKS_PER_SECOND: f64 = 100.0;
/// A processor whose idle time jumps back further than this was taken out and put back.
const JUMP_BACK_SECONDS: f64 = 3.0;
/// The columns of `/proc/stat` in order; guest time is in `user` and `nice` as well.
const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];
const IDLE: usize = 3;
const COLUMNS: usize = 10;

/// Seconds by column, zero for columns that an old kernel lacks.
type Seconds = [f64; COLUMNS];

/// Time per processor. Remembers what was shown, since the kernel lets some columns go backwards
/// (see `proc_stat(5)` on iowait) and a counter must not.
#[derive(Debug, Default)]
pub struct Cpu {
    shown: Mutex<BTreeMap<u32, Seconds>>,
}

impl Collector for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let now = parse(&roots.read_proc("stat")?);
        if now.is_empty() {
            return Err(CollectError::malformed("stat", "no cpu lines"));
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        advance(&mut shown, &now);
        write_seconds(&shown, out);
        let cpus: Vec<u32> = shown.keys().copied().collect();
        drop(shown);
        write_isolated(roots, out);
        write_throttles(roots, &cpus, out);
        Ok(())
    }
}

/// The `cpuN` lines of `/proc/stat`.
fn parse(text: &str) -> BTreeMap<u32, Seconds> {
    let cpus = text.lines().filter_map(|line| {
        let (id, columns) = line.strip_prefix("cpu")?.split_once(' ')?;
        let mut seconds = [0.0; COLUMNS];
        for (slot, ticks) in seconds.iter_mut().zip(columns.split_ascii_whitespace()) {
            *slot = ticks.parse::<u64>().ok()? as f64 / TICKS_PER_SECOND;
        }
        Some((id.parse().ok()?, seconds))
    });
    cpus.collect()
}

/// Moves what is shown forward to `now`, never backwards but after a hotplug; forgets processors
/// that went offline.
fn advance(shown: &mut BTreeMap<u32, Seconds>, now: &BTreeMap<u32, Seconds>) {
    shown.retain(|id, _| now.contains_key(id));
    for (id, now) in now {
        let shown = shown.entry(*id).or_default();
        if shown[IDLE] - now[IDLE] >= JUMP_BACK_SECONDS {
            *shown = *now;
        }
        for (shown, now) in shown.iter_mut().zip(now) {
            *shown = shown.max(*now);
        }
    }
}

fn write_seconds(shown: &BTreeMap<u32, Seconds>, out: &mut Exposition) {
    let cpus: Vec<(String, &Seconds)> = shown
        .iter()
        .map(|(id, seconds)| (id.to_string(), seconds))
        .collect();
    let mut family = out.counter(
        "node_cpu_seconds_total",
        "Seconds the CPUs spent in each mode.",
    );
    for (cpu, seconds) in &cpus {
        for (mode, value) in MODES.iter().zip(*seconds) {
            family.sample(&[("cpu", cpu), ("mode", mode)], *value);
        }
    }
    let mut family = out.counter(
        "node_cpu_guest_seconds_total",
        "Seconds the CPUs spent in guests (VMs) for each mode.",
    );
    for (cpu, [.., guest, guest_nice]) in &cpus {
        family.sample(&[("cpu", cpu), ("mode", "user")], *guest);
        family.sample(&[("cpu", cpu), ("mode", "nice")], *guest_nice);
    }
}

/// `node_cpu_isolated`: the processors that the scheduler leaves alone (`isolcpus=`).
fn write_isolated(roots: &Roots, out: &mut Exposition) {
    let Ok(list) = roots.read_sys("devices/system/cpu/isolated") else {
        return;
    };
    let help = "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.";
    let mut family = out.gauge("node_cpu_isolated", help);
    for cpu in parse_list(&list) {
        family.sample(&[("cpu", &cpu.to_string())], 1.0);
    }
}

/// A list such as `0-2,5`. Ranges beyond any machine's processors are taken for nonsense.
pub fn parse_list(text: &str) -> BTreeSet<u32> {
    const MOST: u32 = 1 << 16;
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        (last < MOST).then_some(first..=last)
    });
    ranges.flatten().collect()
}

/// Thermal throttling per core and package; virtual machines have none.
fn write_throttles(roots: &Roots, cpus: &[u32], out: &mut Exposition) {
    let mut cores = BTreeMap::new();
    let mut packages = BTreeMap::new();
    for cpu in cpus {
        let number = |file: &str| -> Option<u64> {
            let path = format!("devices/system/cpu/cpu{cpu}/{file}");
            roots.read_sys(path).ok()?.trim().parse().ok()
        };
        let core_count = number("thermal_throttle/core_throttle_count");
        let package_count = number("thermal_throttle/package_throttle_count");
        if core_count.is_none() && package_count.is_none() {
            continue;
        }
        let Some(package) = number("topology/physical_package_id") else {
            continue;
        };
        let Some(core) = number("topology/core_id") else {
            continue;
        };
        // Siblings share a count, so the first of each core speaks for it.
        if let Some(count) = core_count {
            cores.entry((core, package)).or_insert(count);
        }
        if let Some(count) = package_count {
            packages.entry(package).or_insert(count);
        }
    }
    let help = "Number of times this CPU core has been throttled.";
    let mut family = out.counter("node_cpu_core_throttles_total", help);
    for ((core, package), count) in cores {
        let (core, package) = (core.to_string(), package.to_string());
        family.sample(&[("core", &core), ("package", &package)], count as f64);
    }
    let help = "Number of times this CPU package has been throttled.";
    let mut family = out.counter("node_cpu_package_throttles_total", help);
    for (package, count) in packages {
        family.sample(&[("package", &package.to_string())], count as f64);
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is parsed is exact")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn idle(seconds: f64) -> BTreeMap<u32, Seconds> {
        let mut columns = [1.0; COLUMNS];
        columns[IDLE] = seconds;
        BTreeMap::from([(0, columns)])
    }

    #[test]
    fn processors_are_read_but_not_their_sum() {
        let text = "cpu  300 0\ncpu0 8594 1 7750 7722 61 0 246 2 3 4\ncpu12 100\nintr 5\n";
        let cpus = parse(text);
        assert_eq!(cpus.keys().copied().collect::<Vec<_>>(), [0, 12]);
        assert_eq!(
            cpus[&0],
            [85.94, 0.01, 77.5, 77.22, 0.61, 0.0, 2.46, 0.02, 0.03, 0.04]
        );
        assert_eq!(cpus[&12][1], 0.0);
    }

    #[test]
    fn a_counter_never_goes_back_but_after_a_hotplug() {
        let mut shown = BTreeMap::new();
        advance(&mut shown, &idle(10.0));
        advance(&mut shown, &idle(9.5));
        assert_eq!(shown, idle(10.0));
        advance(&mut shown, &idle(2.0));
        assert_eq!(shown, idle(2.0));
    }

    #[test]
    fn a_processor_that_went_offline_is_forgotten() {
        let mut shown = BTreeMap::new();
        advance(&mut shown, &idle(10.0));
        advance(&mut shown, &BTreeMap::from([(1, [0.0; COLUMNS])]));
        assert_eq!(shown.keys().copied().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn processor_lists_hold_ranges() {
        assert_eq!(parse_list("0-2,5\n"), BTreeSet::from([0, 1, 2, 5]));
        assert_eq!(parse_list("\n"), BTreeSet::new());
        assert_eq!(parse_list("0-4294967295"), BTreeSet::new());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text);
            parse(&format!("cpu0 {text}\ncpu{text}"));
            parse_list(&text);
        }
    }
}
