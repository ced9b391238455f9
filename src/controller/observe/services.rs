//! Services that ask to be scraped and are not: which, and why.
//!
//! Where all is well that costs a list of metadata and one small query. Prometheus' own list of
//! targets, which may be large, is asked for only when a Service is missing or down.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::core::v1::Service, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Client, api::ApiResource};

use super::super::{
    backend::{Backends, PodRef},
    live,
};
use crate::{
    api::{component::Component, status::Unscraped},
    render::flows,
    resolve::model::{Namespaces, Stack},
};

const SCRAPE: &str = "prometheus.io/scrape";
const PORT: &str = "prometheus.io/port";
const SCHEME: &str = "prometheus.io/scheme";
/// The bound of `status.unscraped` in the CRD.
const SHOWN: usize = 32;

/// A Service: namespace and name.
pub type Name = (String, String);

/// A target of an annotated Service, as Prometheus tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Whose it is.
    pub service: Name,
    /// Whether its last scrape failed; one that was not scraped yet has not.
    pub down: bool,
    /// Why, in Prometheus' words.
    pub error: String,
}

/// Asks the API server which Services want to be scraped, and a Prometheus which it scrapes. None
/// when one of the two gives no answer.
pub async fn unscraped(
    client: &Client,
    backends: &Backends,
    stack: &Stack,
    prometheus: &PodRef,
) -> Option<Vec<Unscraped>> {
    let discovery = stack.prometheus.as_ref()?.discovery.as_ref()?;
    let Some(namespaces) = &discovery.annotations else {
        return Some(Vec::new());
    };
    let asking = asking(client, namespaces).await?;
    if asking.is_empty() {
        return Some(Vec::new());
    }
    let port = flows::http_port(Component::Prometheus);
    let scraped = backends.prometheus_scraped_services(prometheus, port).await;
    let scraped = told(prometheus, scraped)?;
    let targets = if asking.keys().all(|service| scraped.contains(service)) {
        Vec::new()
    } else {
        told(
            prometheus,
            backends.prometheus_service_targets(prometheus, port).await,
        )?
    };
    Some(complaints(&asking, &scraped, &targets))
}

fn told<T, E: std::fmt::Display>(prometheus: &PodRef, answer: Result<T, E>) -> Option<T> {
    let warn = |error: &E| {
        tracing::warn!(pod = prometheus.name, %error, "Cannot ask which Services are scraped.");
    };
    answer.inspect_err(warn).ok()
}

