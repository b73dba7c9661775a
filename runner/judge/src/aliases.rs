//! Cache-line aliases: lines of memory that probes access with different attributes.
//!
//! Where a location is accessed with other attributes than those by which it was stored to, caches may hold
//! something else than memory, and nothing says which of them is found (DDI 0487, "Mismatched memory
//! attributes"). Such a probe is not asked.

use std::collections::BTreeMap;

use golden::{Cacheability, MemoryAttributes, MemoryType, Shareability};

use oracle::answer::Reach;

/// The longest cache line that there may be, in bytes (`CTR_EL0.CWG`).
const LINE: u64 = 2048;

/// What has to be the same wherever a location is stored to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct View {
    /// 0 is Device memory, 1 to 3 Non-cacheable, Write-Through and Write-Back.
    inner: u8,
    outer: u8,
    shareability: Shareability,
}

impl View {
    const fn new(attributes: &MemoryAttributes) -> Self {
        const fn number(cacheability: Cacheability) -> u8 {
            match cacheability {
                Cacheability::NonCacheable => 1,
                Cacheability::WriteThrough(_) => 2,
                Cacheability::WriteBack(_) => 3,
            }
        }
        let (inner, outer) = match attributes.memory {
            MemoryType::Device(_) => (0, 0),
            MemoryType::Normal { inner, outer } => (number(inner), number(outer)),
        };
        Self { inner, outer, shareability: attributes.shareability }
    }
}

/// The lines that the probes of a case have accessed.
#[derive(Clone, Debug, Default)]
pub struct Aliases {
    lines: BTreeMap<u64, Line>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    view: View,
    /// It was accessed in another way, too.
    is_mixed: bool,
    is_stored_to: bool,
}

impl Aliases {
    /// Whether an access to `reach` of `bytes` bytes with these attributes, one for each part, finds what
    /// was stored before. If so, it is noted.
    pub fn admit(
        &mut self,
        reach: Reach,
        bytes: u8,
        stores: bool,
        attributes: &[MemoryAttributes],
    ) -> bool {
        let views = |number: u8| {
            let part = usize::from(reach.rest.is_some_and(|(before, _)| number >= before));
            attributes.get(part).or(attributes.first()).map(View::new)
        };
        let touched =
            (0..bytes).filter_map(|number| Some((reach.byte(number) / LINE, views(number)?)));
        let clashes = |(line, view): (u64, View)| {
            let known = self.lines.get(&line);
            known.is_some_and(|known| {
                let differs = known.is_mixed || known.view != view;
                differs && (stores || known.is_stored_to)
            })
        };
        if touched.clone().any(clashes) {
            return false;
        }
        for (line, view) in touched {
            let new = Line { view, is_mixed: false, is_stored_to: false };
            let line = self.lines.entry(line).or_insert(new);
            line.is_mixed |= line.view != view;
            line.is_stored_to |= stores;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE_BACK: MemoryAttributes = MemoryAttributes {
        memory: MemoryType::WRITE_BACK,
        shareability: Shareability::Inner,
        xs: false,
    };
    const NON_CACHEABLE: MemoryAttributes = MemoryAttributes {
        memory: MemoryType::NON_CACHEABLE,
        shareability: Shareability::Outer,
        xs: false,
    };

    fn admit(aliases: &mut Aliases, pa: u64, stores: bool, attributes: MemoryAttributes) -> bool {
        aliases.admit(Reach::new(pa), 8, stores, &[attributes])
    }

    #[test]
    fn what_is_stored_to_is_accessed_in_one_way_alone() {
        let mut aliases = Aliases::default();
        assert!(admit(&mut aliases, 0x1000, true, WRITE_BACK));
        assert!(admit(&mut aliases, 0x1008, false, WRITE_BACK));
        assert!(!admit(&mut aliases, 0x17f8, false, NON_CACHEABLE));
        assert!(admit(&mut aliases, 0x1800, false, NON_CACHEABLE), "the next line");
        assert!(admit(&mut aliases, 0x1808, false, WRITE_BACK), "nobody stored to it");
        assert!(!admit(&mut aliases, 0x1808, true, WRITE_BACK), "it was accessed in both ways");
        let outer = MemoryAttributes { shareability: Shareability::Outer, ..WRITE_BACK };
        assert!(!admit(&mut aliases, 0x1000, false, outer));
        assert!(
            !admit(&mut aliases, 0xffc, true, NON_CACHEABLE),
            "it reaches into a line of the other kind"
        );
    }

    #[test]
    fn each_part_has_its_own_attributes() {
        let mut aliases = Aliases::default();
        let reach = Reach { pa: 0x1ffc, rest: Some((4, 0x8000)) };
        assert!(aliases.admit(reach, 8, true, &[WRITE_BACK, NON_CACHEABLE]));
        assert!(admit(&mut aliases, 0x8000, true, NON_CACHEABLE));
        assert!(!admit(&mut aliases, 0x8000, true, WRITE_BACK));
        assert!(admit(&mut aliases, 0x1ff0, true, WRITE_BACK));
    }
}
