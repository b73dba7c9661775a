//! Walks explained: what the reference walker does with given registers and memory, and why.
//!
//! ```text
//!  ExplainFile (YAML) ----+
//!                         +--> Scene, Questions --story--> text
//!  vectors::Example ------+
//! ```

mod choices;
mod file;
mod image;
mod implementation;
mod query;
mod registers;
pub mod replay;
mod story;
pub mod walk;

use golden::{Implementation, Machine, Profile, Registers};

pub use file::{ExplainFields, ExplainFile, ExplainFileError};
pub use image::Image;
pub use story::{MOST_OUTCOMES, story};

/// What questions are asked of: a PE, its registers, memory, and what is settled of its choices.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What the PE implements.
    pub implementation: Implementation,
    pub registers: Registers,
    /// Physical memory.
    pub memory: Image,
    /// The choices that are settled.
    pub profile: Profile,
}

impl Scene {
    /// The reference walker's view of it.
    pub const fn machine(&self) -> Machine<'_, Image> {
        let Self { implementation, registers, memory, .. } = self;
        Machine { implementation, registers, memory }
    }
}

impl From<&vectors::Example> for Scene {
    fn from(example: &vectors::Example) -> Self {
        Self {
            implementation: example.implementation,
            registers: example.registers,
            memory: Image::new(example.memory.clone()),
            profile: example.profile,
        }
    }
}
