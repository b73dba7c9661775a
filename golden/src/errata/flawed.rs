//! A device with errata.

use crate::access::Operation;
use crate::attributes::MemoryAttributes;
use crate::choices::{Answer, Choice, Choices, GroupInspection};
use crate::descriptor::Format;
use crate::errata::{
    Combination, Effect, Errata, Erratum, Halves, Instruction, LeafUpdate, Site, Stage1Leaf,
    Subject, TableBase,
};
use crate::exception::Exception;
use crate::fault::{Fault, Stage};
use crate::implementation::Implementation;
use crate::masked::Masked;
use crate::params::{Stage1Params, Stage2Params};
use crate::permissions::Permissions;
use crate::registers::Registers;
use crate::rule::Rule;

/// A device that answers what is open by `choices`, and has errata: a slice or an array of them. Where several do
/// something at the same point, they do it in their order. Of an array of none nothing is left in the code.
#[derive(Clone, Copy, Debug)]
pub struct Flawed<C, E> {
    choices: C,
    errata: E,
}

impl<C, E: AsRef<[&'static Erratum]>> Flawed<C, E> {
    /// A device with these errata.
    pub const fn new(choices: C, errata: E) -> Self {
        Self { choices, errata }
    }

    fn effects(&self) -> impl Iterator<Item = &'static Effect> {
        self.errata.as_ref().iter().map(|erratum| &erratum.effect)
    }
}

