//! Grafana's HTTP API, in the admin's name.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{Method, body::Bytes};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Ask, BackendError, Backends, PodRef};
use crate::resolve::model::Credentials;

/// What Grafana provisions from files and reads again when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioned {
    /// Data sources.
    DataSources,
    /// Where dashboards are; the dashboards themselves it looks for by itself.
    Dashboards,
}

/// Grafana in one pod, asked in somebody's name.
#[derive(Clone, Copy)]
pub struct Grafana<'a> {
    /// The way to it.
    pub backends: &'a Backends,
    /// Its pod.
    pub pod: &'a PodRef,
    /// Its port.
    pub port: u16,
    /// The path that its API is below; empty: none.
    pub sub_path: &'a str,
    /// Who asks.
    pub login: &'a Credentials,
}

impl Grafana<'_> {
    /// Whether it lets this name and password in.
    pub async fn lets_in(self) -> Result<(), BackendError> {
        self.ask(Method::GET, "/api/user", None).await.map(|_| ())
    }

    /// The mark of the files that a data source was read from; none when it has none, or when there
    /// is no such data source yet.
    pub async fn mark(self, source: &str) -> Result<Option<String>, BackendError> {
        let path = format!("/api/datasources/uid/{source}");
        match self.ask(Method::GET, &path, None).await {
            Ok(body) => mark(&body),
            Err(BackendError::Refused { status, .. }) if status.as_u16() == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes it read files again.
    pub async fn reload(self, what: Provisioned) -> Result<(), BackendError> {
        let what = match what {
            Provisioned::DataSources => "datasources",
            Provisioned::Dashboards => "dashboards",
        };
        let path = format!("/api/admin/provisioning/{what}/reload");
        self.ask(Method::POST, &path, None).await.map(|_| ())
    }

    /// Gives the one who asks another name.
    pub async fn rename(self, name: &str) -> Result<(), BackendError> {
        let body = json!({"login": name});
        self.ask(Method::PUT, "/api/user", Some(body))
            .await
            .map(|_| ())
    }

    /// Gives the one who asks another password.
    pub async fn change_password(self, new: &str) -> Result<(), BackendError> {
        let old = String::from_utf8_lossy(&self.login.password.0);
        let body = json!({"oldPassword": old, "newPassword": new, "confirmNew": new});
        let path = "/api/user/password";
        self.ask(Method::PUT, path, Some(body)).await.map(|_| ())
    }

    async fn ask(
        self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Bytes, BackendError> {
        let path = format!("{}{path}", self.sub_path);
        let ask = Ask {
            authorization: Some(basic(self.login)),
            json: body.map(|body| body.to_string()),
            ..Ask::plain(method, &path)
        };
        self.backends.answer(self.pod, self.port, ask).await
    }
}

fn basic(login: &Credentials) -> String {
    let pair = [&login.user.0, &b":"[..], &login.password.0].concat();
    format!("Basic {}", STANDARD.encode(pair))
}

/// `GET /api/datasources/uid/…`.
fn mark(body: &[u8]) -> Result<Option<String>, BackendError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct DataSource {
        #[serde(default)]
        json_data: Option<JsonData>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct JsonData {
        masthead_config: Option<String>,
    }
    serde_json::from_slice::<DataSource>(body)
        .map(|source| source.json_data?.masthead_config)
        .map_err(|error| BackendError::Unreadable(error.to_string()))
}

/// Names and passwords that a pod refused. Grafana locks a name after a few wrong passwords, so
/// none is tried there twice. Clones share it.
#[derive(Clone, Default)]
pub struct Refusals(Arc<Mutex<HashMap<String, HashSet<String>>>>);

impl Refusals {
    /// Whether the pod refused this login before.
    #[must_use]
    pub fn has(&self, stack: &str, pod: &str, login: &Credentials) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(stack)
            .is_some_and(|refused| refused.contains(&key(pod, login)))
    }

    /// Remembers that the pod refused this login.
    pub fn add(&self, stack: &str, pod: &str, login: &Credentials) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(stack.to_owned())
            .or_default()
            .insert(key(pod, login));
    }

    /// Forgets a stack's refusals: one of its logins works, or it is gone.
    pub fn forget(&self, stack: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(stack);
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusals(…)")
    }
}

/// A hash, so that no password is kept.
fn key(pod: &str, login: &Credentials) -> String {
    let mut hash = Sha256::new();
    for part in [pod.as_bytes(), &login.user.0, &login.password.0] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resolve::model::SecretValue;

    fn login(user: &str, password: &str) -> Credentials {
        Credentials {
            user: SecretValue(user.into()),
            password: SecretValue(password.into()),
        }
    }

    #[test]
    fn the_mark_is_read_from_what_grafana_does_not_know() {
        let body =
            br#"{"uid":"prometheus","jsonData":{"httpMethod":"POST","mastheadConfig":"abc"}}"#;
        assert_eq!(mark(body).unwrap().as_deref(), Some("abc"));
        assert_eq!(mark(b"{\"jsonData\":{}}").unwrap(), None);
        assert_eq!(mark(b"{\"jsonData\":null}").unwrap(), None);
        assert!(mark(b"<html>").is_err());
    }

    #[test]
    fn a_refused_login_is_remembered_for_its_pod_only() {
        let refusals = Refusals::default();
        let bad = login("admin", "old");
        refusals.add("stack", "pod", &bad);
        assert!(refusals.has("stack", "pod", &bad));
        assert!(!refusals.has("stack", "next pod", &bad));
        assert!(!refusals.has("stack", "pod", &login("admin", "new")));
        assert!(!refusals.has("stack", "pod", &login("admino", "ld")));
        refusals.forget("stack");
        assert!(!refusals.has("stack", "pod", &bad));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _read = mark(&body).is_ok();
        }
    }
}
