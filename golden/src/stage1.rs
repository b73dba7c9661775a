//! Stage 1: from a virtual address to an intermediate physical address, or to a physical one where the
//! regime has no stage 2.

use crate::access::{Kind, StageAccess};
use crate::address::{Ipa, Pa, Va};
use crate::attributes::{Cacheability, Device, Hints, MemoryAttributes, MemoryType, Shareability};
use crate::checks::LeafUse;
use crate::choices::{Choice, Choices, ask};
use crate::contiguous::Managed;
use crate::descriptor::{AF, AP_READ_ONLY, DBM, Descriptor, ones};
use crate::el::{El, Regime};
use crate::errata::{Errata, LeafUpdate, Stage1Leaf};
use crate::fault::{Fault, FaultKind, Stage};
use crate::implementation::Features;
use crate::level::Level;
use crate::memory::PhysicalMemory;
use crate::observer::{Input, Leaf, Observer, Output};
use crate::params::{Stage1Params, disabled_top_bit};
use crate::permissions::{self, TableLimits};
use crate::registers::Sctlr;
use crate::rule::Rule;
use crate::walker::{Blame, Entry, MAX_RETRIES, Seen, Walker};

/// The output of stage 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage1Output {
    pub ipa: Ipa,
    pub attributes: Seen,
    /// The level of the leaf; `None` if stage 1 is off.
    pub level: Option<Level>,
    /// SH, as it is written in the leaf or in TCR; `None` if stage 1 is off.
    pub sh: Option<u64>,
}

