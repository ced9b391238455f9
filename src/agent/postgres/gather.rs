//! One gather of one server: its own figures, then database by database.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_postgres::Row;

use super::rows::{self, Labels};
use super::session::{Failure, number, text};
use super::table::{Query, Scope};
use super::target::{State, Target};
use super::version::Version;
use super::{custom, queries, settings, statements};
use crate::agent::exposition::{Exposition, Kind};
use crate::api::agent_config::{PostgresConfig, PostgresQuery};

/// The databases that may be entered, and whether the role may see everything.
const DATABASES: &str = "select datname::text from pg_database where datallowconn \
    and not datistemplate and datconnlimit <> -2 and has_database_privilege(oid, 'connect') \
    order by datname <> current_database(), datname";
const MONITOR: &str = "select pg_has_role(current_user, 'pg_monitor', 'usage')::int::float8";

/// How a collector went.
#[derive(Debug, Default)]
struct Outcome {
    seconds: f64,
    failed: bool,
}

/// A gather under way.
pub struct Gather<'a> {
    target: &'a Target,
    config: &'a PostgresConfig,
    state: &'a mut State,
    /// On each series, and the same with `server`.
    labels: &'a str,
    with_server: String,
    until: Instant,
    out: Exposition,
    /// Reused for each statement.
    row_labels: Labels,
    outcomes: BTreeMap<String, Outcome>,
    databases_left_out: usize,
    tables_left_out: usize,
}

impl<'a> Gather<'a> {
    /// Nothing is asked yet.
    pub fn new(
        target: &'a Target,
        config: &'a PostgresConfig,
        state: &'a mut State,
        labels: &'a str,
        until: Instant,
    ) -> Self {
        let comma = if labels.is_empty() { "" } else { "," };
        let with_server = format!("{labels}{comma}server=\"{}\"", target.server());
        Self {
            target,
            config,
            state,
            labels,
            with_server,
            until,
            out: Exposition::default(),
            row_labels: Labels::default(),
            outcomes: BTreeMap::new(),
            databases_left_out: 0,
            tables_left_out: 0,
        }
    }

    /// What is told of a server that had no time for another scrape.
    pub fn unanswered(labels: &str) -> Exposition {
        let mut out = Exposition::default();
        up(&mut out, &braced(labels), false);
        out
    }

    /// Asks everything and writes it down.
    pub async fn run(mut self) -> Exposition {
        let begin = Instant::now();
        self.state.scrapes += 1;
        let entered = self.enter().await;
        let problem = entered.as_ref().err().map(ToString::to_string);
        let refused = problem.is_some();
        if self.target.optional && refused && !self.is_there().await {
            return Exposition::default();
        }
        self.state.say(self.target, "connection", problem);
        if let Ok(version) = entered {
            self.server(version).await;
            self.databases(version).await;
        }
        self.take_time_again().await;
        self.finish(begin, !refused);
        self.out
    }

    /// The next scrape waits for locks as usual. A session that cannot be told is of no use.
    async fn take_time_again(&mut self) {
        let until = Instant::now() + Duration::from_millis(500);
        let mut lost = Vec::new();
        for (database, session) in &mut self.state.sessions {
            if session.hurry(false, until).await.is_err() {
                lost.push(database.clone());
            }
        }
        for database in lost {
            self.state.sessions.remove(&database);
        }
    }

    /// Connects, if there is no connection yet.
    async fn enter(&mut self) -> Result<Version, Failure> {
        self.state.read_files(self.target)?;
        let database = self.target.database();
        let session = self
            .target
            .session(self.state, database, self.until)
            .await?;
        let (version, banner) = (session.version, session.banner.clone());
        if version < Version::OLDEST {
            let text = format!("PostgreSQL {} is older than 13", version.short());
            self.state.say(self.target, "version", Some(text));
        }
        let mut labels = String::from("{");
        labels.push_str(&self.with_server);
        labels.push_str(",short_version=\"");
        labels.push_str(&version.short());
        labels.push_str("\",version=\"");
        crate::agent::exposition::escape(&mut labels, &banner);
        labels.push_str("\"}");
        let help = "1, with the server's version";
        self.out
            .family("pg_static", help, Kind::Untyped)
            .labelled(&labels, 1.0);
        Ok(version)
    }

