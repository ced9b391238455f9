//! Loki's rules API, by a strict stand-in: no Loki can be had where these tests run.
//!
//! What is real is the form of the answer, and two of Loki's habits: one file that it cannot parse
//! keeps it from all that is new, and it writes a query in a form of its own. What is not real is
//! its parser, for which Masthead's own stands in.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, routing::get};
use masthead::{
    api::rule::{Engine, RuleEntry},
    controller::{
        backend::{Backends, rules::Groups},
        deliver::Deliverer,
    },
    resolve::{
        model::{Placed, Stack},
        rules,
    },
};
use serde_json::{Value, json};

use crate::{fixture::minimal, kubelet::Kubelet};

const ADDRESS: ([u8; 4], u16) = ([127, 0, 7, 1], 3100);

/// A ruler that polls its folder when it is told to.
#[derive(Clone, Default)]
struct Ruler(Arc<Mutex<Vec<Value>>>);

impl Ruler {
    /// Reads all files or, when one is wrong, none.
    fn poll(&self, files: &BTreeMap<String, String>) -> Result<(), String> {
        let mut groups = Vec::new();
        for (name, text) in files {
            let file: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
            for group in file["groups"].as_array().ok_or("no groups")? {
                assert!(group.get("limit").is_none(), "it would not list it");
                groups.push(listed(name, group)?);
            }
        }
        *self.0.lock().unwrap() = groups;
        Ok(())
    }

    async fn serve(&self) {
        let ruler = self.clone();
        let answer = move || {
            let groups = ruler.0.lock().unwrap().clone();
            async move { json!({"status": "success", "data": {"groups": groups}}).to_string() }
        };
        let router = Router::new().route("/prometheus/api/v1/rules", get(answer));
        let address = SocketAddr::from(ADDRESS);
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    }
}

/// A group as Loki lists it: in a query the grouping stands in front.
fn listed(file: &str, group: &Value) -> Result<Value, String> {
    let rule = |rule: &Value| {
        let query = rule["expr"].as_str().ok_or("no expr")?;
        if let Some(problem) = rules::logql_problem(query) {
            return Err(problem);
        }
        let shown = query
            .replace(" by (app)", "")
            .replace("sum(", "sum by (app)(");
        let is_alert = rule.get("alert").is_some();
        let mut entry = json!({
            "name": rule[if is_alert { "alert" } else { "record" }],
            "query": shown,
            "labels": rule.get("labels").cloned().unwrap_or(json!({})),
            "health": "ok", "lastError": "", "evaluationTime": 0.1,
            "lastEvaluation": "2026-01-01T00:00:00Z",
            "type": if is_alert { "alerting" } else { "recording" },
        });
        if is_alert {
            entry["state"] = json!("firing");
            entry["duration"] = json!(if rule.get("for").is_some() {
                300.0
            } else {
                0.0
            });
            entry["annotations"] = json!({});
            entry["alerts"] = json!([{"state": "firing", "labels": {}}]);
        }
        Ok(entry)
    };
    let rules = group["rules"].as_array().ok_or("no rules")?;
    let rules: Result<Vec<_>, String> = rules.iter().map(rule).collect();
    Ok(json!({
        "name": group["name"], "file": file, "interval": 60, "evaluationTime": 0.1,
        "lastEvaluation": "2026-01-01T00:00:00Z", "rules": rules?,
    }))
}

fn stack(expr: &str) -> Stack {
    let entry = |entry: Value| serde_json::from_value::<RuleEntry>(entry).unwrap();
    let alert =
        entry(json!({"alert": "BotPanics", "expr": expr, "for": "5m", "severity": "warning"}));
    let lines = "sum(rate({app=~\".+\"}[5m])) by (app)";
    let record = entry(json!({"record": "app:lines:rate5m", "expr": lines}));
    let file = rules::rule_file("monitoring", "bot", Engine::Loki, None, &[alert, record]);
    let placed = Placed {
        shard: 0,
        file: Arc::new(file),
    };
    let mut stack = minimal();
    stack.loki.as_mut().unwrap().rule_files = [("bot.yaml".into(), placed)].into();
    stack
}

fn texts(stack: &Stack) -> BTreeMap<String, String> {
    let files = &stack.loki.as_ref().unwrap().rule_files;
    files
        .iter()
        .map(|(name, placed)| (name.to_string(), placed.file.text.clone()))
        .collect()
}

#[tokio::test]
async fn loki_is_believed_when_it_lists_the_rules_as_they_are_now() {
    let ruler = Ruler::default();
    ruler.serve().await;
    let client = Kubelet::at("loki-0", "127.0.7.1").client();
    let deliverer = Deliverer::new(client.clone(), Backends::new(client, true));
    let ask = async |stack: &Stack| -> Groups {
        let states = deliverer.deliver(stack, &[], &BTreeSet::new()).await;
        states.into_values().next().unwrap().rules.unwrap().groups
    };
    let wanted = |stack: &Stack| {
        stack.loki.as_ref().unwrap().rule_files["bot.yaml"]
            .file
            .mark
    };

    let before = stack("sum(count_over_time({app=\"bot\"} |= \"Traceback\" [5m])) by (app) > 0");
    assert!(ask(&before).await.is_empty(), "it has not looked yet");
    ruler.poll(&texts(&before)).unwrap();
    let groups = ask(&before).await;
    assert_eq!(groups["bot.yaml"].mark, wanted(&before));
    assert_eq!(groups["bot.yaml"].rules[0].firing, 1);

    let after = stack("sum(count_over_time({app=\"bot\"} |= \"panic\" [5m])) by (app) > 0");
    let mark = ask(&after).await["bot.yaml"].mark;
    assert_ne!(mark, wanted(&after), "it still has the old one");
    let mut broken = texts(&after);
    let bad = "groups: [{name: x, rules: [{alert: A, expr: '{'}]}]";
    broken.insert("bad.yaml".into(), bad.into());
    assert!(ruler.poll(&broken).is_err());
    let mark = ask(&after).await["bot.yaml"].mark;
    assert_ne!(mark, wanted(&after), "one bad file hides all");
    ruler.poll(&texts(&after)).unwrap();
    assert_eq!(ask(&after).await["bot.yaml"].mark, wanted(&after));
}
