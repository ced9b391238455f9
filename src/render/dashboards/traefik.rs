//! Traefik: what comes in, what fails, how long it takes.

use super::{
    board::{Dashboard, Row, Variable},
    panel::Panel,
    style::{
        Limit::{BadBelow, NoticeFrom},
        Unit,
    },
};

const ENTRY: &str = r#"entrypoint=~"$entrypoint""#;
const SERVICE: &str = r#"service=~"$service""#;
const RATE: &str = "[$__rate_interval]";
/// A certificate is renewed a month before it ends; with less left, that has failed.
const CERTIFICATE_SECONDS: f64 = 14.0 * 86_400.0;

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        name: "traefik",
        title: "Traefik",
        description: "What comes in through Traefik, what fails, and how long it takes.",
        variables: vec![
            Variable::of_metric(
                "entrypoint",
                "Entry point",
                "traefik_entrypoint_requests_total",
            ),
            Variable::of_metric("service", "Service", "traefik_service_requests_total"),
        ],
        rows: vec![
            Row::low("Now", now()),
            Row::new("What comes in", entries()),
            Row::new("Behind it", services()),
        ],
    }
}

fn now() -> Vec<Panel> {
    let failed = format!(
        r#"100 * (sum(rate(traefik_entrypoint_requests_total{{{ENTRY}, code=~"5.."}}[5m])) or vector(0)) / sum(rate(traefik_entrypoint_requests_total{{{ENTRY}}}[5m]))"#
    );
    vec![
        Panel::stat("Requests", "How many requests come in?")
            .width(5)
            .unit(Unit::RequestsPerSecond)
            .metric(
                format!("sum(rate(traefik_entrypoint_requests_total{{{ENTRY}}}[5m]))"),
                "",
            ),
        Panel::stat(
            "Failed",
            "What share of the requests is answered with a 5xx?",
        )
        .width(5)
        .unit(Unit::Percent)
        .limit(NoticeFrom(1.0))
        .metric(failed, ""),
        Panel::stat("Slowest 5 %", "How long do the slowest requests take?")
            .width(5)
            .unit(Unit::Seconds)
            .metric(quantile(0.95, "entrypoint", ENTRY, "[5m]", ""), ""),
        Panel::stat("Open connections", "How many connections are open?")
            .width(5)
            .metric(format!("sum(traefik_open_connections{{{ENTRY}}})"), ""),
        Panel::stat(
            "Certificate",
            "For how long is the first certificate to end still good?",
        )
        .width(4)
        .unit(Unit::Seconds)
        .limit(BadBelow(CERTIFICATE_SECONDS))
        .empty_is("no certificate")
        .metric("min(traefik_tls_certs_not_after - time())", ""),
    ]
}

fn quantile(share: f64, of: &str, selector: &str, range: &str, by: &str) -> String {
    let by = if by.is_empty() {
        "le".to_owned()
    } else {
        format!("le, {by}")
    };
    format!(
        "histogram_quantile({share}, sum by ({by}) (rate(traefik_{of}_request_duration_seconds_bucket{{{selector}}}{range})))"
    )
}

fn entries() -> Vec<Panel> {
    vec![
        Panel::time_series(
            "Requests by answer",
            "How many requests come in, and how are they answered?",
        )
        .unit(Unit::RequestsPerSecond)
        .stacked()
        .from_zero()
        .metric(
            format!("sum by (code) (rate(traefik_entrypoint_requests_total{{{ENTRY}}}{RATE}))"),
            "{{code}}",
        ),
        Panel::time_series("How long", "How long do the requests take?")
            .unit(Unit::Seconds)
            .from_zero()
            .metric(quantile(0.5, "entrypoint", ENTRY, RATE, ""), "half within")
            .metric(quantile(0.95, "entrypoint", ENTRY, RATE, ""), "95 % within")
            .metric(quantile(0.99, "entrypoint", ENTRY, RATE, ""), "99 % within"),
    ]
}

fn services() -> Vec<Panel> {
    let failed = format!(
        r#"sum by (service) (rate(traefik_service_requests_total{{{SERVICE}, code=~"5.."}}{RATE}))"#
    );
    vec![
        Panel::time_series("Requests by service", "Which services are asked?")
            .width(8)
            .unit(Unit::RequestsPerSecond)
            .from_zero()
            .metric(
                format!(
                    "sum by (service) (rate(traefik_service_requests_total{{{SERVICE}}}{RATE}))"
                ),
                "{{service}}",
            ),
        Panel::time_series("Failures by service", "Which services answer with a 5xx?")
            .width(8)
            .unit(Unit::RequestsPerSecond)
            .from_zero()
            .empty_is("No service fails")
            .metric(failed, "{{service}}"),
        Panel::time_series(
            "How long by service",
            "Within what time are 95 % of the requests answered?",
        )
        .width(8)
        .unit(Unit::Seconds)
        .from_zero()
        .metric(
            quantile(0.95, "service", SERVICE, RATE, "service"),
            "{{service}}",
        ),
    ]
}
