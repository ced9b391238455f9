//! Scrape jobs that objects of prometheus-operator's kinds ask for.

use std::collections::BTreeMap;

/// A scrape job of somebody else's.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// A name that no other job has, such as `serviceMonitor/shop/api/0`.
    pub name: String,
    /// A number for its content and that of its files: two contents have two.
    pub mark: u64,
    /// How its targets are scraped.
    pub scrape: Scrape,
    /// Where its targets come from.
    pub source: Source,
    /// What is done with the labels of targets, after what the source gives.
    pub steps: Vec<Step>,
    /// What is done with the labels of samples.
    pub metric_steps: Vec<Step>,
}

impl Job {
    /// A job without anything.
    #[cfg(test)]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            mark: 0,
            scrape: Scrape::default(),
            source: Source::Plain(Plain::default()),
            steps: Vec::new(),
            metric_steps: Vec::new(),
        }
    }

    /// The names of the secret files that it needs.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let lists = match &self.source {
            Source::Plain(plain) => plain.lists.as_slice(),
            _ => &[],
        };
        let own = (self.scrape.auth.as_ref(), self.scrape.tls.as_ref());
        let all = lists.iter().map(|it| (it.auth.as_ref(), it.tls.as_ref()));
        all.chain([own])
            .flat_map(|(auth, tls)| {
                let auth = match auth {
                    Some(Auth::Basic { username, password }) => {
                        [username.as_ref(), password.as_ref()]
                    }
                    Some(Auth::Header { credentials, .. }) => [Some(credentials), None],
                    None => [None, None],
                };
                let tls = tls.map(|tls| [&tls.ca, &tls.cert, &tls.key].map(Option::as_ref));
                auth.into_iter().chain(tls.into_iter().flatten())
            })
            .flatten()
            .filter_map(|file| match file {
                File::Secret(name) => Some(name.as_str()),
                File::OwnToken | File::OwnAuthority => None,
            })
    }
}

/// How targets are scraped; what is absent is Prometheus' default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scrape {
    /// How often.
    pub interval: Option<String>,
    /// For how long at most.
    pub timeout: Option<String>,
    /// The path.
    pub path: Option<String>,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// Parameters of the query.
    pub params: BTreeMap<String, Vec<String>>,
    /// Whether the samples' labels win over the target's.
    pub honor_labels: bool,
    /// Whether the samples' times are taken.
    pub honor_timestamps: Option<bool>,
    /// Whether series with times of their own end when they are no longer there.
    pub track_timestamps_staleness: Option<bool>,
    /// Whether redirects are followed.
    pub follow_redirects: Option<bool>,
    /// Whether HTTP/2 is spoken.
    pub enable_http2: Option<bool>,
    /// Whether answers may be compressed.
    pub enable_compression: Option<bool>,
    /// The proxy.
    pub proxy_url: Option<String>,
    /// Credentials.
    pub auth: Option<Auth>,
    /// Whom to trust and who to be.
    pub tls: Option<JobTls>,
    /// What one scrape and one job may be at most.
    pub limits: Limits,
}

/// Credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A user and a password.
    Basic {
        /// The user.
        username: Option<File>,
        /// The password.
        password: Option<File>,
    },
    /// The header `Authorization`.
    Header {
        /// `Bearer` or the like.
        kind: String,
        /// What follows it.
        credentials: File,
    },
}

/// A file in Prometheus' pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// One of the component's own Secret.
    Secret(String),
    /// The token of Prometheus' own service account.
    OwnToken,
    /// The authority of the API server.
    OwnAuthority,
}

/// Whom to trust and who to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobTls {
    /// The authority.
    pub ca: Option<File>,
    /// The certificate that is shown.
    pub cert: Option<File>,
    /// Its key.
    pub key: Option<File>,
    /// The name the target's certificate must have.
    pub server_name: Option<String>,
    /// Whether the target's certificate is taken as it is.
    pub insecure_skip_verify: Option<bool>,
    /// The oldest version, as Prometheus writes it.
    pub min_version: Option<String>,
    /// The newest version.
    pub max_version: Option<String>,
}

/// Bounds; what is absent has the stack's own for what is not its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Samples of one scrape.
    pub samples: Option<u64>,
    /// Targets of the job.
    pub targets: Option<u64>,
    /// Labels of one sample.
    pub labels: Option<u64>,
    /// Characters of a label's name.
    pub label_name_length: Option<u64>,
    /// Characters of a label's value.
    pub label_value_length: Option<u64>,
    /// The answer, such as `10MB`.
    pub body: Option<String>,
    /// Targets that were dropped and are kept in memory.
    pub kept_dropped_targets: Option<u64>,
}

