//! The endpoint itself: HTTP by hand, so that it can hang, break off and answer anything.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use super::{Ledger, Limits, decode, limits::Tenant};

/// How the endpoint behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As Loki does.
    Accept,
    /// Answers this status to everything, and says to come back after so many seconds.
    Fail(u16, Option<u32>),
    /// Reads the request and never answers.
    Hang,
    /// Breaks the connection off before it has read the request.
    Reset,
    /// Stores what it is sent and breaks off before the answer: the worst of all.
    StoreThenReset,
    /// A bit of everything, by turns.
    Fickle,
    /// Takes everything unseen, and looks at it when it is asked for its report: so that a sender
    /// that is measured does not wait for what we count.
    Later,
}

/// What a run of the endpoint has seen, beside its ledger.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests that were answered 204.
    pub accepted: AtomicU64,
    /// Requests that were not.
    pub failed: AtomicU64,
    /// Bytes of the bodies of push requests, as they came over the wire.
    pub wire: AtomicU64,
    /// Requests under way.
    pub open: AtomicU64,
    /// The most requests that were under way at once.
    pub most_open: AtomicU64,
    /// When the last request came whole, in nanoseconds since 1970.
    pub last: AtomicU64,
}

/// What the threads of an endpoint share.
#[derive(Debug)]
pub struct Shared {
    mode: Mutex<Mode>,
    limits: Limits,
    tenants: Mutex<HashMap<String, Tenant>>,
    ledgers: Mutex<HashMap<String, Ledger>>,
    refused: Mutex<HashMap<&'static str, u64>>,
    errors: Mutex<Vec<String>>,
    keep: bool,
    /// What it has seen.
    pub counts: Counts,
    turn: AtomicU64,
    later: Mutex<Vec<Request>>,
}

/// A running endpoint.
#[derive(Clone, Debug)]
pub struct Loki {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it knows.
    pub shared: Arc<Shared>,
}

impl Loki {
    /// Listens on loopback. `keep`: entries without a number are kept whole.
    pub fn start(limits: Limits, keep: bool) -> Self {
        Self::listen("127.0.0.1:0", limits, keep).unwrap()
    }

    /// Listens on an address.
    pub fn listen(address: &str, limits: Limits, keep: bool) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            mode: Mutex::new(Mode::Accept),
            limits,
            tenants: Mutex::default(),
            ledgers: Mutex::default(),
            refused: Mutex::default(),
            errors: Mutex::default(),
            keep,
            counts: Counts::default(),
            turn: AtomicU64::new(0),
            later: Mutex::default(),
        });
        let loki = Self { address, shared };
        let shared = loki.shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || serve(&shared, stream));
            }
        });
        Ok(loki)
    }

    /// Its address as the agent is told it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Behaves otherwise from now on, also to requests that hang.
    pub fn set(&self, mode: Mode) {
        *lock(&self.shared.mode) = mode;
    }

    /// Looks at the ledger of a tenant; the empty name is that of no tenant.
    pub fn ledger<T>(&self, tenant: &str, look: impl FnOnce(&Ledger) -> T) -> T {
        let mut ledgers = lock(&self.shared.ledgers);
        look(ledgers.entry(tenant.to_owned()).or_default())
    }

    /// How many entries were refused, by reason.
    pub fn refused(&self) -> HashMap<&'static str, u64> {
        lock(&self.shared.refused).clone()
    }

    /// What was malformed in requests: nothing, if the sender is right.
    pub fn errors(&self) -> Vec<String> {
        lock(&self.shared.errors).clone()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A request's head, in small letters, and its body.
#[derive(Debug)]
struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }
}

struct Answer {
    status: u16,
    retry_after: Option<u32>,
    body: String,
}

impl Answer {
    fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            retry_after: None,
            body: body.into(),
        }
    }
}

fn serve(shared: &Shared, stream: TcpStream) {
    stream.set_nodelay(true).ok();
    let Ok(mut writer) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    while let Some(()) = one(shared, &mut reader, &mut writer) {}
}

