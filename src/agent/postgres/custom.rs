//! Queries of one's own.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use super::queries;
use super::rows::Labels;
use super::session::{Failure, Session};
use crate::agent::exposition::{Exposition, Kind};
use crate::api::agent_config::{PostgresQuery, ValueKind};

/// Rows when the configuration says nothing.
const ROWS: usize = 100;
/// Rows that the configuration may ask for.
const MOST_ROWS: usize = 10_000;
/// How long a query may take when the configuration says nothing, and at most.
const TIMEOUT: u64 = 5;
const MOST_TIMEOUT: u64 = 60;

/// How the names of families begin that are made elsewhere.
const RESERVED: [&str; 7] = [
    "masthead_",
    "pg_exporter_",
    "pg_scrape_collector_",
    "pg_settings_",
    "pg_stat_statements_",
    "pg_static",
    "pg_up",
];

/// The last answer, for as long as it is told again.
#[derive(Debug)]
pub struct Answer {
    at: Instant,
    query: PostgresQuery,
    /// Its families.
    pub out: Exposition,
}

impl Answer {
    /// Whether the server need not be asked again.
    pub fn is_fresh(&self, query: &PostgresQuery) -> bool {
        let every = Duration::from_secs(query.every_seconds);
        // Scrapes come a bit early or late: without the slack every second one would miss.
        self.query == *query && self.at.elapsed() + Duration::from_millis(500) < every
    }
}

/// What is wrong with queries, each with its field. One with a problem is not run.
pub fn problems(list: &[PostgresQuery]) -> Vec<(usize, String)> {
    if list.is_empty() {
        return Vec::new();
    }
    let mut taken: BTreeSet<String> = queries::all()
        .flat_map(|query| query.values)
        .flat_map(|value| std::iter::once(value.name).chain(value.alias))
        .map(str::to_owned)
        .collect();
    let wrong = list.iter().enumerate().filter_map(|(index, query)| {
        let problem = problem(query, &mut taken)?;
        Some((index, format!("postgres.queries[{index}].{problem}")))
    });
    wrong.collect()
}

fn problem(query: &PostgresQuery, taken: &mut BTreeSet<String>) -> Option<String> {
    if !is_name(&query.name) {
        return Some(format!(
            "name: {:?}: letters, digits and _, 63 at most",
            query.name
        ));
    }
    if query.sql.trim().is_empty() {
        return Some("sql: empty".into());
    }
    if query.values.is_empty() {
        return Some("values: name one column at least, as gauge or counter".into());
    }
    let columns = query.labels.iter().chain(query.values.keys());
    let mut seen = BTreeSet::new();
    for column in columns {
        let reserved = ["instance", "job", "le", "quantile"].contains(&column.as_str());
        if !is_name(column) || column.starts_with("__") || reserved || !seen.insert(column) {
            return Some(format!(
                "labels and values: {column:?} cannot be a column here: letters, digits and _, each once, and not instance or job"
            ));
        }
    }
    if query
        .timeout_seconds
        .is_some_and(|it| it == 0 || it > MOST_TIMEOUT)
    {
        return Some(format!("timeoutSeconds: 1 to {MOST_TIMEOUT}"));
    }
    if query.max_rows.is_some_and(|it| it == 0 || it > MOST_ROWS) {
        return Some(format!("maxRows: 1 to {MOST_ROWS}"));
    }
    let families: Vec<String> = query.values.keys().map(|it| family(query, it)).collect();
    let is_taken = |name: &&String| {
        taken.contains(*name) || RESERVED.iter().any(|prefix| name.starts_with(prefix))
    };
    if let Some(known) = families.iter().find(is_taken) {
        return Some(format!(
            "values: there is a metric {known} already; choose another name"
        ));
    }
    taken.extend(families);
    None
}

fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The family of a column.
pub fn family(query: &PostgresQuery, column: &str) -> String {
    format!("{}_{column}", query.name)
}

/// The server turns labels into text and values into numbers, and stops one row above the most.
/// The statement stands on lines of its own, so that it may end in a comment.
fn sql(query: &PostgresQuery, most: usize) -> String {
    let labels = query
        .labels
        .iter()
        .map(|label| format!("q.\"{label}\"::text"));
    let values = query
        .values
        .keys()
        .map(|value| format!("q.\"{value}\"::float8"));
    let columns: Vec<String> = labels.chain(values).collect();
    let statement = query.sql.trim().trim_end_matches(';');
    format!(
        "select {} from (\n{statement}\n) as q limit {}",
        columns.join(", "),
        most + 1
    )
}

