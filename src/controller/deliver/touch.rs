//! The annotation whose change makes the kubelet look at a pod.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::render::meta::TOUCHED_ANNOTATION;

/// A configuration that never loads is not worth more writes than these; the kubelet looks by
/// itself every minute or so.
pub const MOST: u32 = 5;

/// What the pod was touched with last.
pub fn current(pod: &Pod) -> Option<&str> {
    let annotations = pod.metadata.annotations.as_ref()?;
    annotations.get(TOUCHED_ANNOTATION).map(String::as_str)
}

/// How often a value says that the pod was touched for a hash.
pub fn count(current: Option<&str>, hash: &str) -> u32 {
    let Some(rest) = current.and_then(|current| current.strip_prefix(hash)) else {
        return 0;
    };
    if rest.is_empty() {
        return 1;
    }
    let counter = rest.strip_prefix('.').map(str::parse::<u32>);
    counter.and_then(Result::ok).unwrap_or(0)
}

/// The next value: it always differs, since only a change is noticed.
pub fn next(current: Option<&str>, hash: &str) -> String {
    match count(current, hash) {
        0 => hash.to_owned(),
        times => format!("{hash}.{}", times.wrapping_add(1)),
    }
}

/// Writes the annotation.
pub async fn write(pods: &Api<Pod>, name: &str, value: &str) -> Result<(), kube::Error> {
    let patch = json!({"metadata": {"annotations": {TOUCHED_ANNOTATION: value}}});
    let patch = Patch::Merge(patch);
    pods.patch_metadata(name, &PatchParams::default(), &patch)
        .await
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_touch_is_the_hash_and_further_ones_count() {
        assert_eq!(next(None, "abc"), "abc");
        assert_eq!(next(Some("old"), "abc"), "abc");
        assert_eq!(next(Some("abc"), "abc"), "abc.2");
        assert_eq!(next(Some("abc.2"), "abc"), "abc.3");
        assert_eq!(next(Some("abcd"), "abc"), "abc");
        assert_eq!(count(Some("abc.7"), "abc"), 7);
    }

    proptest! {
        #[test]
        fn every_touch_changes_the_value(current in proptest::option::of("[a-f0-9.]{0,12}"), hash in "[a-f0-9]{1,6}") {
            let value = next(current.as_deref(), &hash);
            prop_assert_ne!(Some(value), current);
        }
    }
}
