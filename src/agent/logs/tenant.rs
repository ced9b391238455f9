//! One tenant's queues: a tenant whose receiver is slow holds up no other.

use std::collections::VecDeque;

use super::batch::Open;

/// Batches under way of sources with little to say.
const QUIET: usize = 3;
/// Batches under way of sources with much to say.
const BULK: usize = 8;

/// A tenant.
#[derive(Debug, Default)]
pub struct Tenant {
    /// The batch that sources with little to say fill together.
    pub open: Open,
    quiet: VecDeque<u32>,
    bulk: VecDeque<u32>,
    quiet_out: usize,
    bulk_out: usize,
}

impl Tenant {
    /// A source waits for its turn.
    pub fn queue(&mut self, source: u32, bulk: bool) {
        let queue = if bulk {
            &mut self.bulk
        } else {
            &mut self.quiet
        };
        queue.push_back(source);
    }

    /// Whether another batch of sources with little to say may be sent.
    pub fn may_quiet(&self) -> bool {
        self.quiet_out < QUIET
    }

    /// The next source with little to say.
    pub fn next_quiet(&mut self) -> Option<u32> {
        self.quiet.pop_front()
    }

    /// The next source with much to say that is ready.
    pub fn next_bulk(&mut self, ready: impl Fn(&u32) -> bool) -> Option<u32> {
        if self.bulk_out >= BULK {
            return None;
        }
        let at = self.bulk.iter().position(ready)?;
        self.bulk.remove(at)
    }

    /// A batch is under way.
    pub fn sent(&mut self, bulk: bool) {
        *self.out(bulk) += 1;
    }

    /// A batch has come back.
    pub fn back(&mut self, bulk: bool) {
        let out = self.out(bulk);
        *out = out.saturating_sub(1);
    }

    fn out(&mut self, bulk: bool) -> &mut usize {
        if bulk {
            &mut self.bulk_out
        } else {
            &mut self.quiet_out
        }
    }

    /// Nobody waits for a turn any more.
    pub fn forget(&mut self) {
        self.quiet.clear();
        self.bulk.clear();
    }

    /// How many batches are under way.
    pub fn outstanding(&self) -> usize {
        self.quiet_out + self.bulk_out
    }
}
