//! A device with errata.

use crate::access::Operation;
use crate::attributes::MemoryAttributes;
use crate::choices::{Answer, Choice, Choices, GroupInspection};
use crate::descriptor::Format;
use crate::errata::{
    Combination, Effect, Errata, Erratum, Halves, Instruction, LeafUpdate, Point, Site, Stage1Leaf,
    Subject, TableBase,
};
use crate::exception::Exception;
use crate::fault::{Fault, Stage};
use crate::granule::Granule;
use crate::implementation::Implementation;
use crate::level::Level;
use crate::masked::Masked;
use crate::params::{Stage1Params, Stage2Params};
use crate::permissions::Permissions;
use crate::registers::Registers;
use crate::rule::Rule;

/// A device that answers what is open by `choices`, and has errata. Where several do something at the same point, they
/// do it in their order. Of an array of none nothing is left in the code.
#[derive(Clone, Copy, Debug)]
pub struct Flawed<C, E> {
    choices: C,
    errata: E,
}

/// The errata of a device.
pub trait ErrataSet: Copy {
    /// Those that may act at a point of this kind, in their order, each with its number in the set.
    fn at(&self, point: Point) -> impl Iterator<Item = (usize, &'static Erratum)>;

    /// The erratum of this number makes a difference.
    #[inline]
    fn acted(&self, _number: usize) {}
}

impl<const N: usize> ErrataSet for [&'static Erratum; N] {
    #[inline]
    fn at(&self, _: Point) -> impl Iterator<Item = (usize, &'static Erratum)> {
        self.iter().copied().enumerate()
    }
}

impl ErrataSet for &[&'static Erratum] {
    #[inline]
    fn at(&self, _: Point) -> impl Iterator<Item = (usize, &'static Erratum)> {
        self.iter().copied().enumerate()
    }
}

impl<C, E: ErrataSet> Flawed<C, E> {
    /// A device with these errata.
    pub const fn new(choices: C, errata: E) -> Self {
        Self { choices, errata }
    }

