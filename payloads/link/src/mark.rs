//! Marks: how far an executor has come before it can speak.
//!
//! Before each step of its start that may fail the executor leaves a mark, in two places:
//!
//! | place | form | who reads it |
//! |---|---|---|
//! | the mailbox, [`crate::mailbox::Control::mark`] | the mark's number, stored past the caches | a host that reaches memory |
//! | the console, once there is one, until the Hello | a line: [`PREFIX`] and the mark's name | a host on a line, or a person |
//!
//! So the last mark of an executor that went silent names the step that it did not survive.
//!
//! ```text
//!   entry ─ tree ─ image ─ (monitor) ─ vectors ─ console ─ registers ─ gic ─ timer ─ serror ─ map ─ caches ─ mmu ─┬─ hello
//!                                                                          an exception turns the MMU off again ─ no-mmu
//!   Configure: arenas ─ zero ─ (secondaries) ─ ready
//! ```

/// What a mark on the console begins with. To a reader of TAP it is a comment.
pub const PREFIX: &str = "# hypwalk at ";

/// Declares [`Mark`] from one list: name of the variant, number, name in text, and what a device is suspected of
/// that went silent there.
macro_rules! marks {
    ($($(#[$doc:meta])* $mark:ident = $number:literal, $name:literal, $suspicion:literal;)*) => {
        /// A step of the start, named before it is taken.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u64)]
        pub enum Mark {
            $($(#[$doc])* $mark = $number,)*
        }

        impl Mark {
            /// All marks, in the order in which they are left.
            pub const ALL: &[Self] = &[$(Self::$mark),*];

            /// Its name, as it stands on the console.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$mark => $name,)*
                }
            }

            /// What is done behind it, and what a device is suspected of that goes silent there.
            pub const fn suspicion(self) -> &'static str {
                match self {
                    $(Self::$mark => $suspicion,)*
                }
            }
        }
    };
}

marks! {
    /// The MMU of the EL of entry is off.
    Entry = 1, "entry",
        "the executor picks the PE that goes on, by loads and stores to its own image with the MMU off: the image lies \
         in RAM that can be written, and one PE alone may run it";
    /// The device tree is read.
    Tree = 2, "tree",
        "the executor reads what X0 points to at entry: a device tree, or RAM that answers";
    /// Relocations, and the memory that begins as zeros.
    Image = 3, "image",
        "the executor relocates its image and zeroes what lies behind it, with the MMU off: there are so many bytes of RAM \
         as the Image header says";
    /// EL3 is set up.
    Monitor = 4, "monitor",
        "the executor sets EL3 up and goes down to EL2: SCR_EL3, the GIC's Secure side, and ERET from EL3";
    /// HCR_EL2, VBAR_EL2 and the stacks.
    Vectors = 5, "vectors",
        "the executor sets HCR_EL2.E2H to 0, VBAR_EL2 and its stacks: EL2's first registers, and TLBI ALLE2";
    /// The UART.
    Console = 6, "console",
        "the executor sets the UART up, with the MMU off: its address is the device tree's or that of `board: console`, and \
         an access to it is Device memory";
    /// The registers of EL2 that are set once.
    Registers = 7, "registers",
        "the executor sets the registers of EL2 that its ID registers say are there: one that is missing is UNDEFINED, and \
         one that EL3 keeps to itself traps there (SCR_EL3, CPTR_EL3, MDCR_EL3)";
    /// The interrupt controller.
    Gic = 8, "gic",
        "the executor sets the interrupt controller up: GICD and GICR, or GICC, where the device tree or `board: gic` says, \
         and ICC_SRE_EL2";
    /// The timer.
    Timer = 9, "timer",
        "the executor tries whether the EL2 physical timer's interrupt arrives: CNTPCT_EL0 counts, and CNTHP_CTL_EL2 and \
         ISR_EL1 are there";
    /// SErrors are let through.
    SError = 10, "serror",
        "the executor clears PSTATE.A: an SError that somebody left pending is taken by VBAR_EL2";
    /// The tables of the executor's own map are built.
    Map = 11, "map",
        "the executor builds the tables of its own map, with the MMU off: plain loads and stores of its image";
    /// What caches hold of the image is thrown away.
    Caches = 12, "caches",
        "the executor invalidates what caches hold of its image: DC IVAC by the line size of CTR_EL0.DminLine";
    /// EL2's MMU is turned on.
    Mmu = 13, "mmu",
        "the executor turned on EL2's own stage 1, and not even an exception could be taken: instruction fetches by \
         TTBR0_EL2, TCR_EL2 (T0SZ 16, TG0, PS, DS) and MAIR_EL2 of its map, which has the image mapped to itself, and \
         TLBI ALLE2 before SCTLR_EL2.M";
    /// The map failed, and it is off again.
    NoMmu = 14, "no-mmu",
        "EL2's own stage 1 did not translate as the executor's map says, and it goes on with the MMU off: what caches hold \
         of its image is thrown away by DC IVAC";
    /// The first words are said.
    Hello = 15, "hello",
        "the executor says its first words: the mailbox or the UART through its own map, by MAIR_EL2's attributes";
    /// The arenas are mapped.
    Arenas = 16, "arenas",
        "the executor switched to a map that has the arenas too: TCR_EL2.{TG0, PS, DS} for arenas above 48 bits, and \
         TTBR0_EL2";
    /// They are zeroed.
    Zero = 17, "zero",
        "the executor zeroes the arenas: DC ZVA by DCZID_EL0 and stores, at the addresses of `carve`, `arenas` and `scratch`";
    /// Other PEs are started.
    Secondaries = 18, "secondaries",
        "the executor has firmware start other PEs: PSCI's CPU_ON, and exclusives or coherency between PEs";
    /// Cases may come.
    Ready = 19, "ready",
        "the executor waits for cases";
}

impl Mark {
    /// The mark with this number.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.iter().copied().find(|mark| *mark as u64 == number)
    }

    /// The mark that a line of the console tells, which may have other text in front.
    pub fn from_line(line: &str) -> Option<Self> {
        let (_, name) = line.rsplit_once(PREFIX)?;
        Self::ALL.iter().copied().find(|mark| mark.name() == name.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_numbered_in_order_and_found_by_number_and_name() {
        for (number, mark) in (1..).zip(Mark::ALL) {
            assert_eq!(*mark as u64, number);
            assert_eq!(Mark::from_number(number), Some(*mark));
        }
        for number in [0, Mark::ALL.len() as u64 + 1, u64::MAX] {
            assert_eq!(Mark::from_number(number), None);
        }
        assert_eq!(Mark::from_line("# hypwalk at mmu\r\n"), Some(Mark::Mmu));
        assert_eq!(Mark::from_line("U-Boot> # hypwalk at no-mmu"), Some(Mark::NoMmu));
        assert_eq!(Mark::from_line("# hypwalk at mm"), None);
        assert_eq!(Mark::from_line("mmu"), None);
    }
}