/// Answers one request; none ends the connection.
fn one(shared: &Shared, reader: &mut BufReader<TcpStream>, writer: &mut TcpStream) -> Option<()> {
    let mut request = head(reader)?;
    let push = request.path.ends_with("/push") && request.method == "POST";
    let mode = if push { turn(shared) } else { Mode::Accept };
    if mode == Mode::Reset {
        // Closing with unread data in the socket sends a reset.
        shared.counts.failed.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    let length = request.header("content-length").parse().unwrap_or(0);
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    if !push {
        return write(writer, &control(shared, &request));
    }
    let open = shared.counts.open.fetch_add(1, Ordering::Relaxed) + 1;
    shared.counts.most_open.fetch_max(open, Ordering::Relaxed);
    shared.counts.last.store(now(), Ordering::Relaxed);
    let answer = answer(shared, mode, request, writer);
    shared.counts.open.fetch_sub(1, Ordering::Relaxed);
    let answer = answer?;
    let good = answer.status == 204;
    let counter = if good {
        &shared.counts.accepted
    } else {
        &shared.counts.failed
    };
    counter.fetch_add(1, Ordering::Relaxed);
    write(writer, &answer)
}

fn answer(shared: &Shared, mode: Mode, request: Request, socket: &TcpStream) -> Option<Answer> {
    let wire = &shared.counts.wire;
    match mode {
        Mode::Accept | Mode::Reset | Mode::Fickle => {
            wire.fetch_add(request.body.len() as u64, Ordering::Relaxed);
            Some(push(shared, &request))
        }
        Mode::Later => {
            wire.fetch_add(request.body.len() as u64, Ordering::Relaxed);
            lock(&shared.later).push(request);
            Some(Answer::new(204, ""))
        }
        Mode::Fail(status, retry_after) => Some(Answer {
            retry_after,
            ..Answer::new(status, "told to fail\n")
        }),
        Mode::Hang => {
            wait(shared, socket);
            None
        }
        Mode::StoreThenReset => {
            push(shared, &request);
            None
        }
    }
}

/// The mode of the next request.
fn turn(shared: &Shared) -> Mode {
    match *lock(&shared.mode) {
        Mode::Fickle => match shared.turn.fetch_add(1, Ordering::Relaxed) % 7 {
            1 => Mode::Fail(500, None),
            3 => Mode::Reset,
            4 => Mode::StoreThenReset,
            6 => Mode::Fail(429, Some(1)),
            _ => Mode::Accept,
        },
        mode => mode,
    }
}

/// Until the mode is another one, or the client has gone.
fn wait(shared: &Shared, socket: &TcpStream) {
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .ok();
    while *lock(&shared.mode) == Mode::Hang {
        match socket.peek(&mut [0]) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
    socket.set_read_timeout(None).ok();
}

fn now() -> u64 {
    let now = jiff::Timestamp::now().as_nanosecond();
    u64::try_from(now).unwrap_or_default()
}

fn push(shared: &Shared, request: &Request) -> Answer {
    let kind = request.header("content-type");
    let decoded = decode::body(kind, request.header("content-encoding"), &request.body);
    let streams = match decoded {
        Ok(streams) => streams,
        Err(why) => {
            lock(&shared.errors).push(why.clone());
            return Answer::new(400, why);
        }
    };
    if streams.is_empty() {
        lock(&shared.errors).push("a request without streams".into());
        return Answer::new(
            422,
            "error at least one valid stream is required for ingestion",
        );
    }
    let tenant = request.header("x-scope-orgid").to_owned();
    let verdict = {
        let mut tenants = lock(&shared.tenants);
        tenants
            .entry(tenant.clone())
            .or_default()
            .judge(&shared.limits, streams)
    };
    let mut ledgers = lock(&shared.ledgers);
    let ledger = ledgers.entry(tenant).or_default();
    ledger.keep = shared.keep;
    verdict.taken.iter().for_each(|stream| ledger.take(stream));
    drop(ledgers);
    if let Some(why) = verdict.limited {
        return Answer::new(429, why);
    }
    if let Some(why) = verdict.words() {
        let mut counts = lock(&shared.refused);
        for (reason, _) in &verdict.refused {
            *counts.entry(reason).or_default() += 1;
        }
        return Answer::new(400, why);
    }
    Answer::new(204, "")
}

/// Commands to the stand-in where it is a process of its own: `POST /mode/<mode>`, `GET /report`,
/// `GET /count/<writer>`, `GET /streams`, `GET /last`.
fn control(shared: &Shared, request: &Request) -> Answer {
    if let Some(mode) = request.path.strip_prefix("/mode/") {
        let mode = match mode {
            "accept" => Mode::Accept,
            "hang" => Mode::Hang,
            "reset" => Mode::Reset,
            "fickle" => Mode::Fickle,
            "later" => Mode::Later,
            status => match status.parse() {
                Ok(status) => Mode::Fail(status, None),
                Err(_) => {
                    return Answer::new(404, "accept, hang, reset, fickle, later or a status\n");
                }
            },
        };
        *lock(&shared.mode) = mode;
        return Answer::new(200, "");
    }
    if request.path == "/last" {
        let last = shared.counts.last.load(Ordering::Relaxed);
        return Answer::new(200, last.to_string());
    }
    for request in std::mem::take(&mut *lock(&shared.later)) {
        push(shared, &request);
    }
    let ledgers = lock(&shared.ledgers);
    if let Some(writer) = request.path.strip_prefix("/count/") {
        let count: u64 = ledgers.values().map(|ledger| ledger.count(writer)).sum();
        return Answer::new(200, count.to_string());
    }
    match request.path.as_str() {
        "/report" => {
            let reports: HashMap<_, _> = ledgers
                .iter()
                .map(|(tenant, ledger)| (tenant, ledger.report()))
                .collect();
            let counts = &shared.counts;
            let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
            Answer::new(
                200,
                serde_json::json!({
                    "tenants": reports,
                    "accepted": load(&counts.accepted),
                    "failed": load(&counts.failed),
                    "wireBytes": load(&counts.wire),
                    "mostOpen": load(&counts.most_open),
                    "refused": *lock(&shared.refused),
                    "errors": *lock(&shared.errors),
                })
                .to_string(),
            )
        }
        "/streams" => {
            let streams: HashMap<_, _> = ledgers
                .iter()
                .map(|(tenant, ledger)| (tenant, &ledger.streams))
                .collect();
            Answer::new(200, serde_json::to_string(&streams).unwrap_or_default())
        }
        "/ready" => Answer::new(200, "ready\n"),
        _ => Answer::new(404, "not found\n"),
    }
}

fn head(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut parts = line.split(' ');
    let (method, path) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            None => break,
        }
    }
    Some(Request {
        method,
        path,
        headers,
        body: Vec::new(),
    })
}

fn write(writer: &mut TcpStream, answer: &Answer) -> Option<()> {
    let Answer {
        status,
        retry_after,
        body,
    } = answer;
    let retry =
        retry_after.map_or_else(String::new, |seconds| format!("Retry-After: {seconds}\r\n"));
    let length = match status {
        204 => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    let head = format!("HTTP/1.1 {status} X\r\n{retry}{length}\r\n");
    writer.write_all((head + body).as_bytes()).ok()
}