    /// What becomes of `value` by the errata at `point`, each of which may make something else of it.
    #[inline]
    fn changed<T: Copy + PartialEq>(
        &self,
        point: Point,
        value: T,
        change: impl Fn(&'static Effect, T) -> T,
    ) -> T {
        self.errata.at(point).fold(value, |value, (number, erratum)| {
            let new = change(&erratum.effect, value);
            if new != value {
                self.errata.acted(number);
            }
            new
        })
    }

    /// Does one of the errata at `point` say so?
    #[inline]
    fn any(&self, point: Point, is: impl Fn(&'static Effect) -> bool) -> bool {
        self.changed(point, false, |effect, already| already || is(effect))
    }
}

impl<C: Choices, E: ErrataSet> Choices for Flawed<C, E> {
    fn choose(&mut self, choice: Choice, count: u16) -> Answer {
        self.choices.choose(choice, count)
    }

    fn group_inspection(&self) -> GroupInspection {
        self.choices.group_inspection()
    }

    fn anything(&mut self) {
        self.choices.anything();
    }
}

fn is_of(wanted: Option<Stage>, stage: Stage) -> bool {
    wanted.is_none_or(|wanted| wanted == stage)
}

impl<C, E: ErrataSet> Errata for Flawed<C, E> {
    #[inline]
    fn machine(
        &self,
        implementation: &Implementation,
        registers: &Registers,
    ) -> Option<(Implementation, Registers)> {
        let mut errata = self.errata.at(Point::Machine).peekable();
        errata.peek()?;
        let (mut pe, mut taken) = (*implementation, *registers);
        let mut is_other = false;
        for (number, erratum) in errata {
            let has_acted = match erratum.effect {
                Effect::Register { register, field, value, within }
                    if within(implementation, registers) =>
                {
                    let word = register(&mut taken);
                    let new = field.set(*word, value);
                    core::mem::replace(word, new) != new
                }
                Effect::Without(features) => {
                    let new = pe.features.without(features);
                    core::mem::replace(&mut pe.features, new) != new
                }
                Effect::With(features) => {
                    let new = pe.features.with(features);
                    core::mem::replace(&mut pe.features, new) != new
                }
                _ => false,
            };
            if has_acted {
                self.errata.acted(number);
            }
            is_other |= has_acted;
        }
        is_other.then_some((pe, taken))
    }

    #[inline]
    fn lifts(&self, site: &Site, rule: Rule) -> bool {
        self.any(Point::Rule, |effect| match *effect {
            Effect::Lifts(stage, lifted) => lifted == rule && is_of(stage, site.stage),
            _ => false,
        })
    }

    #[inline]
    fn lifts_without_leaf(&self, rule: Rule) -> bool {
        self.any(
            Point::Rule,
            |effect| matches!(*effect, Effect::LiftsWithoutLeaf(off) if off == rule),
        )
    }

    #[inline]
    fn imposes(&self, site: &Site, rule: Rule) -> bool {
        self.any(Point::Rule, |effect| match *effect {
            Effect::Imposes(imposed, is_there) => imposed == rule && is_there(site),
            _ => false,
        })
    }

    #[inline]
    fn postpones(&self, _: &Site, rule: Rule) -> bool {
        self.any(Point::Rule, |effect| matches!(*effect, Effect::Postpones(late) if late == rule))
    }

    #[inline]
    fn out_of_range(&self, site: &Site, format: &Format, descriptor: u64, output: u64) -> bool {
        self.changed(Point::Address, format.out_of_range(output), |effect, is| match *effect {
            Effect::CheckedAddress(stage, address) if stage == site.stage => {
                format.out_of_range(address(format, descriptor, output))
            }
            _ => is,
        })
    }

    #[inline]
    fn base(&self, site: &Site, base: &TableBase<'_>, taken: (u64, u64)) -> (u64, u64) {
        self.changed(Point::Address, taken, |effect, taken| match *effect {
            Effect::Base(stage, take) if stage == site.stage => take(base),
            _ => taken,
        })
    }

    #[inline]
    fn stage2_min_txsz(&self, min: u64, ps_bits: u32) -> u64 {
        self.changed(Point::Params, min, |effect, min| match *effect {
            Effect::Stage2MinTxsz(change) => change(min, ps_bits),
            _ => min,
        })
    }

    #[inline]
    fn refuses_start(&self, granule: Granule, start: Level, ps_bits: u32) -> bool {
        self.any(Point::Params, |effect| match *effect {
            Effect::NoStart(refuses) => refuses(granule, start, ps_bits),
            _ => false,
        })
    }

    #[inline]
    fn halves(&self, subject: &Subject) -> Halves {
        let is_atomic = subject.instruction == Instruction::Access(Operation::Atomic);
        self.changed(Point::Instruction, Halves::Together, |effect, halves| match *effect {
            Effect::Halves(divided) if is_atomic => divided,
            _ => halves,
        })
    }

    #[inline]
    fn stage1_params(&self, subject: &Subject, params: Stage1Params) -> Stage1Params {
        self.changed(Point::Params, params, |effect, mut params| {
            if let Effect::Stage1(change) = *effect {
                change(subject, &mut params);
            }
            params
        })
    }

    #[inline]
    fn stage2_params(&self, subject: &Subject, params: Stage2Params) -> Stage2Params {
        self.changed(Point::Params, params, |effect, mut params| {
            if let Effect::Stage2(change) = *effect {
                change(subject, &mut params);
            }
            params
        })
    }

    #[inline]
    fn descriptor(&self, site: &Site, descriptor: u64) -> u64 {
        self.changed(Point::Descriptor, descriptor, |effect, descriptor| match *effect {
            Effect::Descriptor(stage, change) if stage == site.stage => change(site, descriptor),
            _ => descriptor,
        })
    }

    #[inline]
    fn stage1_permissions(
        &self,
        site: &Site,
        permissions: Permissions,
        leaf: &Stage1Leaf<'_>,
    ) -> Permissions {
        self.changed(Point::Permissions, permissions, |effect, mut permissions| {
            if let Effect::Stage1Permissions(change) = *effect {
                change(site, &mut permissions, leaf);
            }
            permissions
        })
    }

    #[inline]
    fn stage2_permissions(&self, site: &Site, permissions: Permissions) -> Permissions {
        self.changed(Point::Permissions, permissions, |effect, mut permissions| {
            if let Effect::Stage2Permissions(change) = *effect {
                change(site, &mut permissions);
            }
            permissions
        })
    }

    #[inline]
    fn attributes(&self, site: &Site, attributes: MemoryAttributes) -> MemoryAttributes {
        self.changed(Point::Attributes, attributes, |effect, mut attributes| {
            if let Effect::Attributes(stage, change) = *effect
                && stage == site.stage
            {
                change(site, &mut attributes);
            }
            attributes
        })
    }

    #[inline]
    fn combined(&self, combination: &Combination) -> MemoryAttributes {
        self.changed(Point::Attributes, combination.both, |effect, both| match *effect {
            Effect::Combined(combine) => combine(&Combination { both, ..*combination }),
            _ => both,
        })
    }

    #[inline]
    fn address(&self, site: &Site, address: u64) -> u64 {
        self.changed(Point::Address, address, |effect, address| match *effect {
            Effect::Address(stage, change) if stage == site.stage => change(site, address),
            _ => address,
        })
    }

    #[inline]
    fn update(&self, site: &Site, update: &LeafUpdate) -> u64 {
        self.changed(Point::Update, update.new, |effect, new| match *effect {
            Effect::Update(stage, change) if is_of(stage, site.stage) => {
                change(site, &LeafUpdate { new, ..*update })
            }
            _ => new,
        })
    }

    #[inline]
    fn fault(&self, subject: &Subject, fault: Fault) -> Fault {
        self.changed(Point::Report, fault, |effect, mut fault| {
            if let Effect::Fault(change) = *effect {
                change(subject, &mut fault);
            }
            fault
        })
    }

    #[inline]
    fn walk_fault(&self, site: &Site, fault: Fault) -> Fault {
        self.changed(Point::Report, fault, |effect, mut fault| {
            if let Effect::WalkFault(change) = *effect {
                change(site, &mut fault);
            }
            fault
        })
    }

    #[inline]
    fn exception(&self, subject: &Subject, fault: &Fault, exception: Exception) -> Exception {
        self.changed(Point::Report, exception, |effect, mut exception| {
            if let Effect::Exception(change) = *effect {
                change(subject, fault, &mut exception);
            }
            exception
        })
    }

    #[inline]
    fn par(&self, _: &Subject, sh: Option<u64>, par: Masked) -> Masked {
        self.changed(Point::Report, par, |effect, mut par| {
            if let Effect::Par(change) = *effect {
                change(sh, &mut par);
            }
            par
        })
    }

    #[inline]
    fn does_nothing(&self, subject: &Subject) -> bool {
        self.any(Point::Instruction, |effect| match *effect {
            Effect::Nothing(is) => is(subject),
            _ => false,
        })
    }
}
