//! Entries put together for one request.

use axum::body::Bytes;

use super::entries::Made;
use super::source::{Mark, Settled};
use super::{encode, json};
use crate::api::agent_config::Encoding;

/// As much as a request should hold, before it is compressed.
pub const BATCH: usize = 1 << 20;

/// A batch that is being filled.
#[derive(Debug, Default)]
pub struct Open {
    body: Vec<u8>,
    marks: Vec<Mark>,
    sources: Vec<u32>,
    entries: u64,
    times: bool,
}

/// A batch that is sent.
#[derive(Debug)]
pub struct Batch {
    /// The tenant's number.
    pub tenant: usize,
    /// Whether it is of sources that have much to say.
    pub bulk: bool,
    /// What is sent, compressed; empty when there is nothing to say.
    pub body: Bytes,
    /// How many entries it has.
    pub entries: u64,
    /// How far it brings the files.
    pub marks: Vec<Mark>,
    /// Whose entries it may hold.
    pub sources: Vec<u32>,
}

impl Open {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Whether it is as large as it should become.
    pub fn is_full(&self) -> bool {
        self.body.len() >= BATCH
    }

    /// Whether times in it must be kept before it is sent.
    pub fn times(&self) -> bool {
        self.times
    }

    /// Whose turns it holds.
    pub fn sources(&self) -> &[u32] {
        &self.sources
    }

    /// Takes over what a turn has made; true when the source is new in it.
    pub fn add(&mut self, source: u32, settled: &Settled, made: &mut Made) -> bool {
        for (entries, (_, labels)) in made.streams.iter_mut().zip(&settled.labels) {
            if entries.count > 0 {
                encode::stream(&mut self.body, labels, &entries.bytes);
            }
            entries.bytes.clear();
            self.entries += std::mem::take(&mut entries.count);
        }
        for (labels, entries) in made.others.drain() {
            encode::stream(&mut self.body, &labels, &entries.bytes);
            self.entries += entries.count;
        }
        self.times |= std::mem::take(&mut made.times);
        let new = self.sources.last() != Some(&source) && !self.sources.contains(&source);
        if new {
            self.sources.push(source);
        }
        new
    }

    /// Where the marks of a source go. Those of an earlier turn of it are replaced; a `new` one has
    /// none.
    pub fn marks(&mut self, source: u32, new: bool) -> &mut Vec<Mark> {
        if !new {
            self.marks.retain(|mark| mark.source != source);
        }
        &mut self.marks
    }

    /// Closes it, and begins the next with the same memory.
    pub fn close(
        &mut self,
        tenant: usize,
        bulk: bool,
        pack: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Batch {
        let body = if self.body.is_empty() {
            Vec::new()
        } else {
            pack(&self.body)
        };
        self.body.clear();
        self.times = false;
        Batch {
            tenant,
            bulk,
            body: body.into(),
            entries: std::mem::take(&mut self.entries),
            marks: std::mem::take(&mut self.marks),
            sources: std::mem::take(&mut self.sources),
        }
    }
}

/// Compresses batches with snappy's block format.
#[derive(Debug)]
pub struct Packer {
    encoder: snap::raw::Encoder,
    buffer: Vec<u8>,
}

impl Default for Packer {
    fn default() -> Self {
        Self {
            encoder: snap::raw::Encoder::new(),
            buffer: Vec::new(),
        }
    }
}

impl Packer {
    /// Compresses into memory of just the right size: a batch may wait long.
    pub fn pack(&mut self, body: &[u8], encoding: Encoding) -> Vec<u8> {
        if encoding == Encoding::Json {
            return json::pack(body);
        }
        let most = snap::raw::max_compress_len(body.len());
        if self.buffer.len() < most {
            self.buffer.resize(most, 0);
        }
        match self.encoder.compress(body, &mut self.buffer) {
            Ok(length) => self.buffer.get(..length).unwrap_or_default().to_vec(),
            Err(error) => {
                // Only for more than 4 GiB.
                tracing::error!(%error, "a batch cannot be compressed");
                Vec::new()
            }
        }
    }
}
