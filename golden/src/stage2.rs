//! Stage 2: from an intermediate physical address to a physical address.

use crate::access::{Kind, StageAccess};
use crate::address::{Ipa, Pa};
use crate::attributes::{Cacheability, Device, Hints, MemoryAttributes, MemoryType, Shareability};
use crate::checks::LeafUse;
use crate::choices::{Choice, Choices, ReservedFwb, ask};
use crate::contiguous::Managed;
use crate::descriptor::{AF, DBM, Descriptor, S2AP_WRITE};
use crate::errata::{Combination, Errata, LeafUpdate, Site};
use crate::fault::{Fault, FaultKind, Stage};
use crate::level::Level;
use crate::memory::PhysicalMemory;
use crate::observer::{Input, Leaf, Observer, Output};
use crate::params::Stage2Params;
use crate::permissions::{self, Permissions};
use crate::rule::Rule;
use crate::walker::{Blame, Entry, MAX_RETRIES, Seen, Walker};

/// The output of stage 2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage2Output {
    pub pa: Pa,
    /// The attributes of both stages combined.
    pub attributes: Seen,
    /// The level of the leaf; `None` if stage 2 is off.
    pub level: Option<Level>,
}

impl<M, C, O> Walker<'_, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    /// Is stage 2 on?
    pub fn stage2_enabled(&self) -> bool {
        let hcr = self.registers.hcr_el2();
        hcr.vm() || hcr.dc()
    }

    /// Translates an IPA. `blame` says what the access was, for the report of a fault; `stage1` the
    /// attributes that stage 1 gave.
    ///
    /// Source: `AArch64.S2Translate`.
    pub fn stage2(
        &mut self,
        ipa: Ipa,
        stage1: Seen,
        access: &StageAccess,
        blame: Blame,
    ) -> Result<Stage2Output, Fault> {
        let s1_walk = access.kind == Kind::Walk;
        let blame = Blame { stage: Stage::Two, s1_walk, ipa: Some(ipa), ..blame };
        let protected_walk = Rule::ProtectedTableWalk;
        if !self.stage2_enabled() {
            let site = self.site(blame, Level::L0);
            if s1_walk && self.choices.imposes(&site, protected_walk) && self.protects_walks() {
                return Err(self.fails(blame, FaultKind::Permission, Level::L0, protected_walk));
            }
            return Ok(Stage2Output { pa: Pa(ipa.0), attributes: stage1, level: None });
        }
        self.observer.translating(if s1_walk {
            Input::Stage1Descriptor(ipa)
        } else {
            Input::Intermediate(ipa)
        });

        let params = match self.resolved_stage2() {
            Ok(params) => params,
            Err(rule) => return Err(self.fails(blame, FaultKind::Translation, Level::L0, rule)),
        };
        self.observer.stage2_params(&params);
        if ipa.0 >> params.format.ia_bits != 0
            && self.applies(blame, Level::L0, Rule::IpaOutOfRange)
        {
            return Err(self.fails(blame, FaultKind::Translation, Level::L0, Rule::IpaOutOfRange));
        }

        let mut retries = 0;
        loop {
            let entry = self.stage2_walk(&params, ipa, access, blame)?;
            let pa = self.check_leaf(blame, &params.format, &entry, ipa.0, params.ha, access)?;
            let described = self.stage2_attributes(&params, entry.descriptor, stage1.translated);
            let site = self.site(blame, entry.level);
            let described = self.choices.attributes(&site, described);
            let permissions = permissions::stage2(entry.descriptor, &params, access);
            let permissions = self.choices.stage2_permissions(&site, permissions);
            self.observer.leaf(&Leaf {
                stage: Stage::Two,
                level: entry.level,
                descriptor: entry.descriptor,
                output: pa,
                contiguous: entry.contiguous,
                permissions,
                attributes: described,
            });
            let checked =
                self.check_stage2(&params, &entry, blame, access, (&described, permissions));
            let result = checked.map(|_| ());
            let dirty_managed = params.ha && params.hd;
            let old = entry.descriptor;
            let written = if params.s2pie || old & DBM != 0 { old | S2AP_WRITE } else { old };
            let new = self.updated(old, written, params.ha, dirty_managed, access, result);
            let update = LeafUpdate { old, new, written, hd: dirty_managed, result };
            let new = self.choices.update(&self.site(blame, entry.level), &update);
            if new != old
                && !self.swap(blame, entry.level, entry.pa, params.ee, (old, new))?
                && retries < MAX_RETRIES
            {
                retries += 1;
                continue;
            }
            if checked? {
                return Err(self.fails(blame, FaultKind::Permission, Level::L0, protected_walk));
            }

            let attributes = self.stage2_output(&site, &params, described, old, stage1, access);
            self.observer.output(Output {
                stage: Stage::Two,
                address: pa,
                attributes: attributes.translated,
            });
            return Ok(Stage2Output { pa: Pa(pa), attributes, level: Some(entry.level) });
        }
    }

    /// Do alignment, the protection of table walks and the permissions of a leaf allow the access? True where its
    /// protection is still to come.
    ///
    /// Source: `AArch64.S2HasAlignmentFault`, `AArch64.S2CheckPermissions`.
    fn check_stage2(
        &mut self,
        params: &Stage2Params,
        entry: &Entry,
        blame: Blame,
        access: &StageAccess,
        (described, permissions): (&MemoryAttributes, Permissions),
    ) -> Result<bool, Fault> {
        let level = entry.level;
        // With FEAT_S2FWB a leaf that says Normal may be Device, which is stage 1's doing.
        let is_stage1s = params.fwb && entry.descriptor & FWB_NORMAL != 0;
        if !(is_stage1s && self.choices.lifts_without_leaf(Rule::DeviceAlignment)) {
            self.check_alignment(blame, access, described, level)?;
        }
        let protection = Rule::ProtectedTableWalk;
        let device = described.memory.is_device();
        let is_walk = access.kind == Kind::Walk;
        let is_protected =
            is_walk && params.ptw && device && self.applies(blame, level, protection);
        let site = self.site(blame, level);
        let is_postponed = is_protected && self.choices.postpones(&site, protection);
        if is_protected && !is_postponed {
            return Err(self.fails(blame, FaultKind::Permission, level, protection));
        }
        let dirty_managed = params.ha && params.hd;
        let leaf = LeafUse { permissions, device, dirty_managed, cmow: params.cmow };
        self.check_permissions(blame, access, leaf, level)?;
        Ok(is_postponed)
    }

    /// Does `HCR_EL2.PTW` take effect?
    fn protects_walks(&self) -> bool {
        let hcr = self.registers.hcr_el2();
        hcr.ptw() && !hcr.tge()
    }

    fn resolved_stage2(&mut self) -> Result<Stage2Params, Rule> {
        match self.stage2_params {
            Some(params) => params,
            None => {
                let (pe, registers) = (self.pe, self.registers);
                let params = Stage2Params::resolve(pe, registers, &mut self.noted())
                    .map(|params| self.choices.stage2_params(&self.subject, params));
                self.stage2_params = Some(params);
                params
            }
        }
    }

    /// Walks to the leaf.
    ///
    /// Source: `AArch64.S2Walk`.
    fn stage2_walk(
        &mut self,
        params: &Stage2Params,
        ipa: Ipa,
        access: &StageAccess,
        blame: Blame,
    ) -> Result<Entry, Fault> {
        let format = &params.format;
        let mut level = format.start;
        let first = self.first_entry(blame, format, (params.vttbr, params.ps), ipa.0);
        let mut pa = Pa(first);
        if format.out_of_range(first) && self.applies(blame, Level::L0, Rule::BaseOutOfRange) {
            return Err(self.fails(blame, FaultKind::AddressSize, Level::L0, Rule::BaseOutOfRange));
        }
        let mut retries = 0;
        loop {
            let descriptor = self.fetch(blame, format, level, pa, params.ee)?;
            let found = Entry { level, pa, descriptor, contiguous: false };
            let entry = self
                .select(blame, format, found, params.ee, Managed::by_stage2(params, access))
                .map_err(|_| self.fails(blame, FaultKind::TlbConflict, level, Rule::TlbConflict))?;
            match format.decode(entry.descriptor, level) {
                Descriptor::Leaf => return Ok(entry),
                Descriptor::Invalid(rule) if !self.applies(blame, level, rule) => return Ok(entry),
                Descriptor::Invalid(rule) => {
                    return Err(self.fails(blame, FaultKind::Translation, level, rule));
                }
                Descriptor::Table(table) => {
                    self.observer.table(Stage::Two, level, table);
                    if format.out_of_range(table)
                        && self.applies(blame, level, Rule::TableOutOfRange)
                    {
                        return Err(self.fails(
                            blame,
                            FaultKind::AddressSize,
                            level,
                            Rule::TableOutOfRange,
                        ));
                    }
                    let old = entry.descriptor;
                    if params.haft
                        && old & AF == 0
                        && !self.swap(blame, level, pa, params.ee, (old, old | AF))?
                        && retries < MAX_RETRIES
                    {
                        retries += 1;
                        continue;
                    }
                    level = level.next();
                    pa = Pa(table | format.offset(ipa.0, level));
                }
            }
        }
    }

    /// What the leaf says about memory; with FEAT_S2FWB, together with stage 1.
    ///
    /// Source: `AArch64.S2NextWalkStateLeaf`.
    fn stage2_attributes(
        &mut self,
        params: &Stage2Params,
        descriptor: u64,
        stage1: MemoryAttributes,
    ) -> MemoryAttributes {
        let attr = descriptor >> 2 & 0b1111;
        let sh = if params.format.ds { params.sh } else { descriptor >> 8 & 0b11 };
        let shareability = self.shareability(sh);
        let fnxs = descriptor >> 11 & 1 == 1;
        if params.fwb {
            self.forced_write_back(attr, shareability, fnxs, stage1)
        } else {
            let reserved = attr >> 2 != 0 && (attr & 0b11 == 0);
            let stands_for = if reserved {
                ask(&mut self.noted(), Choice::ReservedS2Memattr)
            } else {
                Cacheability::NonCacheable
            };
            MemoryAttributes::from_stage2(attr, shareability, fnxs, stands_for)
        }
    }

    /// `MemAttr[3:0]` with FEAT_S2FWB: bit 2 says Normal, and then 111 takes stage 1's type, 110 forces
    /// Write-back, 101 Non-cacheable.
    ///
    /// Source: `AArch64.S2ApplyFWBMemAttrs`.
    fn forced_write_back(
        &mut self,
        attr: u64,
        shareability: Shareability,
        fnxs: bool,
        stage1: MemoryAttributes,
    ) -> MemoryAttributes {
        let selected = match attr & 0b111 {
            0b111 => ReservedFwb::Stage1,
            0b110 => ReservedFwb::WriteBack,
            0b101 => ReservedFwb::NonCacheable,
            0b100 => ask(&mut self.noted(), Choice::ReservedFwbMemattr),
            device => ReservedFwb::Device(Device::from_bits(device)),
        };
        let (memory, xs) = match (selected, stage1.memory) {
            (ReservedFwb::Device(stage2), MemoryType::Device(device)) => {
                (MemoryType::Device(device.min(stage2)), stage1.xs)
            }
            (ReservedFwb::Device(stage2), _) => (MemoryType::Device(stage2), stage1.xs),
            (ReservedFwb::Stage1, memory) => (memory, stage1.xs),
            (ReservedFwb::NonCacheable, memory @ MemoryType::Device(_)) => (memory, stage1.xs),
            (ReservedFwb::NonCacheable, _) => (MemoryType::NON_CACHEABLE, stage1.xs),
            (ReservedFwb::WriteBack, memory) => (write_back_with_hints_of(memory), false),
        };
        let shareability = stage1.shareability.max(shareability);
        MemoryAttributes { memory, shareability, xs: xs && !fnxs }.effective()
    }

    /// The attributes that come out of stage 2: cacheability controls applied, stage 1 combined.
    ///
    /// Source: the end of `AArch64.S2Translate`.
    fn stage2_output(
        &mut self,
        site: &Site,
        params: &Stage2Params,
        described: MemoryAttributes,
        descriptor: u64,
        stage1: Seen,
        access: &StageAccess,
    ) -> Seen {
        let device = described.memory.is_device();
        let uncached = match access.kind {
            Kind::Walk if device => !params.ptw,
            Kind::Fetch => device || params.id,
            _ => !device && params.cd,
        };
        let controlled = if uncached {
            let (memory, shareability) = (MemoryType::NON_CACHEABLE, Shareability::Outer);
            MemoryAttributes { memory, shareability, xs: described.xs }
        } else {
            described
        };
        let translated = self.combined(params, descriptor, stage1.translated, controlled);
        if access.kind != Kind::At || !uncached && stage1.described == stage1.translated {
            return Seen::both(translated);
        }
        let described = if params.fwb {
            let described = self.stage2_attributes(params, descriptor, stage1.described);
            self.choices.attributes(site, described)
        } else {
            described
        };
        let described = self.combined(params, descriptor, stage1.described, described);
        Seen { translated, described }
    }

    /// Both stages together; with FEAT_S2FWB `stage2` has stage 1's part already.
    ///
    /// Source: `S2CombineS1MemAttrs`.
    fn combined(
        &self,
        params: &Stage2Params,
        descriptor: u64,
        stage1: MemoryAttributes,
        stage2: MemoryAttributes,
    ) -> MemoryAttributes {
        let both = if params.fwb { stage2 } else { stage1.combined(stage2) };
        let memattr = descriptor >> 2 & 0b1111;
        self.choices.combined(&Combination { stage1, stage2, memattr, fwb: params.fwb, both })
    }
}

/// Bit 2 of MemAttr, in a descriptor: with FEAT_S2FWB, Normal memory.
const FWB_NORMAL: u64 = 1 << 4;

/// Write-back memory with stage 1's allocation hints, where it has some.
fn write_back_with_hints_of(stage1: MemoryType) -> MemoryType {
    let forced =
        |half: Cacheability| Cacheability::WriteBack(half.hints().unwrap_or(Hints::READ_WRITE));
    match stage1 {
        MemoryType::Normal { inner, outer } => {
            MemoryType::Normal { inner: forced(inner), outer: forced(outer) }
        }
        MemoryType::Device(_) => MemoryType::WRITE_BACK,
    }
}
