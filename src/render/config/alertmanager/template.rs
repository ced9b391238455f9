//! The templates of messages: what one needs to act, on a phone.
//!
//! One message has the same parts in each flavour of markup; only the markup differs. Each alert
//! tells its summary, its description, what it is about, and where to go on.

use std::fmt::Write as _;

use crate::api::alerting::Links;

/// Markup that some services understand.
struct Flavour {
    /// How its templates are called: `masthead.<name>`.
    name: &'static str,
    /// Around what stands out.
    bold: (&'static str, &'static str),
    /// Around the address of a link, and around its text behind that.
    link: Link,
    /// What every value is piped through.
    escape: &'static str,
    /// How the silence's filter is escaped.
    encode: &'static str,
    /// Between lines.
    newline: &'static str,
    /// Alerts that are told in full: services cut long messages, some refuse them.
    most: usize,
}

/// How a link is written.
enum Link {
    /// `<address|text>`
    Slack,
    /// `[text](address)`
    Markdown,
    /// `<a href="address">text</a>`; html/template escapes by the place it stands in.
    Html,
    /// `text: address`, on a line of its own.
    Plain,
}

/// In text, where nothing is escaped by itself.
const URL_QUERY: &str = r#" | urlquery | reReplaceAll "\\+" "%20""#;

const FLAVOURS: [Flavour; 5] = [
    Flavour {
        name: "slack",
        bold: ("*", "*"),
        link: Link::Slack,
        escape: r#" | reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;""#,
        encode: URL_QUERY,
        newline: "\n",
        most: 10,
    },
    // Discord and Teams. In Teams only an empty line ends one.
    Flavour {
        name: "markdown",
        bold: ("**", "**"),
        link: Link::Markdown,
        escape: "",
        encode: URL_QUERY,
        newline: "\n\n",
        most: 10,
    },
    Flavour {
        name: "plain",
        bold: ("", ""),
        link: Link::Plain,
        escape: "",
        encode: URL_QUERY,
        newline: "\n",
        most: 20,
    },
    // A message of Telegram has 4096 characters at most.
    Flavour {
        name: "telegram",
        bold: ("<b>", "</b>"),
        link: Link::Html,
        escape: "",
        encode: "",
        newline: "\n",
        most: 5,
    },
    Flavour {
        name: "html",
        bold: ("<b>", "</b>"),
        link: Link::Html,
        escape: "",
        encode: "",
        newline: "\n",
        most: 20,
    },
];

/// What does not depend on markup.
const COMMON: &str = r#"{{ define "masthead.title" -}}
{{ if eq .Status "resolved" }}RESOLVED{{ else }}{{ with .CommonLabels.severity }}{{ toUpper . }}{{ else }}ALERT{{ end }}{{ end }}: {{ with .CommonLabels.alertname }}{{ . }}{{ else }}{{ len .Alerts }} alerts{{ end }}
{{- with .CommonLabels.namespace }} in {{ . }}{{ end }}
{{- if gt (len .Alerts.Firing) 1 }} ({{ len .Alerts.Firing }}){{ end }}
{{- end }}
{{ define "masthead.slack.color" -}}
{{ if eq .Status "resolved" }}good{{ else if eq .CommonLabels.severity "warning" }}warning{{ else if eq .CommonLabels.severity "info" }}#439fe0{{ else }}danger{{ end }}
{{- end }}
{{ define "masthead.pagerduty.severity" -}}
{{ if match "^(critical|warning|info)$" .CommonLabels.severity }}{{ .CommonLabels.severity }}{{ else }}error{{ end }}
{{- end }}
{{ define "masthead.opsgenie.priority" -}}
{{ if eq .CommonLabels.severity "critical" }}P1{{ else if eq .CommonLabels.severity "info" }}P5{{ else }}P3{{ end }}
{{- end }}
{{ define "masthead.email" -}}
<!DOCTYPE html>
<html><head><meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body style="font-family: sans-serif; font-size: 16px; max-width: 640px">
<h3>{{ template "masthead.title" . }}</h3>
<div style="white-space: pre-line">{{ template "masthead.html" . }}</div>
</body></html>
{{- end }}
"#;

/// The facts that come first, in this order. The rest follows by name.
const FACTS: [&str; 6] = [
    "namespace",
    "pod",
    "container",
    "node",
    "instance",
    "datname",
];
/// Labels that are no facts, or that the message has already told.
const TOLD: [&str; 4] = ["alertname", "severity", "rule_namespace", "prometheus"];

/// The template file of a stack.
#[must_use]
pub fn file(links: &Links) -> String {
    let mut text = COMMON.to_owned();
    for flavour in &FLAVOURS {
        text.push_str(&flavour.templates(links));
    }
    text
}

impl Flavour {
    fn templates(&self, links: &Links) -> String {
        let Self { name, newline, .. } = self;
        format!(
            "{{{{ define \"masthead.{name}\" -}}}}\n\
             {{{{ template \"masthead.{name}.firing\" . }}}}\n\
             {{{{- if and .Alerts.Firing .Alerts.Resolved }}}}{newline}{{{{ end }}}}\n\
             {{{{- template \"masthead.{name}.resolved\" . }}}}\n\
             {{{{- end }}}}\n{firing}{resolved}{alert}{facts}",
            firing = self.list("firing", ".Alerts.Firing"),
            resolved = self.list("resolved", ".Alerts.Resolved"),
            alert = self.alert(links),
            facts = self.facts(),
        )
    }

    fn bold(&self, text: &str) -> String {
        format!("{}{text}{}", self.bold.0, self.bold.1)
    }

