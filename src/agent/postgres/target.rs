//! One server: its connections, and one gather of all that it tells.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::custom::Answer;
use super::gather::Gather;
use super::local;
use super::login::{Files, PORT};
use super::seen::Seen;
use super::session::{CONNECT, Failure, Session, in_time};
use super::shown;
use crate::agent::exposition::{Exposition, escape};
use crate::agent::flight::Flight;
use crate::api::agent_config::{PostgresConfig, PostgresLogin, PostgresTarget};

/// Connections end when nobody has scraped for this long: somebody else may scrape the server now.
pub const IDLE: Duration = Duration::from_mins(5);
/// After an attempt to connect that got no answer the server is left alone for this long, doubled
/// each time: an attempt that hangs may hold a slot of the server.
const PAUSE: Duration = Duration::from_secs(15);
const MOST_PAUSES: u32 = 5;

/// One server.
#[derive(Debug)]
pub struct Target {
    /// How it is reached.
    pub config: PostgresTarget,
    /// Labels on each of its series in `/metrics`: `instance="a"`.
    pub labels: String,
    /// The namespace of its pod; empty when it is of none.
    pub namespace: String,
    /// Whether its absence is nothing to tell: nobody said that it is there.
    pub optional: bool,
    /// The gather for `/probe` that is under way.
    pub flight: Flight,
    state: tokio::sync::Mutex<State>,
    idle: Mutex<Option<AbortHandle>>,
    /// What it told last.
    seen: Mutex<Option<Seen>>,
}

/// What is kept from scrape to scrape.
#[derive(Debug, Default)]
pub struct State {
    /// By database; the one of the server's own figures too.
    pub sessions: BTreeMap<String, Session>,
    /// Answers to queries that are not asked at each scrape, by query and database.
    pub answers: HashMap<(String, String), Answer>,
    /// Scrapes since the start.
    pub scrapes: u64,
    /// What the log has been told of, by subject, so that it is told once.
    said: BTreeMap<String, String>,
    files: Files,
    pauses: u32,
    paused: Option<Instant>,
}

