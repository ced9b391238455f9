//! Delivery to Grafana, against a strict stand-in: it has only the paths that Grafana documents,
//! asks for a name and a password on each, locks a name after five wrong ones, and reads its files
//! when it is told to and never else. The real one cannot be had where these tests run.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    routing::{get, post, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::BodyExt;
use hyper::{Request, Response};
use kube::{Client, client::Body};
use masthead::{
    controller::{
        backend::Backends,
        deliver::{ConfigState, grafana::deliver},
    },
    render::grafana::{Delivery, delivery},
    resolve::model::{Credentials, SecretValue, Stack},
};
use serde_json::{Value, json};
use tower::service_fn;

use crate::fixture;

/// Wrong passwords before Grafana locks a name.
const LOCKED_AFTER: usize = 5;
/// How long a kubelet takes from the touch to the file.
const PROJECTION: Duration = Duration::from_millis(150);

/// The whole world around one delivery: an API server, a kubelet, and Grafana.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    user: String,
    password: String,
    wrong: usize,
    /// The mark in the `ConfigMap`, in the pod's file, and in what Grafana has read.
    written: String,
    projected: String,
    loaded: String,
    requests: Vec<String>,
    annotations: BTreeMap<String, String>,
    touches: usize,
    /// Secrets that were written, by name: their password.
    secrets: BTreeMap<String, String>,
}

impl World {
    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// Grafana's requests since the last time.
    fn requests(&self) -> Vec<String> {
        self.with(|inner| std::mem::take(&mut inner.requests))
    }

    async fn serve(&self) -> u16 {
        let router = Router::new()
            .route("/api/user", get(user).put(rename))
            .route("/api/user/password", put(password))
            .route("/api/datasources/uid/{uid}", get(source))
            .route("/api/admin/provisioning/{what}/reload", post(reload));
        let router = Router::new()
            .merge(router.clone())
            .nest("/grafana", router)
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        port
    }

    /// Whether a request is let in.
    fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), StatusCode> {
        self.with(|inner| {
            inner.requests.push(format!("{method} {uri}"));
            let pair = format!("{}:{}", inner.user, inner.password);
            let right = format!("Basic {}", STANDARD.encode(pair));
            let given = headers
                .get("authorization")
                .and_then(|value| value.to_str().ok());
            if inner.wrong >= LOCKED_AFTER || given != Some(&right) {
                inner.wrong += 1;
                return Err(StatusCode::UNAUTHORIZED);
            }
            inner.wrong = 0;
            Ok(())
        })
    }

    fn client(&self) -> Client {
        let world = self.clone();
        let answer = move |request: Request<Body>| {
            let world = world.clone();
            async move { Ok::<_, Infallible>(world.api(request).await) }
        };
        Client::new(service_fn(answer), "monitoring")
    }

    async fn api(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = head.uri.path().to_owned();
        let name = path.rsplit('/').next().unwrap().to_owned();
        let answer = if path.contains("/secrets/") {
            assert_eq!(head.method, Method::PATCH);
            let secret: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                secret["metadata"]["ownerReferences"][0]["kind"],
                "MonitoringStack"
            );
            let password = secret["data"]["admin-password"].as_str().unwrap();
            let password = String::from_utf8(STANDARD.decode(password).unwrap()).unwrap();
            self.with(|inner| inner.secrets.insert(name, password));
            secret
        } else {
            if head.method == Method::PATCH {
                let change: Value = serde_json::from_slice(&body).unwrap();
                self.touched(&change);
            }
            let pod = self.pod();
            if head.method == Method::GET {
                json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]})
            } else {
                pod
            }
        };
        Response::new(Body::from(serde_json::to_vec(&answer).unwrap()))
    }

    fn touched(&self, patch: &Value) {
        let annotations = patch["metadata"]["annotations"].clone();
        self.with(|inner| {
            inner.annotations = serde_json::from_value(annotations).unwrap();
            inner.touches += 1;
        });
        let world = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PROJECTION).await;
            world.with(|inner| inner.projected = inner.written.clone());
        });
    }

    fn pod(&self) -> Value {
        let annotations = self.with(|inner| inner.annotations.clone());
        json!({"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "grafana-0", "namespace": "monitoring", "uid": "pod-uid",
                "annotations": annotations},
            "status": {"phase": "Running", "podIP": "127.0.0.1",
                "conditions": [{"type": "Ready", "status": "True"}]}})
    }
}

type Answer = Result<String, StatusCode>;

