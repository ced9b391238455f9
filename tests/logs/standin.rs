//! The stand-in judged by what a real Loki was seen to do.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::loki::{Limits, Loki, Mode, decode, ledger::numbered, limits};

/// Pushes JSON and returns the status and the body.
fn push(loki: &Loki, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(loki.address).unwrap();
    write!(
        stream,
        "POST /loki/api/v1/push HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn entries(labels: &str, entries: &[(i128, &str)]) -> String {
    let now = jiff::Timestamp::now().as_nanosecond();
    let values: Vec<_> = entries
        .iter()
        .map(|(seconds, line)| {
            serde_json::json!([(now + seconds * 1_000_000_000).to_string(), line])
        })
        .collect();
    format!(
        "{{\"streams\":[{{\"stream\":{labels},\"values\":{}}}]}}",
        serde_json::json!(values)
    )
}

#[test]
fn it_answers_as_a_loki_does() {
    let limits = Limits {
        rate: Some((1000.0, 6e6)),
        ..Limits::default()
    };
    let loki = Loki::start(limits, true);
    let one = r#"{"a":"b"}"#;
    assert_eq!(
        push(&loki, &entries(one, &[(0, "hello")])),
        (204, String::new())
    );
    assert_eq!(push(&loki, r#"{"streams":[]}"#).0, 422);
    assert_eq!(push(&loki, "nonsense").0, 400);
    // A refused entry does not take the others with it.
    let long = "x".repeat(256 * 1024 + 1);
    let mixed = [
        (-8 * 86_400, "old"),
        (3600, "early"),
        (0, "good"),
        (0, long.as_str()),
    ];
    let (status, why) = push(&loki, &entries(one, &mixed));
    assert_eq!(status, 400);
    assert!(why.contains("1 errors like: entry for stream"), "{why}");
    let lines: Vec<_> = loki.ledger("", |it| {
        it.kept.iter().map(|(_, it)| it.line.clone()).collect()
    });
    assert_eq!(lines, ["hello", "good"]);
    assert_eq!(push(&loki, &entries(one, &[(-4000, "behind")])).0, 400);
    let many: Vec<_> = (10..25).map(|n| format!("\"l{n}\":\"x\"")).collect();
    assert_eq!(
        push(
            &loki,
            &entries(&format!("{{{}}}", many.join(",")), &[(0, "x")])
        )
        .0,
        400
    );
    assert_eq!(
        push(
            &loki,
            &entries(&format!("{{{}}}", many[1..].join(",")), &[(0, "x")])
        )
        .0,
        204
    );
    let big = vec![(0, "y".repeat(250_000)); 16];
    let big: Vec<_> = big.iter().map(|(at, line)| (*at, line.as_str())).collect();
    let statuses: Vec<_> = (0..3).map(|_| push(&loki, &entries(one, &big)).0).collect();
    assert_eq!(statuses, [204, 429, 429]);
    loki.set(Mode::Fail(503, None));
    assert_eq!(push(&loki, &entries(one, &[(0, "hello")])).0, 503);
}

#[test]
fn it_tells_what_folds_from_what_does_not() {
    let loki = Loki::start(Limits::default(), false);
    let body = entries(
        r#"{"a":"b"}"#,
        &[(-3, "w=a n=0"), (-2, "w=a n=2"), (-1, "w=a n=1")],
    );
    push(&loki, &body);
    push(&loki, &body);
    push(
        &loki,
        &entries(r#"{"a":"b"}"#, &[(0, "w=a n=0"), (0, "w=a n=4")]),
    );
    let report = loki.ledger("", |it| it.report());
    assert_eq!((report.lines, report.missing, report.folded), (4, 1, 3));
    assert_eq!((report.doubles, report.disorder), (1, 1));
    assert_eq!(loki.ledger("", |it| it.gaps("a", 6)), [(3, 4), (5, 6)]);
}

#[test]
fn labels_are_read_as_strictly_as_streams_are_told_apart() {
    assert_eq!(limits::labels("{}"), Ok(0));
    assert_eq!(limits::labels(r#"{a="x\"y\\\n\u0007", b="}, c="}"#), Ok(2));
    for wrong in [
        "",
        "a=\"b\"",
        "{a=b}",
        r#"{b="1", a="2"}"#,
        r#"{a="1",b="2"}"#,
        r#"{a="\q"}"#,
        r#"{a-b="c"}"#,
    ] {
        assert!(limits::labels(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn protobuf_is_read_by_its_numbers() {
    // Two streams of which the second has an entry with metadata, as protoc writes it.
    let raw = b"\x0a\x03\x0a\x01{\x0a\x1f\x0a\x02{}\x12\x19\x0a\x04\x08\x05\x10\x07\x12\x02hi\x1a\x06\x0a\x01k\x12\x01v\x1a\x05\x0a\x03abc";
    let body = snap::raw::Encoder::new().compress_vec(raw).unwrap();
    let streams = decode::body("application/x-protobuf", "", &body).unwrap();
    assert_eq!(
        (streams[0].labels.as_str(), streams[0].entries.len()),
        ("{", 0)
    );
    let entry = &streams[1].entries[0];
    assert_eq!((entry.nanos, entry.line.as_str()), (5_000_000_007, "hi"));
    assert_eq!(entry.metadata[0], ("k".to_owned(), "v".to_owned()));
    assert_eq!(entry.metadata[1], ("abc".to_owned(), String::new()));
    let bad = snap::raw::Encoder::new()
        .compress_vec(b"\x0a\x06\x12\x04\x12\x02\xff\xfe")
        .unwrap();
    assert!(decode::body("application/x-protobuf", "", &bad).is_err());
    assert!(decode::body("application/x-protobuf", "", b"junk").is_err());
    assert_eq!(numbered("w=x-1 n=42 y"), Some(("x-1", 42)));
}
