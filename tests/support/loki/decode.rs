//! A push request from its bytes, decoded by hand from Loki's `pkg/push/push.proto`: nothing of
//! the code under test is used.

use std::{collections::BTreeMap, io::Read};

use super::{Entry, Stream};

/// The most bytes a request may have when decompressed: Loki's default for a message.
const MESSAGE: usize = 100 << 20;

/// Decodes a body by its headers.
pub fn body(content_type: &str, encoding: &str, body: &[u8]) -> Result<Vec<Stream>, String> {
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/x-protobuf" => protobuf(body),
        "application/json" => {
            let text = match encoding {
                "" => body.to_vec(),
                "gzip" => gunzip(body)?,
                other => return Err(format!("Content-Encoding {other:?} not supported")),
            };
            json(&text)
        }
        other => Err(format!("Content-Type {other:?} not supported")),
    }
}

fn gunzip(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let limit = MESSAGE as u64 + 1;
    let mut decoder = flate2::read::GzDecoder::new(body).take(limit);
    decoder
        .read_to_end(&mut text)
        .map_err(|error| format!("gzip: {error}"))?;
    if text.len() > MESSAGE {
        return Err("message too large".into());
    }
    Ok(text)
}

fn protobuf(body: &[u8]) -> Result<Vec<Stream>, String> {
    let length = snap::raw::decompress_len(body).map_err(|error| error.to_string())?;
    if length > MESSAGE {
        return Err("message too large".into());
    }
    let raw = snap::raw::Decoder::new().decompress_vec(body);
    let raw = raw.map_err(|error| error.to_string())?;
    let mut streams = Vec::new();
    for field in Fields(&raw) {
        if let (1, Value::Bytes(bytes)) = field? {
            streams.push(stream(bytes)?);
        }
    }
    Ok(streams)
}

fn stream(bytes: &[u8]) -> Result<Stream, String> {
    let (mut labels, mut entries) = (String::new(), Vec::new());
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(text)) => labels = utf8(text, "labels")?,
            (2, Value::Bytes(bytes)) => entries.push(entry(bytes)?),
            _ => {}
        }
    }
    Ok(Stream { labels, entries })
}

fn entry(bytes: &[u8]) -> Result<Entry, String> {
    let (mut nanos, mut line, mut metadata) = (0, String::new(), Vec::new());
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(bytes)) => nanos = timestamp(bytes)?,
            (2, Value::Bytes(text)) => line = utf8(text, "line")?,
            (3, Value::Bytes(bytes)) => metadata.push(pair(bytes)?),
            (4, _) => return Err("an entry must not bring parsed labels".into()),
            _ => {}
        }
    }
    Ok(Entry {
        nanos,
        line,
        metadata,
    })
}

fn timestamp(bytes: &[u8]) -> Result<i64, String> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in Fields(bytes) {
        match field? {
            (1, Value::Number(number)) => seconds = number.cast_signed(),
            (2, Value::Number(number)) => nanos = number.cast_signed(),
            _ => {}
        }
    }
    if !(0..1_000_000_000).contains(&nanos) {
        return Err(format!("nanoseconds out of range: {nanos}"));
    }
    let whole = seconds.checked_mul(1_000_000_000);
    whole
        .and_then(|whole| whole.checked_add(nanos))
        .ok_or_else(|| "time out of range".into())
}

fn pair(bytes: &[u8]) -> Result<(String, String), String> {
    let (mut name, mut value) = (String::new(), String::new());
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(text)) => name = utf8(text, "a metadata name")?,
            (2, Value::Bytes(text)) => value = utf8(text, "a metadata value")?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn utf8(bytes: &[u8], what: &str) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{what} holds invalid UTF-8"))?;
    Ok(text.to_owned())
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, or what is wrong with its bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| {
            let field = self.field();
            if field.is_none() {
                self.0 = &[];
            }
            field.ok_or_else(|| "malformed protobuf".into())
        })
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[derive(serde::Deserialize)]
struct JsonRequest {
    #[serde(default)]
    streams: Vec<JsonStream>,
}

#[derive(serde::Deserialize)]
struct JsonStream {
    stream: BTreeMap<String, String>,
    values: Vec<JsonEntry>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum JsonEntry {
    Plain(String, String),
    WithMetadata(String, String, BTreeMap<String, String>),
}

fn json(text: &[u8]) -> Result<Vec<Stream>, String> {
    let request: JsonRequest = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    request.streams.into_iter().map(json_stream).collect()
}

fn json_stream(stream: JsonStream) -> Result<Stream, String> {
    let pairs = stream.stream.iter();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    let entries = stream.values.into_iter().map(|entry| {
        let (nanos, line, metadata) = match entry {
            JsonEntry::Plain(nanos, line) => (nanos, line, BTreeMap::new()),
            JsonEntry::WithMetadata(nanos, line, metadata) => (nanos, line, metadata),
        };
        let nanos = nanos.parse().map_err(|_| format!("{nanos:?} is no time"))?;
        let metadata = metadata.into_iter().collect();
        Ok::<_, String>(Entry {
            nanos,
            line,
            metadata,
        })
    });
    Ok(Stream {
        labels: format!("{{{}}}", pairs.join(", ")),
        entries: entries.collect::<Result<_, _>>()?,
    })
}
