//! What a walk costs: of 1, 4 and 5 levels, and of both stages (up to 5 x 5 + 5 reads). Memory is an array,
//! so that the figures are the walker's own.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use golden::{
    Access, At, El, Features, Implementation, Machine, Operation, Pa, PhysicalMemory, Profile,
    Refusal, Registers, Va,
};

/// Every table is the 4KB page that its address names, and each holds the same descriptor throughout.
struct Pages([u64; 16]);

impl PhysicalMemory for Pages {
    fn read(&self, pa: Pa) -> Result<u64, Refusal> {
        self.0.get((pa.0 >> 12) as usize).copied().ok_or(Refusal::ExternalAbort)
    }
}

const TABLE: u64 = 0b11;
/// A page with the access flag, Inner Shareable; AP and S2AP both allow reads and writes, MemAttr is
/// Write-back.
const PAGE: u64 = 0b11 | 1 << 10 | 0b11 << 8 | 0b11 << 6 | 0b1111 << 2;
const PAGE_STAGE_1: u64 = 0b11 | 1 << 10 | 0b11 << 8 | 0b01 << 6;

/// Stage 2 tables in pages 1 to `levels`, that map everything to page 15.
fn stage2_chain(levels: u64) -> Pages {
    let mut pages = [0; 16];
    for n in 1..levels {
        pages[n as usize] = (n + 1) << 12 | TABLE;
    }
    pages[levels as usize] = 15 << 12 | PAGE;
    Pages(pages)
}

fn vtcr(sl2: u64, sl0: u64, t0sz: u64) -> u64 {
    let ds = if sl2 == 1 { 1 << 32 } else { 0 };
    0b101 << 16 | sl2 << 33 | ds | sl0 << 6 | t0sz | 0b11 << 12
}

fn walks(c: &mut Criterion) {
    let features = Features::FEAT_LPA
        .with(Features::FEAT_LPA2)
        .with(Features::FEAT_TTST)
        .with(Features::FEAT_VHE)
        .with(Features::FEAT_PAN2);
    let implementation = Implementation::new(52, features);
    for (name, levels, vtcr_el2) in [
        ("stage 2, 1 level", 1, vtcr(0, 0b11, 44)),
        ("stage 2, 4 levels", 4, vtcr(0, 0b10, 16)),
        ("stage 2, 5 levels", 5, vtcr(1, 0b00, 12)),
    ] {
        let registers =
            Registers { hcr_el2: 1, vtcr_el2, vttbr_el2: 0x1000, ..Registers::default() };
        let memory = stage2_chain(levels);
        let machine =
            Machine { implementation: &implementation, registers: &registers, memory: &memory };
        c.bench_function(name, |b| {
            b.iter(|| {
                let va = black_box(Va(0x1_2345));
                golden::at(
                    machine,
                    At::S12E1R,
                    El::El2,
                    false,
                    va,
                    &mut Profile::pseudocode(),
                    &mut (),
                )
            });
        });
    }

    // Both stages of 4 levels: each of 4 stage 1 lookups and the output goes through 4 of stage 2.
    let mut pages = [0; 16];
    pages[1..4].copy_from_slice(&[2 << 12 | TABLE, 3 << 12 | TABLE, 4 << 12 | TABLE]);
    // Stage 2 maps everything to page 8, where the stage 1 tables are: their descriptor is a page at level
    // 3 and a table of page 8 above.
    pages[4] = 8 << 12 | PAGE;
    pages[8] = 8 << 12 | PAGE_STAGE_1;
    let memory = Pages(pages);
    let registers = Registers {
        hcr_el2: 1,
        vtcr_el2: vtcr(0, 0b10, 16),
        vttbr_el2: 0x1000,
        sctlr_el1: 0b101,
        tcr_el1: 0b101 << 32 | 16,
        ttbr0_el1: 0x8000,
        mair_el1: 0xff,
        ..Registers::default()
    };
    let machine =
        Machine { implementation: &implementation, registers: &registers, memory: &memory };
    let access = Access::new(Operation::Load, El::El1);
    let outcome =
        golden::access(machine, access, Va(0x5000), &mut Profile::pseudocode(), &mut ()).unwrap();
    assert!(outcome.result.is_ok(), "{outcome:?}");
    c.bench_function("both stages, 4 x 4 + 4 + 4 reads", |b| {
        b.iter(|| {
            let va = black_box(Va(0x5000));
            golden::access(machine, access, va, &mut Profile::pseudocode(), &mut ())
        });
    });
    c.bench_function("one allowed set without open choices", |b| {
        b.iter(|| {
            let va = black_box(Va(0x5000));
            let mut seen = 0;
            golden::allowed(
                &Profile::open(),
                |choices| golden::access(machine, access, va, choices, &mut ()),
                |_, _| {
                    seen += 1;
                    core::ops::ControlFlow::Continue(())
                },
            );
            seen
        });
    });
}

criterion_group!(benches, walks);
criterion_main!(benches);
