//! An annotated walk, in words and small drawings.
//!
//! [`Explain`] is an [`Observer`](crate::Observer) that writes each step of a walk, with the rule that decided it, to any
//! [`core::fmt::Write`]. [`Par`] and [`Esr`] draw the registers that report how it ended.
//!
//! ```
//! use golden::explain::Explain;
//! use golden::{At, El, Features, Implementation, Machine, Pa, PhysicalMemory, Profile, Refusal, Registers, Va};
//!
//! struct Zeros;
//! impl PhysicalMemory for Zeros {
//!     fn read(&self, _: Pa) -> Result<u64, Refusal> {
//!         Ok(0)
//!     }
//! }
//!
//! let implementation = Implementation::new(40, Features::NONE);
//! // HCR_EL2.VM; VTCR_EL2: PS 40 bits, SL0 1, T0SZ 25.
//! let registers =
//!     Registers { hcr_el2: 1, vtcr_el2: 0x2_0059, vttbr_el2: 0x8000_0000, ..Registers::default() };
//! let machine = Machine { implementation: &implementation, registers: &registers, memory: &Zeros };
//!
//! let mut explain = Explain::new(String::new());
//! let va = Va(0x4000_1000);
//! let outcome =
//!     golden::at(machine, At::S12E1R, El::El2, false, va, &mut Profile::pseudocode(), &mut explain)?;
//! explain.at_result(&outcome.result);
//! let text = explain.finish()?;
//! assert!(text.contains("level 1: [0x80000008] = 0x0000000000000000"));
//! assert!(text.contains("the descriptor is invalid [AArch64.DecodeDescriptorType]"));
//! assert!(text.contains("stage 2 Translation fault, level 1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod drawing;
mod walk;

pub use drawing::{Column, Drawing, Esr, Layout, Par, fault_status};
pub use walk::Explain;
