use super::*;
use crate::{
    api::agent_config::Encoding,
    resolve::{Resolution, stack::fixture},
};

fn logs(spec: &str) -> (Resolution, Option<LogsConfig>) {
    let resolution = fixture::resolved(spec);
    let agent = resolution.stack.agent.as_ref();
    let logs = agent.and_then(|agent| agent.config.logs.clone());
    (resolution, logs)
}

/// The logs of a specification, and what is said of it.
fn said(spec: &str) -> (LogsConfig, Vec<String>) {
    let (resolution, logs) = logs(&format!("{{agent: {{logs: {spec}}}}}"));
    let said = resolution.problems.iter().map(ToString::to_string);
    (logs.unwrap(), said.collect())
}

#[test]
fn by_default_every_pod_and_the_syslog_are_shipped() {
    let (logs, problems) = said("{}");
    assert!(problems.is_empty());
    let everywhere = PodLogsConfig {
        watch: Some(PodsConfig::default()),
        ..PodLogsConfig::default()
    };
    assert_eq!(logs.pods, Some(everywhere));
    let paths: Vec<_> = logs.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["/var/log/syslog", "/var/log/messages"]);
    assert_eq!(logs.files[0].labels["job"], "syslog");
    assert_eq!((logs.journal, logs.stages), (None, Vec::new()));
}

#[test]
fn without_a_loki_or_when_switched_off_nothing_is_shipped() {
    assert!(logs("{agent: {logs: {enabled: false}}}").1.is_none());
    let (resolution, none) = logs("{logs: {enabled: false}}");
    assert!(none.is_none() && resolution.problems.is_empty());
    let (resolution, none) = logs("{logs: {enabled: false}, agent: {logs: {}}}");
    assert!(none.is_none());
    assert_eq!(resolution.problems[0].field, "spec.agent.logs");
}

