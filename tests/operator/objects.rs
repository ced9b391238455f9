//! Objects: applied once, put back, pruned; those of others left alone.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, PostParams},
};
use masthead::{
    controller::reconcile,
    render::objects::{Object, Objects, Stage},
};
use serde_json::{Value, json};

use crate::bench::{self, Bench, converge, field, find, version};

pub async fn nothing_is_written_twice(bench: &Bench) {
    let stack = bench.stack("once", json!({})).await;
    let (model, objects) = bench.rendered(&stack).await;
    let context = bench.context();
    let applied = converge(&context, &model, &objects).await;
    assert_eq!(applied.writes, objects.len());
    assert_eq!(applied.skipped, vec![]);
    assert!(!applied.changed.is_empty());

    let before = bench.server.requests().len();
    let again = converge(&context, &model, &objects).await;
    assert_eq!(again.writes, 0);
    assert!(again.changed.is_empty());
    // A process that starts has nothing in memory to go by.
    let restarted = converge(&bench.context(), &model, &objects).await;
    let written = bench.server.writes("admin", before);
    assert_eq!((restarted.writes, written), (0, vec![]));
}

pub async fn drift_is_put_back(bench: &Bench) {
    let stack = bench.stack("drift", json!({})).await;
    let (model, objects) = bench.rendered(&stack).await;
    let context = bench.context();
    converge(&context, &model, &objects).await;

    let workload = find(&objects, "StatefulSet", "main-prometheus");
    let policy = find(&objects, "NetworkPolicy", "main-prometheus");
    let service = find(&objects, "Service", "main-grafana");
    let config = objects
        .iter()
        .find(|o| o.resource.kind == "ConfigMap")
        .unwrap();
    let good_policy = bench.get(policy).await.unwrap();
    bench
        .change(workload, json!({"spec": {"replicas": 3}}))
        .await;
    let mut rules = field(&good_policy, "/spec/ingress");
    rules.as_array_mut().unwrap().push(json!({}));
    bench
        .change(policy, json!({"spec": {"ingress": rules}}))
        .await;
    let unlabelled = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
    bench.change(config, unlabelled).await;
    bench
        .api(service)
        .delete(&service.name, &DeleteParams::default())
        .await
        .unwrap();

    let mended = converge(&context, &model, &objects).await;
    assert_eq!(mended.writes, 4);
    let replicas = field(&bench.get(workload).await.unwrap(), "/spec/replicas");
    assert_eq!(replicas, 1);
    let policy = bench.get(policy).await.unwrap();
    assert_eq!(field(&policy, "/spec"), field(&good_policy, "/spec"));
    let labels = bench.get(config).await.unwrap().metadata.labels.unwrap();
    assert_eq!(labels["app.kubernetes.io/managed-by"], "masthead");
    assert!(bench.get(service).await.is_some());
    assert_eq!(converge(&context, &model, &objects).await.writes, 0);

    // What others add beside is theirs.
    let theirs = json!({"metadata": {"annotations": {"theirs": "stays"}}});
    bench.change(workload, theirs).await;
    assert_eq!(converge(&context, &model, &objects).await.writes, 0);
    let annotations = bench
        .get(workload)
        .await
        .unwrap()
        .metadata
        .annotations
        .unwrap();
    assert_eq!(annotations["theirs"], "stays");
}

/// The namespace's deletion takes its objects one by one; putting each back would be in vain.
pub async fn what_goes_with_its_namespace_is_not_put_back(bench: &Bench) {
    let stack = bench.stack("going", json!({})).await;
    let (model, objects) = bench.rendered(&stack).await;
    let context = bench.context();
    assert!(!converge(&context, &model, &objects).await.leaving);
    // Nothing here finishes the deletion of a namespace, so it stays on its way.
    let namespaces: Api<Namespace> = Api::all(bench.client.clone());
    namespaces
        .delete("going", &DeleteParams::default())
        .await
        .unwrap();
    for object in &objects {
        if matches!(object.resource.kind.as_str(), "Service" | "ConfigMap") {
            bench
                .api(object)
                .delete(&object.name, &DeleteParams::default())
                .await
                .unwrap();
        }
    }
    let before = bench.server.requests().len();
    assert!(converge(&context, &model, &objects).await.leaving);
    let refused = bench.server.writes("admin", before);
    assert_eq!(refused.len(), 1, "{refused:?}");
    Box::pin(bench::reconcile(Arc::new(context), &stack)).await;
    let refused = bench.server.writes("admin", before);
    assert_eq!(refused.len(), 2, "nor is it told: {refused:?}");
}

