//! `node_timex_*`: how well the clock is kept, as adjtimex(2) tells.
//!
//! Asking needs no right; only setting does. The clock is one for all namespaces.

use rtime_clock::adjtime;

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// How well the clock is kept.
pub struct Timex;

/// What adjtimex(2) returns for a clock that is not synchronised.
const TIME_ERROR: i32 = 5;
/// The bit of `status` that says that `offset` and `jitter` are in nanoseconds.
const STA_NANO: i32 = 0x2000;
const MICROSECONDS: f64 = 1e6;
const NANOSECONDS: f64 = 1e9;
/// Frequencies are in parts per million with 16 bits behind the point (adjtimex(2), NOTES).
const FREQUENCY: f64 = 65_536.0 * 1e6;

impl Collector for Timex {
    fn name(&self) -> &'static str {
        "timex"
    }

    fn collect(&self, _: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let mut asked = adjtime::Timex::default();
        let state = adjtime::adjtimex(&mut asked).map_err(|source| CollectError::Read {
            path: "adjtimex(2)".into(),
            source,
        })?;
        for (name, help, value) in gauges(&asked, state != TIME_ERROR) {
            out.gauge(name, help).sample(&[], value);
        }
        for (name, help, value) in counters(&asked) {
            out.counter(name, help).sample(&[], value);
        }
        Ok(())
    }
}

/// Name, help, value.
type Row = (&'static str, &'static str, f64);

fn gauges(asked: &adjtime::Timex, synchronised: bool) -> [Row; 13] {
    let timex = asked.0;
    let unit = if timex.status & STA_NANO == 0 {
        MICROSECONDS
    } else {
        NANOSECONDS
    };
    [
        (
            "node_timex_sync_status",
            "Is clock synchronized to a reliable server (1 = yes, 0 = no).",
            f64::from(synchronised),
        ),
        (
            "node_timex_offset_seconds",
            "Time offset in between local system and reference clock.",
            timex.offset as f64 / unit,
        ),
        (
            "node_timex_frequency_adjustment_ratio",
            "Local clock frequency adjustment.",
            1.0 + timex.freq as f64 / FREQUENCY,
        ),
        (
            "node_timex_maxerror_seconds",
            "Maximum error in seconds.",
            timex.maxerror as f64 / MICROSECONDS,
        ),
        (
            "node_timex_estimated_error_seconds",
            "Estimated error in seconds.",
            timex.esterror as f64 / MICROSECONDS,
        ),
        (
            "node_timex_status",
            "Value of the status array bits.",
            f64::from(timex.status),
        ),
        (
            "node_timex_loop_time_constant",
            "Phase-locked loop time constant.",
            timex.constant as f64,
        ),
        (
            "node_timex_tick_seconds",
            "Seconds between clock ticks.",
            timex.tick as f64 / MICROSECONDS,
        ),
        (
            "node_timex_pps_frequency_hertz",
            "Pulse per second frequency.",
            timex.ppsfreq as f64 / FREQUENCY,
        ),
        (
            "node_timex_pps_jitter_seconds",
            "Pulse per second jitter.",
            timex.jitter as f64 / unit,
        ),
        (
            "node_timex_pps_shift_seconds",
            "Pulse per second interval duration.",
            f64::from(timex.shift),
        ),
        (
            "node_timex_pps_stability_hertz",
            "Pulse per second stability, average of recent frequency changes.",
            timex.stabil as f64 / FREQUENCY,
        ),
        (
            "node_timex_tai_offset_seconds",
            "International Atomic Time (TAI) offset.",
            f64::from(timex.tai),
        ),
    ]
}

fn counters(asked: &adjtime::Timex) -> [Row; 4] {
    let timex = asked.0;
    [
        (
            "node_timex_pps_jitter_total",
            "Pulse per second count of jitter limit exceeded events.",
            timex.jitcnt as f64,
        ),
        (
            "node_timex_pps_calibration_total",
            "Pulse per second count of calibration intervals.",
            timex.calcnt as f64,
        ),
        (
            "node_timex_pps_error_total",
            "Pulse per second count of calibration errors.",
            timex.errcnt as f64,
        ),
        (
            "node_timex_pps_stability_exceeded_total",
            "Pulse per second count of stability limit exceeded events.",
            timex.stbcnt as f64,
        ),
    ]
}