async fn user(State(world): State<World>, method: Method, uri: Uri, headers: HeaderMap) -> Answer {
    world.admit(&method, &uri, &headers)?;
    Ok(
        json!({"login": world.with(|inner| inner.user.clone()), "isGrafanaAdmin": true})
            .to_string(),
    )
}

/// A body, which must be said to be JSON.
fn json_of(headers: &HeaderMap, body: &Bytes) -> Result<Value, StatusCode> {
    if headers
        .get("content-type")
        .is_none_or(|kind| kind != "application/json")
    {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)
}

async fn rename(
    State(world): State<World>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    world.admit(&method, &uri, &headers)?;
    let body = json_of(&headers, &body)?;
    let login = body["login"].as_str().ok_or(StatusCode::BAD_REQUEST)?;
    world.with(|inner| login.clone_into(&mut inner.user));
    Ok("{}".into())
}

async fn password(
    State(world): State<World>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    world.admit(&method, &uri, &headers)?;
    let body = json_of(&headers, &body)?;
    let new = body["newPassword"]
        .as_str()
        .ok_or(StatusCode::BAD_REQUEST)?;
    world.with(|inner| {
        if body["oldPassword"] != inner.password.as_str() || new.len() < 4 {
            return Err(StatusCode::BAD_REQUEST);
        }
        new.clone_into(&mut inner.password);
        Ok("{}".into())
    })
}

async fn source(
    State(world): State<World>,
    Path(uid): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    world.admit(&method, &uri, &headers)?;
    if uid != "prometheus" {
        return Err(StatusCode::NOT_FOUND);
    }
    let loaded = world.with(|inner| inner.loaded.clone());
    Ok(json!({"uid": uid, "readOnly": true, "jsonData": {"mastheadConfig": loaded}}).to_string())
}

