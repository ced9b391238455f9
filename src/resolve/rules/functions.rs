//! The functions rules may call: those of the oldest supported Prometheus without feature flags.

/// The oldest Prometheus a stack may run.
const OLDEST: &str = "3.0";

/// What templates may call: Prometheus' own functions and those of Go's `text/template`.
#[rustfmt::skip]
const TEMPLATE: [&str; 45] = [
    "and", "args", "call", "eq", "externalURL", "first", "ge", "graphLink", "gt", "html",
    "humanize", "humanize1024", "humanizeDuration", "humanizePercentage", "humanizeTimestamp",
    "index", "js", "label", "le", "len", "lt", "match", "ne", "not", "or", "parseDuration",
    "pathPrefix", "print", "printf", "println", "query", "reReplaceAll", "safeHtml", "slice",
    "sortByLabel", "stripDomain", "stripPort", "strvalue", "tableLink", "title", "toLower",
    "toTime", "toUpper", "urlquery", "value",
];

/// Template functions of later versions.
const NEWER_TEMPLATE: [(&str, &str); 2] = [("now", "3.6"), ("toDuration", "3.6")];

/// What expressions may call.
#[rustfmt::skip]
const PROMQL: [&str; 72] = [
    "abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh",
    "avg_over_time", "ceil", "changes", "clamp", "clamp_max", "clamp_min", "cos", "cosh",
    "count_over_time", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "deg",
    "delta", "deriv", "exp", "floor", "histogram_avg", "histogram_count", "histogram_fraction",
    "histogram_quantile", "histogram_stddev", "histogram_stdvar", "histogram_sum", "hour",
    "idelta", "increase", "irate", "label_join", "label_replace", "last_over_time", "ln",
    "log10", "log2", "max_over_time", "min_over_time", "minute", "month", "pi",
    "predict_linear", "present_over_time", "quantile_over_time", "rad", "rate", "resets",
    "round", "scalar", "sgn", "sin", "sinh", "sort", "sort_desc", "sqrt", "stddev_over_time",
    "stdvar_over_time", "sum_over_time", "tan", "tanh", "time", "timestamp", "vector", "year",
];

/// What `line_format` and `label_format` may call beside Go's own: those of Loki 3.0.
#[rustfmt::skip]
const LOG_TEMPLATE: [&str; 86] = [
    "__line__", "__timestamp__", "ToLower", "ToUpper", "Replace", "Trim", "TrimLeft", "TrimRight",
    "TrimPrefix", "TrimSuffix", "TrimSpace", "regexReplaceAll", "regexReplaceAllLiteral", "count",
    "urldecode", "urlencode", "bytes", "duration", "duration_seconds", "unixEpochMillis",
    "unixEpochNanos", "toDateInZone", "unixToTime", "alignLeft", "alignRight", "b64enc", "b64dec",
    "lower", "upper", "title", "trunc", "substr", "contains", "hasPrefix", "hasSuffix", "indent",
    "nindent", "replace", "repeat", "trim", "trimAll", "trimSuffix", "trimPrefix", "int",
    "float64", "add", "sub", "mul", "div", "mod", "addf", "subf", "mulf", "divf", "max", "min",
    "maxf", "minf", "ceil", "floor", "round", "fromJson", "date", "toDate", "now", "unixEpoch",
    "default", "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne",
    "not", "or", "print", "printf", "println", "slice", "urlquery",
];

/// Why a template of a log line may not call a function.
pub fn log_template_problem(name: &str) -> Option<String> {
    (!LOG_TEMPLATE.contains(&name)).then(|| format!("function {name:?} is not defined in LogQL"))
}

/// Why a template may not call a function.
pub fn template_problem(name: &str) -> Option<String> {
    if TEMPLATE.contains(&name) {
        return None;
    }
    let newer = NEWER_TEMPLATE.iter().find(|(newer, _)| *newer == name);
    Some(match newer {
        Some((_, since)) => {
            format!("{name} came with Prometheus {since}: rules keep to what {OLDEST} knows")
        }
        None => format!("function {name:?} is not defined"),
    })
}

/// Why an expression may not call a function that its parser knows.
pub fn promql_problem(name: &str) -> Option<String> {
    (!PROMQL.contains(&name)).then(|| {
        format!(
            "{name}() is not in Prometheus {OLDEST}, or behind a feature flag: rules cannot use it"
        )
    })
}
