//! Soak: cases of the kept plan are drawn, asked and judged without the host. See [`link::soak`].

use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::*;
use case::Case;
use case::abilities::Abilities;
use case::draw::NotDrawn;
use case::plan::Environment;
use executor::oracle::Oracle;
use link::hello::{Hello, IdRegisters};
use link::observations::{Exception, Observations, Report, Status};
use link::soak::{ProgressWriter, Soak, Terms, Totals, Why};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::payload::asm;
use crate::payload::buffer::{Buffer, buffer};
use crate::payload::global::Owned;
use crate::payload::plan::KeptPlan;
use crate::payload::run::Runner;
use crate::payload::run::oracle::OracleRun;

static ORACLE_RUN: Owned<Option<OracleRun>> = Owned::new(None);

/// Soaks.
pub struct Soaker {
    /// The plan whose cases are asked.
    pub plan: KeptPlan,
    abilities: Abilities,
    ids: IdRegisters,
    /// `None` before there are terms.
    oracle_run: &'static mut Option<OracleRun>,
    /// Observations of one case.
    observations: &'static mut Buffer,
}

/// What became of one case.
enum Became<'a> {
    /// It is one of a run.
    Conforms(Totals),
    /// It is told in full: sums, which of its probes, and the observations of all.
    Suspect(Totals, &'a OracleRun, Observations<'a>),
    /// The host has to ask it.
    Left,
}

impl Soaker {
    /// On the target that said this `hello`. Called once.
    pub fn new(hello: &Hello) -> Self {
        Self {
            plan: KeptPlan::new(),
            abilities: hello.abilities(),
            ids: hello.ids,
            oracle_run: ORACLE_RUN.take(),
            observations: buffer!(),
        }
    }

    /// Goes by the terms in `body` from here on; `false` where they make no sense.
    pub fn agree(&mut self, body: &[u8]) -> bool {
        let oracle_run = self.oracle_run.get_or_insert_with(|| OracleRun::new(&self.ids));
        Terms::from_bytes(body).is_some_and(|terms| oracle_run.oracle.agree(&terms))
    }

    /// Does what the message in `body` says, writes the progress to `out`, and returns its size; `None` where
    /// the message makes no sense, or there is no plan, or there are no terms. The words say which probe of which case
    /// is in hand.
    pub fn soak(
        &mut self,
        body: &[u8],
        runner: &mut Runner,
        request: u64,
        (cursor, drawn): (&AtomicU64, &AtomicU64),
        out: &mut [u8],
    ) -> Option<usize> {
        let (soak, _) = Soak::read_from_prefix(body).ok()?;
        let plan = self.plan.kept()?;
        let oracle_run = self.oracle_run.as_mut()?;
        let Buffer(observations) = &mut *self.observations;
        let mut writer = ProgressWriter::new(out)?;
        let map = runner.map().clone();
        let environment = Environment { abilities: &self.abilities, map: &map, seed: plan.seed() };
        let begin = CNTPCT_EL0.get();
        let ticks = soak.milliseconds.saturating_mul(CNTFRQ_EL0.get()) / 1000;
        let end = soak.first.saturating_add(soak.count);
        let mut run = Totals::NONE;
        let mut next = soak.first;
        while next < end {
            if next > soak.first && CNTPCT_EL0.get().wrapping_sub(begin) >= ticks {
                break;
            }
            let Some(case) = plan.case(&environment, next) else { break };
            // In memory, as the cursor is: see `Runner::run_case`.
            drawn.store(next + 1, Ordering::Relaxed);
            asm::clean_line(drawn.as_ptr().addr() as u64);
            let became = match &case {
                Ok(case) => ask(case, runner, request, cursor, oracle_run, observations),
                Err(why) => Became::Conforms(not_drawn(*why)),
            };
            if let Became::Conforms(totals) = became {
                run.add(&totals);
                next += 1;
                continue;
            }
            // What comes before it is told first.
            let told = writer.run(&run);
            if told.is_some() {
                run = Totals::NONE;
            }
            let told = told.and_then(|()| match &became {
                Became::Suspect(totals, oracle_run, observations) => {
                    tell(&mut writer, totals, oracle_run, observations, case_has_updates(&case))
                }
                _ => writer.left(),
            });
            if told.is_none() {
                if next > soak.first {
                    // It is asked again, with room for all that there is to say.
                    break;
                }
                writer.left()?;
            }
            next += 1;
        }
        drawn.store(0, Ordering::Relaxed);
        asm::clean_line(drawn.as_ptr().addr() as u64);
        // Sums have room in any message that has room for a case.
        writer.run(&run)?;
        Some(writer.finish(next))
    }
}

