//! The reference walker's way through the tables of a case, in words.

use case::{Case, Flags};
use golden::explain::Explain;
use golden::{El, Machine, Profile, Va, access, at};

use crate::campaign::Tables;
use crate::judge::expectation::{Instruction, asks};

/// The registers that matter to `case`, and its tables, in two lines.
pub fn setup(case: &Case, tables: &Tables<'_>) -> String {
    let case = case.as_ref();
    let registers = &tables.registers;
    let root = |number: &u64| format!("{number:#x}");
    let roots: Vec<_> = tables.built.roots.iter().map(root).collect();
    let stage1 = match case.flags().0 & (Flags::STAY | Flags::MONITOR) {
        0 => String::new(),
        _ => format!(
            ",\n           SCTLR_EL2 {:#x}, TCR_EL2 {:#x}, MAIR_EL2 {:#x}, TTBR0_EL2 {:#x}, TTBR1_EL2 {:#x}",
            registers.sctlr_el2,
            registers.tcr_el2,
            registers.mair_el2,
            registers.ttbr0_el2,
            registers.ttbr1_el2
        ),
    };
    format!(
        "registers: HCR_EL2 {:#x}, VTCR_EL2 {:#x}, VTTBR_EL2 {:#x}{stage1}\n\
         tables:    root at {}, {} mappings, {} edits\n",
        registers.hcr_el2,
        registers.vtcr_el2,
        registers.vttbr_el2,
        roots.join(" and "),
        case.mappings.len(),
        case.edits.len()
    )
}

/// The walk for `address`, step by step, with what is settled of the target and the pseudocode's own
/// answers to what is not.
pub fn of(
    tables: &Tables<'_>,
    instruction: Instruction,
    address: u64,
    profile: &Profile,
) -> String {
    let machine = Machine {
        implementation: tables.pe(),
        registers: &tables.registers,
        memory: &*tables.memory,
    };
    let mut explain = Explain::new(String::new());
    let (choices, va) = (&mut profile.clone(), Va(address));
    match instruction {
        Instruction::At(instruction) => {
            match at(machine, instruction, El::El2, false, va, choices, &mut explain) {
                Ok(outcome) => explain.at_result(&outcome.result),
                Err(reason) => return format!("  {reason}\n"),
            }
        }
        Instruction::Access(operation) => {
            let asked = asks(operation, address);
            match access(machine, asked, va, choices, &mut explain).map(|outcome| outcome.result) {
                Ok(Ok(_)) => {}
                Ok(Err(abort)) => explain.exception(&abort.exception),
                Err(reason) => return format!("  {reason}\n"),
            }
        }
    }
    let lines = explain.finish().unwrap_or_default();
    lines.lines().fold(String::new(), |text, line| text + "  " + line + "\n")
}
