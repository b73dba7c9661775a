//! What TLBs may still hold of translations that are no longer in the tables.
//!
//! ```text
//!   load a tree      a context: whatever a walk finds may be held under this VMID and ASID
//!   change a word    its old value may be held in each context of its tree: an `Old` for each
//!   TLBI             takes away those that it is sufficient for, on the PEs that it reaches
//!   walk             may use the old values that are left: golden's choice
//! ```
//!
//! All that the architecture does not require a TLBI to take away stays. A translation of both stages may be
//! held as one: a change of stage 2 is over only when entries of stage 2 alone are gone, and after that
//! those that came of both. A leaf with the Contiguous bit may be held for its own range, or for that of its group:
//!
//! ```text
//!              member 0   member 1   member 2   member 3
//!   held for              |  page  |                         taken away by what names member 1
//!            |                  group                    |   by what names any of them; found by what asks for any
//! ```
//!
//! Whether an nXS form takes away what has XS = 1 is IMPLEMENTATION SPECIFIC: such entries may stay.
//!
//! Source: DDI 0487, "TLB maintenance instructions", "The Contiguous bit" (R_SKQHL), "Using break-before-make when
//! updating translation table entries".

use case::format::{Format, Granule};
use case::operation::Operation;
use case::probe::Probe;
use case::tree::Role;
use golden::tlbi::{Tlbi, TlbiDomain, TlbiOperation, TlbiRange, asid};
use golden::{Implementation, MemoryAttributes, Registers, Shareability, Stale};
use smallvec::SmallVec;

/// A PE or several, by their numbers: bit n is PE n.
type Pes = u64;

const ALL: Pes = u64::MAX;

/// What translations of the EL1&0 regime are tagged with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tag {
    vmid: u16,
    asid: u16,
}

impl Tag {
    /// The tag of what is walked under these registers.
    ///
    /// Source: DDI 0487, `VTCR_EL2.VS`, `TCR_EL1.{A1, AS}`.
    pub const fn of(registers: &Registers) -> Self {
        let vmid = (registers.vttbr_el2 >> 48) as u16;
        let has_16_bits = registers.vtcr_el2 >> 19 & 1 == 1;
        let ttbr = if registers.tcr_el1 >> 22 & 1 == 1 {
            registers.ttbr1_el1
        } else {
            registers.ttbr0_el1
        };
        Self { vmid: if has_16_bits { vmid } else { vmid & 0xff }, asid: asid(registers, ttbr) }
    }
}

/// Virtual addresses are compared without their tags.
const ADDRESS: u64 = (1 << 56) - 1;

/// A descriptor, as a change finds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    pub pa: u64,
    /// The number of its tree.
    pub tree: u8,
    /// The role of its tree.
    pub role: Role,
    pub level: i8,
    /// The granule of its tree.
    pub granule: Granule,
    /// The first input address that it translates; of an upper range with the ones in front.
    pub start: u64,
    /// Tables are big-endian.
    pub is_big: bool,
    /// `MAIR_EL1` and `MAIR2_EL1`.
    pub mairs: [u64; 2],
}

/// The input addresses that an entry is for.
#[derive(Clone, Copy, Debug)]
struct Extent {
    start: u64,
    bytes: u64,
}

impl Word {
    /// The descriptor at `pa` on the path of `input` at `level` of tree number `tree`.
    pub fn new(
        (tree, role, format): (u8, Role, &Format),
        (pa, level): (u64, i8),
        input: u64,
        registers: &Registers,
    ) -> Self {
        const EE: u64 = 1 << 25;
        let sctlr = if role.is_in_ipa_space() { registers.sctlr_el1 } else { registers.sctlr_el2 };
        let below = (1 << format.granule.entry_bits(level)) - 1;
        let start = role.address(format.ia_bits, input & !below) & ADDRESS;
        let is_big = sctlr & EE != 0;
        let mairs = [registers.mair_el1, registers.mair2_el1];
        Self { pa, tree, role, level, granule: format.granule, start, is_big, mairs }
    }

    const fn bytes(&self) -> u64 {
        1 << self.granule.entry_bits(self.level)
    }

    /// Its own addresses.
    const fn own(&self) -> Extent {
        Extent { start: self.start, bytes: self.bytes() }
    }

    /// Those of its contiguous group.
    const fn group(&self) -> Extent {
        let bytes = self.bytes() * self.members();
        Extent { start: self.start & !(bytes - 1), bytes }
    }

