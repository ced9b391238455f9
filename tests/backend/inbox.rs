//! An HTTP server on loopback that answers as the chat and paging services do, and keeps what it
//! was sent.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// One request.
#[derive(Clone, Debug)]
pub struct Message {
    pub path: String,
    pub authorization: String,
    pub body: Value,
}

type Messages = Arc<Mutex<Vec<Message>>>;

/// The server; it ends with its owner.
pub struct Inbox {
    pub url: String,
    messages: Messages,
    task: JoinHandle<()>,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inbox {
    pub async fn start() -> Self {
        Self::at_address(Ipv4Addr::LOCALHOST.into()).await
    }

    /// On another address than the loopback.
    pub async fn at_address(address: IpAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let messages = Messages::default();
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&messages));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            url,
            messages,
            task,
        }
    }

    /// What came to a path, by its start.
    pub fn at(&self, path: &str) -> Vec<Message> {
        let messages = self.messages.lock().unwrap();
        let here = messages.iter().filter(|it| it.path.starts_with(path));
        here.cloned().collect()
    }

    /// The first message at a path that is as wanted.
    pub async fn wait(&self, path: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        for _ in 0..300 {
            if let Some(found) = self.at(path).into_iter().find(&wanted) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "nothing like that came to {path} in 30 s: {:#?}",
            self.at("")
        );
    }
}

/// Only JSON by POST is taken; each service has an answer of its own.
async fn answer(
    State(messages): State<Messages>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let Ok(body) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if method != Method::POST || !header("content-type").starts_with("application/json") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let path = uri.path_and_query().map(ToString::to_string);
    let path = path.unwrap_or_default();
    messages.lock().unwrap().push(Message {
        path: path.clone(),
        authorization: header("authorization"),
        body,
    });
    let json = |status: StatusCode, body: Value| {
        let kind = [("content-type", "application/json")];
        (status, kind, body.to_string()).into_response()
    };
    match path.as_str() {
        path if path.starts_with("/bot") => json(
            StatusCode::OK,
            json!({"ok": true, "result": {"message_id": 1, "date": 1, "chat": {"id": -100, "type": "group"}}}),
        ),
        path if path.starts_with("/v2/") => json(
            StatusCode::ACCEPTED,
            json!({"status": "success", "result": "ok", "requestId": "1", "dedup_key": "1", "message": "ok"}),
        ),
        path if path.starts_with("/discord") => StatusCode::NO_CONTENT.into_response(),
        path if path.starts_with("/teams") => StatusCode::ACCEPTED.into_response(),
        _ => "ok".into_response(),
    }
}
