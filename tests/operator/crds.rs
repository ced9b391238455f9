//! The custom resources on a current Kubernetes: its own server compiles their rules, counts what
//! they cost, and judges objects by them. (The tests' API server is too old to know such rules.)

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::crd_server::{Answer, Server};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const OURS: &str = "/apis/masthead.dev/v1alpha1/namespaces/monitoring";

#[tokio::test]
async fn a_current_server_takes_the_custom_resources_and_judges_by_them() {
    let Some(server) = Server::start().await else {
        return;
    };
    the_crds_are_taken_without_a_word(&server).await;
    every_sample_is_taken_without_a_word(&server).await;
    what_is_wrong_is_refused_with_its_place_and_reason(&server).await;
    plain_numbers_are_taken_where_they_are_meant(&server).await;
    a_stack_may_go_back_to_an_empty_spec(&server).await;
    explain_has_the_fields(&server).await;
}

/// The documents of a YAML file.
fn documents(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Where the server has this object of ours.
fn path(object: &Value) -> String {
    let plural = match object["kind"].as_str().unwrap() {
        "MonitoringStack" => "monitoringstacks",
        "AlertRule" => "alertrules",
        kind => panic!("{kind}"),
    };
    let name = object["metadata"]["name"].as_str().unwrap();
    format!("{OURS}/{plural}/{name}")
}

#[track_caller]
fn assert_taken(what: &str, answer: &Answer) {
    let taken = (200..300).contains(&answer.code) && answer.warnings.is_empty();
    assert!(taken, "{what}: {answer:#?}");
}

async fn the_crds_are_taken_without_a_word(server: &Server) {
    for kind in ["monitoringstacks", "alertrules"] {
        let path = format!("{CRDS}/{kind}.masthead.dev");
        let [crd] = &documents(&format!("crds/{kind}.yaml"))[..] else {
            panic!("one document in crds/{kind}.yaml");
        };
        assert_taken(kind, &server.apply(&path, crd).await);
        let is = |body: &Value, type_: &str| {
            let conditions = body["status"]["conditions"].as_array().cloned();
            let mut conditions = conditions.unwrap_or_default().into_iter();
            conditions.any(|it| it["type"] == type_ && it["status"] == "True")
        };
        let mut body = server.get(&path).await.body;
        while !is(&body, "Established") {
            tokio::time::sleep(Duration::from_millis(100)).await;
            body = server.get(&path).await.body;
        }
        assert!(!is(&body, "NonStructuralSchema"), "{:#}", body["status"]);
        // Established is told a little before the resource is served.
        while server.get(&format!("{OURS}/{kind}")).await.code != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn every_sample_is_taken_without_a_word(server: &Server) {
    let mut taken = 0;
    let samples = [
        "alertrule",
        "app/alertrules",
        "app/alertrules-logs",
        "full",
        "kind",
        "minimal",
        "single-node",
    ];
    for sample in samples {
        for object in documents(&format!("manifests/samples/{sample}.yaml")) {
            if object["apiVersion"] != "masthead.dev/v1alpha1" {
                continue;
            }
            assert_taken(sample, &server.apply(&path(&object), &object).await);
            taken += 1;
        }
    }
    assert_eq!(taken, 10);
}

fn stack(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "masthead.dev/v1alpha1", "kind": "MonitoringStack",
        "metadata": {"name": name}, "spec": spec,
    })
}

fn receivers(receivers: &Value) -> Value {
    stack("main", &json!({"alerting": {"receivers": receivers}}))
}

fn rule(rule: &Value) -> Value {
    json!({
        "apiVersion": "masthead.dev/v1alpha1", "kind": "AlertRule",
        "metadata": {"name": "rules"}, "spec": {"rules": [rule]},
    })
}

#[allow(clippy::too_many_lines, reason = "one table")]
async fn what_is_wrong_is_refused_with_its_place_and_reason(server: &Server) {
    let cases = [wrong_stacks(), wrong_notifications(), wrong_rules()];
    for (object, reason) in cases.into_iter().flatten() {
        let answer = server.apply(&path(&object), &object).await;
        // Server-side apply tells some mistakes as a server error.
        let refused = answer.code >= 400 && answer.message().contains(reason);
        assert!(
            refused,
            "{object} should be refused with '{reason}': {answer:#?}"
        );
    }
}

/// Objects, and what their refusal has to say.
type Wrong = Vec<(Value, &'static str)>;

fn wrong_stacks() -> Wrong {
    let external = |more: &Value| {
        let mut loki = json!({"url": "https://loki.example.org"});
        loki.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        loki
    };
    let key = json!({"name": "loki", "key": "token"});
    let auth = json!({"username": "me", "passwordSecretRef": key});
    vec![
        (
            stack(
                "main",
                &json!({"logs": {"retention": "7d", "external": external(&json!({}))}}),
            ),
            "spec.logs: Invalid value: external replaces the stack's own Loki",
        ),
        (
            stack(
                "main",
                &json!({"logs": {"external": external(&json!({"basicAuth": auth, "bearerTokenSecretRef": key}))}}),
            ),
            "spec.logs.external: Invalid value: basicAuth or bearerTokenSecretRef, not both",
        ),
        (
            stack(
                "main",
                &json!({"logs": {"external": external(&json!({"tls": {"certSecretRef": key}}))}}),
            ),
            "spec.logs.external.tls: Invalid value: certSecretRef and keySecretRef: both or none",
        ),
        (
            stack(
                "main",
                &json!({"agent": {"logs": {"files": [{"path": "var/log/x"}]}}}),
            ),
            r#"spec.agent.logs.files[0].path: Invalid value: "var/log/x""#,
        ),
        (
            stack(&"a".repeat(40), &json!({})),
            "metadata.name: at most 39 characters",
        ),
        (
            stack("9main", &json!({})),
            "metadata.name: letters, digits and dashes",
        ),
        (
            stack("main.eu", &json!({})),
            "metadata.name: letters, digits and dashes",
        ),
        (
            stack("main", &json!({"metrics": {"retentoin": "30d"}})),
            ".spec.metrics.retentoin: field not declared in schema",
        ),
        (
            stack("main", &json!({"metrics": {"retention": "soon"}})),
            r#"spec.metrics.retention: Invalid value: "soon""#,
        ),
        (
            stack(
                "main",
                &json!({"agent": {"node": {"netdev": {"devices": {"include": "a", "exclude": "b"}}}}}),
            ),
            "spec.agent.node.netdev.devices: Invalid value: only one of include, exclude",
        ),
        (
            stack(
                "main",
                &json!({"logs": {"resources": {"limits": {"cpu": "two"}}}}),
            ),
            r#"spec.logs.resources.limits.cpu: Invalid value: "two""#,
        ),
    ]
}

fn wrong_notifications() -> Wrong {
    let url = json!({"url": "http://example.org"});
    let slack = json!({"channel": "#alerts", "webhookSecretRef": {"name": "slack", "key": "url"}});
    let mail = json!({
        "to": ["ops@example.org"], "from": "masthead@example.org",
        "smarthost": "smtp.example.org:587", "username": "masthead",
    });
    let one_kind =
        "spec.alerting.receivers[0]: Invalid value: exactly one of slack, email, webhook";
    vec![
        (receivers(&json!([{"name": "chat"}])), one_kind),
        (
            receivers(&json!([{"name": "chat", "webhook": url, "slack": slack}])),
            one_kind,
        ),
        (
            receivers(&json!([{"name": "chat", "webhook": {}}])),
            "spec.alerting.receivers[0].webhook: Invalid value: exactly one of url, urlSecretRef",
        ),
        (
            receivers(&json!([{"name": "bot", "telegram": {"chatId": 0,
                "botTokenSecretRef": {"name": "bot", "key": "token"}}}])),
            "chatId: the number of a chat, never 0",
        ),
        (
            stack(
                "main",
                &json!({"alerting": {"routes": [{"receivers": [], "repeatInterval": "0s"}]}}),
            ),
            "groupInterval and repeatInterval: above zero",
        ),
        (
            stack(
                "main",
                &json!({"alerting": {"routes": [{"matchers": [
                {"label": "a", "operator": "~", "value": "b"}]}]}}),
            ),
            "spec.alerting.routes[0].matchers[0].operator: Unsupported value",
        ),
        (
            stack(
                "main",
                &json!({"alerting": {"external": [{"url": "http://a"}],
                "receivers": [{"name": "hook", "webhook": url}]}}),
            ),
            "with external, receivers and routes belong to",
        ),
        (
            receivers(&json!([{"name": "mail", "email": mail}])),
            "spec.alerting.receivers[0].email: Invalid value: username and passwordSecretRef: both",
        ),
        (
            receivers(&json!([{"name": "a", "webhook": url}, {"name": "a", "webhook": url}])),
            r#".spec.alerting.receivers: duplicate entries for key [name="a"]"#,
        ),
    ]
}

fn wrong_rules() -> Wrong {
    let one_of_two = "spec.rules[0]: Invalid value: exactly one of alert, record";
    vec![
        (rule(&json!({"expr": "up"})), one_of_two),
        (
            rule(&json!({"expr": "up", "alert": "Up", "record": "up:all"})),
            one_of_two,
        ),
        (
            rule(&json!({"expr": "up", "record": "up:all", "for": "5m"})),
            "spec.rules[0]: Invalid value: for, keepFiringFor, severity and annotations belong to an alert",
        ),
        (
            rule(&json!({"alert": "Up"})),
            "spec.rules[0].expr: Required value",
        ),
        (
            rule(&json!({"alert": "Up", "expr": "up", "for": 5})),
            "spec.rules[0].for: Invalid value: 5",
        ),
    ]
}

async fn plain_numbers_are_taken_where_they_are_meant(server: &Server) {
    let resources = json!({"limits": {"cpu": 2, "memory": 536_870_912}});
    let object = stack("numbers", &json!({"metrics": {"resources": resources}}));
    assert_taken("amounts", &server.apply(&path(&object), &object).await);
    for wait in [json!(0), json!("0"), json!("0s"), json!("5m")] {
        let object = rule(&json!({"alert": "Up", "expr": "up", "for": wait}));
        assert_taken("for", &server.apply(&path(&object), &object).await);
    }
}

/// Where the last field is taken away, server-side apply leaves null and not an empty object.
async fn a_stack_may_go_back_to_an_empty_spec(server: &Server) {
    for spec in [
        json!({}),
        json!({"metrics": {"retention": "5d", "externalLabels": {"cluster": "eu"}}}),
        json!({"metrics": {"retention": "5d", "externalLabels": {}}}),
        json!({"metrics": {}}),
        json!({}),
    ] {
        let object = stack("plain", &spec);
        let answer = server.apply(&path(&object), &object).await;
        assert_taken("plain", &answer);
        let retention = &answer.body["spec"]["metrics"]["retention"];
        assert_eq!(retention, &spec["metrics"]["retention"]);
    }
}

/// `kubectl explain mstk.spec.metrics` reads this.
async fn explain_has_the_fields(server: &Server) {
    let place = "/components/schemas/dev.masthead.v1alpha1.MonitoringStack/properties/spec\
                 /properties/metrics/properties/retention/description";
    for _ in 0..100 {
        let schemas = server
            .get("/openapi/v3/apis/masthead.dev/v1alpha1")
            .await
            .body;
        if schemas.pointer(place).is_some_and(Value::is_string) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no description of spec.metrics.retention");
}