impl<M, C, O> Walker<'_, M, C, O>
where
    M: PhysicalMemory + ?Sized,
    C: Choices + ?Sized,
    O: Observer + ?Sized,
{
    pub fn sctlr(&self, regime: Regime) -> Sctlr {
        match regime {
            Regime::El10 => self.registers.sctlr_el1(),
            Regime::El2 | Regime::El20 => self.registers.sctlr_el2(),
        }
    }

    /// Is stage 1 on?
    ///
    /// Source: `AArch64.S1Enabled`.
    pub fn stage1_enabled(&self, regime: Regime) -> bool {
        let hcr = self.registers.hcr_el2();
        let overridden = regime == Regime::El10 && (hcr.dc() || hcr.tge());
        self.sctlr(regime).m() && !overridden
    }

    /// Translates a virtual address.
    ///
    /// Source: `AArch64.S1Translate`.
    pub fn stage1(
        &mut self,
        va: Va,
        regime: Regime,
        access: &StageAccess,
    ) -> Result<Stage1Output, Fault> {
        let blame = Blame::of_stage1(access.reported_as_write());
        self.observer.translating(Input::Virtual(va));
        if !self.stage1_enabled(regime) {
            return self.stage1_disabled(va, regime, access, blame);
        }

        let level_0_fault = |walker: &mut Self, rule| {
            Err(walker.fails(blame, FaultKind::Translation, Level::L0, rule))
        };
        let (pe, registers) = (self.pe, self.registers);
        let Some(params) = Stage1Params::resolve(pe, registers, regime, va, &mut self.noted())
        else {
            return level_0_fault(self, Rule::Stage1Txsz);
        };
        let params = self.choices.stage1_params(&self.subject, params);
        self.observer.stage1_params(&params);
        if params.is_out_of_range(va, access.kind == Kind::Fetch)
            && self.applies(blame, Level::L0, Rule::VaOutOfRange)
        {
            return level_0_fault(self, Rule::VaOutOfRange);
        }
        if access.el == El::El0 && params.e0pd && self.applies(blame, Level::L0, Rule::E0pd) {
            return level_0_fault(self, Rule::E0pd);
        }
        if params.epd && self.applies(blame, Level::L0, Rule::Epd) {
            return level_0_fault(self, Rule::Epd);
        }

        let mut retries = 0;
        loop {
            let (entry, ipa, limits) = self.stage1_walk(&params, va, access, blame)?;
            let output = self.check_leaf(blame, &params.format, &entry, va.0, params.ha, access)?;
            let described = self.stage1_attributes(&params, entry.descriptor);
            let site = self.site(blame, entry.level);
            let described = self.choices.attributes(&site, described);
            let permissions = permissions::stage1(entry.descriptor, limits, &params, access);
            let descriptor = entry.descriptor;
            let leaf = Stage1Leaf { descriptor, params: &params, limits, access };
            let permissions = self.choices.stage1_permissions(&site, permissions, &leaf);
            self.observer.leaf(&Leaf {
                stage: Stage::One,
                level: entry.level,
                descriptor: entry.descriptor,
                output,
                contiguous: entry.contiguous,
                permissions,
                attributes: described,
            });
            let dirty_managed = params.ha && params.hd;
            let device = described.memory.is_device();
            let leaf = LeafUse { permissions, device, dirty_managed, cmow: params.cmow };
            let result = self
                .check_alignment(blame, access, &described, entry.level)
                .and_then(|()| self.check_permissions(blame, access, leaf, entry.level));

            let old = entry.descriptor;
            let written = if params.pie || old & DBM != 0 { old & !AP_READ_ONLY } else { old };
            let new = self.updated(old, written, params.ha, dirty_managed, access, result);
            let update = LeafUpdate { old, new, written, hd: dirty_managed, result };
            let new = self.choices.update(&self.site(blame, entry.level), &update);
            if new != old {
                // A fault of stage 2 on the update is reported as what the access has come to so far, but for DirtyBit:
                // that is about the fault that is reported.
                let so_far = match result {
                    Ok(()) => blame,
                    Err(fault) => Blame { write: fault.write, ..blame },
                };
                let level = entry.level;
                let swapped =
                    self.stage1_update(&params, (entry, ipa), (old, new), access, so_far, level)?;
                if !swapped && retries < MAX_RETRIES {
                    retries += 1;
                    continue;
                }
            }
            result?;

            let attributes = self.stage1_output(&params, described, access);
            let address = attributes.translated;
            self.observer.output(Output {
                stage: Stage::One,
                address: output,
                attributes: address,
            });
            let level = Some(entry.level);
            let sh = Some(params.leaf_sh(entry.descriptor));
            return Ok(Stage1Output { ipa: Ipa(output), attributes, level, sh });
        }
    }

    /// The output while stage 1 is off: the address itself, with attributes of their own.
    ///
    /// Source: `AArch64.S1DisabledOutput`.
    fn stage1_disabled(
        &mut self,
        va: Va,
        regime: Regime,
        access: &StageAccess,
        blame: Blame,
    ) -> Result<Stage1Output, Fault> {
        let fetch = access.kind == Kind::Fetch;
        let attributes = if regime == Regime::El10 && self.registers.hcr_el2().dc() {
            let (memory, shareability) = (MemoryType::WRITE_BACK, Shareability::Non);
            MemoryAttributes { memory, shareability, xs: false }
        } else {
            let memory = if !fetch {
                MemoryType::Device(Device::nGnRnE)
            } else if self.sctlr(regime).i() {
                let through = Cacheability::WriteThrough(Hints::READ);
                MemoryType::Normal { inner: through, outer: through }
            } else {
                MemoryType::NON_CACHEABLE
            };
            MemoryAttributes { memory, shareability: Shareability::Outer, xs: true }
        };

        let top = disabled_top_bit(self.pe, self.registers, regime, va, fetch);
        if (va.0 & ones(top + 1)) >> self.pe.pa_max() != 0
            && self.applies(blame, Level::L0, Rule::Stage1DisabledAddressSize)
        {
            let rule = Rule::Stage1DisabledAddressSize;
            return Err(self.fails(blame, FaultKind::AddressSize, Level::L0, rule));
        }
        if !self.choices.lifts_without_leaf(Rule::DeviceAlignment) {
            self.check_alignment(blame, access, &attributes, Level::L0)?;
        }
        self.observer.rule(Stage::One, Rule::Stage1Disabled);
        let address = va.0 & ones(ADDRESS_BITS);
        self.observer.output(Output { stage: Stage::One, address, attributes });
        let attributes = Seen::both(attributes);
        Ok(Stage1Output { ipa: Ipa(address), attributes, level: None, sh: None })
    }

    /// Walks to the leaf: the entry, its address in the eyes of stage 1, and what the tables above it take away.
    ///
    /// Source: `AArch64.S1Walk`.
    fn stage1_walk(
        &mut self,
        params: &Stage1Params,
        va: Va,
        access: &StageAccess,
        blame: Blame,
    ) -> Result<(Entry, Ipa, TableLimits), Fault> {
        let format = &params.format;
        let mut level = format.start;
        let mut limits = TableLimits::default();
        let first = self.first_entry(blame, format, (params.ttbr, params.ps), va.0);
        if format.out_of_range(first) && self.applies(blame, Level::L0, Rule::BaseOutOfRange) {
            return Err(self.fails(blame, FaultKind::AddressSize, Level::L0, Rule::BaseOutOfRange));
        }
        let mut ipa = Ipa(first);
        let mut retries = 0;
        loop {
            let read = access.walk_read();
            let pa = self.stage1_descriptor(params.regime, (level, ipa), &read, blame)?;
            let descriptor = self.fetch(blame, format, level, pa, params.ee)?;
            let found = Entry { level, pa, descriptor, contiguous: false };
            let managed = Managed::by_stage1(params, access);
            let entry = self
                .select(blame, format, found, params.ee, managed)
                .map_err(|_| self.fails(blame, FaultKind::TlbConflict, level, Rule::TlbConflict))?;
            match format.decode(entry.descriptor, level) {
                Descriptor::Leaf => return Ok((entry, ipa, limits)),
                Descriptor::Invalid(rule) if !self.applies(blame, level, rule) => {
                    return Ok((entry, ipa, limits));
                }
                Descriptor::Invalid(rule) => {
                    return Err(self.fails(blame, FaultKind::Translation, level, rule));
                }
                Descriptor::Table(table) => {
                    self.observer.table(Stage::One, level, table);
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
                        && !self.stage1_update(
                            params,
                            (entry, ipa),
                            (old, old | AF),
                            access,
                            blame,
                            level,
                        )?
                        && retries < MAX_RETRIES
                    {
                        retries += 1;
                        continue;
                    }
                    limits = limits.and(old, params);
                    level = level.next();
                    ipa = Ipa(table | format.offset(va.0, level));
                }
            }
        }
    }

    /// Where the descriptor of a lookup of stage 1 lies: behind stage 2, in the regime that has one.
    fn stage1_descriptor(
        &mut self,
        regime: Regime,
        (level, ipa): (Level, Ipa),
        access: &StageAccess,
        blame: Blame,
    ) -> Result<Pa, Fault> {
        if regime != Regime::El10 {
            return Ok(Pa(ipa.0));
        }
        // Walks are Normal memory accesses, and no stage 2 check depends on more than that.
        let (memory, shareability) = (MemoryType::WRITE_BACK, Shareability::Inner);
        let attributes = MemoryAttributes { memory, shareability, xs: false };
        let output = self.stage2(ipa, Seen::both(attributes), access, blame);
        let site = self.site(blame, level);
        Ok(output.map_err(|fault| self.choices.walk_fault(&site, fault))?.pa)
    }

    /// Updates a stage 1 descriptor, for which stage 2 must permit writes to it; says whether the
    /// descriptor still had its old value.
    fn stage1_update(
        &mut self,
        params: &Stage1Params,
        (entry, ipa): (Entry, Ipa),
        change: (u64, u64),
        access: &StageAccess,
        blame: Blame,
        level: Level,
    ) -> Result<bool, Fault> {
        // What is updated from here on need not be, if stage 2 faults in the end.
        self.updates.begin_provisional();
        let swapped = self
            .stage1_descriptor(params.regime, (level, ipa), &access.walk_update(), blame)
            .and_then(|_| self.swap(blame, level, entry.pa, params.ee, change));
        self.updates.end_provisional();
        swapped
    }

    /// What the leaf says about memory.
    ///
    /// Source: `AArch64.S1NextWalkStateLeaf`, `S1DecodeMemAttrs`.
    fn stage1_attributes(&mut self, params: &Stage1Params, descriptor: u64) -> MemoryAttributes {
        let shareability = self.shareability(params.leaf_sh(descriptor));
        let feat_xs = self.pe.has(Features::FEAT_XS);
        let byte = params.mair_byte(descriptor);
        MemoryAttributes::from_mair(byte, shareability, feat_xs).unwrap_or_else(|| {
            let answer = self.noted().choose(Choice::ReservedMairActsAs, 1 << 8);
            let device = MemoryType::Device(Device::nGnRnE);
            MemoryAttributes::from_mair(answer.0 as u8, shareability, feat_xs)
                .unwrap_or(MemoryAttributes { memory: device, shareability, xs: true })
        })
    }

    /// The attributes that come out of stage 1: cacheability controls applied, shareability as it takes
    /// effect.
    ///
    /// Source: the end of `AArch64.S1Translate`.
    fn stage1_output(
        &mut self,
        params: &Stage1Params,
        described: MemoryAttributes,
        access: &StageAccess,
    ) -> Seen {
        let sctlr = self.sctlr(params.regime);
        let device = described.memory.is_device();
        let uncached = match access.kind {
            Kind::Fetch => device || !sctlr.i(),
            _ => !device && !sctlr.c(),
        };
        let memory = if uncached { MemoryType::NON_CACHEABLE } else { described.memory };
        let translated = MemoryAttributes { memory, ..described };
        // With stage 2 to come, an implementation may leave the shareability of Device and Non-cacheable
        // memory as it is. That shows with FEAT_S2FWB only: else stage 2 forces it anyway.
        let hcr = self.registers.hcr_el2();
        let fwb = hcr.fwb() && self.pe.has(Features::FEAT_S2FWB);
        let left = params.regime == Regime::El10
            && hcr.vm()
            && fwb
            && translated.effective() != translated
            && !ask::<bool, _>(&mut self.noted(), Choice::Stage1ShareabilityMadeEffective);
        let seen =
            |attributes: MemoryAttributes| if left { attributes } else { attributes.effective() };
        Seen { translated: seen(translated), described: seen(described) }
    }
}

/// Output addresses are 56 bits at most.
const ADDRESS_BITS: u32 = 56;
