//! The runtime's own words, without what moves by itself: random names, ids and times would
//! rewrite the status for ever.

use crate::controller::conditions::clip;

/// How much of another program's message is quoted.
const QUOTE: usize = 300;

/// A message on one line, with long hexadecimal ids taken out.
pub fn steady(message: &str) -> String {
    let words = message
        .split_whitespace()
        .map(|word| {
            let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_id(core) {
                word.replace(core, "…")
            } else {
                word.to_owned()
            }
        })
        .collect::<Vec<_>>();
    clip(words.join(" ").trim_end_matches('.'), QUOTE)
}

/// A container's or sandbox' id.
fn is_id(word: &str) -> bool {
    word.len() >= 12
        && word.bytes().all(|b| b.is_ascii_hexdigit())
        && word.bytes().any(|b| b.is_ascii_digit())
}

/// Why an image could not be pulled: the innermost cause, which alone stays the same while
/// addresses and attempts change. None when the kubelet only says that it waits.
pub fn pull_cause(message: &str) -> Option<String> {
    let message = message.trim();
    let waits = message.starts_with("Back-off pulling image");
    if message.is_empty() || (waits && !message.contains("ErrImagePull: ")) {
        return None;
    }
    let innermost = message.rsplit(": ").next().unwrap_or(message);
    Some(steady(innermost))
}

/// Why the API server refused a pod, without the pod's random name.
pub fn refusal(message: &str) -> String {
    let after = |mark: &str| message.split_once(mark).map(|(_, rest)| rest);
    let cause = after(" is forbidden: ")
        .or_else(|| after("failed error: "))
        .or_else(|| after("Error creating: "))
        .unwrap_or(message);
    steady(cause)
}

/// The last line a process wrote before it ended, without the time it carries.
pub fn last_line(message: &str) -> Option<String> {
    let line = message.lines().rev().find(|line| !line.trim().is_empty())?;
    let untimed = line
        .split_whitespace()
        .filter(|word| !is_time(word))
        .collect::<Vec<_>>()
        .join(" ");
    Some(steady(&untimed))
}

/// `time=…`, `ts=…`, `t=…` of logfmt, or a bare RFC 3339 time.
fn is_time(word: &str) -> bool {
    let keyed = ["time=", "ts=", "t=", "caller=", "source="];
    keyed.iter().any(|key| word.starts_with(key)) || word.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_cause_of_a_failed_pull_is_its_innermost_one() {
        for (message, cause) in [
            (
                "rpc error: code = Unknown desc = failed to pull and unpack image \"docker.io/grafana/grafana:13.1.3\": failed to resolve reference \"docker.io/grafana/grafana:13.1.3\": failed to do request: Head \"https://registry-1.docker.io/v2/grafana/grafana/manifests/13.1.3\": dial tcp 98.85.153.80:443: connect: connection refused",
                "connection refused",
            ),
            (
                "Back-off pulling image \"docker.io/library/nope:1\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/nope:1\": failed to resolve reference \"docker.io/library/nope:1\": docker.io/library/nope:1: not found",
                "not found",
            ),
            (
                "Failed to pull image \"x\": Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on 10.96.0.10:53: no such host",
                "no such host",
            ),
        ] {
            assert_eq!(pull_cause(message).as_deref(), Some(cause));
        }
        assert_eq!(
            pull_cause("Back-off pulling image \"docker.io/library/nope:1\""),
            None
        );
        assert_eq!(pull_cause(""), None);
    }

    #[test]
    fn a_refusal_loses_the_pods_random_name() {
        assert_eq!(
            refusal(
                "Error creating: pods \"shop-agent-x7k2p\" is forbidden: violates PodSecurity \"restricted:latest\": hostPath volumes (volume \"proc\")"
            ),
            "violates PodSecurity \"restricted:latest\": hostPath volumes (volume \"proc\")"
        );
        assert_eq!(
            refusal(
                "create Pod shop-loki-0 in StatefulSet shop-loki failed error: admission webhook \"v\" denied the request"
            ),
            "admission webhook \"v\" denied the request"
        );
    }

    #[test]
    fn the_last_words_of_a_process_lose_their_time() {
        let log = "time=2026-08-01T10:00:00.1Z level=INFO msg=\"Starting\"\ntime=2026-08-01T10:00:01.2Z level=ERROR source=main.go:640 msg=\"Error loading config\" err=\"yaml: line 3\"\n\n";
        assert_eq!(
            last_line(log).as_deref(),
            Some("level=ERROR msg=\"Error loading config\" err=\"yaml: line 3\"")
        );
        assert_eq!(last_line(" \n"), None);
    }

    #[test]
    fn ids_are_taken_out_and_words_stay() {
        assert_eq!(
            steady("network for sandbox \"3f2a9c0d11e24b55aa\": effacefacade  failed."),
            "network for sandbox \"…\": effacefacade failed"
        );
    }

    proptest! {
        #[test]
        fn no_message_panics_and_no_quote_is_long(message in ".{0,900}") {
            let quotes = [steady(&message), refusal(&message)].into_iter()
                .chain(pull_cause(&message)).chain(last_line(&message));
            for quote in quotes {
                prop_assert!(quote.chars().count() <= QUOTE);
            }
        }
    }
}
