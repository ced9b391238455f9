//! Units, limits and the few colours.

use serde_json::{Value, json};

/// What a number counts, by Grafana's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number, shortened.
    Short,
    /// Of a hundred.
    Percent,
    /// Bytes, in powers of 1024.
    Bytes,
    /// Bytes in a second, in powers of 1024.
    BytesPerSecond,
    /// A length of time.
    Seconds,
    /// Things in a second.
    PerSecond,
    /// Requests in a second.
    RequestsPerSecond,
    /// Packets in a second.
    PacketsPerSecond,
}

impl Unit {
    /// Grafana's name.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Percent => "percent",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "binBps",
            Self::Seconds => "s",
            Self::PerSecond => "ops",
            Self::RequestsPerSecond => "reqps",
            Self::PacketsPerSecond => "pps",
        }
    }
}

/// The colours: green is well, orange is to look at, red is bad, blue and text mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Well.
    Green,
    /// To be looked at.
    Orange,
    /// Bad.
    Red,
    /// Neither.
    Blue,
    /// As text.
    Text,
}

impl Color {
    /// Grafana's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Orange => "orange",
            Self::Red => "red",
            Self::Blue => "blue",
            Self::Text => "text",
        }
    }
}

/// From where on a value is bad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// From this value up it is bad.
    BadFrom(f64),
    /// From this value up it is to be looked at.
    NoticeFrom(f64),
    /// Below this value it is bad.
    BadBelow(f64),
}

impl Limit {
    /// As Grafana stores it. A step colours what is at or above it.
    pub fn thresholds(self) -> Value {
        let (below, value, above) = match self {
            Self::BadFrom(value) => (Color::Green, value, Color::Red),
            Self::NoticeFrom(value) => (Color::Green, value, Color::Orange),
            Self::BadBelow(value) => (Color::Red, value, Color::Green),
        };
        json!({"mode": "absolute", "steps": [
            {"color": below.name(), "value": null},
            {"color": above.name(), "value": value},
        ]})
    }

    /// No value is bad.
    pub fn none() -> Value {
        json!({"mode": "absolute", "steps": [{"color": Color::Green.name(), "value": null}]})
    }
}
