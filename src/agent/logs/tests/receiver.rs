//! A receiver of pushes that remembers what it got.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub labels: String,
    pub time: i64,
    pub line: String,
    pub metadata: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<Vec<Entry>>,
    status: AtomicU16,
    requests: AtomicUsize,
}

pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

impl Receiver {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shared = Arc::new(Shared::default());
        shared.status.store(204, Ordering::SeqCst);
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new()
            .route("/loki/api/v1/push", post(push))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(shared.clone());
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            shared,
            _runtime: runtime,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on everything is answered so; entries are kept at any answer but an error of a
    /// client's rate: Loki may have stored them.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    pub fn wait_for_requests(&self, more: usize) {
        let goal = self.shared.requests.load(Ordering::SeqCst) + more;
        let begin = Instant::now();
        while self.shared.requests.load(Ordering::SeqCst) < goal {
            assert!(begin.elapsed() < Duration::from_secs(30), "requests come");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn count(&self) -> usize {
        self.shared.entries.lock().unwrap().len()
    }

    /// What Loki would keep: one of each with the same stream, time and line.
    pub fn folded(&self) -> Vec<Entry> {
        let mut seen = HashSet::new();
        let entries = self.shared.entries.lock().unwrap().clone();
        entries
            .into_iter()
            .filter(|entry| seen.insert((entry.labels.clone(), entry.time, entry.line.clone())))
            .collect()
    }

    /// Whether the entries of each stream came in the order of their times.
    pub fn in_order(&self) -> bool {
        let mut last: HashMap<String, i64> = HashMap::new();
        self.folded().into_iter().all(|entry| {
            let before = last.insert(entry.labels, entry.time);
            before.is_none_or(|before| before <= entry.time)
        })
    }
}

async fn push(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let status = StatusCode::from_u16(shared.status.load(Ordering::SeqCst)).unwrap();
    let raw = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    if status.is_success() || status == StatusCode::INTERNAL_SERVER_ERROR {
        shared.entries.lock().unwrap().extend(decode(&raw));
    }
    shared.requests.fetch_add(1, Ordering::SeqCst);
    status
}

/// A message's fields; numbers as they are, the rest as bytes.
struct Fields<'a>(&'a [u8]);

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let tag = self.varint();
        let value = self.varint();
        let field = match tag & 7 {
            0 => Field::Number(value),
            2 => {
                let (bytes, rest) = self.0.split_at(usize::try_from(value).unwrap());
                self.0 = rest;
                Field::Bytes(bytes)
            }
            other => panic!("wire type {other}"),
        };
        Some((tag >> 3, field))
    }
}

impl Fields<'_> {
    fn varint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().unwrap();
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn decode(request: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (number, stream) in Fields(request) {
        let Field::Bytes(stream) = stream else {
            panic!("a stream is a message")
        };
        assert_eq!(number, 1);
        let mut labels = String::new();
        for field in Fields(stream) {
            match field {
                (1, Field::Bytes(bytes)) => labels = text(bytes),
                (2, Field::Bytes(bytes)) => entries.push(entry(&labels, bytes)),
                _ => panic!("an unknown field of a stream"),
            }
        }
    }
    entries
}

fn entry(labels: &str, bytes: &[u8]) -> Entry {
    let mut entry = Entry {
        labels: labels.to_owned(),
        time: 0,
        line: String::new(),
        metadata: Vec::new(),
    };
    for field in Fields(bytes) {
        match field {
            (1, Field::Bytes(stamp)) => {
                for (number, value) in Fields(stamp) {
                    let Field::Number(value) = value else {
                        panic!("a time is of numbers")
                    };
                    let unit = if number == 1 { 1_000_000_000 } else { 1 };
                    entry.time += value.cast_signed() * unit;
                }
            }
            (2, Field::Bytes(line)) => entry.line = text(line),
            (3, Field::Bytes(pair)) => {
                let mut values = Fields(pair).map(|(_, value)| match value {
                    Field::Bytes(bytes) => text(bytes),
                    Field::Number(_) => panic!("a pair is of texts"),
                });
                entry
                    .metadata
                    .push((values.next().unwrap(), values.next().unwrap()));
            }
            _ => panic!("an unknown field of an entry"),
        }
    }
    entry
}