/// The sums over a case that could not be drawn.
fn not_drawn(why: NotDrawn) -> Totals {
    let mut totals = Totals::NONE;
    totals.cases = 1;
    totals.skip(Why::NotDrawn(why));
    totals
}

fn case_has_updates(drawn: &Result<Case, NotDrawn>) -> bool {
    drawn.as_ref().is_ok_and(|case| case.as_ref().flags().has(case::Flags::UPDATES))
}

/// Asks `case`, and compares what it answers.
fn ask<'a>(
    case: &Case,
    runner: &mut Runner,
    request: u64,
    cursor: &AtomicU64,
    oracle_run: &'a mut OracleRun,
    body: &'a mut [u8],
) -> Became<'a> {
    let case = case.as_ref();
    if !Oracle::judges(&case) {
        return Became::Left;
    }
    oracle_run.clear();
    let bytes = runner.run_case(case, 1, request, cursor, body, Some(oracle_run));
    let Some(observations) = Observations::from_bytes(&body[..bytes]) else { return Became::Left };
    let Report { after, truncated, .. } = *observations.report;
    let is_done = observations.report.status() == Some(Status::Done);
    if oracle_run.is_left || !is_done || truncated != 0 {
        return Became::Left;
    }
    let mut totals = oracle_run.totals;
    totals.cases = 1;
    totals.probes = observations.answers.len() as u64;
    // What the host makes of a case that it asks itself; where nothing is asked, it sends nothing.
    if totals.probes > 0 {
        totals.digest = conform::digest(&observations);
    }
    let is_changed = after != oracle_run.after;
    if is_changed {
        // Nobody knows which probe did it.
        oracle_run.misfits.clear();
        oracle_run.misfits.extend(0..oracle_run.numbers.len() as u16);
    }
    if oracle_run.misfits.is_empty() && !is_changed {
        Became::Conforms(totals)
    } else {
        Became::Suspect(totals, oracle_run, observations)
    }
}

/// Tells a suspect; `None` where there is no room for it.
fn tell(
    writer: &mut ProgressWriter<'_>,
    totals: &Totals,
    oracle_run: &OracleRun,
    observations: &Observations<'_>,
    has_updates: bool,
) -> Option<()> {
    let OracleRun { numbers, misfits, .. } = oracle_run;
    // What hardware updated counts for the probes behind it.
    let is_told = |at: usize| has_updates || misfits.contains(&(at as u16));
    let told = || (0..numbers.len()).filter(|at| is_told(*at));
    let count = told().count();
    let mut numbers = told().map(|at| u64::from(numbers[at]));
    let numbers = (0..count).map(|_| numbers.next().unwrap_or_default());
    writer.suspect(totals, numbers, |out| {
        let place = |probe: usize| told().position(|at| at == probe);
        let exceptions = || {
            observations.exceptions.iter().filter_map(|exception| {
                let probe = place(exception.probe as usize)? as u32;
                Some(Exception { probe, ..*exception })
            })
        };
        let mut report = *observations.report;
        report.answers = count as u32;
        report.exceptions = exceptions().count() as u32;
        let mut at = 0;
        put(out, &mut at, &report)?;
        told().try_for_each(|probe| put(out, &mut at, &observations.answers[probe]))?;
        exceptions().try_for_each(|exception| put(out, &mut at, &exception))?;
        // Only where all probes are told are there any.
        observations.updates.iter().try_for_each(|update| put(out, &mut at, update))?;
        Some(at)
    })
}

fn put(out: &mut [u8], at: &mut usize, item: &(impl IntoBytes + Immutable)) -> Option<()> {
    let bytes = item.as_bytes();
    out.get_mut(*at..*at + bytes.len())?.copy_from_slice(bytes);
    *at += bytes.len();
    Some(())
}