pub async fn whoever_keeps_changing_an_object_is_named(bench: &Bench) {
    let stack = bench.stack("contested", json!({})).await;
    let (model, objects) = bench.rendered(&stack).await;
    let context = bench.context();
    converge(&context, &model, &objects).await;
    let workload = find(&objects, "StatefulSet", "main-prometheus");
    let mut writes = 0;
    let mut failed = vec![];
    for replicas in 2..12 {
        bench
            .change(workload, json!({"spec": {"replicas": replicas}}))
            .await;
        let applied = reconcile::converge(&context, &model, &objects)
            .await
            .unwrap();
        writes += applied.writes;
        failed.extend(applied.failed);
    }
    assert!(writes < 6, "{writes} writes");
    let (_, words) = failed.last().expect("it is told");
    assert!(words.contains("keeps changing spec.replicas"), "{words}");
}

pub async fn only_what_is_ours_is_pruned(bench: &Bench) {
    let stack = bench.stack("prune", json!({})).await;
    let (mut model, objects) = bench.rendered(&stack).await;
    let context = bench.context();
    converge(&context, &model, &objects).await;

    let config = objects
        .iter()
        .find(|o| o.resource.kind == "ConfigMap")
        .unwrap();
    let claim = Object {
        resource: ApiResource::erase::<k8s_openapi::api::core::v1::PersistentVolumeClaim>(&()),
        ..config.clone()
    };
    let labelled = config.body.pointer("/metadata/labels").unwrap();
    let owners = config.body.pointer("/metadata/ownerReferences").unwrap();
    let size = json!({"requests": {"storage": "1Gi"}});
    let claim_spec = json!({"accessModes": ["ReadWriteOnce"], "resources": size});
    for (name, of, metadata, spec) in [
        (
            "ours",
            config,
            json!({"labels": labelled, "ownerReferences": owners}),
            Value::Null,
        ),
        ("unowned", config, json!({"labels": labelled}), Value::Null),
        ("unlabelled", config, json!({}), Value::Null),
        (
            "kept",
            &claim,
            json!({"labels": labelled, "ownerReferences": owners}),
            claim_spec,
        ),
    ] {
        create(bench, of, name, metadata, spec).await;
    }
    let there =
        async |of: &Object, name: &str| bench.api(of).get_opt(name).await.unwrap().is_some();
    assert_eq!(converge(&context, &model, &objects).await.writes, 1);
    assert!(!there(config, "ours").await);
    for (of, name) in [
        (config, "unowned"),
        (config, "unlabelled"),
        (&claim, "kept"),
    ] {
        assert!(there(of, name).await, "{name}");
    }

    // A component that is held back is not rendered, and yet it stays.
    let loki = find(&objects, "StatefulSet", "main-loki");
    let is_loki =
        |object: &Object| object.body["metadata"]["labels"]["app.kubernetes.io/name"] == "loki";
    let (of_loki, others): (Vec<_>, Vec<_>) = objects.clone().into_iter().partition(is_loki);
    model.held.insert(masthead::api::component::Component::Loki);
    assert_eq!(converge(&context, &model, &others).await.writes, 0);
    assert!(bench.get(loki).await.is_some());
    model.held.clear();
    converge(&context, &model, &others).await;
    for object in of_loki {
        let kept = object.resource.kind == "PersistentVolumeClaim";
        assert_eq!(bench.get(&object).await.is_some(), kept, "{}", object.name);
    }
}

