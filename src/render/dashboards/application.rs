//! A web application and a bot: how much is asked of them, what fails, how long it takes, and what
//! it is worth.

use super::{
    board::{Dashboard, Row, Variable},
    panel::Panel,
    style::{Limit::NoticeFrom, Unit},
};

const HERE: &str = r#"namespace=~"$namespace", app=~"$app""#;
const RATE: &str = "[$__rate_interval]";

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        name: "application",
        title: "Web application and bot",
        description: "How much is asked of the application, what fails, how long it takes, and what it is worth.",
        variables: vec![
            Variable::of_metric("namespace", "Namespace", "http_requests_total"),
            Variable::of_metric(
                "app",
                "App",
                r#"http_requests_total{namespace=~"$namespace"}"#,
            ),
        ],
        rows: vec![
            Row::low("Now", now()),
            Row::new("Requests", requests()),
            Row::new("Business", business()),
        ],
    }
}

/// Failed requests, zero where none failed.
fn failed(range: &str, by: &str) -> String {
    let all = format!("sum by ({by}) (rate(http_requests_total{{{HERE}}}{range}))");
    let failed =
        format!(r#"sum by ({by}) (rate(http_requests_total{{{HERE}, code=~"5.."}}{range}))"#);
    format!("100 * ({failed} or 0 * {all}) / ({all} > 0)")
}

fn quantile(share: f64, range: &str, by: &str) -> String {
    format!(
        "histogram_quantile({share}, sum by (le{by}) (rate(http_request_duration_seconds_bucket{{{HERE}}}{range})))"
    )
}

fn now() -> Vec<Panel> {
    vec![
        Panel::stat("Requests", "How much is asked of the application?")
            .width(6)
            .unit(Unit::RequestsPerSecond)
            .metric(format!("sum(rate(http_requests_total{{{HERE}}}[5m]))"), ""),
        Panel::stat(
            "Failed",
            "What share of the requests fails, in the worst application?",
        )
        .width(6)
        .unit(Unit::Percent)
        .limit(NoticeFrom(1.0))
        .empty_is("no request")
        .metric(format!("max({})", failed("[5m]", "app")), ""),
        Panel::stat("Slowest 5 %", "How long do the slowest requests take?")
            .width(6)
            .unit(Unit::Seconds)
            .metric(quantile(0.95, "[5m]", ""), ""),
        Panel::stat(
            "Messages",
            "How many messages did the bot handle in this time?",
        )
        .width(6)
        .metric(
            format!("sum(increase(bot_messages_total{{{HERE}}}[$__range]))"),
            "",
        ),
    ]
}

fn requests() -> Vec<Panel> {
    vec![
        Panel::time_series("Requests by app", "Which applications are asked?")
            .width(8)
            .unit(Unit::RequestsPerSecond)
            .from_zero()
            .metric(
                format!("sum by (app) (rate(http_requests_total{{{HERE}}}{RATE}))"),
                "{{app}}",
            ),
        Panel::time_series("Failed", "What share of each application's requests fails?")
            .width(8)
            .unit(Unit::Percent)
            .from_zero()
            .empty_is("No request")
            .limit(NoticeFrom(1.0))
            .metric(failed(RATE, "app"), "{{app}}"),
        Panel::time_series(
            "How long",
            "Within what time are 95 % of the requests answered?",
        )
        .width(8)
        .unit(Unit::Seconds)
        .from_zero()
        .metric(quantile(0.95, RATE, ", app"), "{{app}}"),
    ]
}

fn business() -> Vec<Panel> {
    vec![
        Panel::time_series("Messages by outcome", "What does the bot do for its users?")
            .unit(Unit::PerSecond)
            .stacked()
            .from_zero()
            .metric(
                format!("sum by (outcome) (rate(bot_messages_total{{{HERE}}}{RATE}))"),
                "{{outcome}}",
            ),
        Panel::time_series(
            "Connections of the web server",
            "How many visitors are connected?",
        )
        .from_zero()
        .metric(
            format!("sum by (app) (nginx_connections_active{{{HERE}}})"),
            "{{app}}",
        ),
    ]
}
