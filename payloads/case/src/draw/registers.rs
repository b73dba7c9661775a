//! Register fields that regimes have in common: output sizes, how walks reach tables, hardware updates, and
//! `VTCR_EL2`.

use super::Rng;
use super::stage2::Shape;
use crate::abilities::Abilities;
use crate::layout::Variant;
use crate::tcr::Range;
use crate::view::Flags;
use crate::vtcr::{Vtcr, ps, start_level_fields, tg0};

/// Draws an output address size (PS), raw: mostly what the PE has; with others memory must be within reach, as
/// `suits` says. `None` where it says so of none.
pub(super) fn output_size(
    rng: &mut Rng,
    abilities: &Abilities,
    suits: impl Fn(u64) -> bool,
) -> Option<u64> {
    let own = ps(abilities.pa_bits);
    let any = rng.below(7);
    let drawn = rng.weighted([(6, own), (4, any)]);
    [drawn, own].into_iter().find(|ps| suits(*ps))
}

/// Which updates of descriptors hardware makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Updates {
    /// HA.
    pub access: bool,
    /// HD.
    pub dirty: bool,
}

impl Updates {
    /// Of the access flag if they are `wanted`, and perhaps of dirty state.
    pub fn draw(rng: &mut Rng, abilities: &Abilities, wanted: bool) -> Self {
        let dirty = rng.chance(600);
        Self { access: wanted, dirty: wanted && abilities.dirty_state && dirty }
    }

    /// The flag that says that hardware may change tables.
    pub const fn flag(self) -> u64 {
        if self.access { Flags::UPDATES } else { 0 }
    }
}

/// How walks reach tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Walks {
    /// IRGN and ORGN.
    cacheability: [u64; 2],
    /// SH.
    sh: u64,
}

impl Walks {
    /// Write-Back mostly; others are legal and must not change an answer.
    pub fn draw(rng: &mut Rng) -> Self {
        let odds = [(7, 1), (1, 0), (1, 2), (1, 3)];
        let cacheability = [rng.weighted(odds), rng.weighted(odds)];
        Self { cacheability, sh: rng.weighted([(6, 3), (2, 2), (2, 0)]) }
    }

    /// What hardware updates is Write-Back and Inner Shareable: an update of other memory is the implementation's
    /// affair.
    pub const fn suiting(self, updates: Updates) -> Self {
        if updates.access { Self { cacheability: [1, 1], sh: 3 } } else { self }
    }
}

/// Draws what `TCR_ELx` says of a range of `bits` bits.
pub(super) fn range(
    rng: &mut Rng,
    abilities: &Abilities,
    (variant, bits): (Variant, u8),
    walks: Walks,
    tbi: bool,
) -> Range {
    Range {
        tsz: 64 - u64::from(bits),
        granule_bits: variant.granule.bits(),
        cacheability: walks.cacheability,
        sh: walks.sh,
        tbi,
        hpd: abilities.hpds && rng.chance(300),
    }
}

/// `VTCR_EL2` for `shape`.
pub(super) fn vtcr_el2(shape: &Shape, ps: u64, vs: bool, walks: Walks, updates: Updates) -> u64 {
    let (sl0, sl2) = start_level_fields(shape.variant.granule, shape.start_level);
    let vtcr = Vtcr::RES1
        .t0sz(64 - u64::from(shape.ia_bits))
        .sl0(sl0)
        .sl2(sl2)
        .irgn0(walks.cacheability[0])
        .orgn0(walks.cacheability[1])
        .sh0(walks.sh)
        .tg0(tg0(shape.variant.granule))
        .ps(ps)
        .vs(vs)
        .ds(shape.variant.ds)
        .ha(updates.access)
        .hd(updates.dirty);
    vtcr.0
}
