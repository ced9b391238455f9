//! Alert rules on a running stack: what fires, what is ill, what goes.

use std::time::Duration;

use futures::{StreamExt, stream};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use masthead::api::{
    rule::AlertRule,
    status::{AlertState, RuleEntryStatus, RuleHealth},
};
use serde_json::{Value, json};

use crate::support::{Cluster, NAMESPACE, eventually, is_ready};

/// How many good rules stand beside a bad one.
const MANY: usize = 1000;

fn rule(name: &str, expr: &str) -> AlertRule {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"test": "many"}},
        "spec": {"rules": [{"alert": "Tested", "expr": expr, "labels": {"which": name}}]},
    }))
    .unwrap()
}

fn rules(cluster: &Cluster) -> Api<AlertRule> {
    Api::namespaced(cluster.client.clone(), NAMESPACE)
}

/// What the stack says of the first rule of an `AlertRule`, once it is loaded.
async fn told(rules: &Api<AlertRule>, name: &str) -> Option<RuleEntryStatus> {
    let status = rules.get(name).await.ok()?.status?;
    status.stacks.first()?.rules.first().cloned()
}

/// The groups of an `AlertRule` as Prometheus itself lists them.
async fn listed(cluster: &Cluster, name: &str) -> Option<Vec<Value>> {
    let path = format!("/api/v1/rules?rule_group[]={NAMESPACE}%2F{name}");
    let answer = cluster.ask("main-prometheus", &path).await?;
    answer["data"]["groups"].as_array().cloned()
}

pub async fn a_rule_fires_is_ill_or_quiet_and_says_which(cluster: &Cluster) {
    let rules = rules(cluster);
    let twice = "label_replace(vector(1), \"a\", \"1\", \"\", \"\") or label_replace(vector(1), \"a\", \"2\", \"\", \"\")";
    for (name, expr) in [
        ("fires", "vector(1)".to_owned()),
        ("removed", "container_memory_gone_bytes > 5".to_owned()),
        ("ill", format!("vector(1) * on (x) ({twice})")),
    ] {
        let rule = rule(name, &expr);
        rules.create(&PostParams::default(), &rule).await.unwrap();
    }
    let wait = async |name: &str, health| {
        eventually(name, || async {
            told(&rules, name)
                .await
                .filter(|rule| rule.health == health)
        })
        .await
    };
    let fires = wait("fires", RuleHealth::Ok).await;
    assert_eq!(
        (fires.state, fires.firing),
        (Some(AlertState::Firing), Some(1))
    );
    let removed = wait("removed", RuleHealth::Ok).await;
    assert_eq!(
        (removed.state, removed.firing),
        (Some(AlertState::Inactive), None)
    );
    let ill = wait("ill", RuleHealth::Err).await;
    assert!(ill.last_error.unwrap().contains("many-to-many"));
    let fires = rules.get("fires").await.unwrap().status.unwrap();
    assert_eq!(fires.firing, Some(1));
    cluster
        .until("the stack counts what fires", |stack| {
            let counts = stack.status.as_ref().and_then(|status| status.rules);
            counts.is_some_and(|counts| counts.firing >= 1)
        })
        .await;
    for name in ["fires", "removed", "ill"] {
        rules.delete(name, &DeleteParams::default()).await.unwrap();
    }
    for name in ["fires", "removed", "ill"] {
        eventually("a deleted rule is gone from Prometheus", || async {
            listed(cluster, name).await?.is_empty().then_some(())
        })
        .await;
    }
}

pub async fn a_thousand_good_rules_load_beside_a_bad_one(cluster: &Cluster) {
    let rules = rules(cluster);
    let one = async |number: usize| {
        let rule = rule(&format!("good-{number}"), &format!("node_load1 > {number}"));
        rules.create(&PostParams::default(), &rule).await.unwrap();
    };
    stream::iter(0..MANY).for_each_concurrent(8, one).await;
    let bad = rule("bad", "rate(node_load1)");
    rules.create(&PostParams::default(), &bad).await.unwrap();
    eventually("a thousand rules are loaded", || async {
        let ours = ListParams::default().labels("test=many");
        let items = rules.list(&ours).await.ok()?.items;
        let loaded = |rule: &&AlertRule| {
            let entries = rule.status.iter().flat_map(|status| &status.stacks);
            entries.into_iter().any(|entry| entry.loaded)
        };
        (items.iter().filter(loaded).count() == MANY).then_some(())
    })
    .await;
    let said = rules.get("bad").await.unwrap().status.unwrap();
    assert_eq!(said.stacks[0].reason, "InvalidExpression");
    let prompt = rule("prompt", "vector(0) > 1");
    rules.create(&PostParams::default(), &prompt).await.unwrap();
    eventually("one more is loaded at once", || async {
        let groups = listed(cluster, "prompt").await?;
        (!groups.is_empty()).then_some(())
    })
    .await;
    let ours = ListParams::default().labels("test=many");
    rules
        .delete_collection(&DeleteParams::default(), &ours)
        .await
        .unwrap();
    eventually("and all of them go", || async {
        let gone = listed(cluster, "good-0").await?.is_empty()
            && listed(cluster, "prompt").await?.is_empty();
        gone.then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.until("ready without them", is_ready).await;
}

/// The default rules are there, loaded and well, and one of them fires when its reason is there.
pub async fn the_default_rules_are_loaded_and_one_fires(cluster: &Cluster) {
    let rules = rules(cluster);
    let ours = ListParams::default().labels("app.kubernetes.io/instance=main");
    eventually("the default rules are loaded and well", || async {
        let items = rules.list(&ours).await.ok()?.items;
        let well = |rule: &AlertRule| {
            let health = rule.status.as_ref().and_then(|status| status.health);
            health == Some(RuleHealth::Ok)
        };
        (items.len() >= 3 && items.iter().all(well)).then_some(())
    })
    .await;
    let tuned = json!({"highMemory": {"usedPercent": 1, "for": "0s"}});
    cluster
        .patch_stack(json!({"alerting": {"defaultRules": tuned}}))
        .await;
    eventually("HighMemory fires", || async {
        let status = rules.get("main-default-nodes").await.ok()?.status?;
        let entries = &status.stacks.first()?.rules;
        let memory = entries.iter().find(|rule| rule.name == "HighMemory")?;
        (memory.state == Some(AlertState::Firing)).then_some(())
    })
    .await;
    cluster
        .patch_stack(json!({"alerting": {"defaultRules": null}}))
        .await;
    eventually("HighMemory is quiet again", || async {
        let status = rules.get("main-default-nodes").await.ok()?.status?;
        let entries = &status.stacks.first()?.rules;
        let memory = entries.iter().find(|rule| rule.name == "HighMemory")?;
        (memory.state != Some(AlertState::Firing)).then_some(())
    })
    .await;
}
