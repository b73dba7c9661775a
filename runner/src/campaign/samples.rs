//! Probes that are asked although they would kill the target by a known erratum: samples, so that a target
//! that has been mended is noticed.
//!
//! ```text
//!   case         0      1      2      3   ...  4095  |  4096   4097  ...
//!   held back           a a b  b      a a            |  b      a
//!   asked               a   b                        |  b      a
//! ```
//!
//! Of every known erratum one probe is asked in each window of 4096 cases: the first that would show it, by
//! the numbers of case and probe. So it depends on seed, case and rules alone, and not on which worker
//! or shard asks, on what was asked before, or on where a campaign went on; a campaign that holds back any
//! probe of an erratum has a sample of it.

use std::collections::BTreeMap;

use oracle::flaw::FlawId;

/// Cases of a window. A restart costs as much as a hundred cases: samples of an erratum cost a campaign
/// one part in forty at most.
const WINDOW: u64 = 4096;

/// Which probes are samples, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    windows: BTreeMap<u64, Window>,
}

#[derive(Clone, Debug)]
struct Window {
    /// The first case that nobody has looked at.
    next: u64,
    /// The samples: case and probe.
    first: BTreeMap<FlawId, (u64, u16)>,
}

impl Window {
    fn saw(&mut self, index: u64, crashes: &[(u16, FlawId)]) {
        for (number, flaw) in crashes {
            self.first.entry(*flaw).or_insert((index, *number));
        }
        self.next = index + 1;
    }
}

impl Samples {
    /// The probes of case `index` that are samples. `crashes` are all that would crash the target, in order,
    /// each with its erratum; `look` finds those of another case.
    pub fn of_case(
        &mut self,
        index: u64,
        crashes: &[(u16, FlawId)],
        mut look: impl FnMut(u64) -> Vec<(u16, FlawId)>,
    ) -> Vec<u16> {
        let begin = index - index % WINDOW;
        let new = || Window { next: begin, first: BTreeMap::new() };
        let window = self.windows.entry(begin).or_insert_with(new);
        // Somebody else has the cases before this one, or this campaign had them before it was stopped.
        while window.next < index
            && crashes.iter().any(|(_, flaw)| !window.first.contains_key(flaw))
        {
            let other = window.next;
            window.saw(other, &look(other));
        }
        if window.next == index {
            window.saw(index, crashes);
        }
        let is_sample =
            |(number, flaw): &&(u16, FlawId)| window.first.get(flaw) == Some(&(index, *number));
        crashes.iter().filter(is_sample).map(|(number, _)| *number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The probes of a case that crash: erratum 0 in every third, erratum 1 in every hundredth.
    fn crashes(index: u64) -> Vec<(u16, FlawId)> {
        let often = (index % 3 == 2).then_some([(4, 0), (7, 0)]);
        let rarely = (index % 100 == 50).then_some((9, 1));
        often.into_iter().flatten().chain(rarely).collect()
    }

    fn samples(cases: impl Iterator<Item = u64>) -> Vec<(u64, u16)> {
        let mut samples = Samples::default();
        let of_case = |index| {
            let numbers = samples.of_case(index, &crashes(index), crashes);
            numbers.into_iter().map(move |number| (index, number))
        };
        cases.flat_map(of_case).collect()
    }

    #[test]
    fn each_erratum_has_one_sample_in_each_window() {
        let all = [(2, 4), (50, 9), (4097, 4), (4150, 9)];
        assert_eq!(samples(0..2 * WINDOW), all);
        assert_eq!(samples(0..40), all[..1], "a short campaign has one too");
    }

    #[test]
    fn whoever_asks_in_whatever_order_the_samples_are_the_same() {
        let all = samples(0..2 * WINDOW);
        for shards in [2, 3, 16] {
            let shard =
                |own| samples((0..2 * WINDOW).filter(move |index| index / 16 % shards == own));
            let mut together: Vec<_> = (0..shards).flat_map(shard).collect();
            together.sort_unstable();
            assert_eq!(together, all, "{shards} shards");
        }
        let mut resumed = samples(0..45);
        resumed.extend(samples(45..2 * WINDOW));
        assert_eq!(resumed, all);
        let mut backwards = samples((0..2 * WINDOW).rev());
        backwards.reverse();
        assert_eq!(backwards, all);
    }

    #[test]
    fn a_case_of_which_a_part_is_asked_again_has_the_same_samples() {
        let mut samples = Samples::default();
        assert_eq!(samples.of_case(2, &[(4, 0), (7, 0)], crashes), [4]);
        // The sample has killed the target, and what is left of the case has none.
        assert_eq!(samples.of_case(2, &[(7, 0)], crashes), <[u16; 0]>::default());
    }

    #[test]
    fn a_case_is_looked_at_once() {
        let mut samples = Samples::default();
        let mut looked = Vec::new();
        for index in (0..WINDOW).filter(|index| index % 16 > 7) {
            samples.of_case(index, &crashes(index), |other| {
                looked.push(other);
                crashes(other)
            });
        }
        let mut once = looked.clone();
        once.dedup();
        assert_eq!(looked, once);
        assert!(looked.last().is_some_and(|last| *last <= 50), "{looked:?}");
    }
}
