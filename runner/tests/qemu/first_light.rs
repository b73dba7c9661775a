//! First light: machines on which the executor's start fails, and what is told of them.
//!
//! QEMU's EL2 translates rightly, so that it is the executor that fails on purpose: see its `sabotage`.

use device::Target;
use device::kind::Start;
use judge::verdict::Reason;
use link::hello::OwnMap;
use suite::Suite;
use suite::generator::Generator;

use crate::common::executor::EXECUTOR;
use crate::common::records::campaign;
use crate::common::self_test::SELF_TEST;
use crate::common::shipped::suites;
use crate::common::targets::{self, open};

/// What fails, by its number in the executor's `sabotage`.
#[derive(Clone, Copy, Debug)]
enum Sabotage {
    /// The map lacks its data.
    NoData = 1,
    /// The map lacks its code.
    NoCode = 2,
    /// The map leads to other memory.
    Elsewhere = 3,
    /// The interrupt controller never answers.
    Gic = 4,
}

/// The shipped target `name`, on which the start fails.
fn sabotaged(name: &str, sabotage: Sabotage) -> Box<dyn Target> {
    let mut description = targets::description(name);
    if matches!(sabotage, Sabotage::NoCode | Sabotage::Gic) {
        description.limits.boot_busy_seconds = 1;
    }
    let Start::Qemu(qemu) = &mut description.start else { panic!("{name} is no QEMU") };
    let word = u64::from_le_bytes(*b"\0sabotag") | sabotage as u64;
    let at = qemu.load_address.0 - 8;
    qemu.args
        .extend(["-device".to_owned(), format!("loader,addr={at:#x},data={word:#x},data-len=8")]);
    open(description, &SELF_TEST)
}

/// What is told of a machine that does not come up.
fn refusal(target: &dyn Target) -> String {
    target.boot().err().expect("it does not come up").to_string()
}

#[test]
fn a_map_whose_code_can_not_be_fetched_is_named_by_its_mark() {
    let told = refusal(&*sabotaged("qemu-max", Sabotage::NoCode));
    for part in ["it hung: it used", "left is `mmu`", "EL2's own stage 1", "TTBR0_EL2, TCR_EL2"] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
}

#[test]
fn a_step_that_hangs_is_named_by_memory_and_by_uart() {
    for name in ["qemu-max", "qemu-max-uart"] {
        let told = refusal(&*sabotaged(name, Sabotage::Gic));
        for part in ["left is `gic`", "GICD and GICR"] {
            assert!(told.contains(part), "{name}: {part:?} in {told}");
        }
    }
}

/// A machine that never runs the executor leaves no mark.
#[test]
fn a_machine_that_is_never_entered_leaves_no_mark() {
    let mut description = targets::description("qemu-max");
    description.limits.boot_idle_seconds = 1;
    let Start::Qemu(qemu) = &mut description.start else { panic!("it is a QEMU") };
    qemu.args.push("-S".to_owned());
    let told = refusal(&*open(description, &EXECUTOR));
    assert!(told.contains("never spoke") && !told.contains("mark"), "{told}");
}

/// The first cases of each part of the shipped suite `name`.
fn first_of(name: &str, count: u64) -> Vec<Generator> {
    let suite = Suite::read(&suites().join(name).with_extension("yaml"));
    let generators = suite.unwrap_or_else(|error| panic!("{error}")).generators;
    let few = generators.into_iter().map(|generator| match generator {
        Generator::Drawn { source, .. } => Generator::drawn(source, Some(count)),
        other => other,
    });
    few.collect()
}

#[test]
fn without_a_map_the_executor_asks_all_the_same() {
    let sound = open(targets::description("qemu-max"), &EXECUTOR);
    // Alike to the digests of tables and the updates of descriptors.
    let shown =
        ["smoke", "stage2-hostile"].map(|suite| (suite, campaign(&*sound, first_of(suite, 8)).0));
    for (sabotage, state) in
        [(Sabotage::NoData, OwnMap::EXCEPTION), (Sabotage::Elsewhere, OwnMap::ELSEWHERE)]
    {
        let target = sabotaged("qemu-max", sabotage);
        let session = target.boot().unwrap_or_else(|error| panic!("{error}"));
        let own_map = session.hello().own_map;
        assert_eq!(own_map.state, state, "{own_map}");
        if state == OwnMap::EXCEPTION {
            // A Data Abort without a change of EL, a translation fault.
            assert_eq!((own_map.esr >> 26, own_map.esr >> 2 & 0xf), (0x25, 1), "{own_map}");
        }
        drop(session);
        for (suite, wanted) in &shown {
            let (records, totals) = campaign(&*target, first_of(suite, 8));
            assert!(totals.verdicts.conforms > 100, "{sabotage:?}, {suite}: {totals:?}");
            for (one, other) in records.iter().zip(wanted) {
                assert_eq!(one, other, "{sabotage:?}, {suite}");
            }
        }
    }
}

/// The other PEs share memory by the executor's map, so that there are none.
#[test]
fn without_a_map_one_pe_takes_part() {
    for name in ["qemu-max-smp", "qemu-max-uart"] {
        let session = sabotaged(name, Sabotage::NoData).boot();
        let hello = *session.unwrap_or_else(|error| panic!("{name}: {error}")).hello();
        assert_eq!((hello.pes, hello.own_map.is_on()), (1, false), "{name}");
    }
}

#[test]
fn what_needs_a_map_is_not_asked_without_one() {
    let target = sabotaged("qemu-max", Sabotage::NoData);
    for suite in ["hyp-smoke", "guest-smoke"] {
        let (records, totals) = campaign(&*target, first_of(suite, 4));
        assert_eq!((totals.verdicts.total(), totals.findings), (0, 0), "{suite}: {totals:?}");
        let not_asked = records.iter().filter(|record| {
            record.not_asked.iter().any(|(reason, _)| *reason == Reason::NoOwnMap)
        });
        assert!(not_asked.count() > 2, "{suite}: {:?}", totals.not_asked);
    }
}
