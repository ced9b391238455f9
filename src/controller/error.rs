//! What can go wrong at the edge, each with a category for the metrics.

use std::time::Duration;

/// Why a reconcile could not go on. What only one object suffers from is no error: the rest goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or could not be reached.
    #[error("cannot {doing}: {source}")]
    Api {
        /// What was tried, with the object's name.
        doing: String,
        /// The server's words.
        #[source]
        source: Box<kube::Error>,
    },
    /// The stack's specification cannot be decoded at all.
    #[error("the stack cannot be read: {0}")]
    Undecodable(String),
    /// The server sent an object without something every stored object has.
    #[error("the API server sent an object without {0}")]
    Incomplete(&'static str),
    /// The system has no random numbers.
    #[error("cannot make a password: {0}")]
    Random(#[from] getrandom::Error),
    /// The reconcile was cut off.
    #[error("not done after {} s: the API server or a back end does not answer", .0.as_secs())]
    Timeout(Duration),
}

impl Error {
    /// An [`Error::Api`] that says what was tried: `map_err(Error::doing("list pods"))`.
    pub fn doing(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = what.into();
        move |source| Self::Api {
            doing,
            source: Box::new(source),
        }
    }

    /// The HTTP status that the API server answered with, if it did.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api { source, .. } => code(source),
            _ => None,
        }
    }

    /// A stable word for the metrics; never the text, whose values are without bound.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Api { source, .. } => api_category(source),
            Self::Undecodable(_) => "Undecodable",
            Self::Incomplete(_) => "Incomplete",
            Self::Random(_) => "Random",
            Self::Timeout(_) => "Timeout",
        }
    }
}

fn api_category(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) => match status.code {
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            400 | 422 => "Invalid",
            429 => "TooManyRequests",
            500.. => "ServerError",
            _ => "Api",
        },
        kube::Error::SerdeError(_) => "Decode",
        _ => "Connection",
    }
}

/// The server's own words where it said any, else the error's.
#[must_use]
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

/// The HTTP status of an error, if the server answered at all.
#[must_use]
pub fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// Whether the server takes nothing new because the namespace is being deleted.
#[must_use]
pub fn namespace_is_leaving(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.reason == "NamespaceTerminating")
}
