//! Ring arithmetic: the counters of the mailbox, which the host writes and which are not trusted.

use link::mailbox::SLOTS;

/// Whether a message waits: `written` is ahead of `done`, and not by more than a ring holds.
pub const fn waiting(written: u64, done: u64) -> bool {
    let ahead = written.wrapping_sub(done);
    ahead != 0 && ahead <= SLOTS as u64
}

/// Whether the ring has a slot for one more message.
pub const fn has_room(written: u64, done: u64) -> bool {
    written.wrapping_sub(done) < SLOTS as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_holds_as_many_as_it_has_slots() {
        let slots = SLOTS as u64;
        assert!(has_room(7, 7) && !waiting(7, 7));
        assert!(has_room(7 + slots - 1, 7) && waiting(8, 7));
        assert!(!has_room(7 + slots, 7) && waiting(7 + slots, 7));
    }

    #[test]
    fn counters_that_make_no_sense_are_no_messages() {
        let slots = SLOTS as u64;
        assert!(!waiting(7 + slots + 1, 7));
        assert!(!waiting(6, 7), "the host can't take a message back");
        assert!(!has_room(6, 7));
    }
}
