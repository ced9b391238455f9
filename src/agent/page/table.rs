//! What the page shows of one subject: rows, each with its figures of the last minutes.
//!
//! A part of the agent has its tables and records into them whenever it gathers, for a scrape or
//! for the page; nothing is gathered for the record alone. Memory is bounded: [`MOST_ROWS`] rows of
//! [`MOST_POINTS`] points, no older than [`WINDOW`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use serde::Serialize;

use super::shape::{Column, Shape};
use crate::agent::host::prom_text;

/// How many seconds are kept.
pub const WINDOW: f64 = 300.0;
/// Enough for the window at the page's own pace.
const MOST_POINTS: usize = 160;
/// Rows beyond are counted and left out.
const MOST_ROWS: usize = 500;
/// Records closer together than this tell nothing new: several may scrape at the same time.
const LEAST_APART: f64 = 0.9;

/// A table of the page.
#[derive(Debug)]
pub struct Table {
    /// What it is.
    pub shape: Shape,
    state: Mutex<State>,
}

/// A row as it is recorded.
#[derive(Debug)]
pub struct Record<'a> {
    /// Tells the row from others and stays the same.
    pub key: &'a str,
    /// Its labels as they stand between braces in the text format.
    pub labels: &'a str,
    /// One value for each column; not a number where there is none.
    pub values: &'a [f64],
}

#[derive(Debug, Default)]
struct State {
    /// When records were made, seconds since 1970.
    times: VecDeque<f64>,
    rows: HashMap<String, Row>,
    /// The next row's number.
    next: u32,
    /// Grows whenever the rows or their labels change.
    generation: u64,
    left_out: usize,
}

#[derive(Debug, Default)]
struct Row {
    number: u32,
    labels: String,
    /// The last values as they were recorded.
    last: Vec<f64>,
    /// The figures of each record since the row is there, column by column; the last are of the
    /// last record.
    points: VecDeque<f32>,
    /// The record in which it was seen last.
    seen: f64,
}

/// A table on the wire, serialized once for all viewers.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Of the rows.
    pub generation: u64,
    /// Of the figures.
    pub time: f64,
    /// The rows and their labels.
    pub rows: Bytes,
    /// Their figures now.
    pub now: Bytes,
}

