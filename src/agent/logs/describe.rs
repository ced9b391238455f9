//! What sources and their files are called, beside their labels.

use std::sync::Arc;

use super::discover::Found;
use super::encode;
use super::metrics::{Lag, Lags};
use super::source::{Kind, Source};
use crate::agent::container::Shared;

/// What is shown of how far a source lags behind.
pub fn lag_of(found: &Found, now: i64) -> Lag {
    let (namespace, pod, container) = match &found.kind {
        Kind::Pod {
            namespace,
            pod,
            container,
            ..
        } => (namespace.clone(), pod.clone(), container.clone()),
        Kind::Docker { id } => (String::new(), String::new(), id.clone()),
        Kind::Plain { .. } | Kind::Journal => (
            String::new(),
            String::new(),
            found.key.trim_start_matches("file:").to_owned(),
        ),
    };
    Lag {
        namespace,
        pod,
        container,
        caught_up: now.into(),
        ..Lag::default()
    }
}

/// Shows a container of Docker by its name from now on, which is in a file beside its lines.
pub fn show_by_name(source: &mut Source, lags: &Lags) {
    let (Kind::Docker { .. }, Some(settled)) = (&source.kind, &source.settled) else {
        return;
    };
    let [(pairs, _), _] = &settled.labels;
    let Some((_, name)) = pairs.iter().find(|(label, _)| label == "container") else {
        return;
    };
    let named = Arc::new(source.lag.of(name));
    lags.remove(&source.lag);
    lags.add(named.clone());
    source.lag = named;
}

/// Writes the structured metadata of files that have none yet.
pub fn describe(source: &mut Source, told: &Shared) {
    if source.settled.is_none() {
        return;
    }
    for file in source
        .files
        .iter_mut()
        .filter(|file| file.metadata.is_empty() && !file.ended)
    {
        let out = &mut file.metadata;
        match &source.kind {
            Kind::Pod { uid, container, .. } => {
                let restart = file.order.restart;
                encode::pair(out, "pod_uid", uid);
                let id = told.with(|told| told.pods.get(uid)?.container_id(container, restart));
                if let Some(id) = id {
                    encode::pair(out, "container_id", &id);
                }
                let path = source.folder.join(format!("{restart}.log"));
                encode::pair(out, "filename", &path.to_string_lossy());
                encode::pair(out, "restart", &restart.to_string());
            }
            Kind::Docker { id } => {
                encode::pair(out, "container_id", id);
                let path = source.folder.join(format!("{id}-json.log"));
                encode::pair(out, "filename", &path.to_string_lossy());
            }
            Kind::Plain { .. } | Kind::Journal => {}
        }
    }
}

/// Whether it is settled that a source is left out.
pub fn settled_out(source: &Source) -> bool {
    source
        .settled
        .as_ref()
        .is_some_and(|settled| settled.excluded)
}
