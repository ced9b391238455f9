//! Batches for receivers that know JSON only: made from the protobuf that is there already, since
//! they are few.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use crate::agent::protobuf::Fields;

/// Writes a `PushRequest` as `{"streams": [{"stream": {…}, "values": [["<ns>", "line", {…}]]}]}`,
/// compressed with gzip.
pub fn pack(request: &[u8]) -> Vec<u8> {
    let streams: Vec<Value> = Fields(request).map(|field| stream(field.bytes)).collect();
    let text = json!({ "streams": streams }).to_string();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

fn stream(message: &[u8]) -> Value {
    let mut labels = Map::new();
    let mut values = Vec::new();
    for field in Fields(message) {
        match field.number {
            1 => labels = parse_labels(&String::from_utf8_lossy(field.bytes)),
            _ => values.push(entry(field.bytes)),
        }
    }
    json!({ "stream": labels, "values": values })
}

fn entry(message: &[u8]) -> Value {
    let (mut nanos, mut line, mut metadata) = (0_i128, String::new(), Map::new());
    for field in Fields(message) {
        match field.number {
            1 => {
                for part in Fields(field.bytes) {
                    let unit = if part.number == 1 { 1_000_000_000 } else { 1 };
                    nanos += i128::from(part.value.cast_signed()) * unit;
                }
            }
            2 => line = String::from_utf8_lossy(field.bytes).into_owned(),
            _ => {
                let mut pair = Fields(field.bytes).map(|part| String::from_utf8_lossy(part.bytes));
                if let (Some(name), Some(value)) = (pair.next(), pair.next()) {
                    metadata.insert(name.into_owned(), value.into_owned().into());
                }
            }
        }
    }
    if metadata.is_empty() {
        json!([nanos.to_string(), line])
    } else {
        json!([nanos.to_string(), line, metadata])
    }
}

/// Labels as [`super::labels::text`] writes them.
fn parse_labels(text: &str) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut rest = text.trim_start_matches('{');
    while let Some((name, after)) = rest.split_once("=\"") {
        let (mut value, mut end) = (String::new(), after.len());
        let mut chars = after.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, 'u')) => {
                        let digits: String =
                            chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let code = u32::from_str_radix(&digits, 16).ok();
                        value.extend(code.and_then(char::from_u32));
                    }
                    Some((_, other)) => value.push(other),
                    None => {}
                },
                other => value.push(other),
            }
        }
        labels.insert(name.trim_start_matches(", ").to_owned(), value.into());
        rest = after.get(end..).unwrap_or_default();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::logs::{encode, labels};
    use std::io::Read;

    #[test]
    fn it_says_the_same_as_the_protobuf() {
        let labels = labels::text([("a", "x\"y\\\n\u{7}"), ("b", "2")]);
        let (mut metadata, mut entries, mut request) = (Vec::new(), Vec::new(), Vec::new());
        encode::pair(&mut metadata, "pod_uid", "u");
        encode::entry(
            &mut entries,
            1_795_341_600_000_000_001,
            "l\u{e4}".as_bytes(),
            &metadata,
        );
        encode::entry(&mut entries, -1, b"", &[]);
        encode::stream(&mut request, &labels, &entries);
        let packed = pack(&request);
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        let expected = json!({"streams": [{"stream": {"a": "x\"y\\\n\u{7}", "b": "2"}, "values": [
            ["1795341600000000001", "l\u{e4}", {"pod_uid": "u"}],
            ["-1", ""],
        ]}]});
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }
}
