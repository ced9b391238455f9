//! Volumes that grow, and those that cannot.

use k8s_openapi::api::{core::v1::PersistentVolumeClaim, storage::v1::StorageClass};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::bench::{Bench, converge, find};

const CLAIM: &str = "data-main-prometheus-0";

pub async fn volumes_grow_where_their_class_allows_it(bench: &Bench) {
    for (name, expands) in [("elastic", true), ("fixed", false)] {
        let class = json!({
            "metadata": {"name": name}, "provisioner": "example.org/none",
            "allowVolumeExpansion": expands,
        });
        let class: StorageClass = serde_json::from_value(class).unwrap();
        let api: Api<StorageClass> = Api::all(bench.client.clone());
        api.create(&PostParams::default(), &class).await.unwrap();
    }
    let problem = Box::pin(scenario(bench, "grows", "elastic", "2Gi", "2Gi")).await;
    assert_eq!(problem, None);
    let problem = Box::pin(scenario(bench, "cannot-grow", "fixed", "2Gi", "1Gi"))
        .await
        .unwrap();
    assert!(
        problem.contains("StorageClass fixed does not allow expansion"),
        "{problem}"
    );
    let problem = Box::pin(scenario(bench, "shrinks", "elastic", "500Mi", "1Gi"))
        .await
        .unwrap();
    assert!(problem.contains("never shrinks"), "{problem}");
}

/// Gives a stack of 1Gi another size and tells the problem; the claim must have `becomes` then.
async fn scenario(
    bench: &Bench,
    namespace: &str,
    class: &str,
    size: &str,
    becomes: &str,
) -> Option<String> {
    let spec =
        |size: &str| json!({"metrics": {"storage": {"size": size, "storageClassName": class}}});
    let stack = bench.stack(namespace, spec("1Gi")).await;
    let (model, objects) = bench.rendered(&stack).await;
    let context = bench.context();
    converge(&context, &model, &objects).await;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(bench.client.clone(), namespace);
    let sts = &find(&objects, "StatefulSet", "main-prometheus").body;
    bound_claim(&claims, &sts["spec"]["selector"]["matchLabels"], class).await;

    let mut stack = stack;
    stack.spec = serde_json::from_value(spec(size)).unwrap();
    let (model, objects) = bench.rendered(&stack).await;
    converge(&context, &model, &objects).await;
    // The second time there is nothing left to write, whether it grew or not.
    let applied = converge(&context, &model, &objects).await;
    assert_eq!(applied.writes, 0, "{namespace}");
    let claim = claims.get(CLAIM).await.unwrap();
    let requests = claim.spec.unwrap().resources.unwrap().requests.unwrap();
    assert_eq!(requests["storage"].0, becomes, "{namespace}");
    let mut problems = applied.skipped.into_iter();
    let problem = problems.next().map(|problem| {
        assert_eq!(problem.field, "spec.metrics.storage.size");
        problem.message
    });
    assert_eq!(problems.next(), None);
    problem
}

/// A claim as the controller of a `StatefulSet` makes it, already bound.
async fn bound_claim(claims: &Api<PersistentVolumeClaim>, labels: &serde_json::Value, class: &str) {
    let claim = json!({
        "metadata": {"name": CLAIM, "labels": labels},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    });
    let claim = serde_json::from_value(claim).unwrap();
    claims.create(&PostParams::default(), &claim).await.unwrap();
    let bound = json!({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
    claims
        .patch_status(CLAIM, &PatchParams::default(), &Patch::Merge(bound))
        .await
        .unwrap();
}
