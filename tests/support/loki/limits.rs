//! What Loki refuses of a request, with its defaults and its words.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use super::{Entry, Stream};

/// Bounds of a tenant; each may be lifted.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes per second and at once, of all streams: `ingestion_rate_mb`, `ingestion_burst_size_mb`.
    pub rate: Option<(f64, f64)>,
    /// The same of one stream: `per_stream_rate_limit`, `per_stream_rate_limit_burst`.
    pub stream_rate: Option<(f64, f64)>,
    /// `max_line_size`.
    pub line: usize,
    /// `max_label_names_per_series`, of which Loki itself takes one.
    pub labels: usize,
    /// `max_structured_metadata_size` and its entries' count.
    pub metadata: (usize, usize),
    /// `reject_old_samples_max_age`.
    pub age: Duration,
    /// `creation_grace_period`.
    pub ahead: Duration,
    /// Half of `max_chunk_age`: how far an entry may be behind the newest of its stream.
    pub behind: Duration,
    /// `max_global_streams_per_user`.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MB: f64 = 1_048_576.0;
        Self {
            rate: Some((4.0 * MB, 6.0 * MB)),
            stream_rate: Some((3.0 * MB, 15.0 * MB)),
            line: 256 * 1024,
            labels: 15,
            metadata: (64 * 1024, 128),
            age: Duration::from_hours(7 * 24),
            ahead: Duration::from_mins(10),
            behind: Duration::from_hours(1),
            streams: 5000,
        }
    }
}

impl Limits {
    /// Loki's defaults but for the rates: as the operator's own Loki, where one tenant has all.
    pub fn generous() -> Self {
        Self {
            rate: None,
            stream_rate: None,
            ..Self::default()
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is stored.
    pub taken: Vec<Stream>,
    /// Each entry that is not, with the reason as in Loki's `discarded_samples_total`.
    pub refused: Vec<(&'static str, String)>,
    /// The rate limit that refused, if one did: the answer is then 429.
    pub limited: Option<String>,
}

/// A tenant's state.
#[derive(Debug, Default)]
pub struct Tenant {
    bucket: Option<Bucket>,
    streams: HashMap<String, StreamState>,
}

#[derive(Debug, Default)]
struct StreamState {
    newest: i64,
    bucket: Option<Bucket>,
}

impl Tenant {
    /// Judges a request.
    pub fn judge(&mut self, limits: &Limits, streams: Vec<Stream>) -> Verdict {
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
        let mut verdict = Verdict::default();
        // The distributor looks at each entry, then at the tenant's rate, over what is left.
        let mut valid = Vec::new();
        for stream in streams {
            match labels(&stream.labels) {
                Err(why) => verdict.refuse(&stream, "invalid_labels", &why),
                Ok(count) if count + 1 > limits.labels => {
                    let why = format!(
                        "entry for stream '{}' has {} label names; limit {}",
                        stream.labels,
                        count + 1,
                        limits.labels
                    );
                    verdict.refuse(&stream, "max_label_names_per_series", &why);
                }
                Ok(_) => valid.push(check_entries(limits, now, stream, &mut verdict)),
            }
        }
        let bytes: usize = valid
            .iter()
            .flat_map(|stream| &stream.entries)
            .map(size)
            .sum();
        if let Some((rate, burst)) = limits.rate {
            let bucket = self.bucket.get_or_insert_with(|| Bucket::full(burst));
            if !bucket.take(bytes as f64, rate, burst) {
                let lines: usize = valid.iter().map(|stream| stream.entries.len()).sum();
                return Verdict {
                    limited: Some(format!(
                        "ingestion rate limit exceeded for user fake (limit: {rate:.0} bytes/sec) while attempting to ingest '{lines}' lines totaling '{bytes}' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased"
                    )),
                    ..Verdict::default()
                };
            }
        }
        for stream in valid {
            self.ingest(limits, stream, &mut verdict);
        }
        verdict
    }

    /// The ingester: a stream's rate and order.
    fn ingest(&mut self, limits: &Limits, mut stream: Stream, verdict: &mut Verdict) {
        if !self.streams.contains_key(&stream.labels) && self.streams.len() == limits.streams {
            verdict.limited = Some("Maximum active stream limit exceeded".into());
            return;
        }
        let state = self.streams.entry(stream.labels.clone()).or_default();
        let behind = i64::try_from(limits.behind.as_nanos()).unwrap();
        let mut taken = Vec::new();
        for entry in stream.entries {
            if let Some((rate, burst)) = limits.stream_rate {
                let bucket = state.bucket.get_or_insert_with(|| Bucket::full(burst));
                if !bucket.take(size(&entry) as f64, rate, burst) {
                    verdict.limited = Some(format!(
                        "Per stream rate limit exceeded (limit: {rate:.0}/sec) while attempting to ingest for stream '{}'",
                        stream.labels
                    ));
                    continue;
                }
            }
            if entry.nanos < state.newest - behind {
                let why = format!(
                    "entry with timestamp {} ignored, reason: 'entry too far behind, oldest acceptable timestamp is: {}'",
                    entry.nanos,
                    state.newest - behind
                );
                verdict.refused.push(("too_far_behind", why));
                continue;
            }
            state.newest = state.newest.max(entry.nanos);
            taken.push(entry);
        }
        stream.entries = taken;
        verdict.taken.push(stream);
    }
}

impl Verdict {
    /// What is said of refused entries: equal words are counted, as by `util.GroupedErrors`.
    pub fn words(&self) -> Option<String> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, why) in &self.refused {
            *counts.entry(why).or_default() += 1;
        }
        match (counts.len(), self.refused.first()) {
            (_, None) => None,
            (1, Some((_, why))) if self.refused.len() == 1 => Some(why.clone()),
            _ => {
                let each = counts.iter();
                let each: Vec<_> = each
                    .map(|(why, count)| format!("{count} errors like: {why}"))
                    .collect();
                Some(each.join("; "))
            }
        }
    }

    fn refuse(&mut self, stream: &Stream, reason: &'static str, why: &str) {
        let refused = stream.entries.iter().map(|_| (reason, why.to_owned()));
        self.refused.extend(refused);
    }
}

/// What `pkg/validation` says of each entry.
fn check_entries(limits: &Limits, now: i64, stream: Stream, verdict: &mut Verdict) -> Stream {
    let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap();
    let (oldest, newest) = (now - nanos(limits.age), now + nanos(limits.ahead));
    let Stream { labels, entries } = stream;
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        let metadata: usize = entry
            .metadata
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let (reason, why) = if entry.nanos < oldest {
            (
                "greater_than_max_sample_age",
                format!(
                    "entry for stream '{labels}' has timestamp too old: {}, oldest acceptable timestamp is: {oldest}",
                    entry.nanos
                ),
            )
        } else if entry.nanos > newest {
            (
                "too_far_in_future",
                format!(
                    "entry for stream '{labels}' has timestamp too new: {}",
                    entry.nanos
                ),
            )
        } else if entry.line.len() > limits.line {
            (
                "line_too_long",
                format!(
                    "max entry size '{}' bytes exceeded for stream '{labels}' while adding an entry with length '{}' bytes",
                    limits.line,
                    entry.line.len()
                ),
            )
        } else if metadata > limits.metadata.0 {
            (
                "structured_metadata_too_large",
                format!(
                    "stream '{labels}' has structured metadata too large: '{metadata}' bytes, limit: '{}' bytes",
                    limits.metadata.0
                ),
            )
        } else if entry.metadata.len() > limits.metadata.1 {
            (
                "structured_metadata_too_many",
                format!(
                    "stream '{labels}' has too many structured metadata labels: '{}', limit: '{}'",
                    entry.metadata.len(),
                    limits.metadata.1
                ),
            )
        } else {
            kept.push(entry);
            continue;
        };
        verdict.refused.push((reason, why));
    }
    Stream {
        labels,
        entries: kept,
    }
}

