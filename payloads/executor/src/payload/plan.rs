//! The plan that the host sent, kept for cases that are meant by number.

use link::MAX_MESSAGE;
use link::plan::Plan;

use crate::payload::global::Global;

/// Room for the largest plan.
#[repr(C, align(16))]
struct Room([u8; MAX_MESSAGE]);

#[unsafe(link_section = ".noinit")]
static ROOM: Global<Room> = Global::new(Room([0; MAX_MESSAGE]));

/// How many bytes of the room count.
static USED: Global<usize> = Global::new(0);

/// Keeps the plan in `body`, in place of an earlier one; `false` where it is none, and none is kept then.
pub fn keep(body: &[u8]) -> bool {
    // SAFETY: between requests nobody uses the plan.
    let (room, used) = unsafe { (&mut *ROOM.pointer(), &mut *USED.pointer()) };
    *used = 0;
    let is_plan = Plan::from_bytes(body).is_some();
    if let Some(place) = room.0.get_mut(..body.len()).filter(|_| is_plan) {
        place.copy_from_slice(body);
        *used = body.len();
    }
    *used > 0
}

/// The plan, if one is kept.
pub fn kept() -> Option<Plan<'static>> {
    // SAFETY: it changes only in `keep`, between requests.
    let (room, used) = unsafe { (&*ROOM.pointer(), *USED.pointer()) };
    Plan::from_bytes(room.0.get(..used)?)
}
