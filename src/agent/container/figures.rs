//! What a control group's files say, the same for both versions; and the shapes of those files.

/// The figures of one group. Absent is what this kernel or this group does not have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// CPU time, seconds.
    pub cpu: Cpu,
    /// Memory, bytes.
    pub memory: Memory,
    /// What the group may use.
    pub limits: Limits,
    /// Input and output by device.
    pub io: Vec<DeviceIo>,
    /// Processes in the group.
    pub processes: Option<f64>,
    /// Threads in the group.
    pub threads: Option<f64>,
    /// Stalls: version 2 only.
    pub pressure: Pressure,
}

/// CPU time, in seconds, and how often it was withheld.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cpu {
    /// All of it.
    pub usage: Option<f64>,
    /// In user mode.
    pub user: Option<f64>,
    /// In the kernel.
    pub system: Option<f64>,
    /// Periods of the bandwidth control that went by.
    pub periods: Option<f64>,
    /// Of those, throttled ones.
    pub throttled_periods: Option<f64>,
    /// How long throttled.
    pub throttled: Option<f64>,
    /// Periods with a burst.
    pub bursts: Option<f64>,
    /// How long in bursts.
    pub burst: Option<f64>,
}

/// Memory, in bytes, and what happened to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// All that is charged.
    pub usage: Option<f64>,
    /// The most that was ever charged.
    pub most: Option<f64>,
    /// Page cache.
    pub cache: Option<f64>,
    /// Anonymous memory.
    pub rss: Option<f64>,
    /// Swapped out.
    pub swap: Option<f64>,
    /// Mapped files.
    pub mapped_file: Option<f64>,
    /// Cache that was not used lately.
    pub inactive_file: Option<f64>,
    /// Cache that was.
    pub active_file: Option<f64>,
    /// Changed cache.
    pub dirty: Option<f64>,
    /// Cache on its way to disk.
    pub writeback: Option<f64>,
    /// The kernel's own.
    pub kernel: Option<f64>,
    /// How often the limit was met; version 1.
    pub failcnt: Option<f64>,
    /// Page faults of the group itself.
    pub faults: Faults,
    /// Page faults with the groups below.
    pub faults_below: Faults,
    /// Anonymous pages that came back soon after eviction.
    pub refault_anon: Option<f64>,
    /// File pages that did.
    pub refault_file: Option<f64>,
    /// Pages looked at by reclaim.
    pub scanned: Option<f64>,
    /// Pages reclaimed.
    pub stolen: Option<f64>,
    /// Times above `memory.high`.
    pub high_events: Option<f64>,
    /// Times at `memory.max`.
    pub max_events: Option<f64>,
    /// Processes killed for memory.
    pub oom_kills: Option<f64>,
}

/// Page faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// All.
    pub all: Option<f64>,
    /// Those that read a disk.
    pub major: Option<f64>,
}

/// What a group may use: changes seldom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Relative weight, 1024 for a core.
    pub shares: Option<f64>,
    /// CPU time in a period, microseconds; absent without a limit.
    pub quota: Option<f64>,
    /// The period, microseconds.
    pub period: Option<f64>,
    /// Memory, bytes; 0 without a limit, as in cAdvisor. So are the next two.
    pub memory: Option<f64>,
    /// Memory that is kept for the group.
    pub reservation: Option<f64>,
    /// Swap; in version 1 memory and swap together.
    pub swap: Option<f64>,
    /// Threads; 0 without a limit.
    pub threads: Option<f64>,
}

/// Bytes and operations of one block device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceIo {
    /// Its number, `major:minor`.
    pub number: String,
    /// Bytes read and written.
    pub bytes: [f64; 2],
    /// Reads and writes.
    pub operations: [f64; 2],
}

/// Seconds in which some, or all, of the group's tasks waited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pressure {
    /// For the CPU.
    pub cpu: Stall,
    /// For memory.
    pub memory: Stall,
    /// For input and output.
    pub io: Stall,
}

/// Seconds of waiting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stall {
    /// Some task waited.
    pub some: Option<f64>,
    /// All tasks did.
    pub full: Option<f64>,
}

impl Memory {
    /// What the kubelet evicts by: usage without the cache that was not used lately.
    pub fn working_set(&self) -> Option<f64> {
        let inactive = self.inactive_file.unwrap_or(0.0);
        self.usage.map(|usage| (usage - inactive).max(0.0))
    }
}

/// The lines `name value`.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, f64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        Some((name, number(value)?))
    })
}

/// A whole number.
pub fn number(text: &str) -> Option<f64> {
    let value: u64 = text.trim().parse().ok()?;
    Some(value as f64)
}

/// A limit: 0 for none, which is `max`, or in version 1 a number near 2^63.
pub fn limit(text: &str) -> Option<f64> {
    const NONE_IN_V1: f64 = (1u64 << 62) as f64;
    match text.trim() {
        "max" => Some(0.0),
        text => number(text).map(|limit| if limit >= NONE_IN_V1 { 0.0 } else { limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_limit_of_none_is_zero() {
        assert_eq!(limit("max\n"), Some(0.0));
        assert_eq!(limit("9223372036854771712\n"), Some(0.0));
        assert_eq!(limit("67108864\n"), Some(67_108_864.0));
        assert_eq!(limit("lots"), None);
    }

    #[test]
    fn the_working_set_is_never_below_zero() {
        let mut memory = Memory {
            usage: Some(10.0),
            inactive_file: Some(4.0),
            ..Memory::default()
        };
        assert_eq!(memory.working_set(), Some(6.0));
        memory.inactive_file = Some(40.0);
        assert_eq!(memory.working_set(), Some(0.0));
        assert_eq!(Memory::default().working_set(), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in any::<String>()) {
            pairs(&text).count();
            limit(&text);
        }
    }
}