    /// The alerts of one state; of too many, the first and the number of the others.
    fn list(&self, state: &str, alerts: &str) -> String {
        let Self {
            name,
            newline,
            most,
            ..
        } = self;
        let one = if state == "firing" {
            format!("{{{{ template \"masthead.{name}.alert\" $alert }}}}")
        } else {
            let summary = self.bold(&format!("Resolved: {}", self.headline("$alert")));
            format!("{summary}{newline}{{{{ template \"masthead.{name}.facts\" $alert }}}}")
        };
        format!(
            "{{{{ define \"masthead.{name}.{state}\" -}}}}\n\
             {{{{ range $index, $alert := {alerts} }}}}{{{{ if lt $index {most} -}}}}\n\
             {{{{ if $index }}}}{newline}{newline}{{{{ end }}}}{one}\n\
             {{{{- end }}}}{{{{ end }}}}\n\
             {{{{- if gt (len {alerts}) {most} }}}}{newline}{newline}\
             The first {most} of {{{{ len {alerts} }}}}.{{{{ end }}}}\n\
             {{{{- end }}}}\n"
        )
    }

    /// The summary, or the alert's name where there is none.
    fn headline(&self, alert: &str) -> String {
        format!(
            "{{{{ or {alert}.Annotations.summary {alert}.Labels.alertname{} }}}}",
            self.escape
        )
    }

    fn alert(&self, links: &Links) -> String {
        let Self {
            name,
            newline,
            escape,
            ..
        } = self;
        let mut text = format!(
            "{{{{ define \"masthead.{name}.alert\" -}}}}\n{}\n\
             {{{{- with .Annotations.description }}}}{newline}{{{{ .{escape} }}}}{{{{ end }}}}\n\
             {{{{- with .Annotations.value }}}}{newline}value: {{{{ .{escape} }}}}{{{{ end }}}}\
             {newline}{{{{ template \"masthead.{name}.facts\" . }}}}\n",
            self.bold(&self.headline("")),
        );
        for (condition, address, title) in addresses(links, self.encode) {
            let separator = match self.link {
                Link::Plain => newline,
                _ if title == "Runbook" => newline,
                _ => " ",
            };
            let link = self.link(&address, title);
            let open = format!("{{{{- with {condition} }}}}{separator}");
            // Writing to a String cannot fail.
            let _written = writeln!(text, "{open}{link}{{{{ end }}}}");
        }
        text.push_str("{{- end }}\n");
        text
    }

    fn link(&self, address: &str, title: &str) -> String {
        match self.link {
            Link::Slack => format!("<{address}|{title}>"),
            Link::Markdown => format!("[{title}]({address})"),
            Link::Html => format!("<a href=\"{address}\">{title}</a>"),
            Link::Plain => format!("{title}: {address}"),
        }
    }

    /// The severity, what it is about, and all other labels.
    fn facts(&self) -> String {
        let Self { name, escape, .. } = self;
        let mut text = format!(
            "{{{{ define \"masthead.{name}.facts\" -}}}}\n\
             {{{{ or .Labels.severity \"no severity\"{escape} }}}}\n"
        );
        for fact in FACTS {
            let line = format!(
                "{{{{- with .Labels.{fact} }}}}, {fact}: {{{{ .{escape} }}}}{{{{ end }}}}\n"
            );
            text.push_str(&line);
        }
        let told = FACTS.iter().chain(&TOLD);
        let told: Vec<_> = told.map(|label| format!("\"{label}\"")).collect();
        let rest = format!(
            "{{{{- range (.Labels.Remove (stringSlice {})).SortedPairs }}}}, {{{{ .Name }}}}: \
             {{{{ .Value{escape} }}}}{{{{ end }}}}\n{{{{- end }}}}\n",
            told.join(" ")
        );
        text + &rest
    }
}

/// The links of an alert: what must be there, the address with the dot on that, and the text.
fn addresses(links: &Links, encode: &str) -> Vec<(String, String, &'static str)> {
    let mut all = vec![(
        "or .Annotations.runbook_url .Annotations.runbook".to_owned(),
        "{{ . }}".to_owned(),
        "Runbook",
    )];
    // Prometheus only knows the address of its pod: that one is replaced. An alert of Loki links
    // to Grafana.
    for (base, test, title) in [
        (&links.prometheus, "/graph", "Expression"),
        (&links.grafana, "/explore", "Logs"),
    ] {
        if let Some(base) = base {
            let base = base.replace('$', "$$");
            all.push((
                format!("and (match \"^(https?://[^/]*)?{test}[?]\" .GeneratorURL) .GeneratorURL"),
                format!("{{{{ reReplaceAll \"^(https?://[^/]*)?/\" \"{base}/\" . }}}}"),
                title,
            ));
        }
    }
    all.push((
        ".Annotations.dashboard".to_owned(),
        match &links.grafana {
            Some(base) => format!(
                "{{{{ if match \"^https?://\" . }}}}{{{{ . }}}}{{{{ else }}}}{base}/\
                 {{{{ reReplaceAll \"^/\" \"\" . }}}}{{{{ end }}}}"
            ),
            None => "{{ . }}".to_owned(),
        },
        "Dashboard",
    ));
    if let Some(base) = &links.alertmanager {
        all.push((
            ".Labels.SortedPairs".to_owned(),
            format!(
                "{base}/#/silences/new?filter=%7B{{{{ range $index, $label := . }}}}\
                 {{{{ if $index }}}}%2C%20{{{{ end }}}}{{{{ $label.Name }}}}%3D%22\
                 {{{{ $label.Value{encode} }}}}%22{{{{ end }}}}%7D"
            ),
            "Silence",
        ));
    }
    all
}