impl<C: Choices, E: AsRef<[&'static Erratum]>> Choices for Flawed<C, E> {
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

impl<C, E: AsRef<[&'static Erratum]>> Errata for Flawed<C, E> {
    #[inline]
    fn machine(
        &self,
        implementation: &Implementation,
        registers: &Registers,
    ) -> Option<(Implementation, Registers)> {
        let mut machine = (*implementation, *registers);
        let mut is_other = false;
        for effect in self.effects() {
            match *effect {
                Effect::Register { register, field, value, within }
                    if within(implementation, registers) =>
                {
                    let word = register(&mut machine.1);
                    *word = field.set(*word, value);
                    is_other = true;
                }
                Effect::Without(features) => {
                    machine.0.features = machine.0.features.without(features);
                    is_other = true;
                }
                Effect::With(features) => {
                    machine.0.features = machine.0.features.with(features);
                    is_other = true;
                }
                _ => {}
            }
        }
        is_other.then_some(machine)
    }

    #[inline]
    fn lifts(&self, site: &Site, rule: Rule) -> bool {
        self.effects().any(|effect| match *effect {
            Effect::Lifts(stage, lifted) => lifted == rule && is_of(stage, site.stage),
            _ => false,
        })
    }

    #[inline]
    fn lifts_while_off(&self, rule: Rule) -> bool {
        self.effects().any(|effect| matches!(*effect, Effect::LiftsWhileOff(off) if off == rule))
    }

    #[inline]
    fn imposes(&self, site: &Site, rule: Rule) -> bool {
        self.effects().any(|effect| match *effect {
            Effect::Imposes(imposed, is_there) => imposed == rule && is_there(site),
            _ => false,
        })
    }

    #[inline]
    fn postpones(&self, _: &Site, rule: Rule) -> bool {
        self.effects().any(|effect| matches!(*effect, Effect::Postpones(late) if late == rule))
    }

    #[inline]
    fn checked_address(&self, site: &Site, format: &Format, descriptor: u64, output: u64) -> u64 {
        self.effects().fold(output, |checked, effect| match *effect {
            Effect::CheckedAddress(stage, address) if stage == site.stage => {
                address(format, descriptor, output)
            }
            _ => checked,
        })
    }

    #[inline]
    fn base(&self, site: &Site, base: &TableBase<'_>, taken: (u64, u64)) -> (u64, u64) {
        self.effects().fold(taken, |taken, effect| match *effect {
            Effect::Base(stage, take) if stage == site.stage => take(base),
            _ => taken,
        })
    }

    #[inline]
    fn stage2_min_txsz(&self, min: u64) -> u64 {
        self.effects().fold(min, |min, effect| match *effect {
            Effect::Stage2MinTxsz(change) => change(min),
            _ => min,
        })
    }

    #[inline]
    fn halves(&self, subject: &Subject) -> Halves {
        let is_atomic = subject.instruction == Instruction::Access(Operation::Atomic);
        self.effects().fold(Halves::Together, |halves, effect| match *effect {
            Effect::Halves(divided) if is_atomic => divided,
            _ => halves,
        })
    }

    #[inline]
    fn stage1_params(&self, subject: &Subject, mut params: Stage1Params) -> Stage1Params {
        for effect in self.effects() {
            if let Effect::Stage1(change) = *effect {
                change(subject, &mut params);
            }
        }
        params
    }

    #[inline]
    fn stage2_params(&self, subject: &Subject, mut params: Stage2Params) -> Stage2Params {
        for effect in self.effects() {
            if let Effect::Stage2(change) = *effect {
                change(subject, &mut params);
            }
        }
        params
    }

    #[inline]
    fn descriptor(&self, site: &Site, descriptor: u64) -> u64 {
        self.effects().fold(descriptor, |descriptor, effect| match *effect {
            Effect::Descriptor(stage, change) if stage == site.stage => change(site, descriptor),
            _ => descriptor,
        })
    }

    #[inline]
    fn stage1_permissions(
        &self,
        site: &Site,
        mut permissions: Permissions,
        leaf: &Stage1Leaf<'_>,
    ) -> Permissions {
        for effect in self.effects() {
            if let Effect::Stage1Permissions(change) = *effect {
                change(site, &mut permissions, leaf);
            }
        }
        permissions
    }

    #[inline]
    fn stage2_permissions(&self, site: &Site, mut permissions: Permissions) -> Permissions {
        for effect in self.effects() {
            if let Effect::Stage2Permissions(change) = *effect {
                change(site, &mut permissions);
            }
        }
        permissions
    }

    #[inline]
    fn attributes(&self, site: &Site, mut attributes: MemoryAttributes) -> MemoryAttributes {
        for effect in self.effects() {
            if let Effect::Attributes(stage, change) = *effect
                && stage == site.stage
            {
                change(site, &mut attributes);
            }
        }
        attributes
    }

    #[inline]
    fn combined(&self, combination: &Combination) -> MemoryAttributes {
        let mut combination = *combination;
        for effect in self.effects() {
            if let Effect::Combined(combine) = *effect {
                combination.both = combine(&combination);
            }
        }
        combination.both
    }

    #[inline]
    fn address(&self, site: &Site, address: u64) -> u64 {
        self.effects().fold(address, |address, effect| match *effect {
            Effect::Address(stage, change) if stage == site.stage => change(site, address),
            _ => address,
        })
    }

    #[inline]
    fn update(&self, site: &Site, update: &LeafUpdate) -> u64 {
        let mut update = *update;
        for effect in self.effects() {
            if let Effect::Update(stage, change) = *effect
                && is_of(stage, site.stage)
            {
                update.new = change(site, &update);
            }
        }
        update.new
    }

    #[inline]
    fn fault(&self, subject: &Subject, mut fault: Fault) -> Fault {
        for effect in self.effects() {
            if let Effect::Fault(change) = *effect {
                change(subject, &mut fault);
            }
        }
        fault
    }

    #[inline]
    fn walk_fault(&self, site: &Site, mut fault: Fault) -> Fault {
        for effect in self.effects() {
            if let Effect::WalkFault(change) = *effect {
                change(site, &mut fault);
            }
        }
        fault
    }

    #[inline]
    fn exception(&self, subject: &Subject, fault: &Fault, mut exception: Exception) -> Exception {
        for effect in self.effects() {
            if let Effect::Exception(change) = *effect {
                change(subject, fault, &mut exception);
            }
        }
        exception
    }

    #[inline]
    fn par(&self, _: &Subject, sh: Option<u64>, mut par: Masked) -> Masked {
        for effect in self.effects() {
            if let Effect::Par(change) = *effect {
                change(sh, &mut par);
            }
        }
        par
    }

    #[inline]
    fn does_nothing(&self, subject: &Subject) -> bool {
        self.effects().any(|effect| match *effect {
            Effect::Nothing(is) => is(subject),
            _ => false,
        })
    }
}
