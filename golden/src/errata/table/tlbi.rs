//! TLB maintenance that takes too little away.
//!
//! What takes too much away can't be seen: a TLB may lose an entry at any time.

use crate::errata::{Effect, Erratum};
use crate::tlbi::{Tlbi, TlbiDomain, TlbiOperation as O, TlbiRange};

macro_rules! nothing {
    ($($name:literal $operation:ident $function:literal;)*) => {
        &[$(Erratum {
            name: concat!("TLBI-", $name, "-does-nothing"),
            does: concat!("TLBI ", $name, ", in any form, takes nothing away"),
            breaks: $function,
            effect: Effect::Tlbi(|tlbi| {
                if tlbi.operation == O::$operation {
                    *tlbi = tlbi.ineffective();
                }
            }),
        },)*]
    };
}

/// Each instruction by itself.
pub(super) const INSTRUCTIONS: &[Erratum] = nothing! {
    "ALLE1" Alle1 "AArch64.TLBI_ALL";
    "VMALLS12E1" Vmalls12e1 "AArch64.TLBI_VMALLS12";
    "VMALLE1" Vmalle1 "AArch64.TLBI_VMALL";
    "ASIDE1" Aside1 "AArch64.TLBI_ASID";
    "VAE1" Vae1 "AArch64.TLBI_VA";
    "VAAE1" Vaae1 "AArch64.TLBI_VAA";
    "VALE1" Vale1 "AArch64.TLBI_VA";
    "VAALE1" Vaale1 "AArch64.TLBI_VAA";
    "RVAE1" Rvae1 "AArch64.TLBI_RVA";
    "RVAAE1" Rvaae1 "AArch64.TLBI_RVAA";
    "RVALE1" Rvale1 "AArch64.TLBI_RVA";
    "RVAALE1" Rvaale1 "AArch64.TLBI_RVAA";
    "IPAS2E1" Ipas2e1 "AArch64.TLBI_IPAS2";
    "IPAS2LE1" Ipas2le1 "AArch64.TLBI_IPAS2";
    "RIPAS2E1" Ripas2e1 "AArch64.TLBI_RIPAS2";
    "RIPAS2LE1" Ripas2le1 "AArch64.TLBI_RIPAS2";
};

const fn is_by_va(tlbi: &Tlbi) -> bool {
    matches!(tlbi.operation, O::Vae1 | O::Vaae1 | O::Vale1 | O::Vaale1)
}

const fn is_by_ipa(tlbi: &Tlbi) -> bool {
    matches!(tlbi.operation, O::Ipas2e1 | O::Ipas2le1)
}

const fn is_range(tlbi: &Tlbi) -> bool {
    matches!(
        tlbi.operation,
        O::Rvae1 | O::Rvaae1 | O::Rvale1 | O::Rvaale1 | O::Ripas2e1 | O::Ripas2le1
    )
}

/// Changes the addresses of a range instruction.
fn range(tlbi: &mut Tlbi, change: impl FnOnce(&mut TlbiRange, u64)) {
    let operand = tlbi.operand;
    if let (true, Some(range)) = (is_range(tlbi), &mut tlbi.range) {
        change(range, operand);
    }
}

/// The size of a page in bytes, by a TG field.
const fn page(tg: u64) -> u64 {
    1 << (10 + 2 * tg)
}

/// Has `tlbi` do nothing where `is` says so.
fn ineffective(tlbi: &mut Tlbi, is: bool) {
    if is {
        *tlbi = tlbi.ineffective();
    }
}

