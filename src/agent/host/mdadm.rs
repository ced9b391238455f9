//! `node_md_*`: the state of software RAID.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

const FILE: &str = "mdstat";

/// The state of software RAID.
pub struct Mdadm;

const STATES: [&str; 5] = ["active", "check", "inactive", "recovering", "resync"];

type Figure = fn(&Array<'_>) -> u64;

/// One array of `/proc/mdstat`.
#[derive(Debug, PartialEq)]
struct Array<'a> {
    name: &'a str,
    state: &'static str,
    active: u64,
    required: u64,
    failed: usize,
    spare: usize,
    blocks: u64,
    synced: u64,
}

impl Collector for Mdadm {
    fn name(&self) -> &'static str {
        "mdadm"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots.read_proc(FILE).map_err(CollectError::or_absent)?;
        let arrays = parse(&text)
            .map_err(|line| CollectError::malformed(FILE, format!("cannot read {line:?}")))?;
        let mut family = out.gauge("node_md_state", "Indicates the state of md-device.");
        for array in &arrays {
            for state in STATES {
                let labels = [("device", array.name), ("state", state)];
                family.sample(&labels, f64::from(state == array.state));
            }
        }
        let help = "Number of active/failed/spare disks of device.";
        let mut family = out.gauge("node_md_disks", help);
        for array in &arrays {
            for (state, count) in [
                ("active", array.active as f64),
                ("failed", array.failed as f64),
                ("spare", array.spare as f64),
            ] {
                family.sample(&[("device", array.name), ("state", state)], count);
            }
        }
        for (name, help, figure) in [
            (
                "node_md_disks_required",
                "Total number of disks of device.",
                (|array| array.required) as Figure,
            ),
            (
                "node_md_blocks",
                "Total number of blocks on device.",
                |array| array.blocks,
            ),
            (
                "node_md_blocks_synced",
                "Number of blocks synced on device.",
                |array| array.synced,
            ),
        ] {
            let mut family = out.gauge(name, help);
            for array in &arrays {
                family.sample(&[("device", array.name)], figure(array) as f64);
            }
        }
        write_sysfs(roots, &arrays, out);
        Ok(())
    }
}

/// What only sysfs tells (Documentation/admin-guide/md.rst); not every level has it.
fn write_sysfs(roots: &Roots, arrays: &[Array<'_>], out: &mut Exposition) {
    let Ok(block) = roots.sys_folder("block") else {
        return;
    };
    for (file, name, help) in [
        (
            "raid_disks",
            "node_md_raid_disks",
            "Number of raid disks on device.",
        ),
        (
            "degraded",
            "node_md_degraded",
            "Number of degraded disks on device.",
        ),
    ] {
        let mut family = out.gauge(name, help);
        for array in arrays {
            if let Some(count) = block.number(&format!("{}/md/{file}", array.name)) {
                family.sample(&[("device", array.name)], count as f64);
            }
        }
    }
}

/// The arrays sorted by name, or the line that cannot be read. An array is a line that begins at
/// its margin and those indented below it (`md_seq_show` in drivers/md/md.c).
fn parse(text: &str) -> Result<Vec<Array<'_>>, &str> {
    let mut arrays = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let head = ["Personalities", "unused", " "];
        if line.is_empty() || head.iter().any(|prefix| line.starts_with(prefix)) {
            continue;
        }
        let mut below = Vec::new();
        while let Some(next) = lines.next_if(|next| next.starts_with([' ', '\t'])) {
            below.push(next);
        }
        arrays.push(parse_array(line, &below).ok_or(line)?);
    }
    arrays.sort_by_key(|array| array.name);
    arrays.dedup_by_key(|array| array.name);
    Ok(arrays)
}

fn parse_array<'a>(line: &'a str, below: &[&str]) -> Option<Array<'a>> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next().filter(|name| !name.contains(['/', '.']))?;
    let inactive = words.nth(1)? == "inactive";
    let status = below.first()?;
    let blocks = status.split_ascii_whitespace().next()?.parse().ok()?;
    let (required, active) = if line.contains("raid0") || line.contains("linear") {
        // These have no redundancy, hence no count of what is missing.
        let disks = line.matches('[').count() as u64;
        (disks, disks)
    } else if inactive {
        (0, 0)
    } else {
        fraction(status, '[')?
    };
    let (state, synced) = progress(below, blocks)?;
    Some(Array {
        name,
        state: match state {
            None if inactive => "inactive",
            None => "active",
            Some(state) => state,
        },
        active,
        required,
        failed: line.matches("(F)").count(),
        spare: line.matches("(S)").count(),
        blocks,
        synced,
    })
}

/// What is being done to the array, and how many of its blocks are in sync.
fn progress(below: &[&str], blocks: u64) -> Option<(Option<&'static str>, u64)> {
    for line in below {
        for (word, state) in [
            ("recovery", "recovering"),
            ("resync", "resync"),
            ("check", "check"),
        ] {
            if !line.contains(word) {
                continue;
            }
            let waits = ["PENDING", "DELAYED", "REMOTE"]
                .iter()
                .any(|word| line.contains(word));
            let synced = if waits { 0 } else { fraction(line, '(')?.0 };
            return Some((Some(state), synced));
        }
    }
    Some((None, blocks))
}

/// The two numbers of the last `[8/7]` or `(5/9)`.
fn fraction(line: &str, open: char) -> Option<(u64, u64)> {
    line.rsplit(open).find_map(|rest| {
        let (first, rest) = rest.split_once('/')?;
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        Some((first.parse().ok()?, rest.get(..end)?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "Personalities : [raid1] [raid6]\n\
        md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]\n      195310144 blocks [2/1] [U_]\n      \
        [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=2K/sec\n      \
        bitmap: 0/30 pages [0KB], 65536KB chunk\n\n\
        md10 : active raid0 sda1[0] sdb1[1]\n      314159265 blocks 64k chunks\n\n\
        unused devices: <none>\n";

    #[test]
    fn arrays_have_a_state_disks_and_blocks() {
        let arrays = parse(TEXT).unwrap();
        let recovering = Array {
            name: "md6",
            state: "recovering",
            active: 1,
            required: 2,
            failed: 1,
            spare: 1,
            blocks: 195_310_144,
            synced: 16_775_552,
        };
        assert_eq!(arrays[1], recovering);
        assert_eq!((arrays[0].active, arrays[0].synced), (2, 314_159_265));
    }

    #[test]
    fn a_sync_that_waits_has_synced_nothing() {
        let text = "md9 : active raid1 sdc2[2] sdb2[1]\n      523968 blocks super 1.2 [4/4] [UUUU]\n      \
                    resync=DELAYED\n";
        let arrays = parse(text).unwrap();
        assert_eq!((arrays[0].state, arrays[0].synced), ("resync", 0));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(
            parse("md1 : active raid1 sda[0]\n"),
            Err("md1 : active raid1 sda[0]")
        );
        assert_eq!(
            parse("md1 : active raid1\n      5 blocks\n"),
            Err("md1 : active raid1")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), tail in "[\\[\\]()/0-9 =a-z]{0,40}") {
            drop(parse(&text));
            drop(parse(&format!("md1 : active raid1 {tail}\n  5 blocks {tail}\n recovery {tail}")));
        }
    }
}
