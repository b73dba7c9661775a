//! Where a walk ends: the last descriptors that it reads.

use golden::{Leaf, Observer, Read, Stage};

/// The last descriptor of each stage that a walk reads: the leaf, or the one that faults. `None` where it reads
/// none of that stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LastDescriptors {
    /// Of stage 1.
    pub stage1: Option<u64>,
    /// Of stage 2; it may be that of an access to a descriptor of stage 1.
    pub stage2: Option<u64>,
}

impl LastDescriptors {
    /// The descriptor of one stage.
    pub const fn of(self, stage: Stage) -> Option<u64> {
        match stage {
            Stage::One => self.stage1,
            Stage::Two => self.stage2,
        }
    }

    const fn note(&mut self, stage: Stage, descriptor: u64) {
        match stage {
            Stage::One => self.stage1 = Some(descriptor),
            Stage::Two => self.stage2 = Some(descriptor),
        }
    }
}

impl Observer for LastDescriptors {
    fn read(&mut self, read: Read) {
        self.note(read.stage, read.descriptor);
    }

    /// In a contiguous group it may be another than the one that was read.
    fn leaf(&mut self, leaf: &Leaf) {
        self.note(leaf.stage, leaf.descriptor);
    }
}
