//! Campaigns on a pretended machine that answers as the reference walker does, or nearly: what a
//! device does wrong must be found and charged to the right probe, and nothing may be lost.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use case::draw::Space;
use case::memory::{Arena, ArenaKind, MemoryMap};
use case::probe::{Operation, Probe};
use case::source::Source;
use case::{Case, CaseRef, Flags};
use device::kind::scripted::{Reply, Scripted};
use device::{CaseCursor, Death, HowDied, Identity, Session, Target, TargetError};
use golden::errata::{self, Erratum, Flawed};
use golden::{AtResult, Choice, Machine, Profile, Updates, at_noting};
use judge::established::Established;
use judge::known::{Known, KnownErrata, Shown};
use judge::verdict::{CaseRecord, Defect, Signature, Verdict};
use link::hello::{Hello, IdRegisters, OwnMap};
use link::observations::{Audited, Exception, NO_ANSWER, Report, Status, Update};
use link::surroundings::Surroundings;
use oracle::expectation::Instruction;
use oracle::learned::Learned;
use oracle::simulation::Simulation;
use oracle::twin::Twin;
use runner::campaign::{Campaign, CampaignError, Past, RecordError, Recorder, Totals, run};
use runner::explain::replay::{Which, replay};
use runner::plan::{Plan, Shard};
use suite::generator::Generator;
use zerocopy::IntoBytes;

use crate::common::machines::with_tables;

fn ids() -> IdRegisters {
    IdRegisters {
        id_aa64mmfr0_el1: 0x2100_0323_1020_1126,
        id_aa64mmfr1_el1: 0x1021_2122,
        id_aa64mmfr2_el1: 0x1221_0111_1021_1011,
        ..IdRegisters::default()
    }
}

fn map() -> MemoryMap {
    let mut map = with_tables(&[0x8000_0000, 0x12_3440_0000, 0xa_5678_9ac0_0000]);
    map.push(Arena { base: 1 << 51, size: 1 << 30, kind: ArenaKind::Void }).unwrap();
    map
}

/// What a pretended machine does differently from the reference walker.
#[derive(Clone, Copy)]
struct Quirks {
    /// Changes an answer.
    par: fn(&Probe, u64) -> u64,
    /// Kills the machine.
    dies: fn(&Probe, u64) -> bool,
    /// Whether it tells where it died.
    cursor: bool,
    /// Takes an exception in the executor's own code.
    breaks: fn(&Probe) -> bool,
    /// Changes the digest of the tables that it says it built.
    built: u64,
    /// Changes the digest of the tables after the probes.
    after: u64,
    /// Leaves a word in the arenas that no case wrote.
    leaves: Option<Audited>,
    /// Clamps T0SZ above its maximum in this case, rather than fault.
    clamps: fn(&Case) -> bool,
    /// Walks with this erratum.
    erratum: Option<&'static Erratum>,
}

const NONE: Quirks = Quirks {
    par: |_, par| par,
    dies: |_, _| false,
    cursor: true,
    breaks: |_| false,
    built: 0,
    after: 0,
    leaves: None,
    clamps: |_| false,
    erratum: None,
};

