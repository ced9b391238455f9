//! `node_processes_*`: how many processes and threads there are, by state. Off unless enabled: its
//! cost grows with their number.

use std::collections::BTreeMap;

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Folder;
use crate::agent::roots::Roots;

/// How many processes and threads there are.
pub struct Processes;

/// Processes or threads by their state's letter (`proc_pid_stat(5)`).
type States = BTreeMap<char, u32>;

#[derive(Default)]
struct Counts {
    processes: States,
    threads: States,
    all_threads: u64,
}

impl Collector for Processes {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn opt_in(&self) -> bool {
        true
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let counts = count(&Folder::open(roots.proc.clone())?)?;
        out.gauge("node_processes_threads", "Allocated threads in system")
            .sample(&[], counts.all_threads as f64);
        let most = roots.proc_number("sys/kernel/threads-max")?;
        out.gauge(
            "node_processes_max_threads",
            "Limit of threads in the system",
        )
        .sample(&[], most);
        for (name, help, label, states) in [
            (
                "node_processes_state",
                "Number of processes in each state.",
                "state",
                &counts.processes,
            ),
            (
                "node_processes_threads_state",
                "Number of threads in each state.",
                "thread_state",
                &counts.threads,
            ),
        ] {
            let mut family = out.gauge(name, help);
            for (state, count) in states {
                let mut letter = [0; 4];
                family.sample(
                    &[(label, state.encode_utf8(&mut letter))],
                    f64::from(*count),
                );
            }
        }
        let processes: u32 = counts.processes.values().sum();
        out.gauge("node_processes_pids", "Number of PIDs")
            .sample(&[], f64::from(processes));
        let most = roots.proc_number("sys/kernel/pid_max")?;
        out.gauge("node_processes_max_processes", "Number of max PIDs limit")
            .sample(&[], most);
        Ok(())
    }
}

/// Processes come and go while they are counted: one that is gone does not count.
fn count(proc: &Folder) -> Result<Counts, CollectError> {
    let mut counts = Counts::default();
    for process in numbers(proc.names()?) {
        let Some((state, threads)) = proc.parse(&format!("{process}/stat"), parse) else {
            continue;
        };
        *counts.processes.entry(state).or_default() += 1;
        counts.all_threads = counts.all_threads.saturating_add(threads);
        if threads <= 1 {
            // The process's state is that of its only thread.
            *counts.threads.entry(state).or_default() += 1;
            continue;
        }
        let Some(tasks) = proc.folder(&format!("{process}/task")) else {
            continue;
        };
        for task in numbers(tasks.names().unwrap_or_default()) {
            if let Some((state, _)) = tasks.parse(&format!("{task}/stat"), parse) {
                *counts.threads.entry(state).or_default() += 1;
            }
        }
    }
    Ok(counts)
}

fn numbers(names: Vec<String>) -> impl Iterator<Item = String> {
    names
        .into_iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// State and number of threads. The name before them is in parentheses and may hold any.
fn parse(stat: &str) -> Option<(char, u64)> {
    let (_, after) = stat.rsplit_once(") ")?;
    let mut words = after.split_ascii_whitespace();
    let state = words.next()?.chars().next()?;
    Some((state, words.nth(16)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_name_of_a_process_cannot_mislead() {
        let stat = "7 (a) R (b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 13 0 99 1 2 3";
        assert_eq!(parse(stat), Some(('S', 13)));
        assert_eq!(parse("7 (a) S 1"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text);
            parse(&format!("1 (x) {text}"));
        }
    }
}
