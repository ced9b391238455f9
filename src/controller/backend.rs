//! Asking the back ends themselves: Prometheus and Alertmanager, pod by pod.
//!
//! A Service would answer for any replica; only the pod can say what it has loaded itself. In the
//! cluster the operator talks to the pod's address, outside of it through the API server's
//! port-forward, with the same HTTP over either stream.

pub mod answer;
pub mod grafana;
pub mod rules;
mod transport;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use futures::FutureExt;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, body::Bytes};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt};
use tokio::{net::TcpStream, time::timeout};

use super::observe::services::{Name, Target};
use crate::api::status::Targets;
use answer::AlertmanagerState;
use grafana::Refusals;
use rules::{Groups, WithContents};
use transport::{Forward, http};

/// A pod answers a connection this fast or it does not answer.
const CONNECT: Duration = Duration::from_secs(1);
/// The longest that a whole exchange may take.
const WHOLE: Duration = Duration::from_secs(3);
/// The longest that what grows with the rules may take: at a reload Prometheus reads each of them
/// anew, 10,000 of them for seconds. One that is cut off has to be waited for all the same.
const HEAVY: Duration = Duration::from_secs(30);
/// So many groups of rules are listed at a time.
const PAGE: usize = 1000;
/// So many pages are read at most; there are not so many rules in a cluster.
const PAGES: usize = 200;
/// How much of a refusal is kept: the process's own words, not a page of HTML.
const WORDS: usize = 400;

/// One pod to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its address, once it has one.
    pub ip: Option<IpAddr>,
}

impl PodRef {
    /// The pod's name and address.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let ip = pod.status.as_ref().and_then(|s| s.pod_ip.as_deref());
        Self {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            ip: ip.and_then(|ip| ip.parse().ok()),
        }
    }
}

/// Why a back end gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No connection, or it broke.
    #[error("no answer on port {port}: {cause}")]
    Unreachable {
        /// The port that was tried.
        port: u16,
        /// What the network said.
        cause: String,
    },
    /// It does not take a connection.
    #[error(
        "no answer on port {port} within {} s; a NetworkPolicy may keep the operator out",
        .within.as_secs()
    )]
    Timeout {
        /// The port that was tried.
        port: u16,
        /// How long it was given.
        within: Duration,
    },
    /// It takes connections, and does not answer in time.
    #[error(
        "no answer on port {port} within {} s: the process is busy, or short of CPU or memory",
        .within.as_secs()
    )]
    Slow {
        /// The port that was asked.
        port: u16,
        /// How long it was given.
        within: Duration,
    },
    /// It answered, and refused.
    #[error("{words}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// Its own words.
        words: String,
    },
    /// It answered something that is not understood.
    #[error("unexpected answer: {0}")]
    Unreadable(String),
}

/// The way to the pods.
#[derive(Clone)]
pub struct Backends {
    /// The client whose API server forwards; none: the pods are reached directly.
    forward: Option<Client>,
    /// Logins that Grafana refused.
    pub refusals: Refusals,
}

/// One question to a pod.
struct Ask<'a> {
    method: Method,
    path: &'a str,
    authorization: Option<String>,
    json: Option<String>,
    /// How long the whole exchange may take.
    within: Duration,
}

impl<'a> Ask<'a> {
    /// Without a body, in nobody's name.
    fn plain(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            within: WHOLE,
            authorization: None,
            json: None,
        }
    }
}

impl Backends {
    /// Directly in the cluster, through the API server outside of it.
    #[must_use]
    pub fn new(client: Client, in_cluster: bool) -> Self {
        Self {
            forward: (!in_cluster).then_some(client),
            refusals: Refusals::default(),
        }
    }

    /// One HTTP exchange with a pod, bounded in time and size.
    pub async fn request(
        &self,
        pod: &PodRef,
        port: u16,
        method: Method,
        path: &str,
    ) -> Result<(StatusCode, Bytes), BackendError> {
        self.send(pod, port, Ask::plain(method, path)).await
    }

