//! Conditions on the bits of a word: a register, or a descriptor.

use schemars::JsonSchema;
use serde::Deserialize;

use suite::hex::Hex;

/// A condition as its file says it: `{ mask, value }`, `{ mask, below }`, or `{ mask }`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Bits")]
pub struct BitsFields {
    /// The bits that count.
    mask: Hex,
    /// Their value, in place. With neither `value` nor `below`: any but 0.
    value: Option<Hex>,
    /// Their value, in place, is less than this.
    below: Option<Hex>,
}

/// A condition on the bits of a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bits {
    mask: u64,
    test: Test,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Test {
    Is(u64),
    Below(u64),
    NotZero,
}

impl Bits {
    /// Checks a condition. The error says what is wrong with it.
    pub fn new(fields: BitsFields) -> Result<Self, String> {
        let BitsFields { mask: Hex(mask), value, below } = fields;
        if mask == 0 {
            return Err("`mask` is 0: no bit would count".into());
        }
        let test = match (value, below) {
            (Some(_), Some(_)) => {
                return Err("`value` and `below` are both here: choose one".into());
            }
            (Some(Hex(value)), None) if value & !mask != 0 => {
                let beyond = value & !mask;
                return Err(format!(
                    "`value` has bits that `mask` has not, {beyond:#x}: it would never be so"
                ));
            }
            (Some(Hex(value)), None) => Test::Is(value),
            (None, Some(Hex(0))) => return Err("nothing is `below` 0".into()),
            (None, Some(Hex(below))) if below > mask => {
                return Err(format!(
                    "whatever `mask` leaves is `below` {below:#x}: it says nothing"
                ));
            }
            (None, Some(Hex(below))) => Test::Below(below),
            (None, None) => Test::NotZero,
        };
        Ok(Self { mask, test })
    }

    /// Whether `word` fulfils it.
    pub const fn fit(self, word: u64) -> bool {
        let bits = word & self.mask;
        match self.test {
            Test::Is(value) => bits == value,
            Test::Below(below) => bits < below,
            Test::NotZero => bits != 0,
        }
    }
}

/// Whether a word can fulfil all of `conditions`. Each that leaves a range is held against the bits that
/// others fix: `true` is also said where only two such ranges together rule every word out.
pub fn can_meet<'a>(conditions: impl Iterator<Item = &'a Bits> + Clone) -> bool {
    let (mut ones, mut zeros) = (0, 0);
    for Bits { mask, test } in conditions.clone() {
        if let Test::Is(value) = test {
            ones |= value;
            zeros |= mask & !value;
        }
    }
    let possible = |Bits { mask, test }: &Bits| match test {
        Test::Is(_) => true,
        Test::Below(below) => ones & mask < *below,
        Test::NotZero => mask & !zeros != 0,
    };
    ones & zeros == 0 && conditions.into_iter().all(possible)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(mask: u64, value: Option<u64>, below: Option<u64>) -> Result<Bits, String> {
        Bits::new(BitsFields { mask: Hex(mask), value: value.map(Hex), below: below.map(Hex) })
    }

    #[test]
    fn a_condition_looks_at_its_bits_alone() {
        let is = bits(0xf0, Some(0x30), None).unwrap();
        assert!(is.fit(0x1f3f) && !is.fit(0x20));
        let below = bits(0x7_0000, None, Some(0x6_0000)).unwrap();
        assert!(below.fit(0x5_ffff) && below.fit(0x8_0000) && !below.fit(0x6_0000));
        let any = bits(0x3c, None, None).unwrap();
        assert!(any.fit(4) && !any.fit(3));
    }

    #[test]
    fn conditions_that_say_nothing_or_never_hold_are_refused() {
        for (mask, value, below) in [
            (0, None, None),
            (0xf0, Some(0x31), None),
            (0xf0, Some(0x30), Some(0x30)),
            (0xf0, None, Some(0)),
            (0xf0, None, Some(0xf1)),
        ] {
            assert!(bits(mask, value, below).is_err(), "{mask:#x} {value:x?} {below:x?}");
        }
    }

    /// Any condition that is sound, on few enough bits to try every word.
    fn any_bits() -> impl Strategy<Value = Bits> {
        (1u64..256, any::<u64>(), 0..3).prop_filter_map(
            "sound",
            |(mask, number, kind)| match kind {
                0 => bits(mask, Some(number & mask), None).ok(),
                1 => bits(mask, None, Some(number % 256)).ok(),
                _ => bits(mask, None, None).ok(),
            },
        )
    }

    proptest! {
        /// Two of which one fixes its bits are told exactly; others may be said to meet and do not.
        #[test]
        fn what_can_not_be_met_is_met_by_no_word(list in prop::collection::vec(any_bits(), 1..4)) {
            let met = (0..256).any(|word| list.iter().all(|bits| bits.fit(word)));
            prop_assert!(!met || can_meet(list.iter()));
            let ranges = list.iter().filter(|bits| !matches!(bits.test, Test::Is(_))).count();
            prop_assert!(ranges > 1 || met == can_meet(list.iter()), "{list:x?}");
        }
    }
}
