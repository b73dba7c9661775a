//! One vector against golden.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use golden::{
    Abort, Cacheability, Certainty, Choices, Exception, Fault, FaultKind, Features, Machine,
    MemoryType, Observer, Read, Shareability, Stage, Translation, Updates,
};

use crate::error::Malformed;
use crate::question::{Outcome, Question};
use crate::schema::{
    ExpectAtException, ExpectException, ExpectFault, ExpectOk, ExpectPar, Hex, Kind, Levels, Query,
    Refused, Vector, parse,
};
use crate::setup::Setup;
use crate::{Checked, ChoicesMode, Disagreement, Verdict};

/// Checks a vector: one line of a file.
pub fn check(line: &str) -> Result<Vec<Checked>, Malformed> {
    let vector: Vector<'_> = match parse(line, 0, "") {
        Ok(vector) => vector,
        Err(Refused::Malformed(malformed)) => return Err(malformed),
        Err(Refused::Unknown(reason)) => return Ok(vec![not_covered("?", 0, reason)]),
    };
    let setup = match Setup::new(&vector) {
        Ok(setup) => setup,
        Err(reason) => {
            let each = |n| not_covered(&vector.id, n, reason.clone());
            return Ok((0..vector.queries.len()).map(each).collect());
        }
    };
    let mut checked = Vec::with_capacity(vector.queries.len());
    for (n, raw) in vector.queries.iter().enumerate() {
        let offset = offset_in(line, raw.get());
        let field = format!("queries[{n}]");
        let verdict = parse::<Query<'_>>(raw.get(), offset, &field)
            .and_then(|query| check_query(&vector.setup, &setup, &query, line, &field));
        let reason = || LEFT_OUT.iter().find(|left| (left.0, left.1) == (vector.id.as_str(), n));
        checked.push(match verdict {
            Ok(verdict) => Checked {
                id: vector.id.clone(),
                query: n,
                verdict: match (verdict, reason()) {
                    (Verdict::Disagrees(disagreement), Some(&(.., expected, reason)))
                        if disagreement.expected == expected =>
                    {
                        Verdict::LeftOut(reason)
                    }
                    (verdict, _) => verdict,
                },
            },
            Err(Refused::Unknown(reason)) => not_covered(&vector.id, n, reason),
            Err(Refused::Malformed(malformed)) => return Err(malformed),
        });
    }
    Ok(checked)
}

fn not_covered(id: &str, query: usize, reason: String) -> Checked {
    Checked { id: id.to_owned(), query, verdict: Verdict::NotCovered(reason) }
}

/// Queries whose answer is not the architecture's: the vector, the query, what it expects, and why.
const LEFT_OUT: [(&str, usize, &str, &str); 1] = [(
    "pie-d000595",
    3,
    "0x8b1f (mask 0xffffffffffff)",
    "PAR_EL1.DirtyBit is about the fault that is reported, a Permission fault of stage 2 on a hardware update, which uses \
     direct permissions; the pseudocode leaves it as the Permission fault of stage 1 before that has set it",
)];

/// Where a piece of a line begins in it.
fn offset_in(line: &str, piece: &str) -> usize {
    (piece.as_ptr() as usize).saturating_sub(line.as_ptr() as usize)
}

/// What a vector expects.
enum Expect {
    Ok(ExpectOk),
    Fault(ExpectFault),
    Par(ExpectPar),
    Exception(ExpectAtException),
}

fn check_query(
    kind: &str,
    setup: &Setup,
    query: &Query<'_>,
    line: &str,
    field: &str,
) -> Result<Verdict, Refused> {
    let text = query.expect.get();
    let offset = offset_in(line, text);
    let field = format!("{field}.expect");
    let expect = match parse::<Kind>(text, offset, &field)?.result.as_str() {
        "ok" => Expect::Ok(parse(text, offset, &field)?),
        "fault" => Expect::Fault(parse(text, offset, &field)?),
        "par" => Expect::Par(parse(text, offset, &field)?),
        "exception" => Expect::Exception(parse(text, offset, &field)?),
        other => return Err(Refused::Unknown(format!("unknown result {other}"))),
    };
    let question = Question::new(kind, &setup.implementation, query)?;
    let answer = |choices: &mut dyn Choices| {
        let Setup { implementation, registers, memory, .. } = setup;
        let mut reads = Reads(Vec::new());
        let machine = Machine { implementation, registers, memory };
        let answer = question.ask(machine, choices, &mut reads);
        Answered { answer, reads: reads.0 }
    };

    let pinned = answer(&mut setup.pinned.clone());
    if let Some((field, expected, got)) = first_difference(&expect, query, &pinned, setup) {
        let choices = ChoicesMode::Pinned;
        return Ok(Verdict::Disagrees(Disagreement { field, expected, got, choices }));
    }

    // With every choice open, the vector's answer must be one of those allowed.
    let mut nearest = None;
    let mut found = false;
    let explored = golden::allowed(
        &golden::Profile::open(),
        |choices| answer(choices),
        |answer, _| match first_difference(&expect, query, &answer, setup) {
            None => {
                found = true;
                ControlFlow::Break(())
            }
            Some(difference) => {
                nearest.get_or_insert(difference);
                ControlFlow::Continue(())
            }
        },
    );
    Ok(match nearest {
        _ if found => Verdict::Agrees,
        _ if !explored.complete => Verdict::Undecided,
        Some((field, expected, got)) => {
            let choices = ChoicesMode::Open;
            Verdict::Disagrees(Disagreement { field, expected, got, choices })
        }
        None => Verdict::Agrees,
    })
}

