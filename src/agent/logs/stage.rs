//! What is done to entries on their way.

use regex::bytes::Regex;

use super::entries::Common;
use super::fields::{self, Format};
use super::identity::hash;
use super::record::Stream;
use super::{encode, labels};

/// Streams of one turn that have labels of their own.
pub const MOST_STREAMS: usize = 128;
/// The longest value that becomes a label; what is longer is no label.
const LABEL: usize = 256;

/// The steps for one source, in their order.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    steps: Vec<Step>,
}

/// A step.
#[derive(Clone, Debug)]
pub enum Step {
    /// Leaves out what fits.
    Drop(Regex),
    /// Leaves out what does not fit.
    Keep(Regex),
    /// Writes something else in place of what fits.
    Replace(Regex, String),
    /// Takes fields: labels and structured metadata by the field that gives them.
    Fields(Format, Vec<Taken>),
    /// Keeps only those whose hash is below.
    Sample(u64),
}

/// A field that is taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The field.
    pub field: String,
    /// The label or the metadata it becomes.
    pub name: String,
    /// Whether it becomes a label.
    pub label: bool,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A stage leaves it out.
    Drop,
    /// It is sampled away.
    Sampled,
    /// It is sent.
    Keep {
        /// It has labels of its own.
        labelled: bool,
    },
}

/// Where stages write.
#[derive(Debug, Default)]
pub struct Buffers {
    text: Vec<u8>,
    changed: bool,
    metadata: Vec<u8>,
    extended: bool,
    labels: Vec<(String, String)>,
    value: Vec<u8>,
}

impl Stages {
    /// These steps.
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Does what there is to do.
    pub fn run(&self, text: &[u8], time: i64, metadata: &[u8], out: &mut Buffers) -> Outcome {
        out.changed = false;
        out.extended = false;
        out.labels.clear();
        for step in &self.steps {
            let now = if out.changed { &out.text } else { text };
            match step {
                Step::Drop(pattern) if pattern.is_match(now) => return Outcome::Drop,
                Step::Keep(pattern) if !pattern.is_match(now) => return Outcome::Drop,
                Step::Drop(_) | Step::Keep(_) => {}
                Step::Replace(pattern, with) => {
                    if let std::borrow::Cow::Owned(changed) =
                        pattern.replace_all(now, with.as_bytes())
                    {
                        out.text = changed;
                        out.changed = true;
                    }
                }
                Step::Fields(format, taken) => {
                    let now = if out.changed {
                        std::mem::take(&mut out.text)
                    } else {
                        Vec::new()
                    };
                    let source = if out.changed { &now } else { text };
                    out.take(*format, taken, source, metadata);
                    if out.changed {
                        out.text = now;
                    }
                }
                Step::Sample(below) => {
                    // The hash's upper bits depend on all of the text, and on its time.
                    let mixed =
                        (hash(now) ^ time.cast_unsigned()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    if mixed > *below {
                        return Outcome::Sampled;
                    }
                }
            }
        }
        Outcome::Keep {
            labelled: !out.labels.is_empty(),
        }
    }
}

impl Buffers {
    /// The text as the stages have left it.
    pub fn text<'a>(&'a self, before: &'a [u8]) -> &'a [u8] {
        if self.changed { &self.text } else { before }
    }

    /// The structured metadata as the stages have left it.
    pub fn metadata<'a>(&'a self, before: &'a [u8]) -> &'a [u8] {
        if self.extended {
            &self.metadata
        } else {
            before
        }
    }

    /// The labels of the entry's stream.
    pub fn labels(&self, common: &Common<'_>, stream: Stream) -> String {
        let (all, _) = &common.labels[stream.index()];
        let own = all.iter().chain(&self.labels);
        labels::text(own.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    fn take(&mut self, format: Format, taken: &[Taken], text: &[u8], metadata: &[u8]) {
        for wanted in taken {
            self.value.clear();
            if !fields::find(format, text, &wanted.field, &mut self.value) {
                continue;
            }
            let value = String::from_utf8_lossy(&self.value);
            if wanted.label {
                if value.len() <= LABEL && !value.is_empty() {
                    self.labels.push((wanted.name.clone(), value.into_owned()));
                }
                continue;
            }
            if !self.extended {
                self.metadata.clear();
                self.metadata.extend_from_slice(metadata);
                self.extended = true;
            }
            encode::pair(&mut self.metadata, &wanted.name, &value);
        }
    }
}

/// The hash below which so great a part of all hashes is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between 0 and the greatest"
)]
pub fn part(keep: f64) -> u64 {
    if keep >= 1.0 {
        u64::MAX
    } else {
        (keep.max(0.0) * u64::MAX as f64) as u64
    }
}