    async fn send(
        &self,
        pod: &PodRef,
        port: u16,
        ask: Ask<'_>,
    ) -> Result<(StatusCode, Bytes), BackendError> {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header("host", format!("{}:{port}", pod.name))
            .header("connection", "close");
        if let Some(authorization) = ask.authorization {
            request = request.header("authorization", authorization);
        }
        if ask.json.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = ask.json.map(Bytes::from).unwrap_or_default();
        let request = request
            .body(Full::new(body))
            .map_err(|error| BackendError::Unreadable(error.to_string()))?;
        let within = ask.within;
        timeout(within, self.exchange(pod, port, request))
            .await
            .unwrap_or(Err(BackendError::Slow { port, within }))
    }

    async fn exchange(
        &self,
        pod: &PodRef,
        port: u16,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), BackendError> {
        let unreachable = |cause: String| BackendError::Unreachable { port, cause };
        if let Some(client) = &self.forward {
            let pods = Api::<Pod>::namespaced(client.clone(), &pod.namespace);
            let opened = pods.portforward(&pod.name, &[port]).await;
            let mut forward = Forward(opened.map_err(|error| unreachable(error.to_string()))?);
            let refused = forward.0.take_error(port);
            let stream = forward.0.take_stream(port);
            let stream = stream.ok_or_else(|| unreachable("no stream".into()))?;
            return http(stream, port, request).await.map_err(|error| {
                // The API server tells on a channel of its own why the pod's end is closed.
                match refused.and_then(FutureExt::now_or_never).flatten() {
                    Some(cause) => unreachable(cause),
                    None => error,
                }
            });
        }
        let ip = pod
            .ip
            .ok_or_else(|| unreachable("the pod has no address yet".into()))?;
        let stream = timeout(CONNECT, TcpStream::connect((ip, port))).await;
        let stream = stream.map_err(|_| BackendError::Timeout {
            port,
            within: CONNECT,
        })?;
        let stream = stream.map_err(|error| unreachable(error.to_string()))?;
        http(stream, port, request).await
    }

    /// The body of a successful answer to any question.
    async fn answer(&self, pod: &PodRef, port: u16, ask: Ask<'_>) -> Result<Bytes, BackendError> {
        let path = ask.path;
        let (status, body) = self.send(pod, port, ask).await?;
        if status.is_success() {
            return Ok(body);
        }
        let words = answer::words(&body, WORDS);
        let words = if words.is_empty() {
            format!("{path} answers {status}")
        } else {
            words
        };
        Err(BackendError::Refused { status, words })
    }

    async fn get(&self, pod: &PodRef, port: u16, path: &str) -> Result<Bytes, BackendError> {
        self.answer(pod, port, Ask::plain(Method::GET, path)).await
    }

    async fn reload(&self, pod: &PodRef, port: u16) -> Result<(), BackendError> {
        let ask = Ask {
            within: HEAVY,
            ..Ask::plain(Method::POST, "/-/reload")
        };
        self.answer(pod, port, ask).await.map(|_| ())
    }

    /// Makes Prometheus read its files again; an error holds its own words.
    pub async fn prometheus_reload(&self, pod: &PodRef, port: u16) -> Result<(), BackendError> {
        self.reload(pod, port).await
    }

    /// The configuration that Prometheus runs, as it writes it itself.
    pub async fn prometheus_config(&self, pod: &PodRef, port: u16) -> Result<String, BackendError> {
        let body = self.get(pod, port, "/api/v1/status/config").await?;
        answer::prometheus_config(&body)
    }

    /// Whether Prometheus' last reload worked in all its parts. It shows a new configuration even
    /// when its rules were refused, so the configuration alone proves nothing.
    pub async fn prometheus_reload_succeeded(
        &self,
        pod: &PodRef,
        port: u16,
    ) -> Result<bool, BackendError> {
        let body = self.get(pod, port, "/api/v1/status/runtimeinfo").await?;
        answer::prometheus_reload_succeeded(&body)
    }

