//! Tables that a foreign builder made, the crate `aarch64-paging`: the walker finds in them what was mapped, and
//! nothing else. Neither knows of the other.

use crate::guest::*;
use aarch64_paging::descriptor::{El1Attributes, PhysicalAddress, Stage2Attributes};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, RootTable, Stage2};
use aarch64_paging::paging::{TranslationRegime, VaRange};
use aarch64_paging::target::TargetAllocator;
use golden::{AccessOutcome, FaultKind, Pa, Stage};
use proptest::prelude::*;

/// Where the foreign tables lie: above what the guest's own tables use.
const TABLES: u64 = 0x40_0000_0000;
/// Input addresses are below this: 39 bits, from level 1.
const INPUT_BITS: u32 = 39;

/// What is mapped: pages of input and output, how many, and whether they may be written.
#[derive(Clone, Copy, Debug)]
struct Range {
    input: u64,
    output: u64,
    pages: u64,
    writable: bool,
}

impl Range {
    /// Where `page` leads, if it is in the range.
    fn output_of(self, page: u64) -> Option<u64> {
        let at = page.checked_sub(self.input).filter(|at| *at < self.pages)?;
        Some((self.output + at) << 12)
    }
}

/// Ranges of some pages, of blocks, and of both, at random and at aligned places.
fn ranges() -> impl Strategy<Value = Vec<Range>> {
    let page = |bits: u32| (0..1u64 << (bits - 12), prop::sample::select(vec![0, 9, 18]));
    let pages = prop_oneof![1..40u64, Just(512), Just(1 << 18), 500..1100u64];
    let range = (page(INPUT_BITS - 2), page(40), pages, any::<bool>());
    let range = range.prop_map(|((input, a), (output, b), pages, writable)| {
        let (input, output) = (input >> a << a, output >> b << b);
        Range { input, output, pages, writable }
    });
    prop::collection::vec(range, 1..8)
}

/// The words of the tables in which `ranges` were mapped, one after the other.
fn build<R: TranslationRegime>(
    mut root: RootTable<R, TargetAllocator<R::Attributes>>,
    ranges: &[Range],
    flags: impl Fn(bool) -> R::Attributes,
) -> Vec<u64> {
    for range in ranges {
        let [start, end] =
            [range.input, range.input + range.pages].map(|page| page as usize * 4096);
        let region = MemoryRegion::new(start, end);
        let output = PhysicalAddress(range.output as usize * 4096);
        root.map_range(&region, output, flags(range.writable), Constraints::empty())
            .expect("the range is within the tables");
    }
    let bytes = root.translation().as_bytes();
    bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

/// Holds what the walker says of the first and last pages of each range, and of those beside them, against what was
/// mapped last there.
fn check(guest: &Guest, ranges: &[Range], stage: Stage) -> Result<(), TestCaseError> {
    let ends = ranges.iter().flat_map(|range| {
        let last = range.input + range.pages - 1;
        [range.input.saturating_sub(1), range.input, (range.input + last) / 2, last, last + 1]
    });
    let fault = |outcome: &AccessOutcome| {
        outcome.result.err().map(|abort| (abort.fault.kind, abort.fault.stage))
    };
    for page in ends {
        let address = page << 12 | 0x128;
        let mapped =
            ranges.iter().rev().find_map(|range| Some((range.output_of(page)?, range.writable)));
        let (load, store) = (guest.load(address), guest.store(address));
        match mapped {
            None => {
                prop_assert_eq!(
                    fault(&load),
                    Some((FaultKind::Translation, stage)),
                    "{:#x}",
                    address
                );
            }
            Some((output, writable)) => {
                let found = load.result.map(|translation| translation.pa);
                prop_assert_eq!(found, Ok(Pa(output | 0x128)), "{:#x}", address);
                let wanted = (!writable).then_some((FaultKind::Permission, stage));
                prop_assert_eq!(fault(&store), wanted, "{:#x}", address);
            }
        }
    }
    Ok(())
}

/// `guest` with `words` at [`TABLES`].
fn with_tables(mut guest: Guest, words: Vec<u64>) -> Guest {
    guest.memory.words.extend((TABLES..).step_by(8).zip(words));
    guest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn stage_2_of_a_foreign_builder_says_what_it_was_asked(ranges in ranges()) {
        let root = RootTable::new(TargetAllocator::new(TABLES), 1, Stage2);
        let words = build(root, &ranges, |writable| {
            let access = if writable { Stage2Attributes::S2AP_ACCESS_RW } else { Stage2Attributes::S2AP_ACCESS_RO };
            Stage2Attributes::VALID
                | Stage2Attributes::MEMATTR_NORMAL_INNER_WB
                | Stage2Attributes::MEMATTR_NORMAL_OUTER_WB
                | Stage2Attributes::SH_INNER
                | Stage2Attributes::ACCESS_FLAG
                | access
        });
        let mut guest = with_tables(Guest::stage2(), words);
        guest.registers.vttbr_el2 = TABLES;
        check(&guest, &ranges, Stage::Two)?;
    }

    #[test]
    fn stage_1_of_a_foreign_builder_says_what_it_was_asked(ranges in ranges()) {
        let root = RootTable::with_va_range(TargetAllocator::new(TABLES), 1, El1And0, VaRange::Lower);
        let words = build(root, &ranges, |writable| {
            let access = if writable { El1Attributes::empty() } else { El1Attributes::READ_ONLY };
            El1Attributes::VALID
                | El1Attributes::ATTRIBUTE_INDEX_0
                | El1Attributes::INNER_SHAREABLE
                | El1Attributes::ACCESSED
                | access
        });
        let mut guest = with_tables(Guest::both_stages(), words);
        guest.registers.hcr_el2 = 0;
        guest.registers.ttbr0_el1 = TABLES;
        check(&guest, &ranges, Stage::One)?;
    }
}