/// Golden's answer, and where it read descriptors for it.
struct Answered {
    answer: crate::Answer,
    reads: Vec<u64>,
}

/// Notes where descriptors are read.
struct Reads(Vec<u64>);

impl Observer for Reads {
    fn read(&mut self, read: Read) {
        self.0.push(read.pa.0);
    }
}

type Difference = (&'static str, String, String);

/// The first field that differs, with the vector's value and golden's.
fn first_difference(
    expect: &Expect,
    query: &Query<'_>,
    answered: &Answered,
    setup: &Setup,
) -> Option<Difference> {
    result_difference(expect, query, answered, setup)
        .or_else(|| updates_difference(query, &answered.answer.updates, setup))
        .or_else(|| {
            let expected: Vec<u64> = query.reads.iter().map(|hex| hex.0).collect();
            differs("reads", format!("{expected:#x?}"), format!("{:#x?}", answered.reads))
        })
}

fn result_difference(
    expect: &Expect,
    query: &Query<'_>,
    answered: &Answered,
    setup: &Setup,
) -> Option<Difference> {
    let outcome = &answered.answer.outcome;
    match (expect, outcome) {
        (Expect::Ok(expect), Outcome::Output(translation)) => {
            ok_difference(expect, translation, setup)
        }
        (Expect::Fault(expect), Outcome::Abort(Abort { fault, exception })) => {
            let exception = Some(*exception).filter(|_| !query.op.starts_with("s1_walk_"));
            fault_difference(expect, fault)
                .or_else(|| exception_difference(expect.exception.as_ref(), exception))
        }
        (Expect::Par(expect), Outcome::Par { par, .. }) => {
            let (Hex(value), Hex(mask)) = (expect.par_el1, expect.par_mask);
            masked_difference("par_el1", value, mask, *par)
        }
        (Expect::Exception(expect), Outcome::Abort(abort)) => {
            exception_difference(Some(&expect.exception), Some(abort.exception))
        }
        (Expect::Ok(_), _) => differs("result", "ok".into(), outcome.to_string()),
        (Expect::Fault(expect), _) => {
            differs("result", format!("{} fault", expect.fault), outcome.to_string())
        }
        (Expect::Par(_), _) => differs("result", "par".into(), outcome.to_string()),
        (Expect::Exception(_), _) => differs("result", "exception".into(), outcome.to_string()),
    }
}

fn ok_difference(expect: &ExpectOk, got: &Translation, setup: &Setup) -> Option<Difference> {
    let levels = Levels {
        s1: got.stage1_level.map(golden::Level::get),
        s2: got.stage2_level.map(golden::Level::get),
    };
    let memory_type = match got.attributes.memory {
        MemoryType::Device(device) => format!("device-{device:?}"),
        MemoryType::Normal { .. } => "normal".to_owned(),
    };
    let (inner, outer) = match got.attributes.memory {
        MemoryType::Device(_) => (None, None),
        MemoryType::Normal { inner, outer } => (Some(inner), Some(outer)),
    };
    let shareability = match got.attributes.shareability {
        Shareability::Non => "nsh",
        Shareability::Inner => "ish",
        Shareability::Outer => "osh",
    };
    let xs = setup.implementation.has(Features::FEAT_XS).then_some(u8::from(got.attributes.xs));
    differs("pa", format!("{:?}", expect.pa), format!("{:#x}", got.pa))
        .or_else(|| differs("levels", format!("{:?}", expect.levels), format!("{levels:?}")))
        .or_else(|| differs("memory_type", expect.memory_type.clone(), memory_type))
        .or_else(|| {
            let expected = (&expect.inner, &expect.inner_hints, expect.inner_transient);
            differs("inner", format!("{expected:?}"), cacheability(inner))
        })
        .or_else(|| {
            let expected = (&expect.outer, &expect.outer_hints, expect.outer_transient);
            differs("outer", format!("{expected:?}"), cacheability(outer))
        })
        .or_else(|| differs("shareability", expect.shareability.clone(), shareability.to_owned()))
        .or_else(|| differs("xs", format!("{:?}", expect.xs), format!("{xs:?}")))
}

/// A cacheability as the vectors have it: kind, hints, transient.
fn cacheability(half: Option<Cacheability>) -> String {
    let name = half.map(|half| match half {
        Cacheability::NonCacheable => "nc",
        Cacheability::WriteThrough(_) => "wt",
        Cacheability::WriteBack(_) => "wb",
    });
    let hints = half.and_then(Cacheability::hints);
    let hints_name = hints.map(|hints| match (hints.read_allocate, hints.write_allocate) {
        (true, true) => "rwa",
        (true, false) => "ra",
        (false, true) => "wa",
        (false, false) => "none",
    });
    format!("{:?}", (name, hints_name, hints.is_some_and(|hints| hints.transient)))
}

fn fault_difference(expect: &ExpectFault, got: &Fault) -> Option<Difference> {
    let kind = match got.kind {
        FaultKind::Translation => "translation",
        FaultKind::AddressSize => "address_size",
        FaultKind::AccessFlag => "access_flag",
        FaultKind::Permission => "permission",
        FaultKind::Alignment => "alignment",
        FaultKind::ExternalAbortOnWalk => "external_abort",
        FaultKind::UnsupportedUpdate => "unsupported_update",
        FaultKind::TlbConflict => "tlb_conflict",
        FaultKind::UnsupportedAtomic => "unsupported_atomic",
    };
    let stage = match got.stage {
        Stage::One => 1,
        Stage::Two => 2,
    };
    let level = got.kind.has_level().then_some(got.level.get());
    let ipa = got.ipa.map(|ipa| Hex(ipa.0));
    differs("fault", expect.fault.clone(), kind.to_owned())
        .or_else(|| differs("stage", expect.stage.to_string(), u8::to_string(&stage)))
        .or_else(|| differs("level", format!("{:?}", expect.level), format!("{level:?}")))
        .or_else(|| differs("s1_walk", expect.s1_walk.to_string(), got.s1_walk.to_string()))
        .or_else(|| differs("ipa", format!("{:?}", expect.ipa), format!("{ipa:?}")))
}

fn exception_difference(
    expect: Option<&ExpectException>,
    got: Option<Exception>,
) -> Option<Difference> {
    let (expect, got) = match (expect, got) {
        (None, None) => return None,
        (Some(expect), Some(got)) => (expect, got),
        (expect, got) => return differs("exception", format!("{expect:?}"), format!("{got:?}")),
    };
    let hpfar = got.hpfar.map(Hex);
    differs("target_el", expect.target_el.to_string(), got.target.get().to_string())
        .or_else(|| masked_difference("esr", expect.esr.0, expect.esr_mask.0, got.esr))
        .or_else(|| differs("far", format!("{:?}", expect.far), format!("{:#x}", got.far)))
        .or_else(|| differs("hpfar_el2", format!("{:?}", expect.hpfar_el2), format!("{hpfar:?}")))
}

/// A value must agree in every bit of the vector's mask, and golden must say that it is determined there.
fn masked_difference(
    field: &'static str,
    value: u64,
    mask: u64,
    got: golden::Masked,
) -> Option<Difference> {
    let agrees = got.mask & mask == mask && (got.value ^ value) & mask == 0;
    (!agrees).then(|| (field, format!("{value:#x} (mask {mask:#x})"), format!("{got}")))
}

/// The words that the updates change, and whether the ones that may be left out are those that the vector
/// says need not be made.
fn updates_difference(query: &Query<'_>, updates: &Updates, setup: &Setup) -> Option<Difference> {
    let original = |pa: u64| setup.memory.0.get(&pa).copied().unwrap_or(0);
    let expected: BTreeMap<u64, u64> =
        query.memory_after.iter().map(|(pa, word)| (pa.0, word.0)).collect();
    let got: BTreeMap<u64, u64> = updates
        .iter()
        .map(|update| (update.pa.0, update.new))
        .filter(|&(pa, word)| word != original(pa))
        .collect();
    let permitted = updates.iter().any(|update| match update.certainty {
        Certainty::Certain => false,
        Certainty::Permitted => update.stage == Stage::One,
        Certainty::InPart(_) => true,
    });
    let expected_permitted = query.stage1_updated_before_stage2_fault;
    differs("memory_after", format!("{expected:#x?}"), format!("{got:#x?}")).or_else(|| {
        differs(
            "stage1_updated_before_stage2_fault",
            expected_permitted.to_string(),
            permitted.to_string(),
        )
    })
}

fn differs(field: &'static str, expected: String, got: String) -> Option<Difference> {
    (expected != got).then_some((field, expected, got))
}