    /// How many entries the Contiguous bit joins.
    ///
    /// Source: DDI 0487, "Permitted properties of caching a translation in a TLB when Effective value of Contiguous
    /// bit is 1".
    const fn members(&self) -> u64 {
        match (self.granule, self.level) {
            (Granule::K4, 1..) => 16,
            (Granule::K16, 3) => 128,
            (Granule::K16 | Granule::K64, 2..) => 32,
            _ => 1,
        }
    }

    /// Whether the word at `pa` is of its contiguous group.
    const fn is_beside(&self, pa: u64) -> bool {
        (pa ^ self.pa) / 8 < self.members()
    }

    /// What a leaf says in the place of the member of its contiguous group at `pa`.
    const fn in_place_of(&self, pa: u64, value: u64) -> u64 {
        let shift = self.granule.entry_bits(self.level);
        let place = (self.members() - 1) << shift;
        let word = self.ordered(value);
        self.ordered(word & !place | (pa / 8 % self.members()) << shift)
    }

    const fn ordered(&self, word: u64) -> u64 {
        if self.is_big { word.swap_bytes() } else { word }
    }

    /// Whether `range` takes an entry for these addresses away; of a table, all that is found through it, too.
    fn is_taken(&self, range: &TlbiRange, is_table: bool, of: Extent) -> bool {
        let (end, range_end) = (of.start + of.bytes, range.start + range.bytes);
        let is_there = match is_table {
            true => range.start <= of.start && end <= range_end,
            false => range.start < end && of.start < range_end,
        };
        let level = self.level as i64;
        let is_of_level =
            |ttl: u64| if is_table { level < ttl as i64 } else { level == ttl as i64 };
        let is_of_level = range.ttl.is_none_or(is_of_level);
        is_there && self.is_of_granule(range) && is_of_level && !(is_table && range.last_level)
    }

    /// The page that `range` is about, whose entries are taken away whatever their level is, if the word, a table, is
    /// on the way to it.
    fn page_taken(&self, range: &TlbiRange) -> Option<u64> {
        let is_in_word = range.start.wrapping_sub(self.start) < self.bytes();
        let takes = is_in_word && !range.last_level && range.tg.is_none() && range.bytes == 1;
        takes.then(|| page(self.granule, range.start))
    }

    fn is_of_granule(&self, range: &TlbiRange) -> bool {
        let own = match self.granule {
            Granule::K4 => 1,
            Granule::K16 => 2,
            Granule::K64 => 3,
        };
        range.tg.is_none_or(|tg| tg == own)
    }

    /// What the word says, if a TLB may hold it: it is valid, and its access flag is set.
    const fn meaning(&self, word: u64) -> Option<Meaning> {
        let word = self.ordered(word);
        let is_table = self.level < 3 && word & 3 == 3;
        let is_leaf = word & 3 == if self.level < 3 { 1 } else { 3 };
        let is_global = self.role.is_stage1() && word & NG == 0;
        match (is_table, is_leaf && word & AF != 0) {
            (true, _) => Some(Meaning { is_table: true, is_global: false, word }),
            (_, true) => Some(Meaning { is_table: false, is_global, word }),
            _ => None,
        }
    }

    /// Whether an entry of it may have XS = 1. Of a table, one that is found through it.
    fn may_have_xs(&self, meaning: &Meaning) -> bool {
        let Meaning { is_table, word, .. } = *meaning;
        let has_xs = |mair: &u64| {
            let attributes = (mair >> (8 * (word >> 2 & 7))) as u8;
            // A reserved one may stand for any.
            MemoryAttributes::from_mair(attributes, Shareability::Non, true)
                .is_none_or(|attributes| attributes.xs)
        };
        match self.role {
            _ if is_table => true,
            Role::Stage2 => word & FNXS == 0,
            // With FEAT_AIE bit 59 selects the second register.
            _ if word >> 59 & 1 == 1 => self.mairs.iter().any(has_xs),
            _ => has_xs(&self.mairs[0]),
        }
    }

    /// Whether one value may follow another only by break-before-make.
    const fn needs_break(&self, one: u64, other: u64) -> bool {
        let (Some(one), Some(other)) = (self.meaning(one), self.meaning(other)) else {
            return false;
        };
        if one.is_table != other.is_table {
            return true;
        }
        let fixed = if one.is_table { TABLE_FIXED } else { LEAF_FIXED };
        let ng = if self.role.is_stage1() && !one.is_table { NG } else { 0 };
        (one.word ^ other.word) & (fixed | ng) != 0
    }
}

