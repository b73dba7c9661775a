//! How many walks a second the reference walker makes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use golden::{
    At, AtQuestion, El, Features, Implementation, Machine, Pa, PhysicalMemory, Profile, Refusal,
    Registers, Updates, Va,
};

use super::median;

/// Numbers of levels that are walked, and the `VTCR_EL2` that has them: DS, SL2 and SL0, T0SZ.
const WALKS: [(u64, u64); 3] =
    [(1, VTCR | 0b11 << 6 | 44), (4, VTCR | 0b10 << 6 | 16), (5, VTCR | 1 << 32 | 1 << 33 | 12)];
/// 48 bits of output, Inner Shareable tables.
const VTCR: u64 = 0b101 << 16 | 0b11 << 12;

const TABLE: u64 = 0b11;
/// A page with the access flag, read and written, Write-back. Bits 9:8 are of the address with DS.
const PAGE: u64 = 0b11 | 1 << 10 | 0b11 << 6 | 0b1111 << 2;

const SPANS: usize = 5;
const SPAN: Duration = Duration::from_millis(50);
/// Walks between two looks at the clock.
const BATCH: u32 = 1000;

/// Every table is the 4 KB page that its address names, and holds one descriptor throughout.
struct Pages([u64; 16]);

impl PhysicalMemory for Pages {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        self.0.get((pa.0 >> 12) as usize).copied().ok_or(Refusal::ExternalAbort)
    }
}

/// Walks a second of stage 2 through 1, 4 and 5 levels: pairs of levels and rate.
pub fn walks_per_second() -> [(u64, f64); 3] {
    WALKS.map(|(levels, vtcr_el2)| {
        let rates = (0..SPANS).map(|_| rate(levels, vtcr_el2)).collect();
        (levels, median(rates))
    })
}

fn rate(levels: u64, vtcr_el2: u64) -> f64 {
    let features = Features::FEAT_LPA
        .with(Features::FEAT_LPA2)
        .with(Features::FEAT_TTST)
        .with(Features::FEAT_VHE);
    let implementation = &Implementation::new(52, features);
    let memory = &pages(levels);
    let registers = &Registers { hcr_el2: 1, vtcr_el2, vttbr_el2: 0x1000, ..Registers::default() };
    let machine = Machine { implementation, registers, memory };
    let mut profile = Profile::pseudocode();
    let mut updates = Updates::new();
    let begun = Instant::now();
    let mut walks = 0;
    while begun.elapsed() < SPAN {
        for _ in 0..BATCH {
            let va = black_box(Va(0x1_2345));
            let question = AtQuestion { at: At::S12E1R, executed_at: El::El2, pan: false, va };
            let (profile, updates) = (&mut profile, &mut updates);
            let _ = black_box(golden::at_noting(machine, question, profile, &mut (), updates));
            black_box(updates);
        }
        walks += BATCH;
    }
    f64::from(walks) / begun.elapsed().as_secs_f64()
}

/// Tables in pages 1 to `levels`, the last of which maps everything to page 15.
fn pages(levels: u64) -> Pages {
    let mut pages = [0; 16];
    for level in 1..levels {
        pages[level as usize] = (level + 1) << 12 | TABLE;
    }
    pages[levels as usize] = 15 << 12 | PAGE;
    Pages(pages)
}

#[cfg(test)]
mod tests {
    use golden::{Access, Operation, access};

    use super::*;

    #[test]
    fn walks_have_as_many_levels_as_they_say() {
        struct Counted<'a>(&'a Pages, std::cell::Cell<u64>);
        impl PhysicalMemory for Counted<'_> {
            fn read(&self, pa: Pa) -> Result<u64, Refusal> {
                self.1.set(self.1.get() + 1);
                self.0.read(pa)
            }
        }
        let features = Features::FEAT_LPA.with(Features::FEAT_LPA2).with(Features::FEAT_TTST);
        let implementation = &Implementation::new(52, features);
        for (levels, vtcr_el2) in WALKS {
            let registers =
                &Registers { hcr_el2: 1, vtcr_el2, vttbr_el2: 0x1000, ..Registers::default() };
            let (pages, profile) = (pages(levels), &mut Profile::pseudocode());
            let memory = &Counted(&pages, std::cell::Cell::new(0));
            let machine = Machine { implementation, registers, memory };
            let load = Access::new(Operation::Load, El::El1);
            let outcome = access(machine, load, Va(0x1_2345), profile, &mut ()).unwrap();
            assert!(outcome.result.is_ok(), "{outcome:?}");
            assert_eq!(memory.1.get(), levels);
        }
    }
}
