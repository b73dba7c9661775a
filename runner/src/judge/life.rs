//! Was the executor where a case with a stay says, and under its registers?
//!
//! A stay counts only if the code that was there says so: by its own address, executed with the MMU on, and
//! by the registers as it read them.

use case::CaseRef;
use case::memory::{MemoryMap, Place};
use case::stage;
use case::tree::Role;
use golden::{Features, Implementation};
use link::observations::{Exception, Life, Point};
use tables::Built;

use super::answer::Answer;
use super::expectation::Expectation;

/// AMO, IMO and FMO: the executor adds them to what a case says.
const HCR_EL2_ROUTING: u64 = 7 << 3;

/// What is wrong with `life`: what it should say, and what it says. `arrival` is what a fetch at the
/// trampoline may lead to in the case's own tree, where the case enters by another.
pub fn violated(
    case: CaseRef<'_>,
    map: &MemoryMap,
    pe: &Implementation,
    built: &Built,
    arrival: Option<&Expectation>,
    life: &Life,
) -> Option<(String, String)> {
    let (registers, stay) = (&case.header.registers, &case.header.stay);
    let own = Point {
        pc: 0,
        sctlr_el2: registers.sctlr_el2,
        tcr_el2: registers.tcr_el2,
        ttbr0_el2: built.ttbr0_el2,
        ttbr1_el2: if pe.has(Features::FEAT_VHE) { built.ttbr1_el2 } else { 0 },
        hcr_el2: registers.hcr_el2 | HCR_EL2_ROUTING,
    };
    let entered = match case.tree(Role::Idmap) {
        Some(_) => {
            Point { tcr_el2: registers.idmap_tcr_el2, ttbr0_el2: built.idmap_ttbr0_el2, ..own }
        }
        None => own,
    };
    let page = |place: Place| map.resolve(place).map(|base| base + stage::CODE);
    let points = [
        ("trampoline", page(stay.trampoline), entered, life.trampoline),
        ("runtime", Some(stay.code_va), own, life.runtime),
        ("exit", page(stay.exit), own, life.exit),
    ];
    let wrong = points.into_iter().find_map(|(name, page, registers, found)| {
        let page = page.unwrap_or_default();
        // The last page of an upper range ends where addresses do.
        let is_there = found.pc.wrapping_sub(page) < stage::CODE_BYTES;
        let wanted = Point { pc: if is_there { found.pc } else { page }, ..registers };
        (wanted != found).then(|| (words(name, &wanted), words(name, &found)))
    });
    wrong.or_else(|| arrived(page(stay.trampoline)?, arrival, &life.arrival))
}

/// What is wrong with the exception by which the runtime was reached.
fn arrived(
    page: u64,
    expectation: Option<&Expectation>,
    arrival: &Exception,
) -> Option<(String, String)> {
    let is_none = *arrival == Exception::default();
    let Some(expectation) = expectation else {
        return (!is_none).then(|| ("no exception on the way".to_owned(), told(arrival)));
    };
    let fits = expectation.outcomes.iter().any(|allowed| match &allowed.answer {
        Answer::Exception(abort) => {
            let in_page = arrival.far.wrapping_sub(page) < stage::CODE_BYTES;
            abort.exception.esr.admits(arrival.esr) && in_page
        }
        Answer::Reached(pa) => *pa == page && is_none,
        Answer::Par { .. } => false,
    });
    let wanted = || {
        let outcomes = expectation.outcomes.iter().map(super::words::allowed);
        outcomes.collect::<Vec<_>>().join(" or ")
    };
    (!fits).then(|| (format!("at the trampoline: {}", wanted()), told(arrival)))
}

fn words(name: &str, point: &Point) -> String {
    let Point { pc, sctlr_el2, tcr_el2, ttbr0_el2, ttbr1_el2, hcr_el2 } = point;
    format!(
        "{name}: PC {pc:#x}, SCTLR_EL2 {sctlr_el2:#x}, TCR_EL2 {tcr_el2:#x}, TTBR0_EL2 {ttbr0_el2:#x}, \
         TTBR1_EL2 {ttbr1_el2:#x}, HCR_EL2 {hcr_el2:#x}"
    )
}

fn told(arrival: &Exception) -> String {
    format!("ESR_EL2 {:#x}, FAR_EL2 {:#x}", arrival.esr, arrival.far)
}
