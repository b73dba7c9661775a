//! What was sent to a target and not answered yet.

use std::collections::VecDeque;

use device::{CaseCursor, Death, HowDied};
use judge::prepared::Prepared;

use super::parts::CasePart;

/// A part that was sent.
pub struct Sent {
    /// The number of its message.
    pub sequence: u64,
    pub part: CasePart,
    pub prepared: Prepared,
}

/// What was sent and not answered yet, the oldest first.
#[derive(Default)]
pub struct Flight {
    sent: VecDeque<Sent>,
    /// How many parts are to be sent one at a time, to see which of them kills the target.
    alone: usize,
}

/// What becomes of parts that were in flight when the target died.
pub struct Wreck {
    /// The one that killed it, where that is known.
    pub guilty: Option<Sent>,
    /// Those that are to be asked again, in this order.
    pub again: Vec<CasePart>,
}

impl Flight {
    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Whether there is room for another part, of a target that takes `window` at once.
    pub fn has_room(&self, window: usize) -> bool {
        self.sent.len() < if self.alone > 0 { 1 } else { window }
    }

    /// Adds a part that was sent.
    pub fn push(&mut self, sent: Sent) {
        self.sent.push_back(sent);
    }

    /// The oldest part, if its message has the number `sequence`.
    pub fn first(&self, sequence: u64) -> Option<&Sent> {
        self.sent.front().filter(|first| first.sequence == sequence)
    }

    /// The oldest part was answered.
    pub fn answered(&mut self) {
        self.sent.pop_front();
        self.alone = self.alone.saturating_sub(1);
    }

    /// The target died: nothing is in flight any more.
    pub fn died(&mut self, death: &Death) -> Wreck {
        let mut sent = std::mem::take(&mut self.sent);
        // A probe has done it if it does it again.
        if death.how.may_be_of_others() && pardon(&mut sent, death.cursor) {
            return Wreck { guilty: None, again: sent.into_iter().map(|sent| sent.part).collect() };
        }
        let guilty = match death.cursor {
            // The cable went, and the target may have done nothing wrong.
            _ if matches!(death.how, HowDied::Lost { .. }) => None,
            Some(cursor) => sent.iter().position(|sent| sent.sequence == cursor.sequence),
            None => (sent.len() == 1).then_some(0),
        };
        let guilty = guilty.and_then(|at| sent.remove(at));
        // What was not in flight is innocent, or not known to be guilty: ask it again. Where nobody
        // can tell, ask one part at a time until it shows.
        if guilty.is_none() {
            self.alone = sent.len();
        }
        Wreck { guilty, again: sent.into_iter().map(|sent| sent.part).collect() }
    }
}

/// Pardons what was in hand when the target died, or all of `sent` where nobody can tell; whether that is the first
/// time.
fn pardon(sent: &mut VecDeque<Sent>, cursor: Option<CaseCursor>) -> bool {
    let in_hand = |sent: &Sent, cursor: CaseCursor| sent.sequence == cursor.sequence;
    let at = cursor.and_then(|cursor| sent.iter().position(|sent| in_hand(sent, cursor)));
    let probe = cursor.and_then(|cursor| cursor.probe).map(usize::from);
    let suspects = at.map_or(0..sent.len(), |at| at..at + 1);
    let number = at.and_then(|at| sent[at].prepared.numbers.get(probe?).copied());
    let is_first = !sent.range(suspects.clone()).any(|sent| sent.part.pardons.contains(&number));
    sent.range_mut(suspects).for_each(|sent| sent.part.pardons.push(number));
    is_first
}
