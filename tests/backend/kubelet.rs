//! An API server with one pod, and its kubelet: what was written becomes files only some time
//! after the pod is touched, one volume after the other.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower::service_fn;

/// How long a kubelet takes from the touch to the first file.
const PROJECTION: Duration = Duration::from_millis(150);
/// How much later the next volume comes.
const BETWEEN_VOLUMES: Duration = Duration::from_millis(60);
/// So many bytes of a container's log are its last words.
const LAST_WORDS: usize = 2048;

/// One pod on one node.
#[derive(Clone)]
pub struct Kubelet {
    state: Arc<Mutex<State>>,
}

struct State {
    name: &'static str,
    ip: &'static str,
    annotations: BTreeMap<String, String>,
    /// Files by path, in the order of their volumes.
    wanted: Vec<(PathBuf, String)>,
    touches: usize,
    /// The last words of the container and when it had been started, while it does not run.
    crash: Option<(String, Timestamp)>,
}

impl Kubelet {
    pub fn new(name: &'static str) -> Self {
        Self::at(name, "127.0.0.1")
    }

    /// The pod has an address of its own on the loopback.
    pub fn at(name: &'static str, ip: &'static str) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                name,
                ip,
                annotations: BTreeMap::new(),
                wanted: Vec::new(),
                touches: 0,
                crash: None,
            })),
        }
    }

    /// What the ConfigMaps hold from now on; the files follow with the next touch.
    pub fn want(&self, files: Vec<(PathBuf, String)>) {
        self.state.lock().unwrap().wanted = files;
    }

    /// The container has ended at its start with these words; when that start was.
    pub fn crashed(&self, log: &str) -> Timestamp {
        // It tells whole seconds, and waits longer than that between two starts.
        let mut state = self.state.lock().unwrap();
        let before = state.crash.as_ref().map(|(_, started)| *started);
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let started = before.map_or(now, |before| before + SignedDuration::from_secs(10));
        let tail = log.len().saturating_sub(LAST_WORDS);
        let words = log.get(tail..).unwrap_or(log).to_owned();
        state.crash = Some((words, started));
        started
    }

    /// The container runs again.
    pub fn runs(&self) {
        self.state.lock().unwrap().crash = None;
    }

    /// How often the pod was written.
    pub fn touches(&self) -> usize {
        self.state.lock().unwrap().touches
    }

    /// A client of this API server.
    pub fn client(&self) -> Client {
        let kubelet = self.clone();
        let answer = move |request| {
            let kubelet = kubelet.clone();
            async move { Ok::<_, Infallible>(kubelet.answer(request).await) }
        };
        Client::new(service_fn(answer), "monitoring")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let answer = match head.method {
            Method::GET => json!({"kind": "PodList", "apiVersion": "v1", "metadata": {},
                "items": [self.pod()]}),
            Method::PATCH => {
                let patch: Value = serde_json::from_slice(&body).unwrap();
                self.patch(&patch);
                self.pod()
            }
            other => panic!("unexpected {other} {}", head.uri),
        };
        let body = Body::from(serde_json::to_vec(&answer).unwrap());
        Response::builder()
            .status(StatusCode::OK)
            .body(body)
            .unwrap()
    }

    fn pod(&self) -> Value {
        let state = self.state.lock().unwrap();
        let ready = if state.crash.is_none() {
            "True"
        } else {
            "False"
        };
        let ended = state.crash.iter().map(|(words, started)| {
            let end = json!({"exitCode": 2, "message": words, "startedAt": started});
            json!({"name": "prometheus", "image": "i", "imageID": "", "ready": false,
                "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": end}})
        });
        json!({"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": state.name, "namespace": "monitoring", "uid": "u",
                "annotations": state.annotations},
            "status": {"phase": "Running", "podIP": state.ip,
                "containerStatuses": ended.collect::<Vec<_>>(),
                "conditions": [{"type": "Ready", "status": ready}]}})
    }

    fn patch(&self, patch: &Value) {
        let mut state = self.state.lock().unwrap();
        let annotations = patch["metadata"]["annotations"].clone();
        let before = state.annotations.clone();
        state.annotations = serde_json::from_value(annotations).unwrap();
        state.touches += 1;
        assert_ne!(before, state.annotations, "only a change is noticed");
        tokio::spawn(project(state.wanted.clone()));
    }
}

async fn project(files: Vec<(PathBuf, String)>) {
    tokio::time::sleep(PROJECTION).await;
    for (path, text) in files {
        if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Like the kubelet's symbolic link: all of a file or nothing.
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path).unwrap();
        tokio::time::sleep(BETWEEN_VOLUMES).await;
    }
}

/// A client that must not be used.
pub fn nobody() -> Client {
    let refuse = |request: Request<Body>| async move {
        panic!("unexpected {} {}", request.method(), request.uri());
        #[allow(unreachable_code)]
        Ok::<Response<Body>, Infallible>(Response::new(Body::empty()))
    };
    Client::new(service_fn(refuse), "monitoring")
}