const AF: u64 = 1 << 10;
const NG: u64 = 1 << 11;
/// Of stage 2, in the place of nG: XS is 0, whatever stage 1 says.
const FNXS: u64 = 1 << 11;
const CONTIGUOUS: u64 = 1 << 52;
/// Bits 49:12 and 9:8: the address of the next table, wherever it is kept.
const TABLE_FIXED: u64 = 0x0003_ffff_ffff_f300;
/// The same: the output address and nT, and shareability; the type of memory, and the Contiguous bit.
const LEAF_FIXED: u64 = TABLE_FIXED | 0b1111 << 2 | CONTIGUOUS;

/// What a word that a TLB may hold says.
#[derive(Clone, Copy)]
struct Meaning {
    is_table: bool,
    is_global: bool,
    word: u64,
}

/// The old value of a word, as it may be held.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Old {
    word: Word,
    value: u64,
    is_table: bool,
    is_global: bool,
    may_have_xs: bool,
    tag: Tag,
    /// As an entry for its own addresses.
    page: Held,
    /// Of a leaf with the Contiguous bit: as an entry for those of its group.
    group: Held,
    /// Of a table of stage 1: pages for which it was taken away, and where. What was found through it may
    /// still be held for other pages.
    without: SmallVec<[(u64, Pes); 2]>,
}

/// Where an old value may be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Held {
    /// The PEs that may hold it as an entry of its stage alone.
    alone: Pes,
    /// Of stage 2: the PEs that may hold it as a part of an entry of both stages.
    combined: Pes,
}

impl Held {
    const fn anywhere(self) -> Pes {
        self.alone | self.combined
    }
}

/// Where something of a tree may be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Holders {
    /// The PEs that may hold all of it.
    all: Pes,
    /// The PEs that may hold what has XS = 1.
    xs: Pes,
}

impl Holders {
    const EVERYWHERE: Self = Self { all: ALL, xs: ALL };

    const fn invalidate(&mut self, pes: Pes, nxs: bool) {
        self.all &= !pes;
        if !nxs {
            self.xs &= !pes;
        }
    }

    const fn of(self, may_have_xs: bool) -> Pes {
        if may_have_xs { self.xs } else { self.all }
    }
}

/// A tree that was loaded, and what of it may be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Context {
    tree: u8,
    role: Role,
    tag: Tag,
    /// The register that named it.
    root: u64,
    /// Where what is tagged with its ASID may be held.
    own: Holders,
    /// Where what is global may be held.
    global: Holders,
}

/// Another tree than the ones that are loaded, of which something may be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Foreign {
    pub role: Role,
    /// The register that named it.
    pub root: u64,
    /// Whatever is found in it may be held; or else global leaves alone.
    pub in_full: bool,
    /// Of these, leaves with XS = 1 alone.
    pub xs_alone: bool,
}

/// From where a walk looks at the TLBs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct View {
    /// The number of the PE.
    pub pe: u8,
    /// The tag of what is looked for.
    pub tag: Tag,
    /// The virtual address that is looked for.
    pub va: u64,
}

/// What TLBs may hold.
#[derive(Clone, Debug, Default)]
pub struct Tlb {
    olds: Vec<Old>,
    contexts: Vec<Context>,
    view: View,
}

/// The first address of the page of `va`.
const fn page(granule: Granule, va: u64) -> u64 {
    va & ADDRESS & !((1 << granule.bits()) - 1)
}

/// The TLBI that `step` is on such a PE under these registers; `None` where it is none.
pub fn tlbi(step: &Probe, pe: &Implementation, registers: &Registers) -> Option<Tlbi> {
    let operation = match step.operation()? {
        Operation::TlbiAlle1 => TlbiOperation::Alle1,
        Operation::TlbiVmalls12e1 => TlbiOperation::Vmalls12e1,
        Operation::TlbiVmalle1 => TlbiOperation::Vmalle1,
        Operation::TlbiAside1 => TlbiOperation::Aside1,
        Operation::TlbiVae1 => TlbiOperation::Vae1,
        Operation::TlbiVaae1 => TlbiOperation::Vaae1,
        Operation::TlbiVale1 => TlbiOperation::Vale1,
        Operation::TlbiVaale1 => TlbiOperation::Vaale1,
        Operation::TlbiRvae1 => TlbiOperation::Rvae1,
        Operation::TlbiRvaae1 => TlbiOperation::Rvaae1,
        Operation::TlbiRvale1 => TlbiOperation::Rvale1,
        Operation::TlbiRvaale1 => TlbiOperation::Rvaale1,
        Operation::TlbiIpas2e1 => TlbiOperation::Ipas2e1,
        Operation::TlbiIpas2le1 => TlbiOperation::Ipas2le1,
        Operation::TlbiRipas2e1 => TlbiOperation::Ripas2e1,
        Operation::TlbiRipas2le1 => TlbiOperation::Ripas2le1,
        _ => return None,
    };
    let domain = match step.flags {
        flags if flags & Probe::OUTER_SHAREABLE != 0 => TlbiDomain::OuterShareable,
        flags if flags & Probe::INNER_SHAREABLE != 0 => TlbiDomain::InnerShareable,
        _ => TlbiDomain::Own,
    };
    Some(Tlbi::new(operation, step.address, domain, step.has(Probe::NXS), pe, registers))
}

