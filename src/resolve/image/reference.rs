//! Image references: `[host[:port]/]path[:tag][@digest]`, by the grammar of
//! <https://pkg.go.dev/github.com/distribution/reference>.

use core::net::Ipv6Addr;

use super::tag;

/// Whether a kubelet can read it.
pub fn is_valid(image: &str) -> bool {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(name, digest)| (name, Some(digest)));
    let tag = tag(name);
    let name = tag.map_or(name, |tag| {
        name.strip_suffix(tag)
            .and_then(|rest| rest.strip_suffix(':'))
            .unwrap_or(name)
    });
    let path = match name.split_once('/') {
        Some((host, path)) if is_host(host) => path,
        _ => name,
    };
    name.len() <= 255
        && path.split('/').all(is_path_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

/// What stands before the first slash is a host if it could be no part of a path.
fn is_host(text: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((address, port)) = text.strip_prefix('[').and_then(|it| it.split_once(']')) {
        return address.parse::<Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = text
        .rsplit_once(':')
        .map_or((text, None), |(name, port)| (name, Some(port)));
    let looks_like_one = port.is_some()
        || name == "localhost"
        || name.contains('.')
        || name.bytes().any(|byte| byte.is_ascii_uppercase());
    looks_like_one && port.is_none_or(is_port) && name.split('.').all(is_host_label)
}

fn is_host_label(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(is_letter)
}

/// Small letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_path_component(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && text.split(is_alphanumeric).all(|between| {
            matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// One of the algorithms that the runtimes know, and as many digits as it makes.
fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        let is_hex = hex
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match algorithm {
            "sha256" => is_hex && hex.len() == 64,
            "sha384" => is_hex && hex.len() == 96,
            "sha512" => is_hex && hex.len() == 128,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::is_valid;

    #[test]
    fn references_are_told_from_what_no_kubelet_can_read() {
        let digest = format!("p@sha256:{}", "0a".repeat(32));
        for good in [
            "prometheus",
            "prom/prometheus:v3.5.3-debian",
            "quay.io/prom/prometheus",
            "localhost/prom",
            "Registry/prom:1.0.0",
            "my-host.example:5000/a/b__c/d",
            "a.b/c---d:_x",
            "host:5000/prom:v3.0.0",
            "10.0.0.1:5000/prom",
            "[2001:db8::1]:5000/prom:v3.0.0",
            &digest,
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            " prom",
            "prom ",
            "prom\n",
            "https://quay.io/prom/prometheus",
            "prom/Prometheus",
            "prom//prometheus",
            "host:port/prom",
            "[::g]/prom",
            "/prom",
            "prom/",
            "prom:",
            "prom:a b",
            "prom:-a",
            "prom:v1:v2",
            "-prom",
            "pro..m",
            "pro___m",
            "prom@sha256:0",
            "prom@sha256",
            "prom@",
            "höst/prom",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _valid = is_valid(&text);
        }

        #[test]
        fn no_text_near_a_reference_makes_it_panic(text in "[a-zA-Z0-9.:/@_\\[\\]-]{0,40}") {
            let _valid = is_valid(&text);
        }
    }
}