impl Table {
    /// A table without rows.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            state: Mutex::default(),
        }
    }

    /// Records what is so `now`, seconds since 1970. Rows that are not among these have ended.
    pub fn record<'a>(&self, now: f64, records: impl IntoIterator<Item = Record<'a>>) {
        let mut state = self.state();
        let last = state.times.back().copied();
        match last {
            // The clock was set back: what was is not before what is.
            Some(last) if now < last => *state = State::restart(&state),
            Some(last) if now - last < LEAST_APART => return,
            _ => {}
        }
        let passed = state.times.back().map_or(f64::NAN, |last| now - last);
        state.times.push_back(now);
        let (mut changed, mut left_out) = (false, 0);
        for record in records {
            if state.rows.len() >= MOST_ROWS && !state.rows.contains_key(record.key) {
                left_out += 1;
                continue;
            }
            changed |= state.row(&record, now, passed, self.shape.columns);
        }
        let before = state.rows.len();
        state.rows.retain(|_, row| row.seen >= now);
        changed |= state.rows.len() != before || state.left_out != left_out;
        state.left_out = left_out;
        if changed {
            state.generation += 1;
        }
        state.trim(now, self.shape.columns.len());
    }

    /// What all viewers get; `before` is the frame they got last.
    pub fn frame(&self, before: &Frame) -> Frame {
        let state = self.state();
        let time = state.times.back().copied().unwrap_or(0.0);
        let mut frame = before.clone();
        if frame.rows.is_empty() || frame.generation != state.generation {
            frame.generation = state.generation;
            frame.rows = state.rows(self.shape.name);
        }
        if frame.now.is_empty() || frame.time.total_cmp(&time).is_ne() {
            frame.time = time;
            frame.now = state.now(self.shape.name, time, self.shape.columns.len());
        }
        frame
    }

    /// The numbers of the rows there are.
    pub fn numbers(&self) -> Vec<u32> {
        self.state().rows.values().map(|row| row.number).collect()
    }

    /// The last minutes of a row, in the order of time; none when it has ended.
    pub fn past(&self, number: u32) -> Option<Bytes> {
        #[derive(Serialize)]
        struct Past<'a> {
            table: &'a str,
            row: u32,
            times: Vec<f64>,
            points: Vec<&'a [f32]>,
        }
        let mut state = self.state();
        let State { times, rows, .. } = &mut *state;
        let row = rows.values_mut().find(|row| row.number == number)?;
        let points = row.points.make_contiguous();
        let points: Vec<_> = points.chunks(self.shape.columns.len().max(1)).collect();
        let skipped = times.len().saturating_sub(points.len());
        let past = Past {
            table: self.shape.name,
            row: number,
            times: times.iter().skip(skipped).copied().collect(),
            points,
        };
        Some(json(&past))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Without its past; numbers and generations go on.
    fn restart(before: &Self) -> Self {
        Self {
            next: before.next,
            generation: before.generation + 1,
            ..Self::default()
        }
    }

    /// Records a row; returns whether it is new or has other labels.
    fn row(&mut self, record: &Record<'_>, now: f64, passed: f64, columns: &[Column]) -> bool {
        let known = self.rows.contains_key(record.key);
        if !known {
            let row = Row {
                number: self.next,
                ..Row::default()
            };
            self.rows.insert(record.key.to_owned(), row);
            self.next = self.next.wrapping_add(1);
        }
        let Some(row) = self.rows.get_mut(record.key) else {
            return false;
        };
        if row.seen >= now {
            // Twice in one record: the first is shown.
            return false;
        }
        row.seen = now;
        for (index, column) in columns.iter().enumerate() {
            let value = record.values.get(index).copied().unwrap_or(f64::NAN);
            let last = row.last.get(index).copied().unwrap_or(f64::NAN);
            let grown = value - last;
            let shown = match column.counter {
                true if grown < 0.0 => f64::NAN,
                true => grown / passed,
                false => value,
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "seven digits are shown well"
            )]
            row.points.push_back(shown as f32);
        }
        row.last.clear();
        row.last.extend_from_slice(record.values);
        let changed = row.labels != record.labels;
        if changed {
            record.labels.clone_into(&mut row.labels);
        }
        changed || !known
    }

    /// Forgets what is too old or too much.
    fn trim(&mut self, now: f64, columns: usize) {
        let old = |time: &f64| now - *time > WINDOW;
        while self.times.len() > MOST_POINTS || self.times.front().is_some_and(old) {
            self.times.pop_front();
        }
        let most = self.times.len() * columns;
        for row in self.rows.values_mut() {
            let excess = row.points.len().saturating_sub(most);
            row.points.drain(..excess);
        }
    }

    fn rows(&self, table: &str) -> Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Named<'a> {
            table: &'a str,
            rows: Vec<(u32, HashMap<String, String>)>,
            left_out: usize,
        }
        let rows = self.rows.values();
        let rows = rows.map(|row| (row.number, labels(&row.labels)));
        json(&Named {
            table,
            rows: rows.collect(),
            left_out: self.left_out,
        })
    }

    fn now(&self, table: &str, time: f64, columns: usize) -> Bytes {
        #[derive(Serialize)]
        struct Now<'a> {
            table: &'a str,
            time: f64,
            rows: Vec<(u32, Vec<f32>)>,
        }
        let rows = self.rows.values().map(|row| {
            let skipped = row.points.len().saturating_sub(columns);
            (
                row.number,
                row.points.iter().skip(skipped).copied().collect(),
            )
        });
        json(&Now {
            table,
            time,
            rows: rows.collect(),
        })
    }
}

/// The labels between braces; none when they are not such.
fn labels(text: &str) -> HashMap<String, String> {
    let labels = prom_text::parse_labels(text).unwrap_or_default();
    labels.into_iter().collect()
}

