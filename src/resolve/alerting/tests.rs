use super::super::{
    Resolution, resolve,
    stack::fixture::{inputs, resolved, said, stack},
};
use crate::resolve::model::SecretValue;

/// The stack with these Secrets, of one key `it` each.
fn with_secrets(spec: &str, secrets: &[(&str, &[u8])]) -> Resolution {
    let mut inputs = inputs();
    for (name, value) in secrets {
        let data = [("it".to_owned(), SecretValue(value.to_vec()))];
        inputs.secrets.insert((*name).to_owned(), data.into());
    }
    resolve(&stack(spec), &inputs).unwrap()
}

fn receivers(found: &Resolution) -> Vec<&str> {
    let alertmanager = found.stack.alertmanager.as_ref().unwrap();
    let names = alertmanager.receivers.iter().map(|it| it.name.as_str());
    names.collect()
}

#[test]
fn an_old_alertmanager_gets_what_it_can_read_from_files_only() {
    let spec = "{alerting: {version: VERSION, receivers: [
        {name: chat, discord: {webhookSecretRef: {name: slack, key: url}}},
        {name: teams, teams: {webhookSecretRef: {name: slack, key: url}}},
        {name: mail, email: {to: [a@b], from: a@b, smarthost: 'c:465', implicitTls: true}},
        {name: bot, telegram: {chatId: 1, botTokenSecretRef: {name: slack, key: url}}}]}}";
    let found = resolved(&spec.replace("VERSION", "0.27.0"));
    assert_eq!(receivers(&found), ["bot"]);
    let needs = |path: &str, version: &str| {
        format!(
            "spec.alerting.receivers{path}: needs Alertmanager {version} or newer, \
             this one is 0.27.0: set spec.alerting.version"
        )
    };
    assert_eq!(
        said(&found),
        [
            needs("[chat].discord", "0.28.0"),
            needs("[teams].teams", "0.28.0"),
            needs("[mail].email.implicitTls", "0.31.0"),
        ]
    );
    let found = resolved(&spec.replace("VERSION", "0.28.1"));
    assert_eq!(receivers(&found), ["chat", "teams", "bot"]);
    assert_eq!(resolved(&spec.replace("VERSION", "0.31.0")).problems, []);
}

#[test]
fn a_wrong_receiver_goes_alone_and_says_why() {
    let found = with_secrets(
        "{alerting: {receivers: [
           {name: good, webhook: {url: 'http://a/'}},
           {name: none},
           {name: two, webhook: {url: 'http://a/'}, slack: {webhookSecretRef: {name: slack, key: url}}},
           {name: word, slack: {webhookSecretRef: {name: word, key: it}}},
           {name: empty, pagerduty: {routingKeySecretRef: {name: empty, key: it}}},
           {name: key, opsgenie: {apiKeySecretRef: {name: word, key: other}}},
           {name: user, webhook: {url: 'http://me:secret@a/'}},
           {name: ca, webhook: {url: 'https://a/', tls: {caSecretRef: {name: word, key: it}}}},
           {name: both, webhook: {url: 'http://a/', basicAuth: {username: u, passwordSecretRef: {name: word, key: it}}, bearerTokenSecretRef: {name: word, key: it}}},
           {name: zero, telegram: {chatId: 0, botTokenSecretRef: {name: word, key: it}}},
           {name: text, slack: {channel: '{{ .x', webhookSecretRef: {name: slack, key: url}}},
           {name: mail, email: {to: ['ops'], from: a@b, smarthost: 'c:25'}},
           {name: good, webhook: {url: 'http://a/'}}],
         routes: [{receivers: [word]}, {receivers: [word, good]}]}}",
        &[("word", b"hush"), ("empty", b"")],
    );
    assert_eq!(receivers(&found), ["good"]);
    let alertmanager = found.stack.alertmanager.as_ref().unwrap();
    assert_eq!(alertmanager.routes.len(), 1);
    let said = said(&found);
    for expected in [
        "[none]: exactly one of slack, email, webhook, pagerduty",
        "[two]: exactly one of slack, email, webhook, pagerduty",
        "[word].slack.webhookSecretRef: the key \"it\" of the Secret \"word\" holds no address",
        "[empty].pagerduty.routingKeySecretRef: the key \"it\" of the Secret \"empty\" is empty",
        "[key].opsgenie.apiKeySecretRef: the Secret \"word\" has no key \"other\"",
        "[user].webhook.url: \"http://me:secret@a/\" is no address: write such as https",
        "[ca].webhook.tls.caSecretRef: the key \"it\" of the Secret \"word\" holds no certificate",
        "[both].webhook: basicAuth or bearerTokenSecretRef, not both",
        "[zero].telegram.chatId: the number of a chat, never 0",
        "[text].slack.channel: \"{{ .x\": no templates or control characters here",
        "[mail].email.to: \"ops\" is not an address: write such as ops@example.org",
        "[good]: the name is taken: choose another",
    ] {
        let expected = format!("spec.alerting.receivers{expected}");
        assert!(
            said.iter().any(|problem| problem.starts_with(&expected)),
            "{expected} in {said:#?}"
        );
    }
    assert_eq!(said.len(), 12, "{said:#?}");
    assert!(said.iter().all(|problem| !problem.contains("hush")));
}