pub(super) const ALL: &[Erratum] = &[
    Erratum::new(
        "TLBI-does-nothing",
        "no TLBI takes anything away",
        "AArch64.TLBI_ALL, AArch64.TLBI_VA, ..",
        Effect::Tlbi(|tlbi| ineffective(tlbi, true)),
    ),
    Erratum::new(
        "TLBI-by-VA-does-nothing",
        "TLBI VAE1, VAAE1, VALE1 and VAALE1 take nothing away",
        "AArch64.TLBI_VA, AArch64.TLBI_VAA",
        Effect::Tlbi(|tlbi| ineffective(tlbi, is_by_va(tlbi))),
    ),
    Erratum::new(
        "TLBI-by-IPA-does-nothing",
        "TLBI IPAS2E1 and IPAS2LE1 take nothing away",
        "AArch64.TLBI_IPAS2",
        Effect::Tlbi(|tlbi| ineffective(tlbi, is_by_ipa(tlbi))),
    ),
    Erratum::new(
        "TLBI-by-range-does-nothing",
        "no TLBI of a range of addresses takes anything away",
        "AArch64.TLBI_RVA, AArch64.TLBI_RVAA, AArch64.TLBI_RIPAS2",
        Effect::Tlbi(|tlbi| ineffective(tlbi, is_range(tlbi))),
    ),
    Erratum::new(
        "TLBI-of-the-last-level-does-nothing",
        "no TLBI of the last level takes anything away",
        "AArch64.TLBI_VA, AArch64.TLBI_IPAS2, ..",
        Effect::Tlbi(|tlbi| ineffective(tlbi, tlbi.range.is_some_and(|range| range.last_level))),
    ),
    Erratum::new(
        "TLBI-nXS-does-nothing",
        "no TLBI of the nXS form takes anything away",
        "Broadcast",
        Effect::Tlbi(|tlbi| ineffective(tlbi, tlbi.nxs)),
    ),
    Erratum::new(
        "TLBI-IS-does-nothing",
        "no TLBI for the Inner Shareable domain takes anything away",
        "Broadcast",
        Effect::Tlbi(|tlbi| ineffective(tlbi, tlbi.domain == TlbiDomain::InnerShareable)),
    ),
    Erratum::new(
        "TLBI-OS-does-nothing",
        "no TLBI for the Outer Shareable domain takes anything away",
        "Broadcast",
        Effect::Tlbi(|tlbi| ineffective(tlbi, tlbi.domain == TlbiDomain::OuterShareable)),
    ),
    Erratum::new(
        "TLBI-IS-acts-on-its-own-PE-alone",
        "a TLBI for the Inner Shareable domain takes away what is held by its own PE alone",
        "Broadcast",
        Effect::Tlbi(|tlbi| {
            if tlbi.domain == TlbiDomain::InnerShareable {
                tlbi.domain = TlbiDomain::Own;
            }
        }),
    ),
    Erratum::new(
        "TLBI-OS-acts-on-its-own-PE-alone",
        "a TLBI for the Outer Shareable domain takes away what is held by its own PE alone",
        "Broadcast",
        Effect::Tlbi(|tlbi| {
            if tlbi.domain == TlbiDomain::OuterShareable {
                tlbi.domain = TlbiDomain::Own;
            }
        }),
    ),
    Erratum::new(
        "TLBI-acts-on-its-own-PE-alone",
        "a TLBI for any domain takes away what is held by its own PE alone",
        "Broadcast",
        Effect::Tlbi(|tlbi| tlbi.domain = TlbiDomain::Own),
    ),
    Erratum::new(
        "TLBI-ALLE1-is-of-the-current-VMID",
        "TLBI ALLE1 takes away what is tagged with the current VMID alone",
        "AArch64.TLBI_ALL",
        Effect::Tlbi(|tlbi| tlbi.any_vmid = false),
    ),
    Erratum::new(
        "TLBI-ALLE1-leaves-stage2",
        "TLBI ALLE1 takes away entries of stage 1 alone",
        "AArch64.TLBI_ALL",
        Effect::Tlbi(|tlbi| {
            if tlbi.operation == O::Alle1 {
                tlbi.stage2 = false;
            }
        }),
    ),
    Erratum::new(
        "TLBI-VMALLS12E1-leaves-stage2",
        "TLBI VMALLS12E1 takes away entries of stage 1, and of both stages together, alone",
        "AArch64.TLBI_VMALLS12",
        Effect::Tlbi(|tlbi| {
            if tlbi.operation == O::Vmalls12e1 {
                tlbi.stage2 = false;
            }
        }),
    ),
    Erratum::new(
        "TLBI-VMALLS12E1-leaves-stage1",
        "TLBI VMALLS12E1 takes away entries of stage 2, and of both stages together, alone",
        "AArch64.TLBI_VMALLS12",
        Effect::Tlbi(|tlbi| {
            if tlbi.operation == O::Vmalls12e1 {
                tlbi.stage1 = false;
            }
        }),
    ),
    Erratum::new(
        "TLBI-VMALLS12E1-leaves-combined-entries",
        "TLBI VMALLS12E1 leaves entries that are made of both stages together",
        "AArch64.TLBI_VMALLS12",
        Effect::Tlbi(|tlbi| {
            if tlbi.operation == O::Vmalls12e1 {
                tlbi.combined = false;
            }
        }),
    ),
    Erratum::new(
        "TLBI-VMALLS12E1-leaves-global-entries",
        "TLBI VMALLS12E1 leaves global entries of stage 1",
        "AArch64.TLBI_VMALLS12",
        Effect::Tlbi(|tlbi| {
            if tlbi.operation == O::Vmalls12e1 {
                tlbi.global = false;
            }
        }),
    ),
    Erratum::new(
        "TLBI-VMALLE1-leaves-global-entries",
        "TLBI VMALLE1 leaves global entries",
        "AArch64.TLBI_VMALL",
        Effect::Tlbi(|tlbi| {
            if tlbi.operation == O::Vmalle1 {
                tlbi.global = false;
            }
        }),
    ),
    Erratum::new(
        "TLBI-VMALLE1-leaves-combined-entries",
        "TLBI VMALLE1 leaves entries that are made of both stages together",
        "AArch64.TLBI_VMALL",
        Effect::Tlbi(|tlbi| {
            if tlbi.operation == O::Vmalle1 {
                tlbi.combined = false;
            }
        }),
    ),
    Erratum::new(
        "TLBI-by-VA-leaves-global-entries",
        "TLBI VAE1 and VALE1 leave global entries",
        "AArch64.TLBI_VA",
        Effect::Tlbi(|tlbi| {
            if matches!(tlbi.operation, O::Vae1 | O::Vale1) {
                tlbi.global = false;
            }
        }),
    ),
    Erratum::new(
        "TLBI-by-VA-takes-global-entries-alone",
        "TLBI VAE1 and VALE1 take away global entries alone",
        "AArch64.TLBI_VA",
        Effect::Tlbi(|tlbi| {
            if matches!(tlbi.operation, O::Vae1 | O::Vale1) {
                // TCR_EL1 or TTBRn_EL1 has one of the others.
                tlbi.asid = tlbi.asid.map(|asid| !asid);
            }
        }),
    ),
    Erratum::new(
        "TLBI-VAA-leaves-global-entries",
        "TLBI VAAE1 and VAALE1 leave global entries",
        "AArch64.TLBI_VAA",
        Effect::Tlbi(|tlbi| {
            if matches!(tlbi.operation, O::Vaae1 | O::Vaale1) {
                tlbi.global = false;
            }
        }),
    ),
    Erratum::new(
        "TLBI-VAA-compares-the-ASID",
        "TLBI VAAE1 and VAALE1 compare the ASID in bits 63:48 of their operand",
        "AArch64.TLBI_VAA",
        Effect::Tlbi(|tlbi| {
            if matches!(tlbi.operation, O::Vaae1 | O::Vaale1) {
                tlbi.asid = Some((tlbi.operand >> 48) as u16);
            }
        }),
    ),
    Erratum::new(
        "TLBI-RVAA-compares-the-ASID",
        "TLBI RVAAE1 and RVAALE1 compare the ASID in bits 63:48 of their operand",
        "AArch64.TLBI_RVAA",
        Effect::Tlbi(|tlbi| {
            if matches!(tlbi.operation, O::Rvaae1 | O::Rvaale1) {
                tlbi.asid = Some((tlbi.operand >> 48) as u16);
            }
        }),
    ),
    Erratum::new(
        "TLBI-by-VA-leaves-table-entries",
        "TLBI VAE1 and VAAE1 take away leaves alone",
        "AArch64.TLBI_VA, AArch64.TLBI_VAA",
        Effect::Tlbi(|tlbi| {
            if let (true, Some(range)) = (is_by_va(tlbi), &mut tlbi.range) {
                range.last_level = true;
            }
        }),
    ),
    Erratum::new(
        "TLBI-by-VA-takes-level-3-alone",
        "a TLBI by VA leaves blocks",
        "AArch64.TLBI_VA, AArch64.TLBI_VAA",
        Effect::Tlbi(|tlbi| {
            if let (true, Some(range)) = (is_by_va(tlbi), &mut tlbi.range) {
                (range.last_level, range.ttl) = (true, Some(3));
            }
        }),
    ),
    Erratum::new(
        "TLBI-by-IPA-takes-level-3-alone",
        "a TLBI by IPA leaves blocks",
        "AArch64.TLBI_IPAS2",
        Effect::Tlbi(|tlbi| {
            if let (true, Some(range)) = (is_by_ipa(tlbi), &mut tlbi.range) {
                (range.last_level, range.ttl) = (true, Some(3));
            }
        }),
    ),
    Erratum::new(
        "TLBI-TTL-is-of-the-level-below",
        "a TLBI by address takes the level in TTL for the one below",
        "TLBILevel",
        Effect::Tlbi(|tlbi| {
            if let Some(range) = tlbi.range.as_mut() {
                range.ttl = range.ttl.map(|level| level + 1);
            }
        }),
    ),
    Erratum::new(
        "TLBI-TTL-is-of-the-level-above",
        "a TLBI by address takes the level in TTL for the one above",
        "TLBILevel",
        Effect::Tlbi(|tlbi| {
            if let Some(range) = tlbi.range.as_mut() {
                range.ttl = range.ttl.map(|level| level.wrapping_sub(1));
            }
        }),
    ),
    Erratum::new(
        "TLBI-TTL-is-of-4K",
        "a TLBI by address that names a level takes the granule for 4K",
        "TLBILevel",
        Effect::Tlbi(|tlbi| {
            if let Some(range) = tlbi.range.as_mut().filter(|range| range.bytes == 1) {
                range.tg = range.tg.map(|_| 1);
            }
        }),
    ),
    Erratum::new(
        "TLBI-VA-loses-bits-above-48",
        "a TLBI by VA takes bits 55:48 of the address for 0",
        "AArch64.TLBI_VA, AArch64.TLBI_VAA",
        Effect::Tlbi(|tlbi| {
            if let (true, Some(range)) = (is_by_va(tlbi), &mut tlbi.range) {
                range.start &= (1 << 48) - 1;
            }
        }),
    ),
    Erratum::new(
        "TLBI-VA-loses-bits-above-32",
        "a TLBI by VA takes bits 55:32 of the address for 0",
        "AArch64.TLBI_VA, AArch64.TLBI_VAA",
        Effect::Tlbi(|tlbi| {
            if let (true, Some(range)) = (is_by_va(tlbi), &mut tlbi.range) {
                range.start &= (1 << 32) - 1;
            }
        }),
    ),
    Erratum::new(
        "TLBI-IPA-loses-bits-above-40",
        "a TLBI by IPA takes bits 51:40 of the address for 0",
        "AArch64.TLBI_IPAS2",
        Effect::Tlbi(|tlbi| {
            if let (true, Some(range)) = (is_by_ipa(tlbi), &mut tlbi.range) {
                range.start &= (1 << 40) - 1;
            }
        }),
    ),
    Erratum::new(
        "TLBI-IPA-loses-bits-above-32",
        "a TLBI by IPA takes bits 51:32 of the address for 0",
        "AArch64.TLBI_IPAS2",
        Effect::Tlbi(|tlbi| {
            if let (true, Some(range)) = (is_by_ipa(tlbi), &mut tlbi.range) {
                range.start &= (1 << 32) - 1;
            }
        }),
    ),
    Erratum::new(
        "TLBI-range-is-of-its-first-page",
        "a TLBI of a range takes away what is for its first page",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| {
            range(tlbi, |range, _| range.bytes = page(range.tg.unwrap_or(1)));
        }),
    ),
    Erratum::new(
        "TLBI-range-NUM-taken-for-0",
        "a TLBI of a range takes NUM for 0",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| {
            range(tlbi, |range, operand| range.bytes /= (operand >> 39 & 0x1f) + 1)
        }),
    ),
    Erratum::new(
        "TLBI-range-SCALE-taken-for-0",
        "a TLBI of a range takes SCALE for 0",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| {
            range(tlbi, |range, operand| range.bytes >>= 5 * (operand >> 44 & 3));
        }),
    ),
    Erratum::new(
        "TLBI-range-is-half-as-long",
        "a TLBI of a range takes away (NUM + 1) * 2^(5 * SCALE) pages",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| range(tlbi, |range, _| range.bytes /= 2)),
    ),
    Erratum::new(
        "TLBI-range-lacks-its-last-part",
        "a TLBI of a range takes away NUM * 2^(5 * SCALE + 1) pages",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| {
            range(tlbi, |range, operand| {
                let num = operand >> 39 & 0x1f;
                range.bytes = range.bytes / (num + 1) * num;
            });
        }),
    ),
    Erratum::new(
        "TLBI-range-counts-pages-of-4K",
        "a TLBI of a range counts pages of 4K, whatever TG says",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| {
            range(tlbi, |range, _| {
                // A reserved TG stands for less.
                let larger = range.tg.filter(|tg| *tg > 1);
                range.bytes = larger.map_or(range.bytes, |tg| range.bytes / page(tg) * page(1));
            });
        }),
    ),
    Erratum::new(
        "TLBI-range-base-is-of-4K",
        "a TLBI of a range takes BaseADDR for a number of pages of 4K",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| {
            range(tlbi, |range, operand| {
                range.start = base(operand, 12);
            });
        }),
    ),
    Erratum::new(
        "TLBI-range-base-is-not-of-64K",
        "a TLBI of a range takes BaseADDR for a number of pages where DS is 1",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| {
            range(tlbi, |range, operand| {
                range.start = base(operand, 10 + 2 * range.tg.unwrap_or(1) as u32);
            });
        }),
    ),
    Erratum::new(
        "TLBI-range-loses-bits-above-48",
        "a TLBI of a range takes bits 55:48 of its first address for 0",
        "AArch64.TLBI_RVA, AArch64.TLBI_RVAA",
        Effect::Tlbi(|tlbi| range(tlbi, |range, _| range.start &= (1 << 48) - 1)),
    ),
    Erratum::new(
        "TLBI-range-leaves-table-entries",
        "TLBI RVAE1, RVAAE1 and RIPAS2E1 take away leaves alone",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| range(tlbi, |range, _| range.last_level = true)),
    ),
    Erratum::new(
        "TLBI-range-leaves-blocks",
        "a TLBI of a range takes level 3 alone away",
        "AArch64.TLBI_RVA, AArch64.TLBI_RIPAS2, ..",
        Effect::Tlbi(|tlbi| {
            range(tlbi, |range, _| (range.last_level, range.ttl) = (true, Some(3)));
        }),
    ),
    Erratum::new(
        "TLBI-range-leaves-global-entries",
        "TLBI RVAE1 and RVALE1 leave global entries",
        "AArch64.TLBI_RVA",
        Effect::Tlbi(|tlbi| {
            if matches!(tlbi.operation, O::Rvae1 | O::Rvale1) {
                tlbi.global = false;
            }
        }),
    ),
];

/// BaseADDR of a range instruction in units of `1 << bits` bytes.
const fn base(operand: u64, bits: u32) -> u64 {
    let base = ((operand << 27) as i64 >> 27) as u64;
    base << bits & ((1 << 56) - 1)
}