fn answer(sequence: u64, case: CaseRef<'_>, quirks: Quirks) -> Reply {
    let mut twin = Twin::new(conform::implementation(&ids()), Simulation::new(&map()));
    let case = Case::from_ref(case);
    let mut profile = Profile::pseudocode();
    if (quirks.clamps)(&case) {
        profile.settle(Choice::TxszAboveMax, Choice::TxszAboveMax.answer_named("clamp").unwrap());
    }
    let updates_wanted = case.as_ref().flags().has(Flags::UPDATES);
    let answer = twin.with_tables(&case, &map(), |tables| {
        let mut report = Report::new(Status::Done);
        report.built = tables.digest_now() ^ quirks.built;
        report.vttbr_el2 = tables.built.vttbr_el2;
        let (mut answers, mut exceptions, mut updates) = (Vec::new(), Vec::new(), Vec::new());
        for (number, probe) in case.as_ref().probes.iter().enumerate() {
            let machine = Machine {
                implementation: tables.pe(),
                registers: &tables.registers,
                memory: &*tables.memory,
            };
            let question = Instruction::of(probe).unwrap();
            let Instruction::At(question) = question else { panic!("{question:?}") };
            let errata: Vec<&'static Erratum> = quirks.erratum.into_iter().collect();
            let (choices, mut updated) = (&mut Flawed::new(profile, &errata[..]), Updates::new());
            let result = at_noting(machine, question, choices, &mut (), &mut updated).unwrap();
            let mut exception =
                Exception { probe: number as u32, target: 2, ..Exception::default() };
            match result {
                AtResult::Par { par, .. } => answers.push((quirks.par)(probe, par.value)),
                AtResult::Exception(abort) => {
                    answers.push(NO_ANSWER);
                    exception.esr = abort.exception.esr.value;
                    exception.far = abort.exception.far.0;
                    exceptions.push(exception);
                }
            }
            if (quirks.dies)(probe, answers[number]) {
                let cursor = CaseCursor { sequence, probe: Some(number as u16) };
                let how = HowDied::Garbage { what: "a quirk".into() };
                let cursor = quirks.cursor.then_some(cursor);
                return Reply::Death(Death { cursor, ..Death::of(how) });
            }
            if (quirks.breaks)(probe) {
                exception.origin = Exception::EXECUTOR;
                exceptions.push(exception);
                report.set_status(Status::Broken);
                break;
            }
            for update in &updated {
                assert!(updates_wanted, "an update in a case that has none");
                tables.update(update.pa.0, update.new);
                updates.push(Update { probe: number as u64, pa: update.pa.0, value: update.new });
            }
        }
        let mut audited = Vec::new();
        if case.as_ref().flags().has(Flags::AUDIT) {
            audited.extend(tables.memory.words().map(|(pa, value)| Audited { pa, value }));
            audited.extend(quirks.leaves);
        }
        report.after = tables.digest_now() ^ quirks.after;
        report.answers = answers.len() as u32;
        report.exceptions = exceptions.len() as u32;
        report.updates = updates.len() as u32;
        report.audited = audited.len() as u32;
        let parts = [
            report.as_bytes(),
            answers.as_bytes(),
            exceptions.as_bytes(),
            updates.as_bytes(),
            audited.as_bytes(),
        ];
        let bytes = parts.concat();
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        Reply::Observations(bytes.chunks(8).map(word).collect())
    });
    answer.unwrap()
}

#[derive(Default)]
struct Records {
    cases: BTreeMap<u64, CaseRecord>,
}