impl Old {
    /// Takes it away as far as `tlbi` does, on these PEs, where `vmid` is the current one.
    fn invalidate(&mut self, tlbi: &Tlbi, vmid: u16, pes: Pes) {
        if !tlbi.any_vmid && self.tag.vmid != vmid || tlbi.nxs && self.may_have_xs {
            return;
        }
        let is_stage1 = self.word.role.is_stage1();
        let is_its = match is_stage1 {
            true if self.is_global => tlbi.stage1 && tlbi.global,
            true => tlbi.stage1 && tlbi.asid.is_none_or(|asid| asid == self.tag.asid),
            false => tlbi.stage2,
        };
        let takes = |of: Extent| {
            let taken = |range: TlbiRange| self.word.is_taken(&range, self.is_table, of);
            is_its && tlbi.range.is_none_or(taken)
        };
        let (takes_page, takes_group) = (takes(self.word.own()), takes(self.word.group()));
        if takes_group {
            self.group.alone &= !pes;
        }
        if takes_page {
            self.page.alone &= !pes;
        } else if let (true, true, Some(range)) = (is_its, self.is_table && is_stage1, &tlbi.range)
        {
            self.without.extend(self.word.page_taken(range).map(|page| (page, pes)));
        }
        if tlbi.combined {
            // As long as there are entries of stage 2 alone, others may come of them.
            self.group.combined &= !pes | self.group.alone;
            self.page.combined &= !pes | self.page.alone | self.group.alone;
        }
    }

    const fn is_gone(&self) -> bool {
        self.page.anywhere() | self.group.anywhere() == 0
    }

    /// What a walk from there may take for the word at `pa`.
    fn seen(&self, view: &View, pa: u64) -> Option<u64> {
        let Self { word, page, group, .. } = self;
        let (held, value) = match pa == word.pa {
            true => (page.anywhere() | group.anywhere(), self.value),
            false if word.is_beside(pa) => (group.anywhere(), word.in_place_of(pa, self.value)),
            false => return None,
        };
        self.is_seen(view, held).then_some(value)
    }

    fn is_seen(&self, view: &View, held: Pes) -> bool {
        let here = 1 << (view.pe & 63);
        let is_own = match self.word.role {
            Role::Stage2 => self.tag.vmid == view.tag.vmid,
            Role::Ttbr0El1 | Role::Ttbr1El1 => {
                self.tag.vmid == view.tag.vmid && (self.is_global || self.tag.asid == view.tag.asid)
            }
            // Nothing takes these away.
            Role::Ttbr0El2 | Role::Ttbr1El2 | Role::Idmap => true,
        };
        let wanted = self::page(self.word.granule, view.va);
        let is_without = |(page, pes): &(u64, Pes)| *page == wanted && pes & here != 0;
        held & here != 0 && is_own && !self.without.iter().any(is_without)
    }
}

impl Context {
    fn invalidate(&mut self, tlbi: &Tlbi, vmid: u16, pes: Pes) {
        if !tlbi.any_vmid && self.tag.vmid != vmid || tlbi.range.is_some() {
            return;
        }
        let (own, global) = match self.role.is_stage1() {
            true => {
                let is_own = tlbi.asid.is_none_or(|asid| asid == self.tag.asid);
                (tlbi.stage1 && is_own, tlbi.stage1 && tlbi.global)
            }
            false => (tlbi.stage2, tlbi.stage2),
        };
        if own {
            self.own.invalidate(pes, tlbi.nxs);
        }
        if global {
            self.global.invalidate(pes, tlbi.nxs);
        }
    }
}

impl Tlb {
    /// Whether the same may be held in `other`.
    pub fn holds_as_much(&self, other: &Self) -> bool {
        (&self.olds, &self.contexts) == (&other.olds, &other.contexts)
    }

    /// Tree number `tree` is loaded by a register with this value, and walked under `tag`.
    pub fn load(&mut self, tree: u8, role: Role, root: u64, tag: Tag) {
        let (own, global) = (Holders::EVERYWHERE, Holders::EVERYWHERE);
        let new = Context { tree, role, tag, root, own, global };
        let is_same =
            |known: &&mut Context| (known.tree, known.role, known.tag) == (tree, role, tag);
        match self.contexts.iter_mut().find(is_same) {
            Some(known) => *known = new,
            None => self.contexts.push(new),
        }
    }

