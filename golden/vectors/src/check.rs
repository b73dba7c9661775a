//! One vector against golden.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use golden::{
    Access, Answer, At, AtResult, Cacheability, Cause, Certainty, Choice, Choices, El, Exception,
    Fault, FaultKind, Features, Ipa, Machine, MemoryAttributes, MemoryType, Observer, Operation,
    Read, Shareability, Stage, Stage2Access, Stage2Operation, Translation, Updates, Va,
};

use crate::error::Malformed;
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
        checked.push(match verdict {
            Ok(verdict) => Checked { id: vector.id.clone(), query: n, verdict },
            Err(Refused::Unknown(reason)) => not_covered(&vector.id, n, reason),
            Err(Refused::Malformed(malformed)) => return Err(malformed),
        });
    }
    Ok(checked)
}

fn not_covered(id: &str, query: usize, reason: String) -> Checked {
    Checked { id: id.to_owned(), query, verdict: Verdict::NotCovered(reason) }
}

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
    let question = Question::new(kind, setup, query)?;

    let pinned = question.answer(setup, &mut setup.pinned.clone());
    if let Some((field, expected, got)) = first_difference(&expect, query, &pinned, setup) {
        let choices = ChoicesMode::Pinned;
        return Ok(Verdict::Disagrees(Disagreement { field, expected, got, choices }));
    }

    // With every choice open, the vector's answer must be one of those allowed.
    let mut nearest = None;
    let mut found = false;
    golden::allowed(
        &golden::Profile::open(),
        |choices| question.answer(setup, choices),
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
        Some((field, expected, got)) if !found => {
            let choices = ChoicesMode::Open;
            Verdict::Disagrees(Disagreement { field, expected, got, choices })
        }
        _ => Verdict::Agrees,
    })
}

/// A query in golden's terms.
enum Question {
    Access { access: Access, va: Va },
    At { at: At, executed_at: El, pan: bool, va: Va },
    Stage2 { operation: Stage2Operation, el: El, aligned: bool, mair_byte: u8, sh: u8, ipa: Ipa },
}

/// What golden answers.
struct Answered {
    result: Result<Translation, (Fault, Option<Exception>)>,
    /// For an AT instruction that took no exception.
    par: Option<golden::Masked>,
    updates: Updates,
    reads: Vec<u64>,
}

impl Question {
    fn new(kind: &str, setup: &Setup, query: &Query<'_>) -> Result<Self, Refused> {
        let unknown = |what: String| Refused::Unknown(what);
        let Hex(address) = query.address;
        if let Some(name) = query.op.strip_prefix("at_") {
            let at = At::named(name).ok_or_else(|| unknown(format!("unknown op {}", query.op)))?;
            let executed_at = query.executed_at_el.and_then(El::new);
            let executed_at =
                executed_at.ok_or_else(|| unknown("AT without executed_at_el".into()))?;
            let pan = query.pan;
            return match kind {
                "at" => Ok(Self::At { at, executed_at, pan, va: Va(address) }),
                _ => Err(unknown(format!("AT in setup {kind}"))),
            };
        }
        let el = query.el.and_then(El::new).ok_or_else(|| unknown("access without el".into()))?;
        let operation = match query.op.as_str() {
            "load" => Stage2Operation::Access(Operation::Load),
            "store" => Stage2Operation::Access(Operation::Store),
            "fetch" => Stage2Operation::Access(Operation::Fetch),
            "rmw" => Stage2Operation::Access(Operation::Atomic),
            "s1_walk_read" => Stage2Operation::Stage1WalkRead,
            "s1_walk_update" => Stage2Operation::Stage1WalkUpdate,
            op => return Err(unknown(format!("unknown op {op}"))),
        };
        match (kind, operation) {
            ("stage2", operation) => {
                let attributes = query
                    .stage1_attributes
                    .as_ref()
                    .ok_or_else(|| unknown("stage2 without stage1_attributes".into()))?;
                let mair_byte = attributes.mair_byte.0 as u8;
                let feat_xs = setup.implementation.has(Features::FEAT_XS);
                if MemoryAttributes::from_mair(mair_byte, Shareability::Non, feat_xs).is_none() {
                    return Err(unknown("reserved stage1_attributes.mair_byte".into()));
                }
                let (aligned, sh, ipa) = (query.aligned, attributes.sh, Ipa(address));
                Ok(Self::Stage2 { operation, el, aligned, mair_byte, sh, ipa })
            }
            ("el1&0" | "el2" | "el2&0", Stage2Operation::Access(operation)) => {
                let access =
                    Access::new(operation, el).with_pan(query.pan).with_aligned(query.aligned);
                Ok(Self::Access { access, va: Va(address) })
            }
            (kind, _) => Err(unknown(format!("op {} in setup {kind}", query.op))),
        }
    }

