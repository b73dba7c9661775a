//! Conditions on what a probe asks: on registers, and on the descriptors at which its walk ends.

use std::collections::BTreeMap;

use golden::Registers;
use schemars::JsonSchema;
use serde::Deserialize;
use suite::yaml::Spanned;

use super::bits::{Bits, BitsFields, can_meet};
use super::rule::ProbeFeatures;

/// Conditions as their file says them: all of them must hold.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Conditions")]
pub struct ConditionsFields {
    /// Bits of registers. Default: any.
    #[serde(default)]
    #[schemars(with = "BTreeMap<Register, Vec<BitsFields>>")]
    pub registers: BTreeMap<Register, Vec<Spanned<BitsFields>>>,
    /// Bits of the last descriptor that the walk reads, of stage 2 where that is asked: the leaf, or the one that
    /// faults. Default: any.
    #[serde(default)]
    #[schemars(with = "Vec<BitsFields>")]
    pub descriptor: Vec<Spanned<BitsFields>>,
    /// Bits of the last descriptor of stage 1 that the walk reads, where both stages are asked. Default: any.
    #[serde(default)]
    #[schemars(with = "Vec<BitsFields>")]
    pub stage1: Vec<Spanned<BitsFields>>,
    /// Bits of the byte of `MAIR_EL1` that this descriptor of stage 1 chooses. Default: any.
    #[serde(default)]
    #[schemars(with = "Vec<BitsFields>")]
    pub memory_type: Vec<Spanned<BitsFields>>,
}

macro_rules! register {
    ($($field:ident $name:literal)*) => {
        /// A register that a rule can look at.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, JsonSchema)]
        pub enum Register {
            $(#[serde(rename = $name)] $field,)*
        }

        impl Register {
            const fn of(self, registers: &Registers) -> u64 {
                match self {
                    $(Self::$field => registers.$field,)*
                }
            }
        }
    };
}

golden::registers!(register);

/// Conditions, all of which must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    registers: BTreeMap<Register, Vec<Bits>>,
    descriptor: Vec<Bits>,
    stage1: Vec<Bits>,
    memory_type: Vec<Bits>,
}

impl Conditions {
    /// Checks conditions by `bits`, which checks those of one word.
    pub fn new<E>(
        fields: ConditionsFields,
        bits: impl Fn(Vec<Spanned<BitsFields>>) -> Result<Vec<Bits>, E>,
    ) -> Result<Self, E> {
        let ConditionsFields { registers, descriptor, stage1, memory_type } = fields;
        let registers = registers.into_iter().map(|(register, list)| Ok((register, bits(list)?)));
        Ok(Self {
            registers: registers.collect::<Result<_, _>>()?,
            descriptor: bits(descriptor)?,
            stage1: bits(stage1)?,
            memory_type: bits(memory_type)?,
        })
    }

    /// Whether they say nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they may hold in a case with these registers.
    pub fn fit_registers(&self, registers: &Registers) -> bool {
        let fit = |(register, list): (&Register, &Vec<Bits>)| {
            list.iter().all(|bits| bits.fit(register.of(registers)))
        };
        self.registers.iter().all(fit)
    }

    /// Whether they hold in `question`, its registers included.
    pub fn fit(&self, question: &ProbeFeatures) -> bool {
        let ProbeFeatures { descriptor, stage1, memory_type, .. } = *question;
        let words = [
            (&self.descriptor, descriptor),
            (&self.stage1, stage1),
            (&self.memory_type, memory_type.map(u64::from)),
        ];
        let fit = |(list, word): (&Vec<Bits>, Option<u64>)| {
            list.iter().all(|bits| word.is_some_and(|word| bits.fit(word)))
        };
        words.into_iter().all(fit) && self.fit_registers(&question.registers)
    }

    /// Whether all of `all` may hold together.
    pub fn can_meet(all: &[&Self]) -> bool {
        let meet = |of: fn(&Self) -> &Vec<Bits>| can_meet(all.iter().flat_map(|one| of(one)));
        let registers = all.iter().flat_map(|one| one.registers.keys());
        let mut registers = registers.copied();
        meet(|one| &one.descriptor)
            && meet(|one| &one.stage1)
            && meet(|one| &one.memory_type)
            && registers.all(|register| {
                can_meet(all.iter().filter_map(|one| one.registers.get(&register)).flatten())
            })
    }
}
