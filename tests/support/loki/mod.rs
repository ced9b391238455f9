//! A strict stand-in for Loki's push endpoint: it takes what Loki takes, refuses what Loki refuses
//! with Loki's words, keeps what it took, and fails on command.
//!
//! Real are the wire formats, the limits, the status codes, the refusals of single entries and the
//! folding of equal ones, as a Loki 3.x was measured and as its `pkg/distributor`, `pkg/validation`
//! and `pkg/ingester` say. Fake: nothing can be queried, nothing is stored on a disk, `service_name`
//! is counted but not made, a stream's rate is averaged since its burst rather than sampled, and
//! folding remembers the whole run rather than an open block.

pub mod decode;
pub mod ledger;
pub mod limits;
pub mod server;

pub use ledger::Ledger;
pub use limits::Limits;
pub use server::{Loki, Mode};

/// One entry as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds since 1970.
    pub nanos: i64,
    /// The line.
    pub line: String,
    /// Structured metadata.
    pub metadata: Vec<(String, String)>,
}

/// One stream of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its labels as text, such as `{a="b"}`.
    pub labels: String,
    /// Its entries, in the order in which they were sent.
    pub entries: Vec<Entry>,
}