async fn reload(
    State(world): State<World>,
    Path(what): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    world.admit(&method, &uri, &headers)?;
    match what.as_str() {
        "datasources" => world.with(|inner| inner.loaded = inner.projected.clone()),
        "dashboards" => {}
        _ => return Err(StatusCode::NOT_FOUND),
    }
    Ok(r#"{"message": "reloaded"}"#.into())
}

fn credentials(password: &str) -> Credentials {
    Credentials {
        user: SecretValue(b"admin".to_vec()),
        password: SecretValue(password.into()),
    }
}

/// A stack's Grafana with this password in its Secret, and one that it took last.
fn stack(wanted: &str, applied: Option<&str>) -> Stack {
    let mut stack = fixture::minimal();
    let grafana = stack.grafana.as_mut().unwrap();
    grafana.admin_password = SecretValue(wanted.into());
    grafana.applied = applied.map(credentials);
    stack
}

/// A Grafana that has the files of the stack, and this password.
async fn running(stack: &Stack, password: &str) -> (World, Backends, Delivery) {
    let world = World::default();
    let port = world.serve().await;
    let delivery = Delivery {
        port,
        ..delivery(stack).unwrap()
    };
    world.with(|inner| {
        inner.user = "admin".into();
        inner.password = password.into();
        for mark in [&mut inner.written, &mut inner.projected, &mut inner.loaded] {
            mark.clone_from(&delivery.hash);
        }
    });
    let backends = Backends::new(world.client(), true);
    (world, backends, delivery)
}

async fn run(
    world: &World,
    backends: &Backends,
    stack: &Stack,
    delivery: &Delivery,
    fresh: bool,
) -> ConfigState {
    deliver(&world.client(), backends, stack, delivery, fresh).await
}

#[tokio::test]
async fn a_first_look_writes_down_the_password_and_later_ones_only_ask() {
    let first = stack("one", None);
    let (world, backends, delivery) = running(&first, "one").await;
    let state = run(&world, &backends, &first, &delivery, false).await;
    assert!(state.loaded, "{state:?}");
    assert_eq!(
        world.with(|inner| inner.secrets.clone()),
        [("main-grafana-applied".to_owned(), "one".to_owned())].into()
    );
    world.requests();
    world.with(|inner| inner.secrets.clear());

    let later = stack("one", Some("one"));
    let delivery = Delivery {
        applied: Some(credentials("one")),
        ..delivery
    };
    assert!(
        run(&world, &backends, &later, &delivery, false)
            .await
            .loaded
    );
    assert_eq!(
        world.requests(),
        ["GET /api/user", "GET /api/datasources/uid/prometheus"]
    );
    world.with(|inner| {
        assert!(inner.secrets.is_empty());
        assert_eq!(inner.touches, 0);
    });
}

#[tokio::test]
async fn new_files_are_projected_and_read_again_until_grafana_shows_them() {
    let stack = stack("one", Some("one"));
    let (world, backends, delivery) = running(&stack, "one").await;
    world.with(|inner| {
        inner.projected = "old".into();
        inner.loaded = "old".into();
    });
    let state = run(&world, &backends, &stack, &delivery, true).await;
    assert!(state.loaded, "{state:?}");
    assert_eq!(world.with(|inner| inner.touches), 1);
    let requests = world.requests();
    assert_eq!(
        requests.last().unwrap(),
        "POST /api/admin/provisioning/dashboards/reload"
    );
}

#[tokio::test]
async fn a_grafana_that_keeps_its_old_files_is_not_said_to_have_the_new_ones() {
    let stack = stack("one", Some("one"));
    let (world, backends, delivery) = running(&stack, "one").await;
    world.with(|inner| {
        inner.written = "old".into();
        inner.projected = "old".into();
        inner.loaded = "old".into();
    });
    let state = run(&world, &backends, &stack, &delivery, false).await;
    assert!(!state.loaded);
    let message = state.message.unwrap();
    assert_eq!(
        message,
        "pod grafana-0: the new files have not reached the pod yet"
    );
}

#[tokio::test]
async fn a_changed_secret_becomes_grafanas_password() {
    let stack = stack("another", Some("one"));
    let (world, backends, delivery) = running(&stack, "one").await;
    let state = run(&world, &backends, &stack, &delivery, false).await;
    assert!(state.loaded, "{state:?}");
    world.with(|inner| {
        assert_eq!(inner.password, "another");
        assert_eq!(inner.secrets["main-grafana-applied"], "another");
    });
}

#[tokio::test]
async fn an_admin_may_get_another_name_too() {
    let mut stack = stack("another", Some("one"));
    stack.grafana.as_mut().unwrap().admin_user = SecretValue(b"chief".to_vec());
    let (world, backends, delivery) = running(&stack, "one").await;
    let state = run(&world, &backends, &stack, &delivery, false).await;
    assert!(state.loaded, "{state:?}");
    world.with(|inner| {
        assert_eq!(
            (inner.user.as_str(), inner.password.as_str()),
            ("chief", "another")
        );
    });
}

#[tokio::test]
async fn a_password_that_was_set_before_the_operator_stopped_is_found() {
    // It was changed in Grafana, and the operator was killed before it could write that down.
    let stack = stack("another", Some("one"));
    let (world, backends, delivery) = running(&stack, "another").await;
    let state = run(&world, &backends, &stack, &delivery, false).await;
    assert!(state.loaded, "{state:?}");
    assert_eq!(
        world.with(|inner| inner.secrets["main-grafana-applied"].clone()),
        "another"
    );
}

#[tokio::test]
async fn a_refused_password_is_tried_once_and_said() {
    let stack = stack("one", Some("one"));
    let (world, backends, delivery) = running(&stack, "changed by hand").await;
    for _ in 0..20 {
        let state = run(&world, &backends, &stack, &delivery, false).await;
        assert!(!state.loaded);
        let message = state.message.unwrap();
        assert!(
            message.contains("Grafana refuses the admin's name and password"),
            "{message}"
        );
    }
    assert_eq!(world.requests(), ["GET /api/user"]);

    // The remedy: the Secret gets the password that Grafana has.
    let mended = self::stack("changed by hand", Some("one"));
    let delivery = Delivery {
        wanted: credentials("changed by hand"),
        ..delivery
    };
    let state = run(&world, &backends, &mended, &delivery, false).await;
    assert!(state.loaded, "{state:?}");
}

#[tokio::test]
async fn a_paused_stack_is_asked_and_not_changed() {
    let mut stack = stack("another", Some("one"));
    stack.paused = true;
    let (world, backends, delivery) = running(&stack, "one").await;
    assert!(run(&world, &backends, &stack, &delivery, true).await.loaded);
    world.with(|inner| {
        assert_eq!((inner.password.as_str(), inner.touches), ("one", 0));
        assert!(inner.secrets.is_empty());
    });
}

#[tokio::test]
async fn below_a_path_the_api_is_asked_below_it() {
    let mut stack = stack("one", Some("one"));
    stack.grafana.as_mut().unwrap().sub_path = "/grafana".into();
    let (world, backends, delivery) = running(&stack, "one").await;
    assert!(
        run(&world, &backends, &stack, &delivery, false)
            .await
            .loaded
    );
    assert!(
        world
            .requests()
            .iter()
            .all(|request| request.starts_with("GET /api/"))
    );
}
