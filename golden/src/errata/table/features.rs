//! Features that are there, or not there, other than the ID registers tell.

use crate::errata::{Effect, Erratum};
use crate::implementation::Features;

macro_rules! features {
    ($($feature:ident)*) => {
        &[$(
            Erratum {
                name: concat!(stringify!($feature), "-is-not-there"),
                does: concat!("it lacks ", stringify!($feature), ", though its ID registers tell of it"),
                breaks: stringify!($feature),
                effect: Effect::Without(Features::$feature),
            },
            Erratum {
                name: concat!(stringify!($feature), "-is-there"),
                does: concat!("it has ", stringify!($feature), ", though its ID registers do not tell of it"),
                breaks: stringify!($feature),
                effect: Effect::With(Features::$feature),
            },
        )*]
    };
}

pub(super) const ALL: &[Erratum] = features! {
    FEAT_BBM FEAT_E0PD FEAT_HAFDBS FEAT_HAFDBS_DBS FEAT_HAFT FEAT_HPDS FEAT_LPA FEAT_LVA FEAT_NV FEAT_PAN
    FEAT_PAN3 FEAT_PAuth FEAT_S1PIE FEAT_S2FWB FEAT_S2PIE FEAT_TCR2 FEAT_TTST FEAT_XNX FEAT_XS FEAT_UAO
    FEAT_LSE2 FEAT_CMOW
};
