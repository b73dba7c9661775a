//! What the mappings of EL2's own stage 1 ask for.

use case::CaseRef;
use case::control::{hcr, sctlr};
use case::mapping::Attributes;
use case::memory::MemoryMap;
use case::probe::Operation;
use case::tree::Role;

use super::{ACCESS_FLAG, Intent, PERMISSION, TRANSLATION, mapping_of};

/// What `TCR_EL2` says in either layout.
struct Tcr {
    tbi: bool,
    ha: bool,
    hd: bool,
    ds: bool,
}

impl Tcr {
    /// For the range that `role` names.
    fn new(tcr_el2: u64, is_host: bool, role: Role) -> Self {
        let bit = |host: u32, own: u32| tcr_el2 >> if is_host { host } else { own } & 1 == 1;
        let tbi = match role {
            Role::Ttbr1El2 => bit(38, 38),
            _ => bit(37, 20),
        };
        Self { tbi, ha: bit(39, 21), hd: bit(40, 22), ds: bit(59, 32) }
    }
}

/// What they ask for where EL2 does `operation` at `address`; `None` where they do not determine it.
pub(super) fn wanted(
    case: CaseRef<'_>,
    map: &MemoryMap,
    operation: Operation,
    address: u64,
) -> Option<Intent> {
    let writes = matches!(operation, Operation::AtS1e2w | Operation::Store);
    let fetches = operation == Operation::Fetch;
    let is_access = !operation.is_at();
    if matches!(
        operation,
        Operation::AtS1e1r | Operation::AtS1e1w | Operation::AtS1e0r | Operation::AtS1e0w
    ) || is_access && !fetches && !address.is_multiple_of(8)
    {
        return None;
    }
    let registers = &case.header.registers;
    let is_host = registers.hcr_el2 & hcr::E2H != 0;
    let is_upper = is_host && address >> 55 & 1 == 1;
    let role = if is_upper { Role::Ttbr1El2 } else { Role::Ttbr0El2 };
    let tcr = Tcr::new(registers.tcr_el2, is_host, role);
    let ia_bits = case.format(role)?.ia_bits;
    // Bits that must be copies of bit 55, or 0 where there is one range.
    let top = if tcr.tbi { 8 } else { 0 };
    let above = address << top >> top >> ia_bits;
    let all = if is_upper { u64::MAX << top >> top >> ia_bits } else { 0 };
    let input = address & ((1 << ia_bits) - 1);
    let mapping = mapping_of(case, role, input).filter(|_| above == all);
    let Some(mapping) = mapping else {
        return Some(Intent::Fault { status: TRANSLATION, why: "nothing is mapped there" });
    };
    let attributes = &mapping.attributes;
    if attributes.af == 0 && !tcr.ha {
        return Some(Intent::Fault { status: ACCESS_FLAG, why: "its access flag is clear" });
    }
    let is_read_only = attributes.ap & 2 != 0;
    if is_read_only && tcr.hd && attributes.has(Attributes::DBM) {
        // A clean but dirty-managed page is the reference walker's matter.
        return None;
    }
    // With two ranges there is an EL0: what it may write EL2 does not execute, and XN is PXN.
    let never = match is_host {
        true => attributes.xn & 1 != 0 || attributes.ap == 1,
        false => attributes.xn & 2 != 0,
    };
    let never = never || registers.sctlr_el2 & sctlr::WXN != 0 && !is_read_only;
    if writes && is_read_only || fetches && never {
        return Some(Intent::Fault { status: PERMISSION, why: "it does not permit the access" });
    }
    let pa = map.resolve(mapping.output)? + (input - mapping.input);
    let byte = registers.mair_el2 >> (8 * (attributes.mem_attr & 7)) & 0xff;
    let is_device = byte >> 4 == 0;
    let attr = if is_device { (byte & 0xc, 0xfc) } else { (super::without_xs(byte), 0xff) };
    let is_cacheable = !is_device && byte & 0xbb != 0 && byte != 0x40;
    let sh = if is_cacheable { u64::from(attributes.sh) } else { 0b10 };
    Some(Intent::Output { pa, attr: Some(attr), sh: (!tcr.ds).then_some(sh) })
}