fn size(entry: &Entry) -> usize {
    let metadata = entry
        .metadata
        .iter()
        .map(|(name, value)| name.len() + value.len());
    entry.line.len() + metadata.sum::<usize>()
}

/// How many labels a stream has. Stricter than Loki, which would sort them itself: the text is
/// what streams are told apart by here, so one stream must have one text.
pub fn labels(text: &str) -> Result<usize, String> {
    let wrong = |why: &str| format!("couldn't parse labels {text}: {why}");
    let inner = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let mut rest = inner.ok_or_else(|| wrong("not in braces"))?;
    let mut names: Vec<&str> = Vec::new();
    while !rest.is_empty() {
        if !names.is_empty() {
            rest = rest
                .strip_prefix(", ")
                .ok_or_else(|| wrong("no comma between labels"))?;
        }
        let (name, value) = rest
            .split_once('=')
            .ok_or_else(|| wrong("a label without ="))?;
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !valid {
            return Err(wrong("not a label's name"));
        }
        if names.last().is_some_and(|last| *last >= name) {
            return Err(wrong("names not sorted, or one twice"));
        }
        names.push(name);
        let value = value
            .strip_prefix('"')
            .ok_or_else(|| wrong("a value without quotes"))?;
        rest = &value[end_of_quoted(value).ok_or_else(|| wrong("an escape Go does not know"))?..];
    }
    Ok(names.len())
}

/// The length of the rest of a quoted text, its closing quote included.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(at + 1),
            '\n' => return None,
            '\\' => {
                let digits = match chars.next()?.1 {
                    'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '"' => 0,
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => return None,
                };
                for _ in 0..digits {
                    chars
                        .next()
                        .filter(|(_, digit)| digit.is_ascii_hexdigit())?;
                }
            }
            _ => {}
        }
    }
    None
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(burst: f64) -> Self {
        Self {
            left: burst,
            at: Instant::now(),
        }
    }

    fn take(&mut self, bytes: f64, rate: f64, burst: f64) -> bool {
        self.left = (self.left + self.at.elapsed().as_secs_f64() * rate).min(burst);
        self.at = Instant::now();
        let enough = self.left >= bytes;
        if enough {
            self.left -= bytes;
        }
        enough
    }
}
