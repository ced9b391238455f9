//! Numbers that look random and are the same in each run with the same seed.

/// A generator (xorshift64*, Vigna 2014).
pub struct Random(u64);

impl Random {
    /// From `MASTHEAD_SEED`, so that a failure can be run again, or from the time. It is printed.
    pub fn new() -> Self {
        let given = std::env::var("MASTHEAD_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let now = jiff::Timestamp::now().subsec_nanosecond().unsigned_abs();
        let seed = given.unwrap_or_else(|| u64::from(now) | 1);
        eprintln!("MASTHEAD_SEED={seed}");
        Self(seed.max(1))
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}
