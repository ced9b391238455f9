//! Receivers, routes, intervals and inhibitions of every kind.

use masthead::{
    api::{
        alerting::{
            Links, Severity,
            receiver::{Responder, ResponderKind},
            route::{InhibitRule, Matcher, Operator, Period, Route, TimeInterval, TimeRange},
        },
        value::Duration,
    },
    resolve::model::{
        Email, HttpClient, Opsgenie, Receiver, ReceiverKind, Telegram, Tls, UrlSource, Webhook,
    },
};

/// One of each kind.
pub fn receivers() -> Vec<Receiver> {
    let mut receivers: Vec<_> = [
        ("oncall", slack()),
        ("mail", email()),
        ("hook", webhook()),
        ("pager", pager()),
        ("duty", pagerduty()),
        ("genie", opsgenie()),
        ("bot", telegram()),
        ("teams", teams()),
        ("chat", discord()),
    ]
    .map(|(name, kind)| Receiver {
        name: name.into(),
        send_resolved: true,
        kind,
    })
    .into();
    if let Some(last) = receivers.last_mut() {
        last.send_resolved = false;
    }
    receivers
}

fn slack() -> ReceiverKind {
    ReceiverKind::Slack {
        channel: Some("#alerts".into()),
        url_file: "receiver-oncall-url".into(),
    }
}

fn email() -> ReceiverKind {
    ReceiverKind::Email(Email {
        to: vec!["ops@example.org".into(), "shop@example.org".into()],
        from: "masthead@example.org".into(),
        smarthost: "smtp.example.org:587".into(),
        auth: Some(("masthead".into(), "receiver-mail-password".into())),
        require_tls: true,
        implicit_tls: Some(false),
        tls: Some(Tls {
            ca_file: None,
            server_name: Some("mail.example.org".into()),
            insecure_skip_verify: false,
        }),
    })
}

fn webhook() -> ReceiverKind {
    ReceiverKind::Webhook(Webhook {
        url: UrlSource::Plain("http://hook.shop.svc:8080/alerts".into()),
        client: HttpClient::default(),
    })
}

fn pager() -> ReceiverKind {
    ReceiverKind::Webhook(Webhook {
        url: UrlSource::File("receiver-pager-url".into()),
        client: HttpClient {
            basic_auth: Some(("shop".into(), "webhook-pager-password".into())),
            bearer_token_file: None,
            tls: Some(Tls {
                insecure_skip_verify: true,
                ..Tls::default()
            }),
        },
    })
}

fn pagerduty() -> ReceiverKind {
    ReceiverKind::Pagerduty {
        routing_key_file: "pagerduty-duty-routing-key".into(),
        url: Some("https://events.eu.pagerduty.com/v2/enqueue".into()),
    }
}

fn opsgenie() -> ReceiverKind {
    ReceiverKind::Opsgenie(Opsgenie {
        api_key_file: "opsgenie-genie-api-key".into(),
        api_url: Some("https://api.eu.opsgenie.com".into()),
        responders: vec![
            Responder {
                kind: ResponderKind::Team,
                name: "shop".into(),
            },
            Responder {
                kind: ResponderKind::User,
                name: "ops@example.org".into(),
            },
        ],
        tags: vec!["shop".into(), "eu".into()],
    })
}

fn telegram() -> ReceiverKind {
    ReceiverKind::Telegram(Telegram {
        bot_token_file: "telegram-bot-bot-token".into(),
        chat_id: -1_001_234_567_890,
        thread_id: Some(7),
        api_url: None,
    })
}

fn teams() -> ReceiverKind {
    ReceiverKind::Teams {
        url_file: "teams-teams-url".into(),
    }
}

fn discord() -> ReceiverKind {
    ReceiverKind::Discord {
        url_file: "discord-chat-url".into(),
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn matcher(label: &str, operator: Operator, value: &str) -> Matcher {
    Matcher {
        label: label.into(),
        operator: Some(operator),
        value: value.into(),
    }
}

/// A mute, then from the special to the general.
pub fn routes() -> Vec<Route> {
    vec![
        Route {
            namespaces: names(&["shop-staging"]),
            ..Route::default()
        },
        Route {
            namespaces: names(&["audit"]),
            receivers: names(&["chat"]),
            group_by: names(&["..."]),
            group_wait: Some(Duration("0s".into())),
            continue_: Some(true),
            ..Route::default()
        },
        Route {
            matchers: vec![
                matcher("team", Operator::Matches, "search|feed-.+"),
                matcher("tier", Operator::NotEqual, "it's \"3\"\\"),
                matcher("job", Operator::MatchesNot, "batch.*"),
                matcher("app", Operator::Equal, "index"),
            ],
            receivers: names(&["duty", "genie", "bot"]),
            group_by: names(&["alertname", "cluster"]),
            group_wait: Some(Duration("10s".into())),
            group_interval: Some(Duration("1m".into())),
            active_times: names(&["office"]),
            ..Route::default()
        },
        Route {
            severity: Some(Severity::Critical),
            namespaces: names(&["shop", "billing"]),
            receivers: names(&["oncall", "mail"]),
            repeat_interval: Some(Duration("1h".into())),
            ..Route::default()
        },
        Route {
            severity: Some(Severity::Critical),
            receivers: names(&["pager"]),
            ..Route::default()
        },
        Route {
            severity: Some(Severity::Warning),
            receivers: names(&["hook", "teams"]),
            mute_times: names(&["nights"]),
            ..Route::default()
        },
    ]
}

/// Office hours, and the rest of the day.
pub fn time_intervals() -> Vec<TimeInterval> {
    let hours = |start: &str, end: &str| TimeRange {
        start: start.into(),
        end: end.into(),
    };
    vec![
        TimeInterval {
            name: "office".into(),
            periods: vec![Period {
                times: vec![hours("08:00", "18:00")],
                weekdays: names(&["monday:thursday", "friday"]),
                months: names(&["january:november"]),
                location: Some("Europe/Berlin".into()),
                ..Period::default()
            }],
        },
        TimeInterval {
            name: "nights".into(),
            periods: vec![
                Period {
                    times: vec![hours("00:00", "06:00"), hours("22:00", "24:00")],
                    ..Period::default()
                },
                Period {
                    days_of_month: names(&["-1", "1:2"]),
                    years: names(&["2026:2030"]),
                    ..Period::default()
                },
            ],
        },
    ]
}

/// A node that is down silences what runs there.
pub fn inhibit_rules() -> Vec<InhibitRule> {
    vec![InhibitRule {
        source: vec![matcher("alertname", Operator::Equal, "NodeDown")],
        target: vec![matcher("severity", Operator::Matches, "warning|info")],
        equal: names(&["node"]),
    }]
}

/// Every part can be reached.
pub fn links() -> Links {
    Links {
        prometheus: Some("https://prometheus.example.org".into()),
        alertmanager: Some("https://alertmanager.example.org/am".into()),
        grafana: Some("https://grafana.example.org".into()),
    }
}
