//! Log lines: search, how many, and which applications write errors.

use super::{
    board::{Dashboard, Row, Variable},
    panel::Panel,
    style::{Color, Limit::NoticeFrom, Unit},
};

/// The chosen streams. Loki wants one matcher at least that does not match an empty value.
const HERE: &str = r#"{namespace=~"$namespace", app=~"$app", pod=~"$pod"}"#;
/// Lines that hold what a person looks for, in any case.
const FOUND: &str = r#"{namespace=~"$namespace", app=~"$app", pod=~"$pod"} |~ `(?i)$search`"#;
/// Lines that tell of an error, in the words that most programs use.
const ERRORS: &str = r#"{namespace=~"$namespace", app=~"$app", pod=~"$pod"} |~ `(?i)\b(error|err|exception|fatal|panic|critical|traceback)\b`"#;

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        name: "logs",
        title: "Logs",
        description: "What was written, how much, and which applications write errors.",
        variables: vec![
            Variable::of_logs("namespace", "Namespace"),
            Variable::of_logs("app", "App"),
            Variable::of_logs("pod", "Pod"),
            Variable::text("search", "Search"),
        ],
        rows: vec![
            Row::low("Now", now()),
            Row::new("How much", volume()),
            Row::high("Lines", vec![lines()]),
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::stat("Lines", "How many lines were written in this time?")
            .width(6)
            .log(format!("sum(count_over_time({HERE}[$__range]))"), ""),
        Panel::stat("Bytes", "How many bytes were written in this time?")
            .width(6)
            .unit(Unit::Bytes)
            .log(format!("sum(bytes_over_time({HERE}[$__range]))"), ""),
        Panel::stat("Errors", "How many lines tell of an error?")
            .width(6)
            .limit(NoticeFrom(1.0))
            .log(format!("sum(count_over_time({ERRORS} [$__range]))"), "")
            .empty_is("none"),
        Panel::stat("Found", "How many lines hold what is searched for?")
            .width(6)
            .log(format!("sum(count_over_time({FOUND} [$__range]))"), "")
            .empty_is("none"),
    ]
}

fn volume() -> Vec<Panel> {
    vec![
        Panel::time_series("Lines by app", "Which applications write most?")
            .width(8)
            .stacked()
            .from_zero()
            .unit(Unit::PerSecond)
            .log(format!("sum by (app) (rate({HERE}[$__auto]))"), "{{app}}"),
        Panel::time_series("Errors by app", "Which applications write errors?")
            .width(8)
            .stacked()
            .from_zero()
            .unit(Unit::PerSecond)
            .empty_is("No line tells of an error")
            .log(
                format!("sum by (app) (rate({ERRORS} [$__auto]))"),
                "{{app}}",
            ),
        Panel::time_series("Lines found", "When was what is searched for written?")
            .width(8)
            .from_zero()
            .unit(Unit::PerSecond)
            .empty_is("Nothing is found")
            .log(format!("sum(rate({FOUND} [$__auto]))"), "found")
            .color("found", Color::Blue),
    ]
}

fn lines() -> Panel {
    Panel::logs("Lines", "What was written?")
        .empty_is("Nothing is found")
        .log(FOUND, "")
}