/// Asks a session, in a transaction that only reads.
pub async fn ask(
    session: &mut Session,
    query: &PostgresQuery,
    until: Instant,
    fixed: &str,
) -> Result<Answer, Failure> {
    let seconds = query
        .timeout_seconds
        .unwrap_or(TIMEOUT)
        .clamp(1, MOST_TIMEOUT);
    let until = until.min(Instant::now() + Duration::from_secs(seconds + 1));
    let most = query.max_rows.unwrap_or(ROWS).clamp(1, MOST_ROWS);
    // Here its names are looked up as its author expects.
    let begin = format!(
        "begin read only; set local statement_timeout = '{seconds}s'; \
         set local search_path = \"$user\", public"
    );
    session.run(&begin, until).await?;
    let rows = session.rows(&sql(query, most), None, until).await;
    if !matches!(rows, Err(Failure::Late)) {
        session.run("rollback", until).await?;
    }
    let rows = rows?;
    if rows.len() > most {
        return Err(Failure::Refused(format!("more than maxRows ({most}) rows")));
    }
    let mut labels = Labels::default();
    labels.read(&rows, fixed, &query.labels);
    let mut seen = HashSet::new();
    if let Some(twice) = labels.iter().find(|labels| !seen.insert(*labels)) {
        return Err(Failure::Refused(format!(
            "two rows have the same labels: {twice:?}"
        )));
    }
    let mut out = Exposition::default();
    for (index, (column, kind)) in query.values.iter().enumerate() {
        let kind = match kind {
            ValueKind::Gauge => Kind::Gauge,
            ValueKind::Counter => Kind::Counter,
        };
        let name = family(query, column);
        let help = format!("Column {column} of the query {}", query.name);
        labels.write(
            out.family(&name, &help, kind),
            &rows,
            query.labels.len() + index,
        );
    }
    Ok(Answer {
        at: Instant::now(),
        query: query.clone(),
        out,
    })
}

/// The name in `pg_scrape_collector_success{collector="…"}`.
pub fn collector(query: &PostgresQuery) -> String {
    format!("query:{}", query.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(name: &str, labels: &[&str], values: &[&str]) -> PostgresQuery {
        PostgresQuery {
            name: name.into(),
            sql: "select 1 as total -- one;\n;".into(),
            labels: labels.iter().map(|it| (*it).into()).collect(),
            values: values
                .iter()
                .map(|it| ((*it).into(), ValueKind::Gauge))
                .collect(),
            ..PostgresQuery::default()
        }
    }

    #[test]
    fn a_query_is_wrapped_so_that_the_server_types_and_cuts_it() {
        let sql = sql(&query("shop_orders", &["status"], &["total"]), 100);
        assert_eq!(
            sql,
            "select q.\"status\"::text, q.\"total\"::float8 from (\nselect 1 as total -- one;\n\n) as q limit 101"
        );
    }

    #[test]
    fn a_wrong_query_is_named_and_leaves_the_others() {
        let list = [
            query("shop_orders", &["status"], &["total"]),
            query("shop-orders", &[], &["total"]),
            query("shop_orders", &[], &["total"]),
            query("shop", &["instance"], &["total"]),
            query("shop", &["a"], &["a"]),
            query("shop", &[], &[]),
            query("pg", &[], &["up"]),
            query("pg_wal", &[], &["segments"]),
        ];
        let wrong = problems(&list);
        let indices: Vec<usize> = wrong.iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, [1, 2, 3, 4, 5, 6, 7], "{wrong:?}");
        assert!(
            wrong[0].1.starts_with("postgres.queries[1].name: "),
            "{wrong:?}"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_configured_is_judged(name in "\\PC*", sql_text in "\\PC*", column in "\\PC*") {
            let mut query = query(&name, &[&column], &[&column]);
            query.sql = sql_text;
            let _problems = problems(&[query.clone()]);
            let _sql = sql(&query, 1);
        }
    }
}
