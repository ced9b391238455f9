use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn object(kind: Kind, spec: Value) -> Arc<Foreign> {
    Arc::new(Foreign {
        kind,
        api_version: "monitoring.coreos.com/v1".into(),
        namespace: "shop".into(),
        name: "it".into(),
        uid: "u".into(),
        generation: Some(1),
        labels: BTreeMap::new(),
        spec,
    })
}

fn taken(objects: &[Arc<Foreign>]) -> Taken {
    let around = Around {
        namespace: "shop",
        interval: "15s",
        reach: &Namespaces::All,
        nodes: true,
    };
    take(around, objects, &BTreeMap::new(), &BTreeMap::new())
}

/// JSON that looks like the objects.
fn near() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9_:/.$(){}\\[\\]|*%;-]{0,12}".prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "endpoints",
        "podMetricsEndpoints",
        "groups",
        "rules",
        "expr",
        "alert",
        "record",
        "port",
        "targetPort",
        "portNumber",
        "relabelings",
        "action",
        "regex",
        "targetLabel",
        "interval",
        "scrapeTimeout",
        "selector",
        "matchLabels",
        "matchExpressions",
        "key",
        "operator",
        "values",
        "namespaceSelector",
        "matchNames",
        "prober",
        "url",
        "targets",
        "staticConfig",
        "static",
        "staticConfigs",
        "kubernetesSDConfigs",
        "role",
        "basicAuth",
        "username",
        "name",
        "tlsConfig",
        "ca",
        "secret",
        "bodySizeLimit",
        "sampleLimit",
        "params",
        "limit",
        "for",
    ]);
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|fields| {
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect::<Map<_, _>>())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_makes_it_panic(spec in near()) {
        for kind in Kind::ALL {
            let object = object(kind, spec.clone());
            let _jobs = taken(std::slice::from_ref(&object));
            let _rules = rules::judge(&object);
            let _wanted = references("shop", &[object]);
        }
    }
}

#[test]
fn what_has_no_room_is_left_out_and_says_so() {
    let endpoints = json!([{"port": "a"}, {"port": "b"}, {"port": "c"}, {"port": "d"}]);
    let objects: Vec<_> = (0..200)
        .map(|number| {
            let spec = json!({"selector": {}, "endpoints": endpoints});
            let one = object(Kind::ServiceMonitor, spec);
            Arc::new(Foreign {
                name: format!("m{number}"),
                ..(*one).clone()
            })
        })
        .collect();
    let taken = taken(&objects);
    assert!(taken.jobs.len() > 200, "{}", taken.jobs.len());
    assert_eq!(taken.jobs.len() + taken.notes.len(), 800);
    assert!(
        taken.notes[0]
            .problem
            .message
            .starts_with("no room for the job")
    );
}

#[test]
fn the_port_is_named_in_several_ways() {
    let port = |kind, endpoint: Value| {
        let list = match kind {
            Kind::PodMonitor => "podMetricsEndpoints",
            _ => "endpoints",
        };
        let found = taken(&[object(kind, json!({"selector": {}, list: [endpoint]}))]);
        match found.jobs.into_iter().next().map(|job| job.source) {
            Some(Source::Services(found) | Source::Pods(found)) => format!("{:?}", found.port),
            _ => found.notes[0].problem.to_string(),
        }
    };
    let service = |endpoint| port(Kind::ServiceMonitor, endpoint);
    assert_eq!(service(json!({"port": "web"})), "Named(\"web\")");
    assert_eq!(service(json!({"targetPort": 80})), "Number(80)");
    assert_eq!(service(json!({"targetPort": "80"})), "Number(80)");
    assert_eq!(service(json!({"targetPort": "web"})), "Container(\"web\")");
    assert_eq!(service(json!({})), "Any");
    let refused = service(json!({"targetPort": 70_000}));
    assert_eq!(refused, "spec.endpoints[0].targetPort: a port: 1 to 65535");
    assert_eq!(
        port(Kind::PodMonitor, json!({"portNumber": 80})),
        "Number(80)"
    );
}
