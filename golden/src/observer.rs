//! Who watches a walk: replay, explain, coverage, the judge.

use crate::address::{Ipa, Pa, Va};
use crate::attributes::MemoryAttributes;
use crate::choices::{Answer, Choice};
use crate::fault::{Fault, Stage};
use crate::level::Level;
use crate::params::{Stage1Params, Stage2Params};
use crate::permissions::Permissions;
use crate::rule::Rule;
use crate::updates::Update;

/// Watches a walk. Every method does nothing unless it is implemented, and costs nothing then.
///
/// The calls come in the order of the walk. Where stage 1 walks through stage 2, the calls of the one
/// come between those of the other; [`Observer::translating`] begins each stage's part.
pub trait Observer {
    /// A stage begins to translate this address.
    fn translating(&mut self, _input: Input) {}

    /// Stage 1 walks with these parameters.
    fn stage1_params(&mut self, _params: &Stage1Params) {}

    /// Stage 2 walks with these parameters.
    fn stage2_params(&mut self, _params: &Stage2Params) {}

    /// A descriptor was read.
    fn read(&mut self, _read: Read) {}

    /// The descriptor read is one for a table at this address.
    fn table(&mut self, _stage: Stage, _level: Level, _table: u64) {}

    /// The walk of a stage ended in a leaf.
    fn leaf(&mut self, _leaf: &Leaf) {}

    /// A rule decided.
    fn rule(&mut self, _stage: Stage, _rule: Rule) {}

    /// A choice was consulted.
    fn asked(&mut self, _choice: Choice, _answer: Answer) {}

    /// The hardware updates a descriptor. A word that is updated twice is reported twice.
    fn update(&mut self, _stage: Stage, _update: &Update) {}

    /// A stage gave this output.
    fn output(&mut self, _output: Output) {}

    /// The translation ended in this fault.
    fn fault(&mut self, _fault: &Fault) {}
}

impl Observer for () {}

macro_rules! forward {
    ($self:ident => $($to:expr),*) => {
        fn translating(&mut $self, input: Input) { $($to.translating(input);)* }
        fn stage1_params(&mut $self, params: &Stage1Params) { $($to.stage1_params(params);)* }
        fn stage2_params(&mut $self, params: &Stage2Params) { $($to.stage2_params(params);)* }
        fn read(&mut $self, read: Read) { $($to.read(read);)* }
        fn table(&mut $self, stage: Stage, level: Level, table: u64) { $($to.table(stage, level, table);)* }
        fn leaf(&mut $self, leaf: &Leaf) { $($to.leaf(leaf);)* }
        fn rule(&mut $self, stage: Stage, rule: Rule) { $($to.rule(stage, rule);)* }
        fn asked(&mut $self, choice: Choice, answer: Answer) { $($to.asked(choice, answer);)* }
        fn update(&mut $self, stage: Stage, update: &Update) { $($to.update(stage, update);)* }
        fn output(&mut $self, output: Output) { $($to.output(output);)* }
        fn fault(&mut $self, fault: &Fault) { $($to.fault(fault);)* }
    };
}

impl<O: Observer + ?Sized> Observer for &mut O {
    forward!(self => (**self));
}

/// Two observers of the same walk.
impl<A: Observer, B: Observer> Observer for (A, B) {
    forward!(self => self.0, self.1);
}

/// What a stage is asked to translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Stage 1: a virtual address.
    Virtual(Va),
    /// Stage 2: the output of stage 1.
    Intermediate(Ipa),
    /// Stage 2: the address of a stage 1 descriptor, to read it or to update it.
    Stage1Descriptor(Ipa),
}

/// The read of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Whose descriptor it is.
    pub stage: Stage,
    /// The level of the lookup.
    pub level: Level,
    /// Where it lies.
    pub pa: Pa,
    /// Its value: byte-reversed, if the tables are big-endian.
    pub descriptor: u64,
}

/// The leaf descriptor that ends a stage's walk, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Whose descriptor it is.
    pub stage: Stage,
    /// Its level.
    pub level: Level,
    /// Its value.
    pub descriptor: u64,
    /// The output address of the access.
    pub output: u64,
    /// Does the contiguous bit take effect?
    pub contiguous: bool,
    /// What the access may do.
    pub permissions: Permissions,
    /// What the descriptor says about memory; for stage 2, with stage 1's part where FEAT_S2FWB brings it
    /// in.
    pub attributes: MemoryAttributes,
}

/// The output of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// The stage.
    pub stage: Stage,
    /// The output address.
    pub address: u64,
    /// The memory attributes, those of both stages combined if this is stage 2.
    pub attributes: MemoryAttributes,
}