impl Target {
    /// A server with the label `instance`, unless its name is empty, and these besides.
    pub fn new(config: PostgresTarget, more: &[(&str, &str)]) -> Self {
        let mut labels = String::new();
        let instance = [("instance", config.name.as_str())];
        let given = instance.iter().filter(|(_, name)| !name.is_empty());
        for (name, value) in given.chain(more) {
            if !labels.is_empty() {
                labels.push(',');
            }
            labels.push_str(name);
            labels.push_str("=\"");
            escape(&mut labels, value);
            labels.push('"');
        }
        let namespace = more.iter().find(|(name, _)| *name == "namespace");
        Self {
            namespace: namespace.map_or_else(String::new, |(_, it)| (*it).to_owned()),
            config,
            labels,
            optional: false,
            flight: Flight::new("postgres"),
            state: tokio::sync::Mutex::default(),
            idle: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// `host:port`, the label `server`.
    pub fn server(&self) -> String {
        let host = self.config.host.as_str();
        let host = if host.starts_with('/') {
            "localhost"
        } else {
            host
        };
        format!("{host}:{}", self.port())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.config.port.unwrap_or(PORT)
    }

    /// Tells it from the others of this agent.
    pub fn key(&self) -> String {
        format!("{} {}", self.server(), self.labels)
    }

    /// The database of the server's own figures.
    pub fn database(&self) -> &str {
        self.config.login.database.as_deref().unwrap_or("postgres")
    }

    /// What it calls itself in the log.
    pub fn name(&self) -> String {
        if self.config.name.is_empty() {
            return self.server();
        }
        self.config.name.clone()
    }

    /// Everything that the server tells until then; `labels` are on each series.
    pub async fn gather(
        self: Arc<Self>,
        config: Arc<PostgresConfig>,
        labels: String,
        until: Instant,
    ) -> Exposition {
        // Another scrape of the same server is waited for: it has the connections.
        let Ok(mut state) = in_time(until, self.state.lock()).await else {
            return Gather::unanswered(&labels);
        };
        let gather = Gather::new(&self, &config, &mut state, &labels, until);
        let out = gather.run().await;
        self.see(&out, &state.said);
        drop(state);
        self.end_when_idle();
        out
    }

    /// Keeps what a gather told, for people; `said` is what the log was told of each subject.
    pub fn see(&self, out: &Exposition, said: &BTreeMap<String, String>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen::of(out, said, seen.as_ref(), shown::now());
    }

    /// Looks at what it told last, if it did.
    pub fn with_seen(&self, look: impl FnOnce(&Seen)) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = &*seen {
            look(seen);
        }
    }

    /// Ends the connections when this was the last scrape for long.
    fn end_when_idle(self: &Arc<Self>) {
        let target = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            tokio::time::sleep(IDLE).await;
            if let Some(target) = target.upgrade() {
                target.state.lock().await.sessions.clear();
            }
        });
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = idle.replace(task.abort_handle()) {
            before.abort();
        }
    }

    /// The session of a database, made when there is none.
    pub async fn session<'a>(
        &self,
        state: &'a mut State,
        database: &str,
        until: Instant,
    ) -> Result<&'a mut Session, Failure> {
        if state.sessions.get(database).is_some_and(Session::is_closed) {
            state.sessions.remove(database);
        }
        if !state.sessions.contains_key(database) {
            let session = self.connect(state, database, until).await?;
            state.sessions.insert(database.to_owned(), session);
        }
        let session = state.sessions.get_mut(database);
        session.ok_or_else(|| Failure::Refused("the connection has ended".into()))
    }

    async fn connect(
        &self,
        state: &mut State,
        database: &str,
        until: Instant,
    ) -> Result<Session, Failure> {
        if let Some(paused) = state.paused.filter(|paused| *paused > Instant::now()) {
            let seconds = paused.duration_since(Instant::now()).as_secs();
            let text = format!("it did not answer before; asked again in {seconds} s");
            return Err(Failure::Refused(text));
        }
        // Time that is up anyway tells nothing about the server.
        let had_time = until > Instant::now() + CONNECT;
        let mut connected = self
            .connect_as(state, &self.config.login, database, until)
            .await;
        // Whoever finds a server by chance has no role given: its own user's name may be one.
        if self.optional
            && matches!(connected, Err(Failure::Refused(_)))
            && let Some(user) = local::user()
        {
            let login = PostgresLogin {
                user: Some(user),
                ..self.config.login.clone()
            };
            connected = self.connect_as(state, &login, database, until).await;
        }
        if matches!(connected, Err(Failure::Late)) && had_time {
            state.paused = Some(Instant::now() + PAUSE * 2_u32.pow(state.pauses));
            state.pauses = (state.pauses + 1).min(MOST_PAUSES);
        } else {
            state.pauses = 0;
        }
        connected
    }

    async fn connect_as(
        &self,
        state: &State,
        login: &PostgresLogin,
        database: &str,
        until: Instant,
    ) -> Result<Session, Failure> {
        let endpoint = state.files.endpoint(&self.config.host, self.port(), login);
        let endpoint = endpoint.map_err(|error| Failure::Refused(format!("{error:#}")))?;
        Session::connect(&endpoint, database, until).await
    }
}

impl State {
    /// Reads the login's files; a change ends the connections that were made with what was before.
    pub fn read_files(&mut self, target: &Target) -> Result<(), Failure> {
        let files = Files::read(&target.config.login);
        let files = files.map_err(|error| Failure::Refused(format!("{error:#}")))?;
        if files != self.files {
            self.sessions.clear();
            self.files = files;
        }
        Ok(())
    }

    /// Tells the log what is wrong with a subject, once until it changes.
    pub fn say(&mut self, target: &Target, subject: &str, problem: Option<String>) {
        let before = self.said.get(subject);
        if before == problem.as_ref() {
            return;
        }
        let target = target.name();
        if let Some(problem) = problem {
            tracing::warn!(target, subject, problem, "PostgreSQL does not tell all");
            self.said.insert(subject.to_owned(), problem);
        } else {
            tracing::info!(target, subject, "PostgreSQL tells it again");
            self.said.remove(subject);
        }
    }
}