    /// Whether anything listens where the server is looked for.
    async fn is_there(&self) -> bool {
        let config = &self.target.config;
        if config.host.starts_with('/') {
            return true;
        }
        let address = (config.host.as_str(), self.target.port());
        tokio::net::TcpStream::connect(address).await.is_ok()
    }

    /// A statement in the database of the server's own figures, or another.
    async fn ask(
        &mut self,
        database: &str,
        sql: &str,
        limit: Option<i64>,
    ) -> Result<Vec<Row>, Failure> {
        let session = self
            .target
            .session(self.state, database, self.until)
            .await?;
        let rows = session.rows(sql, limit, self.until).await;
        if matches!(rows, Err(Failure::Late)) {
            self.state.sessions.remove(database);
        }
        rows
    }

    /// Notes how a collector went; several statements or databases count as one.
    fn note(&mut self, collector: &str, begin: Instant, problem: Option<&Failure>) {
        if let Some(problem) = problem {
            let problem = problem.to_string();
            self.state.say(self.target, collector, Some(problem));
        }
        // Looked up before it is made, since most are there.
        if !self.outcomes.contains_key(collector) {
            self.outcomes
                .insert(collector.to_owned(), Outcome::default());
        }
        if let Some(outcome) = self.outcomes.get_mut(collector) {
            outcome.seconds += begin.elapsed().as_secs_f64();
            outcome.failed |= problem.is_some();
        }
    }

    async fn server(&mut self, version: Version) {
        let database = self.target.database();
        for query in queries::all().filter(|query| query.scope == Scope::Server) {
            let Some(sql) = (query.sql)(version) else {
                continue;
            };
            let begin = Instant::now();
            let answer = self.ask(database, sql, None).await;
            if let Ok(rows) = &answer {
                self.write(query, rows);
            }
            self.note(query.collector, begin, answer.err().as_ref());
        }
        let begin = Instant::now();
        let answer = self.ask(database, settings::SQL, None).await;
        if let Ok(rows) = &answer {
            settings::write(&mut self.out, rows, &braced(&self.with_server));
        }
        self.note(settings::COLLECTOR, begin, answer.err().as_ref());
        self.statements(version).await;
        self.restricted().await;
    }

    fn write(&mut self, query: &Query, rows: &[Row]) {
        let fixed = if query.server_label {
            &self.with_server
        } else {
            self.labels
        };
        rows::write(&mut self.out, &mut self.row_labels, query, rows, fixed);
    }

    async fn statements(&mut self, version: Version) {
        let Some(wanted) = &self.config.statements else {
            return;
        };
        let (begin, database) = (Instant::now(), self.target.database());
        let top = i64::try_from(wanted.top).unwrap_or(i64::MAX);
        let answer = match self.ask(database, statements::SCHEMA, None).await {
            Ok(rows) => match rows.first().map(|row| text(row, 0).into_owned()) {
                Some(schema) => {
                    let sql = statements::sql(version, &schema);
                    self.ask(database, &sql, Some(top)).await
                }
                None => Err(Failure::Refused(format!(
                    "the extension pg_stat_statements is not in the database {database}"
                ))),
            },
            Err(failure) => Err(failure),
        };
        if let Ok(rows) = &answer {
            statements::write(&mut self.out, &mut self.row_labels, rows, self.labels);
        }
        self.note(statements::COLLECTOR, begin, answer.err().as_ref());
    }

