//! Stacks whose configuration every binary of the last years understands.

use masthead::{
    api::{
        alerting::route::{Period, TimeInterval},
        component::Component,
    },
    resolve::model::{HttpClient, Receiver, ReceiverKind, Stack, UrlSource, Webhook},
};

use crate::fixture;

/// A stack with these rules, one in each file: name and expression.
pub fn stack(rules: &[(&str, &str)]) -> Stack {
    let mut stack = fixture::minimal();
    if let Some(workload) = fixture::workload_mut(&mut stack, Component::Prometheus) {
        workload.version = fixture::version("3.0.0");
    }
    if let Some(prometheus) = &mut stack.prometheus {
        let files = rules
            .iter()
            .map(|(name, expr)| fixture::alert_file("monitoring", name, expr));
        prometheus.rule_files = files.collect();
    }
    stack
}

/// The stack with one more receiver.
pub fn with_a_receiver(stack: &Stack) -> Stack {
    let mut stack = stack.clone();
    if let Some(alertmanager) = &mut stack.alertmanager {
        alertmanager.receivers.push(Receiver {
            name: "hook".into(),
            send_resolved: true,
            kind: ReceiverKind::Webhook(Webhook {
                url: UrlSource::Plain("http://127.0.0.1:1/".into()),
                client: HttpClient::default(),
            }),
        });
    }
    stack
}

/// The stack with a time zone that only a mistake of ours lets through.
pub fn with_a_wrong_interval(stack: &Stack) -> Stack {
    let mut stack = stack.clone();
    if let Some(alertmanager) = &mut stack.alertmanager {
        alertmanager.time_intervals.push(TimeInterval {
            name: "never".into(),
            periods: vec![Period {
                location: Some("Mars/Olympus".into()),
                ..Period::default()
            }],
        });
    }
    stack
}
