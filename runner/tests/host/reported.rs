//! Cases that restate public reports, and what is allowed in each.

use std::path::Path;

use case::memory::{Arena, ArenaKind, MemoryMap};
use case::probe::{Operation, Probe};
use case::{Case, scratch};
use golden::{FaultKind, Features, Implementation};
use oracle::answer::{Answer, Reach};
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use suite::case_file::CaseFile;

/// Where the cases have the arenas that they name: tables in the first, the scratch arena is number 28.
const TABLES: u64 = 0x5a00_0000;
const SCRATCH: u64 = 0x5b00_0000;

fn map() -> MemoryMap {
    let mut map = MemoryMap::new();
    map.push(Arena { base: TABLES, size: 4 << 20, kind: ArenaKind::Tables }).unwrap();
    for number in 1..28 {
        map.push(Arena { base: number << 40, size: 4096, kind: ArenaKind::Void }).unwrap();
    }
    map.push(Arena { base: SCRATCH, size: scratch::BYTES, kind: ArenaKind::Scratch }).unwrap();
    map
}

fn case(name: &str) -> Case {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reported").join(name);
    *CaseFile::read(&file).unwrap().case.0
}

/// A PE with all that the cases ask for.
fn pe() -> Implementation {
    let features = [
        Features::FEAT_BBM,
        Features::FEAT_NV,
        Features::FEAT_PAN,
        Features::FEAT_TTL,
        Features::FEAT_VHE,
        Features::FEAT_XNX,
        Features::FEAT_XS,
    ];
    let features = features.into_iter().fold(Features::NONE, Features::with);
    Implementation { bbm_level: 2, ..Implementation::new(48, features) }
}

/// An answer in short: where it reached, or what it reports.
type Told = Result<u64, FaultKind>;

fn told(answer: &Answer) -> Told {
    match (answer.fault(), answer) {
        (Some(fault), _) => Err(fault.kind),
        (None, Answer::Reached(Reach { pa, .. })) => Ok(*pa),
        (None, Answer::Par { par, .. }) => Ok(par.value & 0x00ff_ffff_ffff_f000),
        (None, other) => panic!("{other:?}"),
    }
}

/// What is allowed for each probe of `case` on such a PE, its steps left out.
fn allowed(case: &Case, pe: Implementation) -> Vec<Vec<Told>> {
    let map = map();
    let learned = Learned::new([]).unwrap();
    let mut twin = Twin::new(pe, Simulation::new(&map)).with_branch_targets(true);
    let of_probe = |tables: &mut oracle::twin::Tables<'_>, probe: &Probe| {
        if tables.step(probe).unwrap() {
            return None;
        }
        let expectation = tables.expect(probe, &learned).unwrap();
        assert!(expectation.complete && !expectation.is_foreign, "{probe:?}");
        let mut all: Vec<Told> = Vec::new();
        for outcome in &expectation.outcomes {
            let told = told(&outcome.answer);
            if !all.contains(&told) {
                all.push(told);
            }
        }
        Some(all)
    };
    let played = twin.with_tables(case, &map, |tables| {
        case.as_ref().probes.iter().filter_map(|probe| of_probe(tables, probe)).collect()
    });
    played.unwrap()
}

/// The same case with its TLBI replaced.
fn with_tlbi(case: &Case, change: impl Fn(&mut Probe)) -> Case {
    let mut changed = case.clone();
    let is_tlbi = |probe: &Probe| probe.operation() == Some(Operation::TlbiVae1);
    let mut probes = case.as_ref().probes.to_vec();
    probes.iter_mut().filter(|probe| is_tlbi(probe)).for_each(change);
    changed.retain_probes(|_| false);
    probes.into_iter().for_each(|probe| changed.push_probe(probe).unwrap());
    changed
}

/// Why a case of a public report is refused when it is read.
fn refused(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reported").join(name);
    CaseFile::read(&file).unwrap_err().to_string()
}

#[test]
fn what_no_instruction_does_is_refused_when_it_is_read() {
    let both = refused("is-and-os.yaml");
    assert!(both.contains("`tlbi_vmalle1` has the flags `is` and `os`"), "{both}");
    let together = refused("tlbi-together.yaml");
    assert!(together.contains("`tlbi_vmalle1` by EL2 has the flag `together`"), "{together}");
}

const TRANSLATION: Told = Err(FaultKind::Translation);
const PERMISSION: Told = Err(FaultKind::Permission);
const CONFLICT: Told = Err(FaultKind::TlbConflict);

#[test]
fn a_neighbour_brings_a_broken_member_of_a_contiguous_group_back() {
    let page = SCRATCH + 0x2_0000;
    let wanted = [vec![Ok(page)], vec![Ok(page)], vec![TRANSLATION, Ok(page + 0x1000)]];
    assert_eq!(allowed(&case("contiguous-hole.yaml"), pe()), wanted);
}

#[test]
fn members_of_a_misprogrammed_contiguous_group_have_each_others_translation() {
    let wanted = [
        vec![Ok(0x7_4000), CONFLICT],
        vec![TRANSLATION, Ok(0x7_5000), CONFLICT],
        vec![PERMISSION, Ok(0x7_6000), CONFLICT],
    ];
    assert_eq!(allowed(&case("contiguous-hole-stage2.yaml"), pe()), wanted);
}

#[test]
fn a_reserved_level_is_no_hint() {
    let reserved = case("ttl-reserved.yaml");
    let without = |feature| {
        let pe = pe();
        Implementation { features: pe.features.without(feature), ..pe }
    };
    let ttl = |ttl: u64| {
        with_tlbi(&reserved, |tlbi| tlbi.address = tlbi.address & !(0xf << 44) | ttl << 44)
    };
    let last = |case: &Case, pe| allowed(case, pe).pop().unwrap();
    let page = Ok(SCRATCH + 0x2_8000);
    assert_eq!(last(&reserved, pe()), [TRANSLATION]);
    assert_eq!(last(&ttl(0b1111), pe()), [TRANSLATION], "its level");
    for wrong in [0b1101, 0b1110, 0b0111] {
        assert_eq!(last(&ttl(wrong), pe()), [TRANSLATION, page], "{wrong:#b}");
        assert_eq!(last(&ttl(wrong), without(Features::FEAT_TTL)), [TRANSLATION], "{wrong:#b}");
    }
}

#[test]
fn an_nxs_form_may_leave_non_cacheable_memory() {
    let nxs = case("nxs.yaml");
    let page = Ok(SCRATCH + 0x2_0000);
    assert_eq!(allowed(&nxs, pe()), [vec![page], vec![TRANSLATION, page]]);
    let plain = with_tlbi(&nxs, |tlbi| tlbi.flags &= !Probe::NXS);
    assert_eq!(allowed(&plain, pe()), [vec![page], vec![TRANSLATION]]);
}

#[test]
fn a_guest_hypervisor_has_pxn_in_bit_54() {
    let data = SCRATCH + 0x2_0000;
    let code = SCRATCH + 0x3_0000;
    let wanted = [
        vec![PERMISSION],
        vec![Ok(code)],
        vec![Ok(code)],
        vec![Ok(code)],
        vec![PERMISSION],
        vec![Ok(data)],
        vec![PERMISSION],
        vec![PERMISSION],
    ];
    assert_eq!(allowed(&case("nv1.yaml"), pe()), wanted);
}
