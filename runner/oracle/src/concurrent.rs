//! Probes that several PEs do at the same time.
//!
//! ```text
//!   PE 0   store --- sets AF, and dirty state
//!   PE 1   load  --- sets AF                      of one descriptor: AF, and dirty state
//! ```
//!
//! Which of them finds the descriptor as it was, and which as the other left it, nobody can say; but none of
//! what they are to set may be lost. What they change is seen when all of them are done, so it is held
//! against the last.

use case::probe::Probe;
use golden::Update;

use crate::expectation::{Allowed, Expectation, Outcomes};

/// The most ways in which descriptors may be changed that are followed.
const MOST_WAYS: usize = 64;

/// How many of `probes` are done at the same time, from the first on: 1 where it is done alone.
pub fn count(probes: &[Probe]) -> usize {
    let with_next = probes.iter().take_while(|probe| probe.has(Probe::TOGETHER)).count();
    (with_next + 1).min(probes.len())
}

/// Hands what `expectations` say of descriptors to the last of them.
pub fn join_updates(expectations: &mut [Option<Expectation>]) {
    let Some((last, others)) = expectations.split_last_mut() else { return };
    let mut ways: Vec<Vec<Update>> = vec![Vec::new()];
    let mut complete = true;
    for other in others.iter_mut().flatten() {
        let mut new: Vec<Vec<Update>> = Vec::new();
        for (way, allowed) in
            ways.iter().flat_map(|way| other.outcomes.iter().map(move |allowed| (way, allowed)))
        {
            let both = joined(way, &allowed.updates);
            if !new.contains(&both) {
                new.push(both);
            }
        }
        other.outcomes.iter_mut().for_each(|allowed| allowed.updates.clear());
        complete &= new.len() <= MOST_WAYS;
        new.truncate(MOST_WAYS);
        ways = new;
    }
    let (Some(last), [_, ..]) = (last, &others[..]) else { return };
    let of_each = |allowed: &Allowed| {
        let with = |way: &Vec<Update>| Allowed {
            updates: joined(way, &allowed.updates),
            ..allowed.clone()
        };
        ways.iter().map(with).collect::<Vec<_>>()
    };
    let outcomes: Outcomes = last.outcomes.iter().flat_map(of_each).collect();
    last.outcomes = outcomes;
    last.complete &= complete;
}

/// What becomes of descriptors that are changed in both ways, whichever comes first: hardware sets bits, or
/// clears them, and each bit one way.
fn joined(one: &[Update], other: &[Update]) -> Vec<Update> {
    let mut all = one.to_vec();
    for update in other {
        match all.iter_mut().find(|known| known.pa == update.pa) {
            Some(known) => *known = known.joined(update),
            None => all.push(*update),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use case::probe::Operation;
    use golden::{Certainty, Masked, Pa, Stage};
    use smallvec::SmallVec;

    use super::*;
    use crate::answer::Answer;

    const AF: u64 = 1 << 10;
    const WRITE: u64 = 1 << 7;

    fn update(pa: u64, bits: u64) -> Update {
        let certainty = Certainty::Certain;
        Update { stage: Stage::Two, pa: Pa(pa), old: 0x43, new: 0x43 ^ bits, certainty }
    }

    fn expected(updates: &[Update]) -> Option<Expectation> {
        let allowed = Allowed {
            answer: Answer::Par { par: Masked::exact(0), fault: None },
            updates: updates.to_vec(),
            attributes: SmallVec::new(),
            asked: Vec::new(),
            kills: false,
        };
        let outcomes = Outcomes::from_iter([allowed]);
        Some(Expectation { outcomes, complete: true, strays_to: None, is_foreign: false })
    }

    fn updates(expectation: &Option<Expectation>) -> Vec<Vec<Update>> {
        let outcomes = &expectation.as_ref().unwrap().outcomes;
        outcomes.iter().map(|allowed| allowed.updates.clone()).collect()
    }

    #[test]
    fn no_update_is_lost() {
        let store = expected(&[update(0x1000, AF | WRITE), update(0x2000, AF)]);
        let load = expected(&[update(0x1000, AF)]);
        let both = vec![vec![update(0x1000, AF | WRITE), update(0x2000, AF)]];
        let nothing = vec![Vec::new()];
        let mut all = [store.clone(), load.clone()];
        join_updates(&mut all);
        assert_eq!(all.each_ref().map(updates), [nothing.clone(), both.clone()]);
        let mut all = [load, store];
        join_updates(&mut all);
        assert_eq!(all.each_ref().map(updates), [nothing, both]);
    }

    #[test]
    fn what_is_done_alone_keeps_its_own() {
        let mut alone = [expected(&[update(0x1000, AF)])];
        join_updates(&mut alone);
        assert_eq!(updates(&alone[0]), [[update(0x1000, AF)]]);
    }

    #[test]
    fn those_up_to_the_first_without_the_flag_belong_together() {
        let probe = Probe::new(Operation::Load, 0);
        let with = probe.with(Probe::TOGETHER);
        assert_eq!(count(&[probe, probe]), 1);
        assert_eq!(count(&[with, with, probe, probe]), 3);
        assert_eq!(count(&[with]), 1);
    }
}
