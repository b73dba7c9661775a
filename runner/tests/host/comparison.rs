//! Runs are compared with their baselines.

use std::path::Path;

use case::format::Granule;
use case::probe::{Operation, Probe};
use jiff::Timestamp;
use judge::difference;
use judge::kind::{AnswerKind, Class};
use judge::known::{Record, Shown};
use judge::verdict::{
    CaseRecord, Cell, Counts, Finding, ProbeKind, Question, Reason, Seen, Signature, Verdict,
    Wanted,
};
use link::hello::IdRegisters;
use runner::diagnosis::{Cause, Causes, Example};
use runner::exit::Exit;
use runner::plan::Shard;
use runner::record::{Header, Host, Request, RunEnd, RunId, Summary, Tally, TargetHeader};
use runner::report::comparison::{Compared, Comparison, Difference, Tolerance};
use suite::hex::Hex;
use suite::machine::Machine;
use suite::space::Probes;
use suite::{Overrides, Suite};

/// A run to be changed by a test: 200 cases of 64 probes each, in 20 seconds,
/// half of 32 and half of 33 IPA bits.
#[derive(Clone)]
struct Night {
    suite: &'static str,
    target: &'static str,
    day: i64,
    overrides: Overrides,
    ids: IdRegisters,
    emulator: &'static str,
    cases: Vec<CaseRecord>,
    ending: Option<RunEnd>,
    causes: Option<Causes>,
}

fn night() -> Night {
    let case = |index| CaseRecord {
        index,
        cell: Some(Cell { granule: Granule::K4, ipa_bits: 32 + (index % 2) as u8 }),
        probes: 64,
        verdicts: Counts { conforms: 64, ..Counts::default() },
        ..CaseRecord::default()
    };
    let host = Host { processor: "Some CPU".to_owned(), processors: 4 };
    Night {
        suite: "name: random\nseed: date\ngenerators: [random: { cases: 200 }]\n",
        target: "qemu-max",
        day: 21,
        overrides: Overrides::default(),
        ids: IdRegisters { midr_el1: 0x410f_d034, ..IdRegisters::default() },
        emulator: "10.0.2",
        cases: (0..200).map(case).collect(),
        ending: Some(RunEnd { seconds: 20.0, boots: 1, host: Some(host), ..RunEnd::default() }),
        causes: Some(Causes::default()),
    }
}

