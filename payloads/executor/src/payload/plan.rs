//! Plan of the host, kept for cases that are meant by number.

use link::plan::Plan;

use crate::payload::buffer::{Buffer, buffer};

/// Room for a plan, and the plan in it.
pub struct KeptPlan {
    room: &'static mut Buffer,
    /// How many bytes of the room count.
    used: usize,
}

impl KeptPlan {
    /// No plan. Called once.
    pub fn new() -> Self {
        Self { room: buffer!(), used: 0 }
    }

    /// Keeps the plan in `body`, in place of an earlier one; `false` where it is none, and none is kept then.
    pub fn keep(&mut self, body: &[u8]) -> bool {
        self.used = 0;
        let is_plan = Plan::from_bytes(body).is_some();
        if let Some(place) = self.room.0.get_mut(..body.len()).filter(|_| is_plan) {
            place.copy_from_slice(body);
            self.used = body.len();
        }
        self.used > 0
    }

    /// The plan, if one is kept.
    pub fn kept(&self) -> Option<Plan<'_>> {
        Plan::from_bytes(self.room.0.get(..self.used)?)
    }
}