    fn answer(&self, setup: &Setup, choices: &mut impl Choices) -> Answered {
        let mut reads = Reads(Vec::new());
        let Setup { implementation, registers, memory, .. } = setup;
        let machine = Machine { implementation, registers, memory };
        let (result, par, updates) = match *self {
            Self::Access { access, va } => {
                let outcome = golden::access(machine, access, va, choices, &mut reads)
                    .expect("vectors are of EL0 to EL2");
                let result = outcome.result.map_err(|abort| (abort.fault, Some(abort.exception)));
                (result, None, outcome.updates)
            }
            Self::Stage2 { operation, el, aligned, mair_byte, sh, ipa } => {
                let feat_xs = implementation.has(Features::FEAT_XS);
                let shareability = shareability(sh, choices);
                let stage1_attributes =
                    MemoryAttributes::from_mair(mair_byte, shareability, feat_xs)
                        .expect("checked when the query was read");
                let access = Stage2Access { operation, el, aligned, stage1_attributes };
                let outcome = golden::stage2_translate(machine, access, ipa, choices, &mut reads);
                let cause = match operation {
                    Stage2Operation::Access(Operation::Fetch) => Cause::Fetch,
                    Stage2Operation::Access(Operation::Atomic) => Cause::Atomic,
                    _ => Cause::Data,
                };
                let result = outcome.result.map_err(|fault| {
                    let va = Va(ipa.0);
                    (fault, Some(Exception::new(&fault, cause, el, va, implementation, registers)))
                });
                (result, None, outcome.updates)
            }
            Self::At { at, executed_at, pan, va } => {
                match golden::at(machine, at, executed_at, pan, va, choices, &mut reads) {
                    Ok(outcome) => match outcome.result {
                        AtResult::Par { par, fault } => {
                            let result = match fault {
                                Some(fault) => Err((fault, None)),
                                None => Ok(NOWHERE),
                            };
                            (result, Some(par), outcome.updates)
                        }
                        AtResult::Exception(abort) => {
                            (Err((abort.fault, Some(abort.exception))), None, outcome.updates)
                        }
                    },
                    Err(_) => (Ok(NOWHERE), None, Updates::new()),
                }
            }
        };
        Answered { result, par, updates, reads: reads.0 }
    }
}

/// Stands for the translation of an AT instruction, of which PAR_EL1 tells all.
const NOWHERE: Translation = Translation {
    pa: golden::Pa(0),
    ipa: None,
    attributes: MemoryAttributes {
        memory: MemoryType::NON_CACHEABLE,
        shareability: Shareability::Outer,
        xs: true,
    },
    stage1_level: None,
    stage2_level: None,
};

fn shareability(sh: u8, choices: &mut impl Choices) -> Shareability {
    Shareability::from_bits(sh.into()).unwrap_or_else(|| {
        match choices.choose(Choice::ReservedShareability, 3) {
            Answer(1) => Shareability::Inner,
            Answer(2) => Shareability::Non,
            Answer(_) => Shareability::Outer,
        }
    })
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
        .or_else(|| updates_difference(query, &answered.updates, setup))
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
    let got = || match (&answered.result, answered.par) {
        (_, Some(par)) => format!("par {par}"),
        (Ok(translation), _) => format!("ok {translation}"),
        (Err((fault, _)), _) => fault.to_string(),
    };
    match (expect, &answered.result, answered.par) {
        (Expect::Ok(expect), Ok(translation), None) => ok_difference(expect, translation, setup),
        (Expect::Fault(expect), Err((fault, exception)), None) => {
            let exception = exception.filter(|_| !query.op.starts_with("s1_walk_"));
            fault_difference(expect, fault)
                .or_else(|| exception_difference(expect.exception.as_ref(), exception))
        }
        (Expect::Par(expect), _, Some(par)) => {
            let (Hex(value), Hex(mask)) = (expect.par_el1, expect.par_mask);
            masked_difference("par_el1", value, mask, par)
        }
        (Expect::Exception(expect), Err((_, exception)), None) => {
            exception_difference(Some(&expect.exception), *exception)
        }
        (Expect::Ok(_), ..) => differs("result", "ok".into(), got()),
        (Expect::Fault(expect), ..) => differs("result", format!("{} fault", expect.fault), got()),
        (Expect::Par(_), ..) => differs("result", "par".into(), got()),
        (Expect::Exception(_), ..) => differs("result", "exception".into(), got()),
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
    let permitted = updates
        .iter()
        .any(|update| update.stage == Stage::One && update.certainty == Certainty::Permitted);
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