    /// `word` had this value, which is changed.
    pub fn change(&mut self, word: Word, value: u64) {
        let Some(meaning) = word.meaning(value) else { return };
        let Meaning { is_table, is_global, .. } = meaning;
        let may_have_xs = word.may_have_xs(&meaning);
        let is_grouped = !is_table && meaning.word & CONTIGUOUS != 0 && word.members() > 1;
        let contexts = self.contexts.iter().filter(|context| context.tree == word.tree);
        let olds = contexts.map(|context| {
            let (own, global) = (context.own.of(may_have_xs), context.global.of(may_have_xs));
            let page = Held {
                alone: if is_global { own | global } else { own },
                combined: if word.role == Role::Stage2 { own } else { 0 },
            };
            let group = if is_grouped { page } else { Held::default() };
            let (tag, without) = (context.tag, SmallVec::new());
            Old { word, value, is_table, is_global, may_have_xs, tag, page, group, without }
        });
        self.olds.extend(olds);
        self.olds.retain(|old| !old.is_gone());
    }

    /// Carries out `tlbi` on PE number `pe`, where walks have the tag `now`, while the trees with the numbers in
    /// `loaded` are.
    pub fn invalidate(&mut self, tlbi: &Tlbi, pe: u8, now: Tag, loaded: &[u8]) {
        let pes = match tlbi.domain {
            TlbiDomain::Own => 1 << (pe & 63),
            TlbiDomain::InnerShareable | TlbiDomain::OuterShareable => ALL,
        };
        for old in &mut self.olds {
            old.invalidate(tlbi, now.vmid, pes);
        }
        self.olds.retain(|old| !old.is_gone());
        for context in &mut self.contexts {
            // What is loaded is walked again at once.
            if context.tag != now || !loaded.contains(&context.tree) {
                context.invalidate(tlbi, now.vmid, pes);
            }
        }
        self.contexts.retain(|context| context.own.xs | context.global.xs != 0);
    }

    /// Walks look from there from now on.
    pub const fn look(&mut self, view: View) {
        self.view = view;
    }

    /// The old values of the word at `pa` that a walk may use, where its value now is `now`.
    pub fn stale(&self, pa: u64, now: u64) -> Option<Stale> {
        if self.olds.is_empty() {
            return None;
        }
        let (word, mut values) = self.values(pa)?;
        values.retain(|value| *value != now);
        let (first, others) = values.split_first()?;
        let none = Some(Stale::new(*first));
        let stale = others.iter().fold(none, |stale, old| stale?.with(*old))?;
        let all = || values.iter().chain([&now]);
        let is_unbroken = all().any(|one| all().any(|other| word.needs_break(*one, *other)));
        Some(if is_unbroken { stale.unbroken() } else { stale })
    }

    /// All values that the word at `pa` is told to have had, and one of those words that had them.
    fn values(&self, pa: u64) -> Option<(&Word, SmallVec<[u64; 4]>)> {
        let mut values: SmallVec<[u64; 4]> = SmallVec::new();
        let mut word = None;
        for old in &self.olds {
            if let Some(value) = old.seen(&self.view, pa) {
                word = Some(&old.word);
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        Some((word?, values))
    }

    /// Whether a word may have more old values than a walk is told of.
    pub fn overflows(&self) -> bool {
        self.olds.iter().any(|old| {
            self.values(old.word.pa).is_some_and(|(_, values)| values.len() > Stale::MAX)
        })
    }

    /// Trees that are not loaded, and of which something may be found in the place of those whose numbers are
    /// in `loaded`.
    pub fn foreign<'a>(&'a self, loaded: &'a [u8]) -> impl Iterator<Item = Foreign> + 'a {
        let View { pe, tag, .. } = self.view;
        let here = 1 << (pe & 63);
        let others = self
            .contexts
            .iter()
            .filter(move |context| !loaded.contains(&context.tree) && context.tag.vmid == tag.vmid);
        others.flat_map(move |context| {
            let Context { role, root, .. } = *context;
            let is_own = !role.is_stage1() || context.tag.asid == tag.asid;
            let held = |is: bool, held: Holders, in_full| {
                let xs_alone = held.all & here == 0;
                (is && held.xs & here != 0).then_some(Foreign { role, root, in_full, xs_alone })
            };
            let global = held(role.is_stage1(), context.global, false);
            held(is_own, context.own, true).into_iter().chain(global)
        })
    }
}
