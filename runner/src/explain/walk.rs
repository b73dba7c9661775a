//! The reference walker's way through the tables of a case, in words.

use case::{Case, Flags};
use golden::explain::Explain;
use golden::{Machine, Profile, Updates, at_noting};

use oracle::expectation::Instruction;
use oracle::twin::Tables;

/// The registers that matter to `case`, and its tables, in two lines.
pub fn setup(case: &Case, tables: &Tables<'_>) -> String {
    let case = case.as_ref();
    let registers = &tables.registers;
    let root = |number: &u64| format!("{number:#x}");
    let roots: Vec<_> = tables.built.roots.iter().map(root).collect();
    let el2 = format!(
        ",\n           SCTLR_EL2 {:#x}, TCR_EL2 {:#x}, MAIR_EL2 {:#x}, TTBR0_EL2 {:#x}, TTBR1_EL2 {:#x}",
        registers.sctlr_el2,
        registers.tcr_el2,
        registers.mair_el2,
        registers.ttbr0_el2,
        registers.ttbr1_el2
    );
    let el1 = format!(
        ",\n           SCTLR_EL1 {:#x}, TCR_EL1 {:#x}, MAIR_EL1 {:#x}, TTBR0_EL1 {:#x}, TTBR1_EL1 {:#x}",
        registers.sctlr_el1,
        registers.tcr_el1,
        registers.mair_el1,
        registers.ttbr0_el1,
        registers.ttbr1_el1
    );
    let stage1 = match case.flags() {
        flags if flags.0 & (Flags::WORLD_SWITCH | Flags::MONITOR) != 0 => el2,
        flags if flags.has(Flags::GUEST) => el1,
        _ => String::new(),
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
pub fn of(tables: &Tables<'_>, instruction: Instruction, profile: &Profile) -> String {
    let machine = Machine {
        implementation: tables.pe(),
        registers: &tables.registers,
        memory: &*tables.memory,
    };
    let mut explain = Explain::new(String::new());
    let choices = &mut profile.clone();
    match instruction {
        Instruction::At(question) => {
            match at_noting(machine, question, choices, &mut explain, &mut Updates::new()) {
                Ok(result) => explain.at_result(&result),
                Err(reason) => return format!("  {reason}\n"),
            }
        }
        Instruction::Access(accesses) => match accesses.perform(machine, choices, &mut explain) {
            Ok(ends) => {
                if let Some(Err(stop)) = ends.ends.first().map(|end| end.result) {
                    explain.exception(&stop.abort.exception);
                }
            }
            Err(reason) => return format!("  {reason}\n"),
        },
    }
    let lines = explain.finish().unwrap_or_default();
    lines.lines().fold(String::new(), |text, line| text + "  " + line + "\n")
}