pub async fn somebody_elses_object_is_left_alone(bench: &Bench) {
    let stack = bench.stack("foreign", json!({})).await;
    let (model, objects) = bench.rendered(&stack).await;
    let service = find(&objects, "Service", "main-loki");
    let spec = json!({"ports": [{"port": 1234}]});
    create(bench, service, &service.name, json!({}), spec).await;
    let theirs = bench.get(service).await.unwrap();

    let context = bench.context();
    for _ in 0..2 {
        let applied = reconcile::converge(&context, &model, &objects)
            .await
            .unwrap();
        let [(_, words)] = &applied.failed[..] else {
            panic!("{:?}", applied.failed)
        };
        assert!(words.starts_with("Service main-loki: "), "{words}");
        assert!(
            words.contains("in the way: it was not made by Masthead"),
            "{words}"
        );
    }
    assert_eq!(
        version(&bench.get(service).await.unwrap()),
        version(&theirs)
    );
    // The others went on.
    assert!(
        bench
            .get(find(&objects, "DaemonSet", "main-agent"))
            .await
            .is_some()
    );
}

pub async fn a_kind_that_is_not_served_is_skipped(bench: &Bench) {
    let stack = bench.stack("unserved", json!({})).await;
    let (model, mut objects) = bench.rendered(&stack).await;
    let resource = ApiResource {
        group: "traefik.io".into(),
        version: "v1alpha1".into(),
        api_version: "traefik.io/v1alpha1".into(),
        kind: "Middleware".into(),
        plural: "middlewares".into(),
    };
    let mut unserved = Objects::default();
    unserved.add_untyped(Object {
        resource,
        namespace: Some(model.namespace.clone()),
        name: "main-redirect".into(),
        stage: Stage::Network,
        body: json!({"metadata": {"name": "main-redirect"}}).into(),
    });
    objects.extend(unserved.into_ordered());
    let context = bench.context();
    for _ in 0..2 {
        let applied = converge(&context, &model, &objects).await;
        let [problem] = &applied.skipped[..] else {
            panic!("{:?}", applied.skipped)
        };
        let words = &problem.message;
        assert!(
            words.contains("does not serve Middleware of traefik.io/v1alpha1"),
            "{words}"
        );
    }
}

pub async fn an_immutable_field_is_kept_without_a_loop(bench: &Bench) {
    let stack = bench.stack("immutable", json!({})).await;
    let (model, objects) = bench.rendered(&stack).await;
    let context = bench.context();
    converge(&context, &model, &objects).await;

    let workload = find(&objects, "StatefulSet", "main-prometheus").clone();
    let mut changed = workload.clone();
    changed.body["spec"]["serviceName"] = json!("another");
    changed.body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(77);
    changed.body["metadata"]["annotations"]["masthead.dev/rendered"] = json!("changed");
    let objects: Vec<Object> = objects
        .into_iter()
        .map(|object| {
            if object == workload {
                changed.clone()
            } else {
                object
            }
        })
        .collect();

    for writes in [1, 0, 0] {
        let applied = converge(&context, &model, &objects).await;
        assert_eq!(applied.writes, writes);
        let [problem] = &applied.skipped[..] else {
            panic!("{:?}", applied.skipped)
        };
        assert_eq!(problem.field, "spec.metrics");
        assert!(problem.message.contains("spec.serviceName"), "{problem}");
    }
    let live = bench.get(&workload).await.unwrap();
    let grace = "/spec/template/spec/terminationGracePeriodSeconds";
    assert_eq!(field(&live, grace), 77, "the rest is applied");
    let name = workload.body["spec"]["serviceName"].clone();
    assert_eq!(field(&live, "/spec/serviceName"), name);
    // A process that starts finds the same and writes nothing either.
    let restarted = converge(&bench.context(), &model, &objects).await;
    assert_eq!((restarted.writes, restarted.skipped.len()), (0, 1));
}

/// Makes an object of the same kind and namespace as another.
async fn create(bench: &Bench, like: &Object, name: &str, metadata: Value, spec: Value) {
    let mut object = DynamicObject::new(name, &like.resource);
    object.metadata = serde_json::from_value(metadata).unwrap();
    object.metadata.name = Some(name.into());
    object.metadata.namespace = like.namespace.clone();
    object.data = if spec.is_null() {
        json!({})
    } else {
        json!({"spec": spec})
    };
    let created = bench
        .api(like)
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    assert_eq!(created.name_any(), name);
}