#[test]
fn the_stages_come_in_the_documented_order() {
    let (logs, problems) = said(
        "{logfmt: [{labels: {level: ''}}], json: [{metadata: {trace: trace_id}}], \
         redact: [{pattern: '[0-9]{16}', with: '****'}], sample: [{keepPercent: 25}], \
         drop: [{pattern: healthz}], keep: [{pods: {matchLabels: {app: bot}}, pattern: ERROR}]}",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let kinds = logs.stages.iter().map(|stage| match stage {
        StageConfig::Keep(it) => format!(
            "keep {} {:?}",
            it.pattern,
            it.pods.as_ref().unwrap().match_labels["app"]
        ),
        StageConfig::Drop(it) => format!("drop {}", it.pattern),
        StageConfig::Sample(it) => format!("sample {}", it.keep),
        StageConfig::Replace(it) => format!("replace {} {}", it.pattern, it.with),
        StageConfig::Json(it) => format!("json {:?}", it.metadata),
        StageConfig::Logfmt(it) => format!("logfmt {:?}", it.labels),
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(
        kinds,
        [
            "keep ERROR \"bot\"",
            "drop healthz",
            "sample 0.25",
            "replace [0-9]{16} ****",
            r#"json {"trace": "trace_id"}"#,
            r#"logfmt {"level": "level"}"#,
        ]
    );
}

#[test]
fn a_wrong_pattern_that_keeps_lines_back_holds_the_agent() {
    for kind in ["keep", "drop", "redact"] {
        let (resolution, logs) = logs(&format!(
            "{{agent: {{logs: {{{kind}: [{{pattern: '('}}]}}}}}}"
        ));
        assert!(logs.is_none());
        assert!(
            resolution
                .stack
                .held
                .contains(&crate::api::component::Component::Agent)
        );
        assert_eq!(
            resolution.problems[0].to_string(),
            format!(
                "spec.agent.logs.{kind}[0].pattern: \"(\" is no regular expression: unclosed group"
            )
        );
    }
}

#[test]
fn a_pattern_too_large_for_an_agent_is_refused() {
    let (logs, problems) = said(r"{multiline: [{firstLine: '\pL{900}'}, {firstLine: '^\d'}]}");
    assert_eq!(logs.pods.unwrap().multiline.len(), 1);
    assert!(
        problems[0].starts_with("spec.agent.logs.multiline[0].firstLine: "),
        "{problems:?}"
    );
}

#[test]
fn labels_are_names_that_loki_takes_and_no_more_than_it_takes() {
    let (logs, problems) = said(
        "{labels: {team: shop, a-b: x, pod: x, __x: x}, \
         json: [{labels: {a: '', b: '', c: '', d: ''}}], logfmt: [{labels: {a: '', e: '', f: '', g: ''}}]}",
    );
    assert_eq!(logs.labels.keys().collect::<Vec<_>>(), ["team"]);
    let fields: Vec<_> = problems
        .iter()
        .map(|problem| problem.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "spec.agent.logs.labels[__x]",
            "spec.agent.logs.labels[a-b]",
            "spec.agent.logs.labels[pod]",
            "spec.agent.logs.logfmt[0].labels[g]",
        ]
    );
}

#[test]
fn only_files_below_the_allowed_folder_are_shipped_and_never_those_of_pods() {
    let (logs, problems) = said(
        "{files: [{path: /var/log/app/*.log, labels: {job: app}}, {path: /etc/shadow}, \
         {path: /var/log/../../etc/shadow}, {path: /var/log/p*/*/*/0.log}, {path: /var/log/pods/x}, \
         {path: /var/logs/x}, {path: /var/log/p*}, {path: '/var/log/x', firstLine: '('}]}",
    );
    let paths: Vec<_> = logs.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["/var/log/app/*.log", "/var/log/p*"]);
    assert_eq!(problems.len(), 6);
    assert_eq!(
        problems[0],
        "spec.agent.logs.files[1].path: \"/etc/shadow\" is not below /var/log, which is all that this operator allows (agent.hostLogs of its chart)"
    );
    assert!(
        problems[2].contains("reaches the lines of pods"),
        "{problems:?}"
    );
}

#[test]
fn an_operator_that_allows_nothing_of_the_nodes_gets_neither_files_nor_the_journal() {
    let mut inputs = fixture::inputs();
    inputs.operator.host_logs = None;
    let mut problems = Vec::new();
    let resolve = |spec: &str, problems: &mut Vec<Problem>| {
        let spec: AgentLogsSpec = serde_saphyr::from_str(spec).unwrap();
        super::resolve(Some(&spec), "shop", &inputs, problems)
            .unwrap()
            .unwrap()
    };
    assert!(resolve("{}", &mut problems).files.is_empty() && problems.is_empty());
    let logs = resolve("{files: [{path: /var/log/x}], journal: {}}", &mut problems);
    assert!(logs.files.is_empty() && logs.journal.is_none());
    assert_eq!(problems.len(), 2);
}

#[test]
fn an_operator_of_some_namespaces_reads_only_the_stacks_own() {
    let mut inputs = fixture::inputs();
    inputs.operator.cluster_wide = false;
    let mut problems = Vec::new();
    let mut resolve = |spec: &str| {
        let spec: AgentLogsSpec = serde_saphyr::from_str(spec).unwrap();
        super::resolve(Some(&spec), "shop", &inputs, &mut problems)
            .unwrap()
            .unwrap()
    };
    let own = vec![PodMatch {
        namespaces: vec!["shop".into()],
        ..PodMatch::default()
    }];
    let all = resolve("{}");
    let pods = all.pods.unwrap();
    assert_eq!(pods.include, own);
    assert_eq!(pods.watch.unwrap().namespace.as_deref(), Some("shop"));
    assert!(all.files.is_empty());
    assert_eq!(
        resolve("{include: [{namespaces: [shop, kube-system]}]}")
            .pods
            .unwrap()
            .include,
        own
    );
    assert_eq!(
        resolve("{include: [{namespaces: [kube-system]}]}").pods,
        None
    );
    assert_eq!(problems.len(), 2);
}

#[test]
fn units_are_called_as_systemctl_does() {
    let (logs, _) = said("{journal: {units: [kubelet, docker.socket]}}");
    assert_eq!(
        logs.journal.unwrap().units,
        ["kubelet.service", "docker.socket"]
    );
}

#[test]
fn an_external_loki_takes_the_place_of_the_stacks_own() {
    let resolution = fixture::resolved(
        "{logs: {external: {url: 'https://loki.example.org', tenant: shop, tenants: {pay: billing}, encoding: Json, \
         basicAuth: {username: me, passwordSecretRef: {name: slack, key: url}}, \
         tls: {caSecretRef: {name: ca, key: ca.crt}}}}}",
    );
    let stack = &resolution.stack;
    assert!(stack.loki.is_none() && stack.held.is_empty());
    assert!(stack.agent.as_ref().unwrap().config.logs.is_some());
    let external = stack.external_loki.as_ref().unwrap();
    assert_eq!(external.user.as_deref(), Some("me"));
    assert_eq!(
        (external.ca, external.token, external.encoding),
        (true, false, Encoding::Json)
    );
    assert_eq!(
        external.secrets.keys().collect::<Vec<_>>(),
        ["loki-password"]
    );
    let problems: Vec<_> = resolution
        .problems
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        problems,
        ["spec.logs.external.tls.caSecretRef: there is no Secret \"ca\" in this namespace"]
    );
}

#[test]
fn an_own_and_an_external_loki_at_once_are_said_to_be_two() {
    let resolution =
        fixture::resolved("{logs: {retention: 7d, external: {url: 'http://loki:3100', tls: {}}}}");
    let fields: Vec<_> = resolution
        .problems
        .iter()
        .map(|problem| problem.field.as_str())
        .collect();
    assert_eq!(fields, ["spec.logs.external", "spec.logs.external.tls"]);
}