impl Recorder for Records {
    fn started(&mut self, _: &Hello, _: &Plan) -> Result<(), RecordError> {
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, _: Option<&Case>) -> Result<(), RecordError> {
        let before = self.cases.insert(record.index, record.clone());
        assert!(before.is_none(), "case {} is recorded twice", record.index);
        Ok(())
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

const CASES: u64 = 60;
const PROBES: u64 = 32;

/// Runs a campaign of random cases, one in four of them hostile, on a machine with these quirks.
fn campaign(quirks: Quirks, window: usize) -> (Totals, Records) {
    campaign_of(250, quirks, window)
}

/// Runs a campaign of random cases, so many of a thousand hostile, on a machine with these quirks.
fn campaign_of(hostile: u64, quirks: Quirks, window: usize) -> (Totals, Records) {
    let target = target(quirks, window);
    let mut records = Records::default();
    let totals = run(&target, plan_of(hostile), &mut records).unwrap();

    // Whatever the machine does: each case once, each probe either judged or counted with a reason.
    assert_eq!(records.cases.len() as u64, CASES);
    let not_asked = totals.not_asked.total();
    assert_eq!(totals.verdicts.total() + not_asked, CASES * PROBES, "{:?}", totals.not_asked);
    (totals, records)
}

/// What the machine says first.
fn hello() -> Hello {
    Hello {
        version: link::VERSION,
        entry_el: 2,
        image: 0,
        entry_hcr_el2: 0,
        own_map: OwnMap::ON,
        entry_sctlr_el2: 0,
        ids: ids(),
        pes: 1,
        surroundings: Surroundings::default(),
        free_count: 0,
        free: Default::default(),
    }
}

/// A machine with these quirks.
fn target(quirks: Quirks, window: usize) -> Scripted {
    let script = move |sequence, case: CaseRef<'_>| answer(sequence, case, quirks);
    Scripted::new(hello(), map(), window, script)
}

/// A campaign of random cases, so many of a thousand hostile.
fn plan_of(hostile: u64) -> Campaign {
    plan_where_known(hostile, Known::default())
}

/// The same, on a target of which so much is known.
fn plan_where_known(hostile: u64, known: Known) -> Campaign {
    let space = Space { hostile, probes: PROBES, hardware_updates: 300, ..Space::BENIGN };
    let generators = vec![Generator::drawn(Source::Random(space), Some(CASES))];
    let established = Established { learned: Learned::new([]).unwrap(), known };
    Campaign::new(generators, 5, established)
}

#[test]
fn a_machine_that_follows_the_architecture_conforms() {
    let (totals, records) = campaign(NONE, 4);
    for record in records.cases.values() {
        assert_eq!(record.findings, [], "case {}", record.index);
    }
    assert_eq!(totals.findings, 0);
    assert!(totals.verdicts.conforms > CASES * PROBES * 9 / 10, "{:?}", totals.not_asked);
    assert_eq!(totals.boots, 1);
}

/// What a buggy machine makes of the answer that is right.
type Bug = fn(&Probe, u64) -> u64;

#[test]
fn wrong_answers_are_found() {
    let bugs: [(&str, Bug); 5] =
        [
            ("an address bit is lost", |_, par| if par & 1 == 0 { par & !(1 << 47) } else { par }),
            ("faults are a level off", |_, par| if par & 1 == 1 { par ^ 2 } else { par }),
            ("stage 2 faults are called stage 1's", |_, par| {
                if par & 1 == 1 { par & !(1 << 9) } else { par }
            }),
            ("shareability is lost", |_, par| if par & 1 == 0 { par & !(3 << 7) } else { par }),
            ("EL0 writes always succeed", |probe, par| {
                let write = probe.operation() == Some(Operation::AtS12e0w);
                if write && par & 1 == 1 { 0xff00_0000_1234_5980 } else { par }
            }),
        ];
    for (what, par) in bugs {
        let (totals, _) = campaign(Quirks { par, ..NONE }, 4);
        assert!(totals.verdicts.mismatch > 0, "not found: {what}");
    }
}

#[test]
fn an_erratum_is_diagnosed_as_itself() {
    let names = [
        "stage2-no-check-of-read-permission",
        "no-check-of-write-permission",
        "HCR_EL2.FWB-taken-for-0",
        "stage2-leaf-S2AP[0]-taken-for-0",
        "stage2-output-lost-above-40-bits",
        "AT-sets-dirty-state",
        "PAR-tells-no-stage",
    ];
    for name in names {
        let erratum = errata::named(name).unwrap();
        let (totals, records) = campaign(Quirks { erratum: Some(erratum), ..NONE }, 4);
        assert!(totals.verdicts.mismatch > 0, "{name} is not found");
        for record in records.cases.values() {
            assert_eq!(record.contradicted.get(name), None, "{name} in case {}", record.index);
            for finding in record.findings.iter().filter(|finding| finding.probe.is_some()) {
                assert!(finding.errata.iter().any(|found| found == name), "{name}: {finding:#?}");
            }
        }
    }
}

/// What comes of a campaign on a machine with these quirks, of which these errata are known, each of which shows now
/// and then or always.
fn campaign_where_known(quirks: Quirks, names: &[&str], sometimes: bool) -> (Totals, Records) {
    let text = format!(
        "errata: [{{ names: ['{}'], reference: a test, sometimes: {sometimes} }}]",
        names.join("', '")
    );
    let errata = KnownErrata::from_text(&text, Path::new("known.yaml")).unwrap();
    let mut records = Records::default();
    let plan = plan_where_known(250, errata.for_target("scripted", None));
    let totals = run(&target(quirks, 4), plan, &mut records).unwrap();
    (totals, records)
}

#[test]
fn what_is_known_is_predicted_and_hides_nothing_else() {
    for name in
        ["stage2-no-check-of-read-permission", "HCR_EL2.FWB-taken-for-0", "PAR-tells-no-stage"]
    {
        let quirks = Quirks { erratum: errata::named(name), ..NONE };
        let (totals, records) = campaign_where_known(quirks, &[name], false);
        assert_eq!(totals.verdicts.mismatch, 0, "{name}");
        assert!(totals.verdicts.known > 0, "{name}");
        let shown: Vec<Shown> =
            records.cases.values().filter_map(|record| record.known.get(name)).copied().collect();
        assert_eq!(shown.iter().map(|shown| shown.shown).sum::<u64>(), totals.verdicts.known);

        // Another fault behind it is found, and one that is known in vain shows nowhere.
        let par = |probe: &Probe, par| par ^ (par & probe.address >> 20 & 1) << 1;
        let (totals, _) = campaign_where_known(Quirks { par, ..quirks }, &[name], false);
        assert!(totals.verdicts.mismatch > 0, "{name}");
        let (totals, records) = campaign_where_known(NONE, &[name], false);
        assert_eq!((totals.verdicts.known, totals.verdicts.mismatch), (0, 0), "{name}");
        assert!(records.cases.values().any(|record| {
            record.known.get(name).is_some_and(|shown| shown.asked > 0 && shown.shown == 0)
        }));
    }
}

#[test]
fn of_two_errata_that_show_now_and_then_either_both_or_none_may() {
    let both = ["stage2-no-check-of-read-permission", "PAR-tells-no-stage"];
    for name in both {
        let quirks = Quirks { erratum: errata::named(name), ..NONE };
        let (totals, _) = campaign_where_known(quirks, &both, true);
        assert_eq!(totals.verdicts.mismatch, 0, "{name}");
        assert!(totals.verdicts.known > 0, "{name}");
    }
    // What stage 2 refuses is not what both predict together.
    let quirks = Quirks { erratum: errata::named(both[1]), ..NONE };
    let (totals, _) = campaign_where_known(quirks, &both, false);
    assert!(totals.verdicts.mismatch > 0);
}

#[test]
fn what_no_erratum_predicts_has_no_cause() {
    // A bit of the output address is inverted where bit 20 of the input address is set.
    let par = |probe: &Probe, par: u64| par ^ (!par & probe.address >> 20 & 1) << 36;
    let (totals, records) = campaign(Quirks { par, ..NONE }, 4);
    assert!(totals.verdicts.mismatch > 0);
    let findings = records.cases.values().flat_map(|record| &record.findings);
    let never_contradicted = |name: &String| {
        !records.cases.values().any(|record| record.contradicted.contains_key(name))
    };
    let explained: Vec<&String> = findings
        .flat_map(|finding| &finding.errata)
        .filter(|name| never_contradicted(name))
        .collect();
    assert_eq!(explained, [""; 0]);
}

#[test]
fn wrong_tables_are_found() {
    let (totals, records) = campaign(Quirks { built: 1, ..NONE }, 4);
    assert_eq!(totals.verdicts.total(), 0, "answers about other tables say nothing");
    assert!(records.cases.values().all(|record| !record.findings.is_empty()));
    let (totals, _) = campaign(Quirks { after: 1, ..NONE }, 4);
    assert_eq!(totals.findings, CASES);
}

#[test]
fn what_is_left_behind_is_found() {
    // Not where case 0, which is audited, has its tables.
    let leaves = Some(Audited { pa: map().arenas()[2].last() & !7, value: 1 });
    let (totals, records) = campaign(Quirks { leaves, ..NONE }, 4);
    assert_eq!(totals.findings, 1);
    let finding = &records.cases[&0].findings[0];
    assert_eq!(finding.signature, Signature::Defect(Defect::ArenaWritten));
    assert!(finding.observation.to_string().contains("= 0x0000000000000001"), "{finding:?}");
}

/// Does the machine stumble over this probe? One in 64 addresses of one operation.
fn stumbles(probe: &Probe) -> bool {
    probe.operation() == Some(Operation::AtS12e1w)
        && probe.address.wrapping_mul(0x9e37) >> 8 & 63 == 0
}

/// The probes that any verdict of `verdict` was given to.
fn charged(records: &Records, verdict: Verdict) -> Vec<(u64, u32)> {
    let findings = records.cases.values().flat_map(|record| {
        let guilty = record.findings.iter().filter(|finding| finding.verdict == verdict);
        guilty.filter_map(|finding| Some((record.index, finding.probe?)))
    });
    findings.collect()
}

/// The probes that a stumbling machine must be charged with, from the campaign's own cases.
fn guilty() -> Vec<(u64, u32)> {
    let space = Space { hostile: 250, probes: PROBES, hardware_updates: 300, ..Space::BENIGN };
    let generators = vec![Generator::drawn(Source::Random(space), Some(CASES))];
    let plan = Plan::new(generators, ids().abilities(), map(), 5);
    let mut guilty = Vec::new();
    for index in 0..CASES {
        let case = plan.case(index).unwrap().unwrap();
        for (number, probe) in case.as_ref().probes.iter().enumerate() {
            if stumbles(probe) {
                guilty.push((index, number as u32));
            }
        }
    }
    guilty
}

#[test]
fn a_death_is_charged_to_its_probe_and_to_no_other() {
    let expected = guilty();
    assert!(expected.len() > 5, "the test needs deaths: {expected:?}");
    for (cursor, window) in [(true, 4), (true, 1), (false, 1), (false, 4)] {
        let quirks = Quirks { dies: |probe, _| stumbles(probe), cursor, ..NONE };
        let (totals, records) = campaign(quirks, window);
        let charged = charged(&records, Verdict::Aborted);
        let what = format!("cursor {cursor}, window {window}");
        assert!(charged.iter().all(|probe| expected.contains(probe)), "{what}: {charged:?}");
        // Some are held back after three of a kind; none is lost.
        let held = totals.not_asked.iter().filter(|(reason, _)| reason.kind().is_some());
        let held: u64 = held.map(|(_, count)| count).sum();
        assert!(charged.len() as u64 + held >= expected.len() as u64, "{what}: {charged:?}");
        assert_eq!(totals.verdicts.aborted, charged.len() as u64, "{what}");
        assert_eq!(totals.verdicts.mismatch, 0, "{what}");
    }
}

/// The campaign on a machine that starts anew where `resets` says so of how often it was asked, and of a case.
/// Returns also how often it was asked.
fn with_resets(resets: fn(u64, CaseRef<'_>) -> bool) -> (Totals, Records, u64) {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let script = move |sequence, case: CaseRef<'_>| {
        if resets(counter.fetch_add(1, Ordering::Relaxed), case) {
            let sign = "its executor has started anew".to_owned();
            let how = HowDied::Reset { sign, said: String::new() };
            return Reply::Death(Death::of(how));
        }
        answer(sequence, case, NONE)
    };
    let mut records = Records::default();
    let target = Scripted::new(hello(), map(), 1, script);
    let totals = run(&target, plan_of(250), &mut records).unwrap();
    (totals, records, asked.load(Ordering::Relaxed))
}

#[test]
fn a_reset_is_charged_to_what_brings_it_about_twice() {
    let (_, sound, once) = with_resets(|_, _| false);
    let (totals, records, asked) = with_resets(|asked, _| asked % 20 == 7);
    let resets = totals.boots - 1;
    assert!(resets > 2, "{resets} resets");
    assert_eq!(asked, once + resets, "what was in flight is asked again as it was");
    assert_eq!(records.cases, sound.cases);

    let (totals, records, _) = with_resets(|_, case| case.probes.iter().any(stumbles));
    let (charged, expected) = (charged(&records, Verdict::Aborted), guilty());
    assert!(!charged.is_empty() && charged.iter().all(|probe| expected.contains(probe)));
    assert_eq!((totals.verdicts.mismatch, records.cases.len()), (0, CASES as usize));
}

/// The campaign on an emulator that is ended by a signal at the probe that `ends` names, by how often it was asked
/// and a case.
fn with_signals(ends: fn(u64, CaseRef<'_>) -> Option<usize>) -> (Totals, Records) {
    let asked = AtomicU64::new(0);
    let script = move |sequence, case: CaseRef<'_>| {
        let Some(at) = ends(asked.fetch_add(1, Ordering::Relaxed), case) else {
            return answer(sequence, case, NONE);
        };
        let how = HowDied::Killed { status: "signal: 9".to_owned(), stderr: String::new() };
        let cursor = Some(CaseCursor { sequence, probe: Some(at as u16) });
        Reply::Death(Death { cursor, ..Death::of(how) })
    };
    let mut records = Records::default();
    let totals = run(&Scripted::new(hello(), map(), 4, script), plan_of(250), &mut records);
    (totals.unwrap(), records)
}

#[test]
fn a_signal_is_charged_to_the_probe_that_brings_it_about_twice() {
    let (_, sound) = with_signals(|_, _| None);
    // Twice at the same case, and each time at another probe of it.
    let (totals, records) = with_signals(|asked, _| (asked % 11 < 2).then_some(asked as usize % 2));
    assert!(totals.boots > 10, "{totals:?}");
    assert_eq!(records.cases, sound.cases);

    let (totals, records) = with_signals(|_, case| case.probes.iter().position(stumbles));
    let (charged, expected) = (charged(&records, Verdict::Aborted), guilty());
    assert!(!charged.is_empty() && charged.iter().all(|probe| expected.contains(probe)));
    assert_eq!(totals.boots, 1 + 2 * charged.len() as u64, "each is asked twice");
    assert_eq!((totals.verdicts.mismatch, records.cases.len()), (0, CASES as usize));
}

#[test]
fn a_machine_that_dies_of_a_common_answer_does_not_drown_the_campaign() {
    let permission_fault = |_: &Probe, par: u64| par & 1 == 1 && par >> 3 & 0xf == 0b0011;
    // Benign cases: what may come of a misprogrammed group makes more kinds.
    let (totals, _) = campaign_of(0, Quirks { dies: permission_fault, ..NONE }, 4);
    // Four operations, each held back after three deaths.
    assert!(totals.verdicts.aborted <= 12, "{:?}", totals.verdicts);
    assert!(totals.boots <= 13, "{} boots", totals.boots);
    let mut kinds = totals.not_asked.iter().filter_map(|(reason, _)| reason.kind());
    assert!(kinds.any(|kind| kind.to_string().contains("Permission fault")));
    assert_eq!(totals.verdicts.mismatch, 0);
}

#[test]
fn an_exception_in_the_executor_is_charged_and_the_rest_of_the_case_is_asked() {
    static BREAKS: AtomicU64 = AtomicU64::new(0);
    let breaks = |probe: &Probe| {
        let breaks = stumbles(probe);
        BREAKS.fetch_add(u64::from(breaks), Ordering::Relaxed);
        breaks
    };
    let (totals, records) = campaign(Quirks { breaks, ..NONE }, 4);
    assert!(BREAKS.load(Ordering::Relaxed) > 5);
    let charged = charged(&records, Verdict::Aborted);
    let straying = totals.not_asked.total();
    assert!(charged.len() as u64 + straying >= guilty().len() as u64);
    assert!(charged.iter().all(|probe| guilty().contains(probe)));
    assert_eq!(totals.boots, 1);
    assert_eq!(totals.verdicts.mismatch, 0);
}

/// The records of a campaign, as they come.
#[derive(Default)]
struct Log {
    records: Vec<CaseRecord>,
    /// Interrupts the campaign when so many are here.
    interrupt: Option<(usize, Arc<AtomicBool>)>,
}

impl Recorder for Log {
    fn started(&mut self, _: &Hello, _: &Plan) -> Result<(), RecordError> {
        Ok(())
    }

    fn case(&mut self, record: &CaseRecord, case: Option<&Case>) -> Result<(), RecordError> {
        assert_eq!(case.is_some(), !record.findings.is_empty());
        self.records.push(record.clone());
        if let Some((at, interrupt)) = &self.interrupt {
            interrupt.store(self.records.len() >= *at, Ordering::Relaxed);
        }
        Ok(())
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

/// Answers wrongly now and then, stumbles, and needs to be asked again.
fn troubled() -> Quirks {
    Quirks {
        par: |probe, par| if probe.address >> 12 & 31 == 7 { par ^ 1 << 8 } else { par },
        breaks: stumbles,
        ..NONE
    }
}

fn workers(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn records_of(campaign: Campaign, quirks: Quirks) -> (Totals, Vec<CaseRecord>) {
    let mut log = Log::default();
    let totals = run(&target(quirks, 3), campaign, &mut log).unwrap();
    (totals, log.records)
}

#[test]
fn records_come_in_order_and_are_the_same_from_any_number_of_workers() {
    let (one, alone) = records_of(plan_of(250), troubled());
    assert!(one.findings > 20 && one.complete, "{one:?}");
    let index = |(record, index): (&CaseRecord, u64)| record.index == index;
    assert!(alone.iter().zip(0..).all(index));
    for count in [2, 3, 64] {
        let campaign = Campaign { workers: workers(count), ..plan_of(250) };
        let (many, records) = records_of(campaign, troubled());
        assert_eq!(records, alone, "{count} workers");
        // 60 cases are four blocks: nobody is started for nothing.
        assert_eq!((many.workers, many.boots), (count.min(4) as u64, count.min(4) as u64));
    }
}

#[test]
fn shards_are_the_plan_dealt_out() {
    let (_, whole) = records_of(plan_of(250), troubled());
    let mut joined: Vec<CaseRecord> = Vec::new();
    for number in 1..=3 {
        let shard = Shard::new(number, 3).unwrap();
        let campaign = Campaign { shard, workers: workers(2), ..plan_of(250) };
        let (totals, records) = records_of(campaign, troubled());
        assert!(records.iter().all(|record| record.index / 16 % 3 == number - 1));
        assert!(records.is_sorted_by_key(|record| record.index) && totals.complete);
        joined.extend(records);
    }
    joined.sort_by_key(|record| record.index);
    assert_eq!(joined, whole);
}

#[test]
fn an_interrupted_campaign_goes_on_where_it_was() {
    let (_, whole) = records_of(plan_of(250), troubled());
    for (count, at) in [(1, 1), (1, 17), (3, 5), (3, 40)] {
        let campaign = Campaign { workers: workers(count), ..plan_of(250) };
        let interrupt = Some((at, Arc::clone(&campaign.interrupt)));
        let mut log = Log { interrupt, ..Log::default() };
        let totals = run(&target(troubled(), 3), campaign, &mut log).unwrap();
        let cases = log.records.len() as u64;
        assert!(cases >= at as u64);
        assert_eq!(totals.complete, cases == CASES);
        let past = Past { cases, ..Past::default() };
        let campaign = Campaign { workers: workers(count), past, ..plan_of(250) };
        let totals = run(&target(troubled(), 3), campaign, &mut log).unwrap();
        assert!(totals.complete);
        assert_eq!(log.records, whole, "{count} workers, interrupted at {at}");
    }
}

#[test]
fn time_that_is_up_leaves_no_case_out() {
    // As many cases as there is time for.
    let space = Space { probes: 4, ..Space::BENIGN };
    let plan = || {
        let generators = vec![Generator::drawn(Source::Random(space), None)];
        Campaign { generators, workers: workers(3), ..plan_of(0) }
    };
    let campaign = Campaign { time: Some(Duration::from_millis(100)), ..plan() };
    let (totals, records) = records_of(campaign, NONE);
    assert!(totals.complete && !records.is_empty());
    assert!(records.iter().zip(0..).all(|(record, index)| record.index == index));
    // Time that was used before counts.
    let elapsed = Duration::from_millis(100);
    let past = Past { cases: 7, elapsed, ..Past::default() };
    let campaign = Campaign { time: Some(elapsed), past, ..plan() };
    let (totals, records) = records_of(campaign, NONE);
    assert!(totals.complete && records.is_empty());
}

#[test]
fn a_choice_that_is_made_in_two_ways_is_a_finding_whoever_asks() {
    let legality = |count| Campaign {
        generators: vec![Generator::drawn(
            Source::Legality(Space { probes: 2, ..Space::BENIGN }),
            Some(1),
        )],
        cases: Some(600),
        workers: workers(count),
        ..plan_of(0)
    };
    let findings = |records: &[CaseRecord]| {
        let findings = records.iter().flat_map(|record| &record.findings);
        findings.map(|finding| finding.signature.clone()).collect::<Vec<_>>()
    };
    let (totals, records) = records_of(legality(1), NONE);
    assert_eq!(findings(&records), <[Signature; 0]>::default());
    assert_eq!(totals.profile["txsz_above_max"], ["fault"]);
    let quirks = Quirks { clamps: |case| case.as_ref().header.registers.vtcr_el2 & 1 != 0, ..NONE };
    let (_, alone) = records_of(legality(1), quirks);
    let wanted = Signature::Choice("txsz_above_max".to_owned());
    assert_eq!(findings(&alone), [wanted]);
    assert_eq!(records_of(legality(3), quirks).1, alone);
}

/// A recorder that fails at the tenth case, or panics.
struct Fails {
    cases: u32,
    panics: bool,
}

impl Recorder for Fails {
    fn started(&mut self, _: &Hello, _: &Plan) -> Result<(), RecordError> {
        Ok(())
    }

    fn case(&mut self, _: &CaseRecord, _: Option<&Case>) -> Result<(), RecordError> {
        self.cases += 1;
        match self.cases {
            10 if self.panics => panic!("as a test"),
            10 => Err("as a test".into()),
            _ => Ok(()),
        }
    }

    fn progress(&mut self, _: &Totals) -> Result<(), RecordError> {
        Ok(())
    }
}

#[test]
fn a_recorder_that_fails_ends_the_campaign() {
    let campaign = || Campaign { workers: workers(3), ..plan_of(250) };
    let mut recorder = Fails { cases: 0, panics: false };
    let error = run(&target(NONE, 3), campaign(), &mut recorder).unwrap_err();
    assert!(matches!(error, CampaignError::Record(_)), "{error}");
    assert_eq!(recorder.cases, 10, "nothing is recorded behind a gap");
    let panicked = std::panic::catch_unwind(|| {
        let mut recorder = Fails { cases: 0, panics: true };
        let _ = run(&target(NONE, 3), campaign(), &mut recorder);
    });
    assert!(panicked.is_err());
}

/// A target of which there is one, and which may come up as another machine.
struct Board {
    machines: [Scripted; 2],
    boots: AtomicU64,
    /// Which boot is another machine, or fails.
    odd: Option<(u64, bool)>,
    most: NonZeroUsize,
}

impl Board {
    fn new(most: usize, odd: Option<(u64, bool)>, quirks: Quirks) -> Self {
        let mut hello = hello();
        hello.ids.midr_el1 ^= 1;
        let other = Scripted::new(hello, map(), 3, move |at, case| answer(at, case, quirks));
        let machines = [target(quirks, 3), other];
        Self { machines, boots: AtomicU64::new(0), odd, most: workers(most) }
    }
}

impl Target for Board {
    fn boot(&self) -> Result<Box<dyn Session>, TargetError> {
        let boot = self.boots.fetch_add(1, Ordering::Relaxed);
        match self.odd {
            Some((at, true)) if at == boot => self.machines[1].boot(),
            Some((at, false)) if at == boot => Err(TargetError::Misuse("as a test")),
            _ => self.machines[0].boot(),
        }
    }

    fn identity(&self) -> &Identity {
        self.machines[0].identity()
    }

    fn most_at_once(&self) -> NonZeroUsize {
        self.most
    }
}

#[test]
fn of_a_board_there_is_one() {
    let campaign = Campaign { workers: workers(3), ..plan_of(0) };
    let totals = run(&Board::new(1, None, NONE), campaign, &mut Log::default()).unwrap();
    assert_eq!((totals.workers, totals.boots), (1, 1));
}

#[test]
fn a_worker_without_a_machine_ends_the_campaign_with_its_error() {
    let failed = |odd| {
        let campaign = Campaign { workers: workers(3), ..plan_of(0) };
        let board = Board::new(3, Some(odd), NONE);
        run(&board, campaign, &mut Log::default()).unwrap_err()
    };
    let error = failed((2, false));
    assert!(matches!(error, CampaignError::Target(TargetError::Misuse("as a test"))), "{error}");
    let error = failed((1, true));
    assert!(matches!(error, CampaignError::Changed), "{error}");
    // One that dies whatever it is asked.
    let campaign = Campaign { workers: workers(3), ..plan_of(0) };
    let dies = Quirks { dies: |_, _| true, cursor: false, ..NONE };
    let error = run(&target(dies, 3), campaign, &mut Log::default()).unwrap_err();
    assert!(matches!(error, CampaignError::KeepsDying(_)), "{error}");
}

/// The probes that a replay tells of, by number, and the last lines of what it tells.
fn replayed(quirks: Quirks, which: &Which) -> (Vec<u16>, String) {
    let space = Space { probes: PROBES, ..Space::BENIGN };
    let case = Source::Random(space).draw(&ids().abilities(), &map(), 5, 3).unwrap();
    let established = Established { learned: Learned::new([]).unwrap(), known: Known::default() };
    let text = replay(&target(quirks, 1), &case, established, which).unwrap().text;
    let told = text.lines().filter_map(|line| line.strip_prefix("probe ")?.split_once(':'));
    let numbers = told.map(|(number, _)| number.parse().unwrap()).collect();
    (numbers, text)
}

#[test]
fn a_replay_tells_of_the_probes_that_are_wanted_and_of_those_with_findings() {
    let (few, text) = replayed(NONE, &Which::Few);
    assert!(few.is_empty(), "there are too many");
    assert!(text.contains("32 more probes, with nothing to report: --all shows them"), "{text}");
    let (these, text) = replayed(NONE, &Which::These(vec![17, 2, 17]));
    assert_eq!(these, [2, 17]);
    assert!(text.contains("30 more probes"), "{text}");
    assert_eq!(text.matches("\n  observed: ").count(), 2, "{text}");
    let (all, text) = replayed(NONE, &Which::All);
    assert_eq!(all, Vec::from_iter(0..PROBES as u16));
    assert!(!text.contains("more probes"), "{text}");

    // Whoever has a finding is told of.
    let par = |probe: &Probe, par| match probe.operation() {
        Some(Operation::AtS12e0w) => par ^ 1 << 47,
        _ => par,
    };
    let (wrong, text) = replayed(Quirks { par, ..NONE }, &Which::These(vec![2]));
    assert!(wrong.len() > 3 && wrong.contains(&2), "{text}");
    assert_eq!(text.matches("verdict:  mismatch").count(), wrong.len() - 1, "{text}");
}
