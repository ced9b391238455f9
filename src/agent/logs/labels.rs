//! Labels of streams, as text the way Loki reads them.

use std::fmt::Write as _;

/// Writes labels as `{a="b", c="d"}`, sorted by name. A label without a value is none.
pub fn text<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut labels: Vec<(&str, &str)> = labels
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    labels.sort_by_key(|(name, _)| *name);
    // The last of a name wins, so that a caller's own labels go last.
    let mut text = String::from("{");
    let mut rest = labels.iter().peekable();
    while let Some((name, value)) = rest.next() {
        if rest.peek().is_some_and(|(next, _)| next == name) {
            continue;
        }
        if text.len() > 1 {
            text.push_str(", ");
        }
        text.push_str(name);
        text.push_str("=\"");
        escape(value, &mut text);
        text.push('"');
    }
    text.push('}');
    text
}

/// Escapes as Go's `strconv.Quote` does, which Loki's parser undoes.
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let written = write!(out, "\\u{:04x}", u32::from(c));
                debug_assert!(written.is_ok(), "memory takes everything");
            }
            c => out.push(c),
        }
    }
}

/// The letters of random parts of names (apimachinery, `util/rand`): no vowels and nothing that
/// looks like another.
const RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";

/// What made a pod, guessed from the pod's name for when nobody can be asked: `web-5d9c7b9f4-x7x2k`
/// of a Deployment, `agent-x7x2k` of a DaemonSet, `db-0` of a StatefulSet, `job-29384756-x7x2k`.
pub fn app_of_name(pod: &str) -> &str {
    let random = |part: &str| part.len() == 5 && part.chars().all(|c| RANDOM.contains(c));
    let hash =
        |part: &str| (6..=10).contains(&part.len()) && part.chars().all(|c| RANDOM.contains(c));
    let number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    match pod.rsplit_once('-') {
        Some((rest, last)) if random(last) => match rest.rsplit_once('-') {
            Some((name, part)) if hash(part) || (number(part) && part.len() >= 8) => name,
            _ => rest,
        },
        Some((rest, last)) if number(last) => rest,
        _ => pod,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_are_sorted_and_escaped() {
        let labels = [("b", "x\"y\\\n\u{7}"), ("a", "1"), ("c", ""), ("a", "2")];
        assert_eq!(text(labels), r#"{a="2", b="x\"y\\\n\u0007"}"#);
        assert_eq!(text([]), "{}");
    }

    #[test]
    fn a_pods_name_tells_what_made_it() {
        for (pod, app) in [
            ("web-5d9c7b9f4-x7x2k", "web"),
            ("my-web-5d9c7b9f4-x7x2k", "my-web"),
            ("agent-x7x2k", "agent"),
            ("db-0", "db"),
            ("backup-29384756-x7x2k", "backup"),
            ("etcd-master", "etcd-master"),
            ("solo", "solo"),
        ] {
            assert_eq!(app_of_name(pod), app, "{pod}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(name in any::<String>(), value in any::<String>()) {
            app_of_name(&name);
            text([(name.as_str(), value.as_str())]);
        }
    }
}
