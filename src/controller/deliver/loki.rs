//! Loki looks for its rules by itself; what it lists tells which it has found.
//!
//! It lists no mark of a content, so the content itself is compared: names, `for` and labels to the
//! letter, and the words of the query, which Loki writes in a form of its own.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use tracing::debug;

use super::Listing;
use crate::{
    controller::backend::{
        Backends, PodRef,
        rules::{Content, Group, Groups, in_all},
    },
    resolve::{
        model::{ExpectedRule, Loki, Placed},
        rules::logql_words,
    },
};

/// Loki has looked three times by then: a query that it writes in words of its own is the new one.
const LOOKED: Duration = Duration::from_secs(35);

/// Since when each content of a file is wanted, by stack and file. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Settling(Arc<Mutex<HashMap<String, Since>>>);

/// Of each file the mark that is wanted, and since when.
type Since = BTreeMap<Arc<str>, (u64, Instant)>;

impl Settling {
    /// Forgets a stack that is gone.
    pub fn forget(&self, stack: &str) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.remove(stack);
    }

    /// The files whose content Loki has had time to find.
    fn settled(&self, stack: &str, loki: &Loki) -> BTreeMap<Arc<str>, bool> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = since.entry(stack.to_owned()).or_default();
        since.retain(|file, _| loki.rule_files.contains_key(file));
        let now = Instant::now();
        loki.rule_files
            .iter()
            .map(|(file, placed)| {
                let entry = since.entry(file.clone()).or_insert((placed.file.mark, now));
                if entry.0 != placed.file.mark {
                    *entry = (placed.file.mark, now);
                }
                (file.clone(), now.duration_since(entry.1) >= LOOKED)
            })
            .collect()
    }
}

/// What every Loki that answers has loaded; none when none did.
pub async fn listing(
    backends: &Backends,
    settling: &Settling,
    stack: &str,
    loki: &Loki,
    pods: &[Pod],
    port: u16,
) -> Option<Listing> {
    let settled = settling.settled(stack, loki);
    let pods: Vec<PodRef> = pods.iter().map(PodRef::of).collect();
    let listings = pods.iter().map(async |pod| {
        let listed = backends.loki_rules(pod, port).await;
        listed
            .inspect_err(|error| debug!(pod = pod.name, %error, "Cannot list Loki's rules."))
            .ok()
    });
    let listings: Vec<_> = join_all(listings).await.into_iter().flatten().collect();
    if listings.is_empty() {
        return None;
    }
    let marked = listings.into_iter().map(|groups| {
        let marked = groups.into_iter().map(|(file, (mut group, contents))| {
            let placed = loki.rule_files.get(&file);
            let settled = settled.get(&file).copied().unwrap_or_default();
            mark(&mut group, placed, &contents, settled);
            (file, group)
        });
        marked.collect::<Groups>()
    });
    Some(Listing {
        groups: in_all(marked),
    })
}

/// Gives a group the mark of the wanted content if that is what is loaded.
fn mark(group: &mut Group, wanted: Option<&Placed>, contents: &[Content], settled: bool) {
    let Some(wanted) = wanted else { return };
    let expected = &wanted.file.expected;
    let same = |(expected, content): (&ExpectedRule, &Content)| {
        expected.name == content.name
            && expected.seconds == content.seconds
            && expected.labels == content.labels
            && (settled || expected.query == logql_words(&content.query))
    };
    if expected.len() == contents.len() && expected.iter().zip(contents).all(same) {
        group.mark = wanted.file.mark;
    }
}
