//! Rules: judged, told apart by stack, and left alone once told.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::DeserializeGuard,
    runtime::{reflector, watcher::Event},
};
use masthead::{
    api::{
        rule::{AlertRule, Engine},
        stack::MonitoringStack,
        status::{RuleInStack, RuleStatus},
    },
    controller::{
        conditions::reason,
        context::Guarded,
        publish::{Living, Teller},
        rules::{KnownRule, KnownRules},
    },
    resolve::rules::{BARRED_FIELD, judge, place},
};
use serde_json::json;

use crate::{
    apiserver::{OPERATOR, eventually},
    bench::{Bench, reconcile_among},
};

pub async fn a_rule_reaches_prometheus_files(bench: &Bench, namespace: &str) {
    let rules: Api<AlertRule> = Api::namespaced(bench.client.clone(), namespace);
    create(&rules, "quick").await;
    let configs: Api<ConfigMap> = Api::namespaced(bench.client.clone(), namespace);
    eventually("the rule is in a file", async || {
        let configs = configs.list(&ListParams::default()).await.unwrap();
        let mut texts = configs
            .items
            .iter()
            .flat_map(|config| config.data.iter().flatten());
        texts.any(|(file, text)| file.contains("quick") && text.contains("QuickAlert"))
    })
    .await;
    eventually("the rule says that it is accepted", async || {
        condition(&rules, "quick", "Accepted").await == Some(("True".into(), "Accepted".into()))
    })
    .await;
}

pub async fn a_rule_that_no_stack_takes_says_so(bench: &Bench) {
    bench.server.namespace("lonely").await;
    let rules: Api<AlertRule> = Api::namespaced(bench.client.clone(), "lonely");
    create(&rules, "alone").await;
    eventually("the rule says that no stack takes it", async || {
        condition(&rules, "alone", "Accepted").await == Some(("False".into(), "NoStack".into()))
    })
    .await;
    let without = json!({"metrics": {"enabled": false}});
    let stack = bench.another("lonely", "unmetered", without).await;
    judged(bench, &stack).await;
    let said = condition(&rules, "alone", "Accepted").await;
    assert_eq!(said, Some(("False".into(), "NoStack".into())));
}

/// The stack `main` is there already, and has judged the rule `quick`.
pub async fn two_stacks_say_each_its_own_on_one_rule(bench: &Bench, namespace: &str) {
    let rules: Api<AlertRule> = Api::namespaced(bench.client.clone(), namespace);
    let canary = bench.another(namespace, "canary", json!({})).await;
    create(&rules, "shared").await;
    let both = [format!("{namespace}/canary"), format!("{namespace}/main")];
    for rule in ["quick", "shared"] {
        eventually("both stacks have judged the rule", async || {
            stacks(&rules, rule).await == both
        })
        .await;
    }
    judged(bench, &canary).await;

    // What was done last may still be on its way into statuses and Events.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = bench.server.requests().len();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.server.writes(OPERATOR, before), vec![]);

    let status = rules.get("shared").await.unwrap().status.unwrap();
    assert!(status.stacks.iter().all(|entry| entry.accepted));
    let message = &status.conditions[0].message;
    assert_eq!(*message, format!("taken by {}, {}", both[0], both[1]));

    let api: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), namespace);
    api.delete("canary", &DeleteParams::default())
        .await
        .unwrap();
    for rule in ["quick", "shared"] {
        eventually("the entry of the stack that is gone goes", async || {
            stacks(&rules, rule).await == both[1..]
        })
        .await;
    }
}

/// Two stacks that know the same old version of a rule: the second must not undo the first.
pub async fn a_stack_that_has_not_seen_the_others_entry_keeps_it(bench: &Bench) {
    bench.server.namespace("raced").await;
    let rules: Api<AlertRule> = Api::namespaced(bench.client.clone(), "raced");
    create(&rules, "shared").await;
    let rule = rules.get("shared").await.unwrap();
    let judged = [Arc::new(judge(&rule))];
    let seen = [Arc::new(KnownRule::of(DeserializeGuard(Ok(rule)), None))];
    let names = ["a", "b"].map(|name| format!("raced/{name}"));
    let living = living("raced", &["a", "b"]);
    let verdicts = place(Engine::Prometheus, &judged, &BTreeMap::new()).verdicts;
    let say = async |stack: &str| {
        let teller = Teller {
            stack,
            configs: &BTreeMap::new(),
            living: &living,
            now: Timestamp::now(),
        };
        // A process of its own each time: nothing of what was written before is remembered.
        let publisher = bench.context().publisher;
        publisher.rules(&teller, &seen, &verdicts).await.unwrap();
    };
    // In the order in which the server does not keep them sorted.
    for stack in ["raced/b", "raced/a", "raced/b"] {
        say(stack).await;
    }
    assert_eq!(stacks(&rules, "shared").await, names);

    rules
        .delete("shared", &DeleteParams::default())
        .await
        .unwrap();
    say("raced/a").await;
    create(&rules, "shared").await;
    say("raced/a").await;
    let status = rules.get("shared").await.unwrap().status;
    assert_eq!(status, None, "another rule of the same name");
}

