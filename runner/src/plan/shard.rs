//! A part of a plan, for one of several machines.
//!
//! Cases are dealt out in blocks of [`BLOCK`] that follow one another, as cards are:
//!
//! ```text
//!   index      0..16   16..32   32..48   48..64   64..80
//!   of 3       1/3     2/3      3/3      1/3      2/3
//!   ordinal    0..16   0..16    0..16    16..32   16..32     (within its shard)
//! ```

use std::fmt;
use std::str::FromStr;

use case::draw::EPOCH;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Cases of a block: they share registers that are slow to change, and stay together.
pub const BLOCK: u64 = EPOCH;

/// A part of a plan: every `of`-th block of its cases. The whole plan is 1/1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Shard {
    /// From 1 to `of`.
    number: u64,
    /// From 1 to [`Shard::MOST`].
    of: u64,
}

/// What is no shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a shard is its number and how many there are, such as 3/16: from 1/1 to {0}/{0}",
    Shard::MOST
)]
pub struct NoShard;

impl Shard {
    pub const WHOLE: Self = Self { number: 1, of: 1 };
    /// The most shards.
    pub const MOST: u64 = 1 << 16;

    /// Shard `number`, counted from 1, of `of`.
    pub fn new(number: u64, of: u64) -> Result<Self, NoShard> {
        let good = (1..=Self::MOST).contains(&of) && (1..=of).contains(&number);
        if good { Ok(Self { number, of }) } else { Err(NoShard) }
    }

    /// Which of them it is, from 1 on.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// How many there are.
    pub const fn of(self) -> u64 {
        self.of
    }

    /// Whether it is the whole plan.
    pub fn is_whole(&self) -> bool {
        self.of == 1
    }

    /// The index in the plan of its case number `ordinal`; `u64::MAX` where that is beyond all plans.
    pub fn index(self, ordinal: u64) -> u64 {
        let block = (ordinal / BLOCK).saturating_mul(self.of).saturating_add(self.number - 1);
        block.saturating_mul(BLOCK).saturating_add(ordinal % BLOCK)
    }

    /// How many of the first `count` cases of a plan are its own.
    pub fn count(self, count: u64) -> u64 {
        let (blocks, rest) = (count / BLOCK, count % BLOCK);
        let whole = blocks / self.of * BLOCK;
        match (blocks % self.of).cmp(&(self.number - 1)) {
            std::cmp::Ordering::Greater => whole + BLOCK,
            std::cmp::Ordering::Equal => whole + rest,
            std::cmp::Ordering::Less => whole,
        }
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        let digits = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| NoShard),
            false => Err(NoShard),
        };
        let (number, of) = text.split_once('/').ok_or(NoShard)?;
        Self::new(digits(number)?, digits(of)?)
    }
}

impl Serialize for Shard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Shard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_case_belongs_to_one_shard(of in 1..40u64, count in 0..2000u64) {
            let mut owners = vec![0; count as usize];
            for number in 1..=of {
                let shard = Shard::new(number, of).unwrap();
                let own = shard.count(count);
                for ordinal in 0..own {
                    owners[shard.index(ordinal) as usize] += 1;
                }
                prop_assert!(shard.index(own) >= count, "the next one is beyond the end");
            }
            prop_assert!(owners.iter().all(|owners| *owners == 1), "{owners:?}");
        }

        #[test]
        fn a_shard_is_read_as_it_is_written(of in 1..=Shard::MOST, number: u64) {
            let shard = Shard::new(number % of + 1, of).unwrap();
            prop_assert_eq!(shard.to_string().parse(), Ok(shard));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = text.parse::<Shard>();
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["", "3", "0/3", "4/3", "1/0", "1/65537", "+1/3", "1/3/3", "-1/3", "1/ 3"] {
            assert_eq!(text.parse::<Shard>(), Err(NoShard), "{text:?}");
        }
    }

    #[test]
    fn a_plan_without_end_has_shards_without_end() {
        assert_eq!(Shard::WHOLE.count(u64::MAX), u64::MAX);
        assert!(Shard::new(3, 16).unwrap().count(u64::MAX) > 1 << 59);
        assert_eq!(Shard::new(3, 16).unwrap().index(u64::MAX), u64::MAX);
    }
}
