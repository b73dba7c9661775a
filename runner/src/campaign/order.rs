//! Puts records into the order of their cases.

use std::collections::BTreeMap;

use judge::verdict::CaseRecord;

use crate::plan::Shard;

/// Records that came before their turn.
#[derive(Debug)]
pub struct Order {
    shard: Shard,
    next: u64,
    /// By index.
    waiting: BTreeMap<u64, CaseRecord>,
}

impl Order {
    /// The order of the cases of `shard` from number `first` on, by ordinal.
    pub const fn new(shard: Shard, first: u64) -> Self {
        Self { shard, next: first, waiting: BTreeMap::new() }
    }

    /// The ordinal whose turn is next.
    pub const fn next(&self) -> u64 {
        self.next
    }

    pub fn push(&mut self, record: CaseRecord) {
        self.waiting.insert(record.index, record);
    }

    /// The record whose turn it is, if it is here.
    pub fn pop(&mut self) -> Option<CaseRecord> {
        let record = self.waiting.remove(&self.shard.index(self.next))?;
        self.next += record.cases;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn however_records_come_they_leave_in_order(
            comes in Just((7..107).collect::<Vec<u64>>()).prop_shuffle(),
        ) {
            let shard = Shard::new(2, 3).unwrap();
            let mut order = Order::new(shard, 7);
            let mut left = Vec::new();
            for ordinal in comes {
                order.push(CaseRecord { index: shard.index(ordinal), ..CaseRecord::default() });
                left.extend(std::iter::from_fn(|| order.pop()).map(|record| record.index));
                prop_assert_eq!(order.next(), 7 + left.len() as u64);
            }
            let wanted: Vec<u64> = (7..107).map(|ordinal| shard.index(ordinal)).collect();
            prop_assert_eq!(left, wanted);
        }
    }
}
