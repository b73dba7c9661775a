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
//! those that came of both.
//!
//! Source: DDI 0487, "TLB maintenance instructions", "Using break-before-make when updating translation table
//! entries".

use case::format::{Format, Granule};
use case::operation::Operation;
use case::probe::Probe;
use case::tree::Role;
use golden::{Registers, Stale};
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

/// The ASID in bits 63:48 of a register or an operand.
const fn asid(registers: &Registers, operand: u64) -> u16 {
    let asid = (operand >> 48) as u16;
    if registers.tcr_el1 >> 36 & 1 == 1 { asid } else { asid & 0xff }
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
        Self { pa, tree, role, level, granule: format.granule, start, is_big }
    }

    const fn bytes(&self) -> u64 {
        1 << self.granule.entry_bits(self.level)
    }

    /// What the word says, if a TLB may hold it: it is valid, and its access flag is set.
    const fn meaning(&self, word: u64) -> Option<Meaning> {
        let word = if self.is_big { word.swap_bytes() } else { word };
        let is_table = self.level < 3 && word & 3 == 3;
        let is_leaf = word & 3 == if self.level < 3 { 1 } else { 3 };
        let is_global = self.role.is_stage1() && word & NG == 0;
        match (is_table, is_leaf && word & AF != 0) {
            (true, _) => Some(Meaning { is_table: true, is_global: false, word }),
            (_, true) => Some(Meaning { is_table: false, is_global, word }),
            _ => None,
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
/// Bits 49:12 and 9:8: the address of the next table, wherever it is kept.
const TABLE_FIXED: u64 = 0x0003_ffff_ffff_f300;
/// The same: the output address and nT, and shareability; the type of memory, and the Contiguous bit.
const LEAF_FIXED: u64 = TABLE_FIXED | 0b1111 << 2 | 1 << 52;

/// What a word that a TLB may hold says.
#[derive(Clone, Copy)]
struct Meaning {
    is_table: bool,
    is_global: bool,
    word: u64,
}

/// The old value of a word, as it may be held.
#[derive(Clone, Debug)]
struct Old {
    word: Word,
    value: u64,
    is_table: bool,
    is_global: bool,
    tag: Tag,
    /// The PEs that may hold it as an entry of its stage alone.
    alone: Pes,
    /// Of stage 2: the PEs that may hold it as a part of an entry of both stages.
    combined: Pes,
    /// Of a table of stage 1: pages for which it was taken away, and where. What was found through it may
    /// still be held for other pages.
    without: SmallVec<[(u64, Pes); 2]>,
}

/// A tree that was loaded, and what of it may be held.
#[derive(Clone, Copy, Debug)]
struct Context {
    tree: u8,
    role: Role,
    tag: Tag,
    /// The register that named it.
    root: u64,
    /// The PEs that may hold what is tagged with its ASID.
    own: Pes,
    /// The PEs that may hold what is global.
    global: Pes,
}

/// Another tree than the ones that are loaded, of which something may be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Foreign {
    pub role: Role,
    /// The register that named it.
    pub root: u64,
    /// Whatever is found in it may be held; or else global leaves alone.
    pub in_full: bool,
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

/// What a TLBI is about.
#[derive(Clone, Copy)]
enum Scope {
    /// The EL1&0 regime, whatever the VMID.
    All,
    /// Both stages of the VMID.
    Vmid,
    /// Stage 1 of the VMID.
    Stage1,
    /// What is tagged with the ASID.
    Asid(u16),
    /// Stage 1 of these addresses, of one ASID or all.
    Va { range: Range, asid: Option<u16> },
    /// Stage 2 of these addresses.
    Ipa { range: Range },
}

/// The addresses that a TLBI is about.
#[derive(Clone, Copy)]
struct Range {
    start: u64,
    bytes: u64,
    /// The last level alone.
    is_last: bool,
    /// It need not take away anything of another granule than this.
    granule: Option<u64>,
    /// Nor anything but leaves of this level.
    level: Option<u64>,
}

impl Range {
    /// The addresses in the operand of an instruction for one address.
    ///
    /// ```text
    ///   63  48 47 46 45 44 43      0
    ///  | ASID | TTL: TG, l| VA >> 12 |        of an IPA bits 39:0, and no ASID
    /// ```
    const fn of_one(operand: u64, is_last: bool) -> Self {
        let (granule, level) = (operand >> 46 & 3, operand >> 44 & 3);
        let is_told = granule != 0;
        Self {
            start: operand << 12 & ADDRESS,
            bytes: 1,
            is_last,
            granule: if is_told { Some(granule) } else { None },
            level: if is_told { Some(level) } else { None },
        }
    }

    /// The addresses in the operand of a range instruction, `ds` of whose stage is as given.
    ///
    /// ```text
    ///   63  48 47 46 45   44 43 39 38 37 36             0
    ///  | ASID |  TG | SCALE | NUM | TTL |  BaseADDR      |     (NUM + 1) * 2^(5 * SCALE + 1) pages
    /// ```
    const fn of_many(operand: u64, is_last: bool, ds: bool) -> Self {
        let granule = operand >> 46 & 3;
        let page_bits = 10 + 2 * granule;
        let (scale, num, level) = (operand >> 44 & 3, operand >> 39 & 0x1f, operand >> 37 & 3);
        let base_bits = if ds { 16 } else { page_bits };
        // The base is signed: an upper range begins at its end.
        let base = ((operand << 27) as i64 >> 27) as u64;
        Self {
            start: base << base_bits & ADDRESS,
            bytes: (num + 1) << (5 * scale + 1) << page_bits,
            is_last,
            granule: Some(granule),
            level: if level == 0 { None } else { Some(level) },
        }
    }

    /// Whether an entry for `word`, a leaf, is one that it takes away.
    fn takes(&self, word: &Word) -> bool {
        let overlaps =
            self.start < word.start + word.bytes() && word.start < self.start + self.bytes;
        overlaps && self.fits(word) && self.level.is_none_or(|level| level == word.level as u64)
    }

    /// Whether `word`, a table, and all that is found through it is taken away.
    fn takes_all(&self, word: &Word) -> bool {
        let covers =
            self.start <= word.start && word.start + word.bytes() <= self.start + self.bytes;
        covers && !self.is_last && self.fits(word) && self.level.is_none()
    }

    /// The page that it is about, whose entries are taken away whatever their level is.
    fn page(&self, word: &Word) -> Option<u64> {
        let in_word = self.start.wrapping_sub(word.start) < word.bytes();
        let takes = in_word && !self.is_last && self.granule.is_none() && self.bytes == 1;
        takes.then(|| page(word.granule, self.start))
    }

    fn fits(&self, word: &Word) -> bool {
        let own = match word.granule {
            Granule::K4 => 1,
            Granule::K16 => 2,
            Granule::K64 => 3,
        };
        self.granule.is_none_or(|granule| granule == own)
    }
}

/// The first address of the page of `va`.
const fn page(granule: Granule, va: u64) -> u64 {
    va & ADDRESS & !((1 << granule.bits()) - 1)
}

impl Scope {
    /// What `operation` is about; `None` where it is no TLBI.
    fn of(operation: Operation, operand: u64, registers: &Registers) -> Option<Self> {
        let asid = Some(asid(registers, operand));
        let va = |asid, is_last| Self::Va { range: Range::of_one(operand, is_last), asid };
        let ipa = |is_last| {
            // Bits 43:40 say nothing, and bit 63 is the security state.
            let range = Range::of_one(operand, is_last);
            Self::Ipa { range: Range { start: range.start & ((1 << 52) - 1), ..range } }
        };
        let ds1 = registers.tcr_el1 >> 59 & 1 == 1;
        let ds2 = registers.vtcr_el2 >> 32 & 1 == 1;
        let vas = |asid, is_last| Self::Va { range: Range::of_many(operand, is_last, ds1), asid };
        let ipas = |is_last| Self::Ipa { range: Range::of_many(operand, is_last, ds2) };
        Some(match operation {
            Operation::TlbiAlle1 => Self::All,
            Operation::TlbiVmalls12e1 => Self::Vmid,
            Operation::TlbiVmalle1 => Self::Stage1,
            Operation::TlbiAside1 => Self::Asid(asid?),
            Operation::TlbiVae1 => va(asid, false),
            Operation::TlbiVaae1 => va(None, false),
            Operation::TlbiVale1 => va(asid, true),
            Operation::TlbiVaale1 => va(None, true),
            Operation::TlbiRvae1 => vas(asid, false),
            Operation::TlbiRvaae1 => vas(None, false),
            Operation::TlbiRvale1 => vas(asid, true),
            Operation::TlbiRvaale1 => vas(None, true),
            Operation::TlbiIpas2e1 => ipa(false),
            Operation::TlbiIpas2le1 => ipa(true),
            Operation::TlbiRipas2e1 => ipas(false),
            Operation::TlbiRipas2le1 => ipas(true),
            _ => return None,
        })
    }
}

impl Old {
    /// Takes it away as far as `scope` does, on these PEs, where `vmid` is the current one.
    fn invalidate(&mut self, scope: Scope, vmid: u16, pes: Pes) {
        if !matches!(scope, Scope::All) && self.tag.vmid != vmid {
            return;
        }
        let is_stage1 = self.word.role.is_stage1();
        match scope {
            Scope::All | Scope::Vmid => {
                self.alone &= !pes;
                self.combined &= !pes;
            }
            // As long as there are entries of stage 2 alone, others may come of them.
            Scope::Stage1 if !is_stage1 => self.combined &= !pes | self.alone,
            Scope::Stage1 => self.alone &= !pes,
            Scope::Asid(asid) if is_stage1 && !self.is_global && asid == self.tag.asid => {
                self.alone &= !pes;
            }
            Scope::Va { range, asid } if is_stage1 => {
                let is_its = self.is_global || asid.is_none_or(|asid| asid == self.tag.asid);
                if !is_its {
                    return;
                }
                let takes = if self.is_table {
                    range.takes_all(&self.word)
                } else {
                    range.takes(&self.word)
                };
                if takes {
                    self.alone &= !pes;
                } else if self.is_table {
                    self.without.extend(range.page(&self.word).map(|page| (page, pes)));
                }
            }
            Scope::Ipa { range } if !is_stage1 => {
                let takes = if self.is_table {
                    range.takes_all(&self.word)
                } else {
                    range.takes(&self.word)
                };
                if takes {
                    self.alone &= !pes;
                }
            }
            Scope::Asid(_) | Scope::Va { .. } | Scope::Ipa { .. } => {}
        }
    }

    const fn is_gone(&self) -> bool {
        self.alone == 0 && self.combined == 0
    }

    fn is_seen(&self, view: &View) -> bool {
        let here = 1 << (view.pe & 63);
        let is_held = (self.alone | self.combined) & here != 0;
        let is_own = match self.word.role {
            Role::Stage2 => self.tag.vmid == view.tag.vmid,
            Role::Ttbr0El1 | Role::Ttbr1El1 => {
                self.tag.vmid == view.tag.vmid && (self.is_global || self.tag.asid == view.tag.asid)
            }
            // Nothing takes these away.
            Role::Ttbr0El2 | Role::Ttbr1El2 | Role::Idmap => true,
        };
        let wanted = page(self.word.granule, view.va);
        let is_without = |(page, pes): &(u64, Pes)| *page == wanted && pes & here != 0;
        is_held && is_own && !self.without.iter().any(is_without)
    }
}

impl Context {
    fn invalidate(&mut self, scope: Scope, vmid: u16, pes: Pes) {
        if !matches!(scope, Scope::All) && self.tag.vmid != vmid {
            return;
        }
        let is_stage1 = self.role.is_stage1();
        match scope {
            Scope::All | Scope::Vmid => {
                self.own &= !pes;
                self.global &= !pes;
            }
            Scope::Stage1 if is_stage1 => {
                self.own &= !pes;
                self.global &= !pes;
            }
            Scope::Asid(asid) if is_stage1 && asid == self.tag.asid => self.own &= !pes,
            _ => {}
        }
    }
}

impl Tlb {
    /// Tree number `tree` is loaded by a register with this value, and walked under `tag`.
    pub fn load(&mut self, tree: u8, role: Role, root: u64, tag: Tag) {
        let new = Context { tree, role, tag, root, own: ALL, global: ALL };
        let is_same =
            |known: &&mut Context| (known.tree, known.role, known.tag) == (tree, role, tag);
        match self.contexts.iter_mut().find(is_same) {
            Some(known) => *known = new,
            None => self.contexts.push(new),
        }
    }

    /// `word` had this value, which is changed.
    pub fn change(&mut self, word: Word, value: u64) {
        let Some(Meaning { is_table, is_global, .. }) = word.meaning(value) else { return };
        let contexts = self.contexts.iter().filter(|context| context.tree == word.tree);
        let olds = contexts.map(|context| Old {
            word,
            value,
            is_table,
            is_global,
            tag: context.tag,
            alone: if is_global { context.own | context.global } else { context.own },
            combined: if word.role == Role::Stage2 { context.own } else { 0 },
            without: SmallVec::new(),
        });
        self.olds.extend(olds);
    }

    /// Carries out a TLBI under these registers, while the trees with the numbers in `loaded` are.
    pub fn invalidate(&mut self, probe: &Probe, registers: &Registers, loaded: &[u8]) {
        let scope = probe.operation();
        let Some(scope) = scope.and_then(|scope| Scope::of(scope, probe.address, registers)) else {
            return;
        };
        let is_for_all = probe.flags & (Probe::INNER_SHAREABLE | Probe::OUTER_SHAREABLE) != 0;
        let pes = if is_for_all { ALL } else { 1 << (probe.pe & 63) };
        let now = Tag::of(registers);
        for old in &mut self.olds {
            old.invalidate(scope, now.vmid, pes);
        }
        self.olds.retain(|old| !old.is_gone());
        for context in &mut self.contexts {
            // What is loaded is walked again at once.
            if context.tag != now || !loaded.contains(&context.tree) {
                context.invalidate(scope, now.vmid, pes);
            }
        }
        self.contexts.retain(|context| context.own | context.global != 0);
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
        let mut values: SmallVec<[u64; 4]> = SmallVec::new();
        let seen = self.olds.iter().filter(|old| old.word.pa == pa && old.is_seen(&self.view));
        let word = seen.clone().next()?.word;
        for value in seen.map(|old| old.value) {
            if value != now && !values.contains(&value) {
                values.push(value);
            }
        }
        let (first, others) = values.split_first()?;
        let none = Some(Stale::new(*first));
        let stale = others.iter().fold(none, |stale, old| stale?.with(*old))?;
        let all = || values.iter().chain([&now]);
        let is_unbroken = all().any(|one| all().any(|other| word.needs_break(*one, *other)));
        Some(if is_unbroken { stale.unbroken() } else { stale })
    }

    /// Whether the word at `pa` has more old values than a walk is told of.
    pub fn overflows(&self) -> bool {
        let seen = self.olds.iter().filter(|old| old.is_seen(&self.view));
        seen.clone().any(|one| {
            let of_one = seen.clone().filter(|other| other.word.pa == one.word.pa);
            of_one.count() > Stale::MAX
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
        others.filter_map(move |context| {
            let is_own = !context.role.is_stage1() || context.tag.asid == tag.asid;
            let in_full = is_own && context.own & here != 0;
            let is_held = in_full || context.global & here != 0 && context.role.is_stage1();
            is_held.then_some(Foreign { role: context.role, root: context.root, in_full })
        })
    }
}