/// Prometheus refused one of two rules. An operator that starts learns it from the rule's status,
/// and gives Prometheus another content of it only.
pub async fn what_the_operator_before_found_refused_stays_out(bench: &Bench) {
    let stack = bench.stack("barred", json!({})).await;
    let rules: Api<AlertRule> = Api::namespaced(bench.client.clone(), "barred");
    for name in ["refused", "good"] {
        create(&rules, name).await;
    }
    let entry = RuleInStack {
        stack: "barred/main".into(),
        observed_generation: Some(1),
        reason: reason::REFUSED.into(),
        message: format!("{BARRED_FIELD}: Prometheus refuses it: no"),
        ..RuleInStack::default()
    };
    let merge = |patch| Patch::Merge(patch);
    let status = merge(json!({"status": {"conditions": [], "stacks": [entry]}}));
    let params = PatchParams::default();
    rules
        .patch_status("refused", &params, &status)
        .await
        .unwrap();
    restarted(bench, &stack, &rules).await;
    assert_eq!(in_files(bench, "barred").await, ["good"]);
    let said = condition(&rules, "refused", "Accepted").await;
    assert_eq!(said, Some(("False".into(), "Refused".into())));

    let edit = json!({"spec": {"rules": [{"alert": "QuickAlert", "expr": "vector(2)"}]}});
    rules.patch("refused", &params, &merge(edit)).await.unwrap();
    restarted(bench, &stack, &rules).await;
    assert_eq!(in_files(bench, "barred").await, ["good", "refused"]);
}

/// An operator that has just started looks at a stack and its rules once.
async fn restarted(bench: &Bench, stack: &MonitoringStack, rules: &Api<AlertRule>) {
    let known = KnownRules::default();
    for rule in rules.list(&ListParams::default()).await.unwrap() {
        known.take(Event::Apply(DeserializeGuard(Ok(rule))));
    }
    let (stacks, mut writer) = reflector::store();
    let stack = DeserializeGuard(Ok(stack.clone()));
    writer.apply_watcher_event(&Event::Apply(stack.clone()));
    reconcile_among(stacks, known, Arc::new(bench.context()), stack).await;
}

/// The rules of a namespace that are in a file of Prometheus.
async fn in_files(bench: &Bench, namespace: &str) -> Vec<&'static str> {
    let configs: Api<ConfigMap> = Api::namespaced(bench.client.clone(), namespace);
    let configs = configs.list(&ListParams::default()).await.unwrap();
    let files = configs.items.iter().flat_map(|it| it.data.iter().flatten());
    let files: Vec<_> = files.map(|(name, _)| name).collect();
    let mut found = vec!["good", "refused"];
    found.retain(|rule| {
        let start = format!("{namespace}-{rule}-");
        files.iter().any(|name| name.starts_with(&start))
    });
    found
}

fn living(namespace: &str, names: &[&str]) -> Living {
    let (store, mut writer) = reflector::store::<Guarded>();
    for name in names {
        let stack = MonitoringStack {
            metadata: ObjectMeta {
                name: Some((*name).into()),
                namespace: Some(namespace.into()),
                ..ObjectMeta::default()
            },
            ..MonitoringStack::default()
        };
        writer.apply_watcher_event(&Event::Apply(DeserializeGuard(Ok(stack))));
    }
    Living(store)
}

async fn judged(bench: &Bench, stack: &MonitoringStack) {
    let metadata = &stack.metadata;
    let namespace = metadata.namespace.as_deref().unwrap();
    let api: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), namespace);
    eventually("the stack has a status", async || {
        let stack = api.get(metadata.name.as_deref().unwrap()).await.unwrap();
        stack.status.is_some()
    })
    .await;
}

async fn create(rules: &Api<AlertRule>, name: &str) {
    let spec = json!({"rules": [{"alert": "QuickAlert", "expr": "vector(1)"}]});
    let rule = AlertRule {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        spec: serde_json::from_value(spec).unwrap(),
        status: None,
    };
    rules.create(&PostParams::default(), &rule).await.unwrap();
}

/// The stacks with an entry, sorted.
async fn stacks(rules: &Api<AlertRule>, name: &str) -> Vec<String> {
    let status: RuleStatus = rules.get(name).await.unwrap().status.unwrap_or_default();
    let entries = status.stacks.into_iter();
    let mut stacks: Vec<_> = entries.map(|entry| entry.stack).collect();
    stacks.sort_unstable();
    stacks
}

/// A condition's status and reason.
async fn condition(rules: &Api<AlertRule>, name: &str, type_: &str) -> Option<(String, String)> {
    let status = rules.get(name).await.unwrap().status?;
    let mut conditions = status.conditions.into_iter();
    let condition = conditions.find(|condition| condition.type_ == type_)?;
    Some((condition.status, condition.reason))
}
