//! EL3 at entry: gives EL2 all that it needs, and leaves the monitor behind.

use aarch64_cpu::registers::*;
use link::hello::Epitaph;

use crate::payload::asm::{self, mrs, msr};
use crate::payload::console;
use crate::payload::gic;
use crate::payload::ids::field;
use crate::payload::last_words;
use crate::payload::monitor;
use crate::payload::platform;

/// Sets up EL3. The start code then returns to EL2.
#[unsafe(no_mangle)]
extern "C" fn boot_el3(tree: u64) {
    // SAFETY: MMU off; the start code has looked at the device tree and cleaned it.
    let machine = unsafe { platform::machine(tree) };
    if field(ID_AA64PFR0_EL1.get(), 8) == 0 {
        // SAFETY: MMU off, and nobody has used a console.
        unsafe { console::open(machine.console) };
        last_words::speak(Epitaph { reason: Epitaph::NO_EL2, ..Epitaph::default() });
    }

    // SAFETY: at EL3 with its MMU off, where none of these has to do with how memory is seen.
    unsafe {
        msr!("scr_el3", scr_el3());
        // Nothing below traps to here: floating point, the counters, debug.
        msr!("cptr_el3", cptr_el3());
        msr!("mdcr_el3", 0);
        asm::isb();
        if field(ID_AA64PFR0_EL1.get(), 24) != 0 {
            msr!("S3_6_C12_C12_5", 0xf); // ICC_SRE_EL3: system registers, for EL2 too
            asm::isb();
        }
        if let Some(gic) = &machine.gic {
            gic::open_to_non_secure(gic);
        }
        monitor::install();
    }
}

/// Non-secure, HVC on, EL2 is AArch64, interrupts and aborts stay below; and for each extension that
/// the PE has, the bit that lets EL2 use its registers. Without the extension the bit is RES0.
fn scr_el3() -> u64 {
    const NS: u64 = 1;
    const RES1: u64 = 0b11 << 4;
    const HCE: u64 = 1 << 8;
    const RW: u64 = 1 << 10;

    let isar1 = ID_AA64ISAR1_EL1.get();
    let isar2 = mrs!("S3_0_C0_C6_2");
    let pfr1 = ID_AA64PFR1_EL1.get();
    let mmfr0 = ID_AA64MMFR0_EL1.get();
    let mmfr1 = ID_AA64MMFR1_EL1.get();
    let mmfr3 = mrs!("S3_0_C0_C7_3");
    // APA, API, GPA and GPI of ISAR1; GPA3 and APA3 of ISAR2.
    let pauth = isar1 & 0xff00_0ff0 | isar2 & 0xff00;
    let bits = [
        (pauth != 0, 16),            // APK
        (pauth != 0, 17),            // API
        (field(pfr1, 8) >= 2, 26),   // ATA
        (field(mmfr0, 56) != 0, 27), // FGTEn
        (field(mmfr0, 60) != 0, 28), // ECVEn
        (field(mmfr1, 40) != 0, 38), // HXEn
        (field(mmfr3, 0) != 0, 43),  // TCR2En
        (field(mmfr3, 4) != 0, 44),  // SCTLR2En
        // S1PIE, S2PIE, S1POE, S2POE
        (mmfr3 >> 8 & 0xffff != 0, 45), // PIEn
        (field(mmfr3, 24) != 0, 46),    // AIEn
        (field(mmfr3, 32) != 0, 47),    // D128En
    ];
    let extensions = bits.iter().map(|&(present, bit)| u64::from(present) << bit);
    NS | RES1 | HCE | RW | extensions.sum::<u64>()
}

/// SVE and SME, where they exist, do not trap; nor does anything else.
fn cptr_el3() -> u64 {
    let sve = field(ID_AA64PFR0_EL1.get(), 32) != 0;
    let sme = field(ID_AA64PFR1_EL1.get(), 24) != 0;
    u64::from(sve) << 8 | u64::from(sme) << 12
}