/// The annotations of the Services that have `prometheus.io/scrape`, unless it is `"false"`.
async fn asking(
    client: &Client,
    namespaces: &Namespaces,
) -> Option<BTreeMap<Name, BTreeMap<String, String>>> {
    let scopes = match namespaces {
        Namespaces::All => vec![None],
        Namespaces::These(names) => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    let resource = ApiResource::erase::<Service>(&());
    let mut found = BTreeMap::new();
    for namespace in scopes {
        match live::list_kind(client, &resource, namespace, "").await {
            Ok(services) => found.extend(services.into_iter().filter_map(asks)),
            Err(error) => {
                tracing::warn!(?namespace, %error, "Cannot list the Services that ask to be scraped.");
                return None;
            }
        }
    }
    Some(found)
}

fn asks(service: ObjectMeta) -> Option<(Name, BTreeMap<String, String>)> {
    let annotations = service.annotations?;
    let asks = annotations
        .get(SCRAPE)
        .is_some_and(|value| value != "false");
    asks.then_some(((service.namespace?, service.name?), annotations))
}

/// What keeps Services from being scraped. `scraped` are those with a target that answers,
/// `targets` all targets where one of them has none. The same facts give the same words.
#[must_use]
pub fn complaints(
    asking: &BTreeMap<Name, BTreeMap<String, String>>,
    scraped: &BTreeSet<Name>,
    targets: &[Target],
) -> Vec<Unscraped> {
    let mut complaints: Vec<Unscraped> = asking
        .iter()
        .filter_map(|(service, annotations)| {
            let reason = misspelt(annotations)
                .or_else(|| missing(service, scraped.contains(service), targets))?;
            Some(Unscraped {
                service: format!("{}/{}", service.0, service.1),
                reason,
            })
        })
        .collect();
    if complaints.len() > SHOWN {
        let more = complaints.len() - (SHOWN - 1);
        complaints.truncate(SHOWN - 1);
        complaints.push(Unscraped {
            service: "others".into(),
            reason: format!("{more} more Services are not scraped"),
        });
    }
    complaints
}

/// An annotation that says nothing Prometheus can follow.
fn misspelt(annotations: &BTreeMap<String, String>) -> Option<String> {
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    let wrong = |key: &str, right: &dyn Fn(&str) -> bool, remedy: &str| {
        let value = annotations.get(key).filter(|value| !right(value))?;
        Some(format!("{key} is {value:?}: {remedy}"))
    };
    wrong(
        SCRAPE,
        &|text| text == "true",
        "write \"true\" or \"false\"",
    )
    .or_else(|| wrong(PORT, &is_port, "write the number of a port"))
    .or_else(|| {
        let schemes = ["http", "https"];
        wrong(
            SCHEME,
            &|text| schemes.contains(&text),
            "write http or https",
        )
    })
}

fn missing(service: &Name, scraped: bool, targets: &[Target]) -> Option<String> {
    let mut own = targets.iter().filter(|target| target.service == *service);
    let Some(first) = own.clone().next() else {
        let words = "Prometheus finds no target: no pod that its selector fits has an address, \
                     or it has no port";
        return (!scraped).then(|| words.to_owned());
    };
    let down = own.find(|target| target.down)?;
    let words = if down.error.is_empty() {
        &first.error
    } else {
        &down.error
    };
    Some(format!("a target does not answer: {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(service: &str) -> Name {
        ("shop".to_owned(), service.to_owned())
    }

    fn one(annotations: &[(&str, &str)]) -> BTreeMap<Name, BTreeMap<String, String>> {
        let annotations = annotations.iter();
        let annotations = annotations.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        [(name("web"), annotations.collect())].into()
    }

    fn reasons(
        asking: &BTreeMap<Name, BTreeMap<String, String>>,
        scraped: bool,
        targets: &[Target],
    ) -> Vec<String> {
        let scraped = scraped.then(|| name("web")).into_iter().collect();
        let complaints = complaints(asking, &scraped, targets);
        complaints.into_iter().map(|it| it.reason).collect()
    }

    #[test]
    fn a_service_with_a_target_that_answers_is_no_complaint() {
        assert_eq!(reasons(&one(&[(SCRAPE, "true")]), true, &[]), [""; 0]);
    }

    #[test]
    fn an_annotation_that_cannot_be_followed_says_what_would_be_right() {
        for (annotation, words) in [
            (
                (SCRAPE, "yes"),
                "prometheus.io/scrape is \"yes\": write \"true\" or \"false\"",
            ),
            (
                (PORT, "http"),
                "prometheus.io/port is \"http\": write the number of a port",
            ),
            (
                (PORT, "70000"),
                "prometheus.io/port is \"70000\": write the number of a port",
            ),
            (
                (SCHEME, "HTTP"),
                "prometheus.io/scheme is \"HTTP\": write http or https",
            ),
        ] {
            assert_eq!(reasons(&one(&[annotation]), true, &[]), [words]);
        }
    }

    #[test]
    fn a_service_without_a_target_has_none_to_scrape() {
        let words = reasons(&one(&[(SCRAPE, "true")]), false, &[]);
        assert!(
            words[0].starts_with("Prometheus finds no target"),
            "{words:?}"
        );
    }

    #[test]
    fn a_target_that_does_not_answer_tells_why() {
        let target = |down, error: &str| Target {
            service: name("web"),
            down,
            error: error.to_owned(),
        };
        let asking = one(&[(SCRAPE, "true")]);
        let refused = target(true, "connection refused");
        assert_eq!(
            reasons(&asking, false, &[target(false, ""), refused]),
            ["a target does not answer: connection refused"]
        );
        assert_eq!(
            reasons(&asking, false, &[target(false, "")]),
            [""; 0],
            "not scraped yet"
        );
    }

    #[test]
    fn the_list_is_bounded_and_tells_how_many_are_left_out() {
        let asking = (0..40).map(|number| (name(&format!("s{number:02}")), BTreeMap::new()));
        let complaints = complaints(&asking.collect(), &BTreeSet::new(), &[]);
        assert_eq!(complaints.len(), SHOWN);
        assert_eq!(complaints[31].reason, "9 more Services are not scraped");
    }

    #[test]
    fn only_what_does_not_decline_asks() {
        let service = |value: &str| ObjectMeta {
            namespace: Some("shop".into()),
            name: Some("web".into()),
            annotations: Some([(SCRAPE.to_owned(), value.to_owned())].into()),
            ..ObjectMeta::default()
        };
        assert!(asks(service("true")).is_some() && asks(service("yes")).is_some());
        assert!(asks(service("false")).is_none() && asks(ObjectMeta::default()).is_none());
    }
}
