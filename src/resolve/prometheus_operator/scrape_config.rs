//! `ScrapeConfig`: targets that are named, that a server lists, or that are in the cluster.

use std::collections::BTreeSet;

use super::{
    Translation,
    copies::Copies,
    objects::Foreign,
    probe::{check_labels, check_targets},
    read::read,
    relabel, search,
    settings::{self, Credentials, Given, limits},
    spec,
};
use crate::resolve::{
    http::address,
    model::jobs::{DnsNames, FixedTargets, HttpList, Job, KindTargets, Limits, Plain, Source},
    problem::Problem,
};

/// The kinds that Prometheus may list with the rights it has.
const ROLES: [&str; 5] = ["pod", "service", "endpoints", "endpointslice", "ingress"];
/// Those of them whose targets have a node.
const ROLES_WITH_NODE: [&str; 3] = ["pod", "endpoints", "endpointslice"];
/// The records that Prometheus looks up.
const RECORDS: [&str; 5] = ["SRV", "A", "AAAA", "MX", "NS"];
/// The most entries of each list.
const ENTRIES: usize = 64;

/// Adds the job of a `ScrapeConfig`.
pub fn translate(
    translation: &mut Translation<'_>,
    copies: &mut Copies<'_>,
    object: &Foreign,
) -> Result<(), Problem> {
    let spec: spec::ScrapeConfig = translation.note(read("spec", &object.spec)?);
    let plain = plain(translation, copies, object, &spec)?;
    if plain.is_empty() {
        let message = "names no targets: write staticConfigs, httpSDConfigs, dnsSDConfigs or kubernetesSDConfigs";
        return Err(Problem::new("spec", message));
    }
    let body = settings::body_limit("spec.bodySizeLimit", spec.body_size_limit.as_deref())?;
    let limits = limits!(spec, body);
    let given = Given {
        interval: spec.scrape_interval.as_deref(),
        timeout: spec.scrape_timeout.as_deref(),
        path: spec.metrics_path.as_deref(),
        scheme: spec.scheme.as_deref(),
        params: spec.params.clone(),
        honor_labels: spec.honor_labels,
        honor_timestamps: spec.honor_timestamps,
        track_timestamps_staleness: spec.track_timestamps_staleness,
        enable_http2: spec.enable_http2,
        enable_compression: spec.enable_compression,
        proxy_url: spec.proxy_url.as_deref(),
        credentials: Credentials {
            basic_auth: spec.basic_auth.as_ref(),
            authorization: spec.authorization.as_ref(),
            ..Credentials::default()
        },
        tls: spec.tls_config.as_ref(),
        ..Given::default()
    };
    let scrape = settings::scrape(&translation.around, copies, object, "spec", given, limits)?;
    let job = Job {
        name: format!("scrapeConfig/{}/{}", object.namespace, object.name),
        mark: 0,
        scrape,
        source: Source::Plain(plain),
        steps: relabel::steps("spec.relabelings", &spec.relabelings)?,
        metric_steps: relabel::steps("spec.metricRelabelings", &spec.metric_relabelings)?,
    };
    translation.take(Ok(job));
    Ok(())
}

fn plain(
    translation: &mut Translation<'_>,
    copies: &mut Copies<'_>,
    object: &Foreign,
    spec: &spec::ScrapeConfig,
) -> Result<Plain, Problem> {
    let mut plain = Plain {
        job: spec.job_name.clone().filter(|name| !name.is_empty()),
        ..Plain::default()
    };
    let lists = [
        ("staticConfigs", spec.static_configs.len()),
        ("httpSDConfigs", spec.http_sd_configs.len()),
        ("dnsSDConfigs", spec.dns_sd_configs.len()),
        ("kubernetesSDConfigs", spec.kubernetes_sd_configs.len()),
    ];
    if let Some((name, _)) = lists.iter().find(|(_, length)| *length > ENTRIES) {
        return Err(Problem::new(
            format!("spec.{name}"),
            format!("{ENTRIES} at most"),
        ));
    }
    for (index, given) in spec.static_configs.iter().enumerate() {
        let field = format!("spec.staticConfigs[{index}]");
        check_targets(&format!("{field}.targets"), &given.targets)?;
        check_labels(&format!("{field}.labels"), given.labels.keys())?;
        plain.fixed.push(FixedTargets {
            targets: given.targets.clone(),
            labels: given.labels.clone(),
        });
    }
    for (index, given) in spec.http_sd_configs.iter().enumerate() {
        let field = format!("spec.httpSDConfigs[{index}]");
        plain
            .lists
            .push(http_list(translation, copies, object, &field, given)?);
    }
    for (index, given) in spec.dns_sd_configs.iter().enumerate() {
        let field = format!("spec.dnsSDConfigs[{index}]");
        plain.names.push(dns_names(&field, given)?);
    }
    for (index, given) in spec.kubernetes_sd_configs.iter().enumerate() {
        let field = format!("spec.kubernetesSDConfigs[{index}]");
        plain.kinds.push(kind(translation, object, &field, given)?);
    }
    Ok(plain)
}

fn http_list(
    translation: &Translation<'_>,
    copies: &mut Copies<'_>,
    object: &Foreign,
    field: &str,
    given: &spec::HttpSd,
) -> Result<HttpList, Problem> {
    if address(&given.url).is_none() {
        let message = "write http://… or https://…, without a user";
        return Err(Problem::new(format!("{field}.url"), message));
    }
    let credentials = Credentials {
        basic_auth: given.basic_auth.as_ref(),
        authorization: given.authorization.as_ref(),
        ..Credentials::default()
    };
    let tls = given.tls_config.as_ref();
    let tls = tls.map(|tls| settings::tls(copies, object, &format!("{field}.tlsConfig"), tls));
    let refresh = given.refresh_interval.as_deref();
    Ok(HttpList {
        url: given.url.clone(),
        refresh: settings::interval(&format!("{field}.refreshInterval"), refresh)?,
        follow_redirects: given.follow_redirects,
        enable_http2: given.enable_http2,
        tls: tls.transpose()?,
        auth: settings::auth(&translation.around, copies, object, field, &credentials)?,
    })
}