/// Where targets come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Pods behind Services.
    Services(Found),
    /// Pods.
    Pods(Found),
    /// Addresses that a prober looks at.
    Probe(Probe),
    /// Ingresses that a prober looks at.
    ProbedIngresses(Found, Probe),
    /// As Prometheus itself would have it.
    Plain(Plain),
}

/// What is searched for in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In these namespaces; none: in every one.
    pub namespaces: Option<Vec<String>>,
    /// Labels of the object.
    pub selector: Vec<Match>,
    /// Which port.
    pub port: Port,
    /// The labels of the pod's, and of the Service's, that targets take over.
    pub pod_labels: Vec<String>,
    /// The same of the Service.
    pub service_labels: Vec<String>,
    /// The label whose value is the job's name, if it is there.
    pub job_label: Option<String>,
    /// The label `job`, where it is fixed.
    pub job: Option<String>,
    /// Whether pods that have ended are targets.
    pub ended_too: bool,
    /// Whether the node's labels are there for relabelling.
    pub node_metadata: bool,
    /// Whether Endpoints are read even where there are `EndpointSlices`.
    pub by_endpoints: bool,
}

/// A port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Port {
    /// Every one.
    #[default]
    Any,
    /// Of the Service or the pod, by name.
    Named(String),
    /// Of the container, by name.
    Container(String),
    /// Of the container, by number.
    Number(u16),
}

/// One condition on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// It has one of these values.
    In(String, Vec<String>),
    /// It has none of these values.
    NotIn(String, Vec<String>),
    /// It is there.
    Exists(String),
    /// It is not there.
    Absent(String),
}

/// A prober, such as blackbox_exporter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Its address: host and port.
    pub address: String,
    /// The label `job`, if it is not the job's own name.
    pub job: Option<String>,
    /// The namespace of the object.
    pub namespace: String,
    /// What it looks at.
    pub targets: Vec<String>,
    /// Labels of the targets.
    pub labels: BTreeMap<String, String>,
}

/// Targets as Prometheus itself would have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plain {
    /// The label `job`, if it is not the job's own name.
    pub job: Option<String>,
    /// Named ones.
    pub fixed: Vec<FixedTargets>,
    /// Lists that a server gives.
    pub lists: Vec<HttpList>,
    /// Names that are looked up.
    pub names: Vec<DnsNames>,
    /// Kinds of the cluster.
    pub kinds: Vec<KindTargets>,
}

impl Plain {
    /// Whether it names no targets at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fixed.is_empty()
            && self.lists.is_empty()
            && self.names.is_empty()
            && self.kinds.is_empty()
    }
}

/// Targets that are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FixedTargets {
    /// Their addresses.
    pub targets: Vec<String>,
    /// Their labels.
    pub labels: BTreeMap<String, String>,
}

/// A list of targets that a server gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpList {
    /// Where.
    pub url: String,
    /// How often.
    pub refresh: Option<String>,
    /// Whether redirects are followed.
    pub follow_redirects: Option<bool>,
    /// Whether HTTP/2 is spoken.
    pub enable_http2: Option<bool>,
    /// Credentials.
    pub auth: Option<Auth>,
    /// Whom to trust.
    pub tls: Option<JobTls>,
}

/// Names that are looked up in the DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsNames {
    /// The names.
    pub names: Vec<String>,
    /// The type of record, as Prometheus writes it.
    pub kind: String,
    /// The port, where the record does not tell it.
    pub port: Option<u16>,
    /// How often.
    pub refresh: Option<String>,
}

/// Objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindTargets {
    /// The role, as Prometheus writes it.
    pub role: String,
    /// In these namespaces; none: in every one.
    pub namespaces: Option<Vec<String>>,
    /// Selectors by role: labels, then fields.
    pub selectors: Vec<(String, Option<String>, Option<String>)>,
    /// Whether the node's labels are there for relabelling.
    pub node_metadata: bool,
}

/// A step that rewrites, keeps or drops by labels; what is absent is Prometheus' default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The labels that are looked at.
    pub source_labels: Vec<String>,
    /// What stands between their values.
    pub separator: Option<String>,
    /// What they must be, whole.
    pub regex: Option<String>,
    /// What a hash is divided by.
    pub modulus: Option<u64>,
    /// The label that is written.
    pub target_label: Option<String>,
    /// With what.
    pub replacement: Option<String>,
    /// What is done, in small letters.
    pub action: Option<String>,
}
