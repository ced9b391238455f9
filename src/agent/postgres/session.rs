//! One connection to one database, kept from scrape to scrape.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row, SimpleQueryMessage, Statement};

use super::login::Endpoint;
use super::version::Version;

/// How long a connection may take to be made.
pub const CONNECT: Duration = Duration::from_secs(3);
/// Set after the start and not with it, so that `reset_val` of `pg_settings` is still what others
/// get, and so that poolers that refuse options at the start are fine. The path keeps functions
/// and operators that somebody put in front of PostgreSQL's own from being called.
const SETTINGS: &str = "set statement_timeout = '5s'; set lock_timeout = '1s'; \
    set idle_in_transaction_session_timeout = '10s'; set default_transaction_read_only = on; \
    set search_path = pg_catalog; set jit = off; select version()";

/// A connection with its prepared statements. It ends when dropped.
#[derive(Debug)]
pub struct Session {
    client: Client,
    endpoint: Endpoint,
    statements: HashMap<String, Statement>,
    /// Whether it waits for locks less long than usual.
    hurried: bool,
    /// The server's version.
    pub version: Version,
    /// The server's words about itself, `select version()`.
    pub banner: String,
}

/// Why a server or a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server's or the connection's words.
    #[error("{0}")]
    Refused(String),
    /// The server's words about a lock that somebody else holds.
    #[error("{0}")]
    Locked(String),
    /// It took too long.
    #[error("no answer in time")]
    Late,
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(server) = error.as_db_error() else {
            let error = anyhow::Error::from(error);
            return Self::Refused(format!("{error:#}"));
        };
        let text = format!("{} (SQLSTATE {})", server.message(), server.code().code());
        if *server.code() == SqlState::LOCK_NOT_AVAILABLE {
            return Self::Locked(text);
        }
        Self::Refused(text)
    }
}

impl Session {
    /// Connects to a database, before `until` and in three seconds at most.
    pub async fn connect(
        endpoint: &Endpoint,
        database: &str,
        until: Instant,
    ) -> Result<Self, Failure> {
        let mut config = endpoint.config.clone();
        config.dbname(database);
        let until = until.min(Instant::now() + CONNECT);
        in_time(until, Self::start(&config, endpoint)).await?
    }

    async fn start(config: &Config, endpoint: &Endpoint) -> Result<Self, Failure> {
        let (client, version) = if let Some(tls) = &endpoint.tls {
            let (client, connection) = config.connect(tls.clone()).await?;
            let version = connection.parameter("server_version").map(Version::parse);
            follow(connection);
            (client, version)
        } else {
            let (client, connection) = config.connect(NoTls).await?;
            let version = connection.parameter("server_version").map(Version::parse);
            follow(connection);
            (client, version)
        };
        let Some(version) = version.flatten() else {
            return Err(Failure::Refused(
                "the server does not tell its version".into(),
            ));
        };
        let told = client.simple_query(SETTINGS).await?;
        let banner = told.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(Self {
            banner: banner.unwrap_or_default().to_owned(),
            client,
            endpoint: endpoint.clone(),
            statements: HashMap::new(),
            hurried: false,
            version,
        })
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The rows of a statement, which has the parameter `limit` or none.
    ///
    /// After [`Failure::Late`] the server has been asked to stop, and the session is of no more
    /// use.
    pub async fn rows(
        &mut self,
        sql: &str,
        limit: Option<i64>,
        until: Instant,
    ) -> Result<Vec<Row>, Failure> {
        let answer = in_time(until, self.ask(sql, limit)).await;
        match answer {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(failure)) => {
                // It may be the statement that has become wrong, when what it names was changed.
                self.statements.remove(sql);
                if matches!(failure, Failure::Locked(_)) {
                    self.hurry(true, until).await?;
                }
                Err(failure)
            }
            Err(late) => {
                self.cancel();
                Err(late)
            }
        }
    }

    async fn ask(&mut self, sql: &str, limit: Option<i64>) -> Result<Vec<Row>, Failure> {
        let statement = if let Some(statement) = self.statements.get(sql) {
            statement.clone()
        } else {
            let statement = self.client.prepare(sql).await?;
            self.statements.insert(sql.to_owned(), statement.clone());
            statement
        };
        Ok(match &limit {
            Some(limit) => self.client.query(&statement, &[limit]).await?,
            None => self.client.query(&statement, &[]).await?,
        })
    }

    /// Who has waited for a lock in vain waits less for the next: a locked catalog stands in the way
    /// of all statements of a scrape. Until it is told to take its time again.
    pub async fn hurry(&mut self, hurried: bool, until: Instant) -> Result<(), Failure> {
        if self.hurried == hurried {
            return Ok(());
        }
        let sql = if hurried {
            "set lock_timeout = '50ms'"
        } else {
            "set lock_timeout = '1s'"
        };
        self.run(sql, until).await?;
        self.hurried = hurried;
        Ok(())
    }

    /// Runs statements without an answer.
    pub async fn run(&self, sql: &str, until: Instant) -> Result<(), Failure> {
        Ok(in_time(until, self.client.batch_execute(sql)).await??)
    }

    /// Asks the server to stop what it does for this connection; nobody waits for it.
    fn cancel(&self) {
        let (token, tls) = (self.client.cancel_token(), self.endpoint.tls.clone());
        tokio::spawn(tokio::time::timeout(CONNECT, async move {
            let cancelled = match tls {
                Some(tls) => token.cancel_query(tls).await,
                None => token.cancel_query(NoTls).await,
            };
            if let Err(error) = cancelled {
                tracing::debug!(%error, "a statement could not be cancelled");
            }
        }));
    }
}

/// Moves the connection's bytes until either side ends it; without any, nothing runs.
fn follow(connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to PostgreSQL has ended");
        }
    });
}

/// What a future gives, unless time is up before.
pub async fn in_time<T>(until: Instant, future: impl Future<Output = T>) -> Result<T, Failure> {
    let answer = tokio::time::timeout_at(until.into(), future).await;
    answer.map_err(|_elapsed| Failure::Late)
}

/// Text in whatever bytes the server has: a database of encoding SQL_ASCII holds any.
#[derive(Debug)]
pub struct Text<'a>(pub std::borrow::Cow<'a, str>);

impl<'a> FromSql<'a> for Text<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(String::from_utf8_lossy(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self("".into()))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::TEXT | Type::VARCHAR | Type::NAME)
    }
}

/// A column as text; empty when it is null.
pub fn text(row: &Row, column: usize) -> std::borrow::Cow<'_, str> {
    row.try_get(column)
        .map_or_else(|_| "".into(), |Text(text)| text)
}

/// A column of type float8; none when it is null.
pub fn number(row: &Row, column: usize) -> Option<f64> {
    row.try_get(column).ok().flatten()
}