fn dns_names(field: &str, given: &spec::DnsSd) -> Result<DnsNames, Problem> {
    let problem = |name: &str, message: &str| Problem::new(format!("{field}.{name}"), message);
    check_targets(&format!("{field}.names"), &given.names)?;
    if given.names.is_empty() {
        return Err(problem("names", "one name at least"));
    }
    let kind = given.kind.as_deref().unwrap_or("SRV").to_uppercase();
    if !RECORDS.contains(&kind.as_str()) {
        return Err(problem("type", &format!("one of {}", RECORDS.join(", "))));
    }
    let port = match given.port {
        None if kind != "SRV" => {
            let message = "is missing: only SRV records tell it";
            return Err(problem("port", message));
        }
        None => None,
        Some(port) => match u16::try_from(port) {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(problem("port", "1 to 65535")),
        },
    };
    let refresh = given.refresh_interval.as_deref();
    Ok(DnsNames {
        names: given.names.clone(),
        kind,
        port,
        refresh: settings::interval(&format!("{field}.refreshInterval"), refresh)?,
    })
}

fn kind(
    translation: &mut Translation<'_>,
    object: &Foreign,
    field: &str,
    given: &spec::KubernetesSd,
) -> Result<KindTargets, Problem> {
    let role = given.role.to_lowercase();
    let known = ROLES.contains(&role.as_str()) || role == "node" && translation.nodes;
    if !known {
        let message = format!("one of {}: Prometheus may list no other", ROLES.join(", "));
        return Err(Problem::new(format!("{field}.role"), message));
    }
    let own = given.namespaces.as_ref().and_then(|it| it.own_namespace) == Some(true);
    let own = own.then_some(object.namespace.as_str());
    let by_name = given.namespaces.iter().flat_map(|it| &it.names);
    let asked: BTreeSet<_> = by_name.map(String::as_str).chain(own).collect();
    let namespaces = if role == "node" {
        None
    } else if asked.is_empty() {
        search::names(translation.reach)
    } else {
        let field = format!("{field}.namespaces");
        let (names, outside) = search::within(&field, asked, translation.reach)?;
        translation.left_out(outside);
        names
    };
    let selectors = given.selectors.iter().enumerate();
    let selectors = selectors.map(|(index, given)| {
        let field = format!("{field}.selectors[{index}]");
        selector(&role, given).map_err(|(name, why)| Problem::new(format!("{field}.{name}"), why))
    });
    Ok(KindTargets {
        namespaces,
        selectors: selectors.collect::<Result<_, Problem>>()?,
        node_metadata: ROLES_WITH_NODE.contains(&role.as_str())
            && translation.node_metadata(given.attach_metadata.as_ref()),
        role,
    })
}

type Selector = (String, Option<String>, Option<String>);

/// A selector for a role; an error names the field.
fn selector(
    role: &str,
    given: &spec::SdSelector,
) -> Result<Selector, (&'static str, &'static str)> {
    let of = given.role.to_lowercase();
    let behind = matches!(role, "endpoints" | "endpointslice");
    if of != role && !(behind && matches!(of.as_str(), "pod" | "service")) {
        return Err((
            "role",
            "the role itself; for endpoints and endpointslice also pod or service",
        ));
    }
    let [label, field] = [&given.label, &given.field];
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if !filled(label).is_none_or(|text| text.split(',').all(|it| is_condition(it, true))) {
        return Err((
            "label",
            "conditions such as a=b, a!=b, a or !a, with commas between",
        ));
    }
    if !filled(field).is_none_or(|text| text.split(',').all(|it| is_condition(it, false))) {
        return Err((
            "field",
            "conditions such as metadata.name=x, with commas between",
        ));
    }
    Ok((of, filled(label), filled(field)))
}

/// What Kubernetes reads as one condition, the forms with sets apart.
fn is_condition(text: &str, alone: bool) -> bool {
    let text = text.trim();
    let plain = |part: &str, more: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || more.as_bytes().contains(&byte))
    };
    let key = |part: &str| {
        let ends = |c: char| c.is_ascii_alphanumeric();
        part.starts_with(ends)
            && part.ends_with(ends)
            && plain(part, "-_./")
            && part.bytes().filter(|byte| *byte == b'/').count() < 2
    };
    let split = ["!=", "==", "="]
        .into_iter()
        .find_map(|sign| text.split_once(sign));
    match split {
        Some((name, value)) => {
            let value = value.trim();
            let ends = |c: char| c.is_ascii_alphanumeric();
            let whole = value.is_empty() || value.starts_with(ends) && value.ends_with(ends);
            key(name.trim()) && whole && value.len() < 64 && plain(value, "-_.")
        }
        None => alone && key(text.strip_prefix('!').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_what_kubernetes_reads() {
        for good in ["app=web", "a/b!=c", "!gone", "there", "a==b", "a="] {
            assert!(is_condition(good, true), "{good}");
        }
        for bad in ["a in (b)", "=b", "a=b=c", "a/b/c=d", "", "a=-"] {
            assert!(!is_condition(bad, true), "{bad}");
        }
        assert!(!is_condition("there", false));
    }
}