/// What is serialized here has names that are text and numbers, which cannot fail.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::super::shape::Unit;
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const COLUMNS: &[Column] = &[
        Column::rate("cpu", "CPU", Unit::Cores),
        Column::gauge("memory", "Memory", Unit::Bytes),
    ];

    fn table() -> Table {
        Table::new(Shape {
            name: "t",
            title: "T",
            heads: &["name"],
            details: &[],
            columns: COLUMNS,
        })
    }

    fn record<'a>(key: &'a str, labels: &'a str, values: &'a [f64]) -> Record<'a> {
        Record {
            key,
            labels,
            values,
        }
    }

    fn read(bytes: &Bytes) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_count_becomes_a_rate_and_a_restart_no_figure() {
        let table = table();
        for (now, cpu) in [(100.0, 1.0), (102.0, 2.0), (104.0, 0.5)] {
            table.record(now, [record("a", "name=\"x\"", &[cpu, 7.0])]);
        }
        let past = read(&table.past(0).unwrap());
        assert_eq!(past["times"], json!([100.0, 102.0, 104.0]));
        assert_eq!(
            past["points"],
            json!([[null, 7.0], [0.5, 7.0], [null, 7.0]])
        );
        let frame = table.frame(&Frame::default());
        assert_eq!(read(&frame.now)["rows"], json!([[0, [null, 7.0]]]));
        assert_eq!(read(&frame.rows)["rows"], json!([[0, {"name": "x"}]]));
    }

    #[test]
    fn rows_are_sent_again_only_when_they_change() {
        let table = table();
        table.record(1.0, [record("a", "name=\"a \\\"b\\\"\"", &[0.0, 0.0])]);
        let first = table.frame(&Frame::default());
        assert_eq!(read(&first.rows)["rows"][0][1]["name"], "a \"b\"");
        table.record(3.0, [record("a", "name=\"a \\\"b\\\"\"", &[0.0, 0.0])]);
        let second = table.frame(&first);
        assert_eq!(second.generation, first.generation);
        assert!(second.time > first.time);
        table.record(5.0, [record("b", "", &[0.0, 0.0])]);
        let third = table.frame(&second);
        assert!(third.generation > second.generation);
        assert_eq!(read(&third.rows)["rows"], json!([[1, {}]]));
        assert_eq!(table.past(0), None);
    }

    #[test]
    fn memory_is_bounded_in_rows_and_in_time() {
        let table = table();
        let keys: Vec<String> = (0..MOST_ROWS + 3).map(|key| key.to_string()).collect();
        for second in 0..1000 {
            let rows = keys.iter().map(|key| record(key, "", &[1.0, 1.0]));
            table.record(f64::from(second), rows);
        }
        let frame = table.frame(&Frame::default());
        assert_eq!(read(&frame.rows)["leftOut"], 3);
        let state = table.state();
        assert_eq!(
            (state.rows.len(), state.times.len()),
            (MOST_ROWS, MOST_POINTS)
        );
        assert!(
            state
                .rows
                .values()
                .all(|row| row.points.len() == 2 * MOST_POINTS)
        );
    }

    #[test]
    fn records_too_close_together_are_one_and_a_clock_set_back_begins_anew() {
        let table = table();
        for now in [100.0, 100.1, 200.0, 50.0] {
            table.record(now, [record("a", "", &[1.0, now])]);
        }
        let number = table.numbers()[0];
        let past = read(&table.past(number).unwrap());
        assert_eq!(past["points"], json!([[null, 50.0]]));
    }

    proptest! {
        #[test]
        fn no_record_makes_it_panic(
            records in proptest::collection::vec(
                (any::<f64>(), "[ab]", any::<String>(), proptest::collection::vec(any::<f64>(), 0..4)),
                0..20,
            ),
        ) {
            let table = table();
            for (now, key, labels, values) in &records {
                table.record(*now, [record(key, labels, values)]);
            }
            table.frame(&Frame::default());
            for number in table.numbers() {
                table.past(number);
            }
        }
    }
}
