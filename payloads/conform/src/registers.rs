//! The registers of a case, as the reference walker sees them.

use case::CaseRef;
use golden::Registers;
use tables::Built;

/// The registers of `case`, with the roots of its tables as they were `built`: each goes to the walker's register
/// of the same name.
///
/// Those that a case does not set are zero: the executor sets them so, as far as they count for what the case
/// asks.
pub fn registers(case: &CaseRef<'_>, built: &Built) -> Registers {
    let mut registers = Registers::default();
    for (name, value) in built.registers(&case.header.registers).named() {
        if let Some(register) = registers.named_mut(name) {
            *register = value;
        }
    }
    registers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walker_has_every_register_of_a_case_but_that_of_the_idmap() {
        let mut registers = Registers::default();
        let named = case::registers::Registers::default().named().into_iter();
        let mut unknown = named.filter(|(name, _)| registers.named_mut(name).is_none());
        assert_eq!(unknown.next().map(|(name, _)| name), Some("IDMAP_TCR_EL2"));
        assert_eq!(unknown.next(), None);
    }
}