#[test]
fn a_certificate_and_its_client_become_files() {
    let pem = include_bytes!("../../../tests/fixtures/authority.pem");
    let found = with_secrets(
        "{alerting: {receivers: [{name: hook, webhook: {url: 'https://a/',
           bearerTokenSecretRef: {name: token, key: it}, tls: {caSecretRef: {name: ca, key: it}}}}]}}",
        &[("ca", pem), ("token", b"hush")],
    );
    assert_eq!(found.problems, []);
    let files = found.stack.alertmanager.unwrap().secrets;
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["webhook-hook-ca", "webhook-hook-token"]);
}

#[test]
fn a_wrong_route_or_interval_goes_alone_and_says_why() {
    let found = resolved(
        "{alerting: {receivers: [{name: hook, webhook: {url: 'http://a/'}}],
           timeIntervals: [
             {name: good, periods: [{weekdays: [saturday]}]},
             {name: bad, periods: [{location: Mars/Olympus}]},
             {name: night, periods: [{times: [{start: '22:00', end: '06:00'}]}]}],
           routes: [
             {receivers: [hook], repeatInterval: 0s},
             {receivers: [hook], groupInterval: 0s},
             {receivers: [hook], groupWait: 0s},
             {receivers: [hook], groupBy: [pod, ...]},
             {receivers: [hook], groupBy: [pod, pod]},
             {receivers: [hook], matchers: [{label: a, operator: '=~', value: '('}]},
             {receivers: [hook], muteTimes: [good, bad, gone]},
             {receivers: []}],
           inhibitRules: [
             {source: [{label: a, operator: '!~', value: '*'}], target: [{label: a, value: '*'}]},
             {source: [{label: a, value: b}], target: [{label: a, value: '*'}]}]}}",
    );
    let mut said = said(&found);
    said.sort();
    let starts = [
        "spec.alerting.inhibitRules[0].source[0].value: \"*\" is no regular expression: ",
        "spec.alerting.routes[0].repeatInterval: \"0s\" is not a duration above zero",
        "spec.alerting.routes[1].groupInterval: \"0s\" is not a duration above zero",
        "spec.alerting.routes[3].groupBy: ... means all labels and stands alone",
        "spec.alerting.routes[4].groupBy: one label stands there twice",
        "spec.alerting.routes[5].matchers[0].value: \"(\" is no regular expression: ",
        "spec.alerting.routes[6].muteTimes: there is no interval \"gone\" in spec.alerting.timeIntervals",
        "spec.alerting.timeIntervals[bad].periods[0].location: \"Mars/Olympus\" is no time zone",
        "spec.alerting.timeIntervals[night].periods[0].times: \"22:00\" to \"06:00\": hours as 08:00",
    ];
    assert_eq!(said.len(), starts.len(), "{said:#?}");
    for (problem, start) in said.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem} and {start}");
    }
    let alertmanager = found.stack.alertmanager.unwrap();
    let kept: Vec<_> = alertmanager
        .routes
        .iter()
        .map(|it| &it.mute_times)
        .collect();
    assert_eq!(kept, [&vec![], &vec!["good".to_owned()], &vec![]]);
    assert_eq!(alertmanager.inhibit_rules.len(), 1);
}

#[test]
fn external_alertmanagers_take_the_place_of_the_own_one() {
    let found = with_secrets(
        "{alerting: {external: [
            {url: 'http://one:9093'},
            {url: 'https://two/am/', basicAuth: {username: u, passwordSecretRef: {name: it, key: it}}},
            {url: 'http://three/?q=1'},
            {url: 'http://four', bearerTokenSecretRef: {name: gone, key: it}}],
          receivers: [{name: hook, webhook: {url: 'http://a/'}}]}}",
        &[("it", b"hush")],
    );
    assert!(found.stack.alertmanager.is_none());
    let prometheus = found.stack.prometheus.as_ref().unwrap();
    let told: Vec<_> = prometheus
        .alertmanagers
        .iter()
        .map(|it| (it.authority.as_str(), it.path.as_str()))
        .collect();
    assert_eq!(told, [("one:9093", ""), ("two", "/am")]);
    assert!(prometheus.secrets.contains_key("alertmanager-1-password"));
    let loki = found.stack.loki.as_ref().unwrap();
    assert_eq!(loki.alertmanager_urls, ["http://one:9093"]);
    let said = said(&found);
    for expected in [
        "spec.alerting.receivers: not used: with external",
        "spec.alerting.external[2].url: no address",
        "spec.alerting.external[3].bearerTokenSecretRef: there is no Secret \"gone\"",
        "spec.alerting.external[1]: alerts from logs do not reach it",
        "spec.alerting.external[3]: alerts from logs do not reach it",
    ] {
        assert!(
            said.iter().any(|problem| problem.starts_with(expected)),
            "{expected} in {said:#?}"
        );
    }
}