impl Night {
    fn after(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn profile(mut self, choice: &str, answer: &str) -> Self {
        let ending = self.ending.as_mut().unwrap();
        ending.profile.insert(choice.to_owned(), vec![answer.to_owned()]);
        self
    }

    fn known(mut self, name: &str) -> Self {
        let case = &mut self.cases[3];
        case.verdicts.conforms -= 2;
        case.verdicts.known += 2;
        case.known.insert(name.to_owned(), Shown { asked: 2, shown: 2 });
        self
    }

    fn finding(mut self, verdict: Verdict, signature: Signature) -> Self {
        let case = &mut self.cases[7];
        case.verdicts.conforms -= 1;
        case.verdicts.add(verdict);
        case.findings.push(Finding {
            probe: Some(3),
            verdict,
            signature,
            question: Question::of(&Probe::new(Operation::AtS12e1r, 0x1000)),
            expectation: Wanted::Answer,
            observation: Seen::Par(Hex(0xa1b)).into(),
            errata: Vec::new(),
            rule: None,
        });
        self
    }

    fn compared(&self) -> Compared {
        let suite = Suite::from_text(self.suite, Path::new("a.yaml")).unwrap();
        let time = Timestamp::from_second(1_793_404_800 + self.day * 86_400).unwrap();
        let id = RunId::new(time, &suite.name, self.target, 0x3f2a);
        let emulator = Some(self.emulator.to_owned());
        let machine = Machine::new(self.target, emulator, &self.ids, &Default::default());
        let seed = 20_261_100 + self.day as u64;
        let asked = Request {
            suite: &suite,
            overrides: self.overrides,
            seed,
            shard: Shard::WHOLE,
            soak: None,
            target: TargetHeader::default(),
        };
        let mut header = Header::new(id, time, asked, machine, Record::default());
        header.revision = Some("0123456789ab".to_owned());
        let mut tally = Tally::default();
        for case in &self.cases {
            tally.add(case);
        }
        let summary = Summary::new(&header, tally, self.ending.clone(), self.causes.clone());
        Compared::new(header, summary)
    }

    fn against(&self, baseline: &Self) -> Comparison {
        let tolerance = Tolerance::default();
        Comparison::new(&self.compared(), &baseline.compared(), tolerance).unwrap()
    }
}

/// What is worse in `run` than in `night()`, and what else is told.
fn differences(run: Night) -> (Vec<Difference>, Vec<Difference>) {
    let comparison = run.against(&night());
    let all = comparison.differences().iter().cloned();
    let (worse, told): (Vec<_>, Vec<_>) = all.partition(Difference::is_worse);
    assert_eq!(comparison.exit(), if worse.is_empty() { Exit::Conforms } else { Exit::Findings });
    (worse, told)
}

/// An answer in the place of an Address size fault.
fn pa() -> Signature {
    let difference = "success instead of stage 2 Address size fault, level 1";
    Signature::of_answer(Operation::AtS12e1r, difference::Difference::named(difference))
}

/// A death of a Permission fault.
fn died() -> Signature {
    let expected = vec![Class::of(AnswerKind::of_par(0xa1b))];
    let kind = Some(ProbeKind { operation: Operation::AtS12e1w, expected });
    Signature::Died { kind, hung: false }
}

fn bad_night() -> (Night, Night) {
    let run = night()
        .finding(Verdict::Mismatch, pa())
        .known("qemu-new-issue")
        .profile("par_attributes", "effective")
        .profile("nt_bit_on_block", "ignore")
        .after(|run| {
            run.day = 22;
            run.emulator = "10.1.0";
            run.ids.id_aa64mmfr0_el1 = 0x1122;
            run.ending.as_mut().unwrap().seconds = 40.0;
            for case in &mut run.cases[20..] {
                case.probes = 50;
                case.verdicts.conforms = 50;
                case.not_asked.add(Reason::HeldBack(Some("an-issue".to_owned())), 14);
            }
            run.cases.truncate(190);
        });
    let baseline = night()
        .finding(Verdict::Aborted, died())
        .known("qemu-old-issue")
        .profile("par_attributes", "translated")
        .profile("par_xs", "not_reported");
    (run, baseline)
}

#[test]
fn a_night_on_which_all_went_wrong_is_told() {
    let (run, baseline) = bad_night();
    insta::assert_snapshot!(run.against(&baseline));
    insta::assert_snapshot!(run.against(&baseline).json_line());
    assert_eq!(run.against(&baseline).exit(), Exit::Findings);
}

#[test]
fn a_night_like_the_one_before_is_no_worse() {
    let run = night().after(|run| run.day = 22);
    insta::assert_snapshot!(run.against(&night()));
    assert_eq!(differences(run), (vec![], vec![]));
}

#[test]
fn what_is_gone_or_explained_is_no_worse() {
    let (run, baseline) = (
        night().known("qemu-new-issue"),
        night().finding(Verdict::Aborted, died()).known("qemu-old-issue"),
    );
    let comparison = run.against(&baseline);
    assert_eq!(comparison.exit(), Exit::Conforms);
    let name = |name: &str| name.to_owned();
    let expected = [
        Difference::FindingGone { signature: died(), verdict: Verdict::Aborted, count: 1 },
        Difference::KnownNew { name: name("qemu-new-issue"), count: 2 },
        Difference::KnownGone { name: name("qemu-old-issue"), count: 2 },
    ];
    assert_eq!(comparison.differences(), expected);
}

#[test]
fn a_new_finding_is_worse() {
    let (worse, told) = differences(night().finding(Verdict::Mismatch, pa()));
    let [Difference::NewFinding { signature, count: 1, first_case: 7, .. }] = &worse[..] else {
        panic!("{worse:?}")
    };
    assert_eq!((signature, told), (&pa(), vec![]));
    // One that the baseline had as well is no news.
    let both = night().finding(Verdict::Mismatch, pa());
    assert_eq!(both.against(&both).exit(), Exit::Conforms);
}

/// Causes, each of errata with these names and with so many findings.
fn causes(of: &[(&[&str], u64)]) -> Option<Causes> {
    let finding = night().finding(Verdict::Mismatch, pa()).cases[7].findings[0].clone();
    let cause = |(errata, findings): &(&[&str], u64)| Cause {
        errata: errata.iter().map(|name| (*name).to_owned()).collect(),
        findings: *findings,
        shown: *findings,
        contradicted: 0,
        elsewhere: 0,
        condition: None,
        verdict: Verdict::Mismatch,
        first: Example { run: 0, case: 7, finding: finding.clone() },
    };
    Some(Causes { causes: of.iter().map(cause).collect(), ..Causes::default() })
}

#[test]
fn a_new_cause_is_worse_and_one_that_is_gone_is_not() {
    let night = |of| night().finding(Verdict::Mismatch, pa()).after(|night| night.causes = of);
    let errata = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let baseline = night(causes(&[(&["a", "b"], 9), (&["old"], 2)]));
    // What is named may differ, as long as it may be the same.
    let run = night(causes(&[(&["b", "c"], 5), (&["new"], 1)]));
    let comparison = run.against(&baseline);
    assert_eq!(comparison.exit(), Exit::Findings);
    let expected = [
        Difference::NewCause { errata: errata(&["new"]), count: 1, first_case: 7 },
        Difference::CauseGone { errata: errata(&["old"]), count: 2 },
    ];
    assert_eq!(comparison.differences(), expected);
    let text = comparison.to_string();
    assert!(text.contains("             9              5  b or c\n"), "{text}");
    let same = night(causes(&[(&["b"], 50)])).against(&baseline);
    assert_eq!(same.exit(), Exit::Conforms);

    let untold = run.against(&night(None));
    assert!(matches!(untold.differences(), [Difference::CausesNotCompared { .. }]), "{untold}");
    assert_eq!(untold.exit(), Exit::Conforms);
}

#[test]
fn speed_is_compared_on_machines_of_the_same_kind_only() {
    let took = |seconds| night().after(|run| run.ending.as_mut().unwrap().seconds = seconds);
    assert_eq!(differences(took(24.9)), (vec![], vec![]));
    let (worse, _) = differences(took(26.0));
    let [Difference::Slower { was, is, percent }] = &worse[..] else { panic!("{worse:?}") };
    assert_eq!((*was, *is, *percent), (640.0, 492.0, 23.1));
    let mild = Tolerance::percent(30).unwrap();
    let mild = Comparison::new(&took(26.0).compared(), &night().compared(), mild).unwrap();
    assert_eq!(mild.exit(), Exit::Conforms);

    let elsewhere =
        took(200.0).after(|run| run.ending.as_mut().unwrap().host.as_mut().unwrap().processors = 2);
    let unknown = took(200.0).after(|run| run.ending.as_mut().unwrap().host = None);
    let larger = took(200.0).after(|run| run.overrides.probes = Probes::new(8));
    // That of a moment is chance.
    let short = took(200.0).compared();
    let moment = Comparison::new(&short, &took(4.9).compared(), Tolerance::default()).unwrap();
    assert_eq!(moment.exit(), Exit::Conforms);
    for run in [elsewhere, unknown, larger] {
        let (worse, told) = differences(run);
        assert_eq!(worse, []);
        assert!(matches!(told[0], Difference::SpeedNotCompared { .. }), "{told:?}");
    }
    for percent in [0, 100, 255] {
        assert_eq!(Tolerance::percent(percent), None);
    }
}

#[test]
fn what_is_no_longer_asked_is_worse() {
    let fewer_cases = |run: &mut Night| run.cases.truncate(199);
    let (worse, _) = differences(night().after(fewer_cases));
    assert_eq!(worse, [Difference::FewerCases { was: 200, is: 199 }]);
    // A clock may end a run at any case.
    let timed = |seconds| {
        night().after(fewer_cases).after(|run| {
            run.overrides.seconds = seconds;
            run.ending.as_mut().unwrap().seconds = 19.99;
        })
    };
    assert_eq!(differences(timed(Some(19))).0, []);
    // And did not, where time was left.
    assert_eq!(differences(timed(Some(20))).0.len(), 1);
    assert_eq!(differences(timed(None)).0.len(), 1);

    let probes = |run: &mut Night, probes| {
        for case in &mut run.cases {
            case.probes = probes;
        }
        run.ending.as_mut().unwrap().seconds = 20.0 * probes as f64 / 64.0;
    };
    assert_eq!(differences(night().after(|run| probes(run, 58))).0, []);
    let cells = |bits: &[u8]| {
        let cell = |bits: &u8| Cell { granule: Granule::K4, ipa_bits: *bits };
        Difference::FewerInCells { cells: bits.iter().map(cell).collect() }
    };
    let (worse, _) = differences(night().after(|run| probes(run, 57)));
    assert_eq!(worse, [Difference::FewerProbes { was: 64.0, is: 57.0 }, cells(&[32, 33])]);
    // Few cases of other seeds say little.
    let few = |day| night().after(|run| (run.day, _) = (day, run.cases.truncate(99)));
    let fewer = few(22).after(|run| probes(run, 50));
    let worse = fewer.against(&few(21));
    assert!(!worse.differences().iter().any(|it| matches!(it, Difference::FewerProbes { .. })));
    let worse = few(21).after(|run| probes(run, 50)).against(&few(21));
    assert_eq!(worse.differences()[0], Difference::FewerProbes { was: 64.0, is: 50.0 });

    // One cell gives way to another, so that the average is what it was.
    let shifted = |day, every| {
        night().after(|run| {
            run.day = day;
            for (index, case) in run.cases.iter_mut().enumerate() {
                case.cell.as_mut().unwrap().ipa_bits = if index % every == 0 { 33 } else { 32 };
            }
        })
    };
    assert_eq!(differences(shifted(21, 3)).0, [cells(&[33])]);
    // Of cases of another seed so few can be chance, and half as many can't.
    assert_eq!(differences(shifted(22, 3)).0, []);
    assert_eq!(differences(shifted(22, 5)).0, [cells(&[33])]);

    let interrupted = night().after(|run| run.ending = None);
    assert_eq!(differences(interrupted).0, [Difference::DidNotEnd]);
}

#[test]
fn a_choice_that_only_one_run_settled_has_not_changed() {
    let settled = |choice, answer| night().profile(choice, answer);
    let compare = |run: Night, baseline: Night| run.against(&baseline).differences().to_vec();
    assert_eq!(compare(settled("par_xs", "reported"), night()), []);
    assert_eq!(compare(night(), settled("par_xs", "reported")), []);
    let changed = compare(settled("par_xs", "a"), settled("par_xs", "b"));
    let [Difference::Choice { choice, was, is }] = &changed[..] else { panic!("{changed:?}") };
    assert_eq!(
        (&**choice, &**was, &**is),
        ("par_xs", &["b".to_owned()][..], &["a".to_owned()][..])
    );
}

#[test]
fn another_set_up_is_told() {
    let run = night().after(|run| {
        run.suite = "name: random\ngenerators: [random: { cases: 201 }]\n";
        run.ids.id_aa64mmfr2_el1 = 0x10;
    });
    let (worse, told) = differences(run);
    assert_eq!(worse, []);
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "speed is not compared: its cases are of another kind than the baseline's",
            "ID_AA64MMFR2_EL1 is 0x10, and was 0x0",
            "the suite has changed, or what the command line said of it",
        ]
    );
}

#[test]
fn runs_of_another_suite_or_target_are_refused() {
    let refuse = |run: Night| {
        let tolerance = Tolerance::default();
        Comparison::new(&run.compared(), &night().compared(), tolerance).unwrap_err().to_string()
    };
    let other = "name: other\ngenerators: [random: { cases: 200 }]\n";
    assert_eq!(
        refuse(night().after(|run| run.suite = other)),
        "20261121T000000Z-other-qemu-max-3f2a is a run of the suite `other`, \
         and 20261121T000000Z-random-qemu-max-3f2a one of `random`"
    );
    assert_eq!(
        refuse(night().after(|run| run.target = "a-board")),
        "20261121T000000Z-random-a-board-3f2a is a run of the target `a-board`, \
         and 20261121T000000Z-random-qemu-max-3f2a one of `qemu-max`"
    );
}