    /// Says what the role does not let us see.
    async fn restricted(&mut self) {
        let Ok(rows) = self.ask(self.target.database(), MONITOR, None).await else {
            return;
        };
        let restricted = rows.first().and_then(|row| number(row, 0)) == Some(0.0);
        let text = "the role is no member of pg_monitor: other roles' sessions, the write-ahead \
                    log's files and some settings are not shown to it";
        let problem = restricted.then(|| text.to_owned());
        self.state.say(self.target, "rights", problem);
        let help = "1 when the role is no member of pg_monitor, so that figures are missing.";
        let mut family = self.out.gauge("masthead_agent_postgres_restricted", help);
        family.labelled(&braced(self.labels), f64::from(restricted));
    }

    async fn databases(&mut self, version: Version) {
        let databases = self.choose().await;
        let mut tables = BTreeMap::new();
        for database in &databases {
            for query in queries::all().filter(|query| query.scope == Scope::Database) {
                let Some(sql) = (query.sql)(version) else {
                    continue;
                };
                let left = tables
                    .entry(query.collector)
                    .or_insert(self.config.max_tables);
                let limit = i64::try_from(*left).unwrap_or(i64::MAX);
                let begin = Instant::now();
                let answer = self.ask(database, sql, Some(limit)).await;
                if let Ok(rows) = &answer {
                    self.write(query, rows);
                    let total = query.labels.len() + query.values.len();
                    let total = rows.first().and_then(|row| number(row, total));
                    let above = total.map_or(0.0, |total| total - rows.len() as f64);
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a count of rows"
                    )]
                    let above = above.max(0.0) as usize;
                    self.tables_left_out = self.tables_left_out.max(above);
                    *left -= rows.len().min(*left);
                }
                self.note(query.collector, begin, answer.err().as_ref());
            }
        }
        self.custom().await;
        let own = self.target.database();
        let queries = &self.config.queries;
        self.state.sessions.retain(|name, _| {
            name == own
                || databases.contains(name)
                || queries.iter().any(|query| query.databases.contains(name))
        });
    }

    /// The databases whose tables are told, the server's own first.
    async fn choose(&mut self) -> Vec<String> {
        let begin = Instant::now();
        let answer = self.ask(self.target.database(), DATABASES, None).await;
        let rows = match answer {
            Ok(rows) => rows,
            Err(failure) => {
                self.note("stat_user_tables", begin, Some(&failure));
                return Vec::new();
            }
        };
        let choice = &self.target.config.login.databases;
        let chosen = rows.iter().map(|row| text(row, 0)).filter(|name| {
            let has = |list: &[String]| list.iter().any(|other| other == name);
            (choice.include.is_empty() || has(&choice.include)) && !has(&choice.exclude)
        });
        let mut chosen: Vec<String> = chosen.map(std::borrow::Cow::into_owned).collect();
        let most = self.config.max_databases.max(1);
        self.databases_left_out = chosen.len().saturating_sub(most);
        chosen.truncate(most);
        chosen
    }

    async fn custom(&mut self) {
        let own = self.target.database().to_owned();
        let wrong = custom::problems(&self.config.queries);
        for (index, query) in self.config.queries.iter().enumerate() {
            let name = custom::collector(query);
            if let Some((_, problem)) = wrong.iter().find(|(at, _)| *at == index) {
                let failure = Failure::Refused(problem.clone());
                self.note(&name, Instant::now(), Some(&failure));
                continue;
            }
            let listed = query
                .databases
                .iter()
                .take(self.config.max_databases.max(1));
            let mut databases: Vec<&String> = listed.collect();
            if databases.is_empty() {
                databases.push(&own);
            }
            for database in databases {
                let begin = Instant::now();
                let failure = self.custom_in(query, database).await.err();
                self.note(&name, begin, failure.as_ref());
            }
        }
        let queries = &self.config.queries;
        let known = |name: &String| queries.iter().any(|query| query.name == *name);
        self.state.answers.retain(|(name, _), _| known(name));
    }

    async fn custom_in(&mut self, query: &PostgresQuery, database: &str) -> Result<(), Failure> {
        let key = (query.name.clone(), database.to_owned());
        if self
            .state
            .answers
            .get(&key)
            .is_none_or(|answer| !answer.is_fresh(query))
        {
            self.state.answers.remove(&key);
            let session = self
                .target
                .session(self.state, database, self.until)
                .await?;
            // With several databases the series of one must differ from those of the others.
            let mut fixed = self.labels.to_owned();
            if query.databases.len() > 1 && !query.labels.iter().any(|it| it == "datname") {
                fixed.push_str(if fixed.is_empty() {
                    "datname=\""
                } else {
                    ",datname=\""
                });
                crate::agent::exposition::escape(&mut fixed, database);
                fixed.push('"');
            }
            let answer = custom::ask(session, query, self.until, &fixed).await;
            if matches!(answer, Err(Failure::Late)) {
                self.state.sessions.remove(database);
            }
            self.state.answers.insert(key.clone(), answer?);
        }
        if let Some(answer) = self.state.answers.get(&key) {
            self.out.extend(&answer.out);
        }
        Ok(())
    }

    /// The series about the gather itself.
    fn finish(&mut self, begin: Instant, entered: bool) {
        let outcomes = std::mem::take(&mut self.outcomes);
        let fine = outcomes.iter().filter(|(_, outcome)| !outcome.failed);
        for (collector, _) in fine {
            self.state.say(self.target, collector, None);
        }
        let each: Vec<(String, &Outcome)> = outcomes
            .iter()
            .map(|(collector, outcome)| (self.of_collector(collector), outcome))
            .collect();
        let labels = braced(self.labels);
        let out = &mut self.out;
        let help = "Seconds that the collector took.";
        let mut family = out.gauge("pg_scrape_collector_duration_seconds", help);
        for (labels, outcome) in &each {
            family.labelled(labels, outcome.seconds);
        }
        let mut family = out.gauge(
            "pg_scrape_collector_success",
            "1 when the collector succeeded.",
        );
        for (labels, outcome) in &each {
            family.labelled(labels, f64::from(!outcome.failed));
        }
        up(out, &labels, entered);
        let failed = !entered || outcomes.values().any(|outcome| outcome.failed);
        for (name, help, value) in [
            (
                "pg_exporter_last_scrape_error",
                "1 when something could not be told in the last scrape.",
                f64::from(failed),
            ),
            (
                "pg_exporter_last_scrape_duration_seconds",
                "Seconds that the last scrape took.",
                begin.elapsed().as_secs_f64(),
            ),
            (
                "masthead_agent_postgres_connections",
                "Connections to the server that this agent holds.",
                self.state.sessions.len() as f64,
            ),
            (
                "masthead_agent_postgres_databases_left_out",
                "Databases whose tables are not told since there are more than maxDatabases.",
                self.databases_left_out as f64,
            ),
            (
                "masthead_agent_postgres_tables_left_out",
                "Tables that are not told since there are more than maxTables.",
                self.tables_left_out as f64,
            ),
        ] {
            out.gauge(name, help).labelled(&labels, value);
        }
        let help = "Scrapes of the server.";
        out.counter("pg_exporter_scrapes_total", help)
            .labelled(&labels, self.state.scrapes as f64);
    }

    fn of_collector(&self, collector: &str) -> String {
        let comma = if self.labels.is_empty() { "" } else { "," };
        format!("{{{}{comma}collector=\"{collector}\"}}", self.labels)
    }
}

fn up(out: &mut Exposition, labels: &str, entered: bool) {
    let help = "1 when the server could be connected to.";
    out.gauge("pg_up", help)
        .labelled(labels, f64::from(entered));
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        return String::new();
    }
    format!("{{{labels}}}")
}

/// How long a scrape may take: what the scraper allows less a bit, and never longer than this.
pub fn budget(allowed: Option<f64>) -> Duration {
    const MOST: f64 = 9.0;
    const LEAST: f64 = 0.5;
    const SLACK: f64 = 0.5;
    let seconds = allowed
        .filter(|it| it.is_finite())
        .map_or(MOST, |it| it - SLACK);
    Duration::from_secs_f64(seconds.clamp(LEAST, MOST))
}