    /// The rules that Prometheus has loaded: of the groups of these names, or all when none, page
    /// by page: the whole listing of thousands of rules is megabytes. A Prometheus that knows no
    /// pages, or no filter, lists all at once.
    pub async fn prometheus_rules(
        &self,
        pod: &PodRef,
        port: u16,
        groups: &[Arc<str>],
    ) -> Result<Groups, BackendError> {
        let mut first = format!("/api/v1/rules?group_limit={PAGE}");
        for group in groups {
            first.push_str("&rule_group[]=");
            first.push_str(&rules::escaped(group));
        }
        let mut listed = Groups::new();
        let mut path = first.clone();
        for _ in 0..PAGES {
            let ask = Ask {
                within: HEAVY,
                ..Ask::plain(Method::GET, &path)
            };
            let page = rules::prometheus(&self.answer(pod, port, ask).await?)?;
            listed.extend(page.groups);
            match page.next {
                Some(next) => {
                    path = format!("{first}&group_next_token={}", rules::escaped(&next));
                }
                None => return Ok(listed),
            }
        }
        let words = format!("more than {PAGES} pages of rules");
        Err(BackendError::Unreadable(words))
    }

    /// The rules that Loki's ruler has loaded, and their contents; it answers in Prometheus' form.
    pub async fn loki_rules(&self, pod: &PodRef, port: u16) -> Result<WithContents, BackendError> {
        rules::loki(&self.get(pod, port, "/prometheus/api/v1/rules").await?)
    }

    /// How many targets answer Prometheus and how many do not, by one small query: the listing of
    /// all targets is megabytes in a large cluster. `lookback` is how old the last scrape may be:
    /// with the default of five minutes a restart of Prometheus, which ends no series, would count
    /// targets that are long gone.
    pub async fn prometheus_targets_summary(
        &self,
        pod: &PodRef,
        port: u16,
        lookback: Duration,
    ) -> Result<Targets, BackendError> {
        let path = format!(
            "/api/v1/query?query=count_values(%22up%22,up)&lookback_delta={}s",
            lookback.as_secs()
        );
        answer::prometheus_targets(&self.get(pod, port, &path).await?)
    }

    /// The annotated Services that have targets and whose targets all answer, by one small query.
    pub async fn prometheus_scraped_services(
        &self,
        pod: &PodRef,
        port: u16,
    ) -> Result<BTreeSet<Name>, BackendError> {
        // min by (namespace,service) (up{job="annotated-services"}) == 1
        let path = "/api/v1/query?query=min%20by%20(namespace,service)\
                    (up%7Bjob=%22annotated-services%22%7D)%3D%3D1";
        answer::prometheus_services(&self.get(pod, port, path).await?)
    }

    /// The targets of annotated Services, those among them that were not scraped yet.
    pub async fn prometheus_service_targets(
        &self,
        pod: &PodRef,
        port: u16,
    ) -> Result<Vec<Target>, BackendError> {
        let path = "/api/v1/targets?state=active&scrapePool=annotated-services";
        answer::prometheus_service_targets(&self.get(pod, port, path).await?)
    }

    /// Makes Alertmanager read its files again; an error holds its own words.
    pub async fn alertmanager_reload(&self, pod: &PodRef, port: u16) -> Result<(), BackendError> {
        self.reload(pod, port).await
    }

    /// What Alertmanager's metrics tell of its configuration.
    pub async fn alertmanager_metrics(
        &self,
        pod: &PodRef,
        port: u16,
    ) -> Result<AlertmanagerState, BackendError> {
        let body = self.get(pod, port, "/metrics").await?;
        Ok(answer::alertmanager_metrics(&body))
    }
}
