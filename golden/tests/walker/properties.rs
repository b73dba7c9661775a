//! Whatever the registers and whatever memory holds: no panic, a bounded number of reads, and the same
//! answer each time.

use crate::world::World;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 8192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_input_has_an_answer(numbers in prop::collection::vec(any::<u64>(), 40)) {
        World::new(&numbers).exercise();
    }

    /// Numbers of few bits reach the corners that random ones miss.
    #[test]
    fn sparse_input_has_an_answer(
        numbers in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 40)
    ) {
        let sparse: Vec<u64> = numbers.iter().map(|(a, b, c)| a & b & c).collect();
        World::new(&sparse).exercise();
    }

    /// Registers that let walks go far.
    #[test]
    fn tame_input_has_an_answer(mut numbers in prop::collection::vec(any::<u64>(), 40)) {
        numbers[27] |= 0xff;
        numbers[29] >>= 40;
        World::new(&numbers).exercise();
    }
}
