//! Who the target says it is: ID registers, field by field, and what follows for translation.

use golden::{Granule, Granules, Implementation, Support};
use suite::machine::Machine;

#[derive(Clone, Debug)]
pub struct Register {
    pub name: String,
    pub value: String,
    /// Name and value of the fields that are not 0, highest bits first; empty where the fields have
    /// nothing to do with translation.
    pub fields: Vec<(&'static str, String)>,
}

/// The registers of `machine` by name.
pub fn registers(machine: &Machine) -> Vec<Register> {
    let register = |(name, value): (&String, &suite::hex::Hex)| Register {
        name: name.clone(),
        value: format!("{:#018x}", value.0),
        fields: fields(name, value.0),
    };
    machine.ids.iter().map(register).collect()
}

/// What the registers of `machine` mean for translation: pairs of subject and answer.
pub fn meaning(machine: &Machine) -> Vec<(&'static str, String)> {
    let implementation = conform::implementation(&machine.id_registers());
    let Implementation { pa_bits, features, stage1_granules, stage2_granules, bbm_level, .. } =
        implementation;
    vec![
        ("Physical addresses", format!("{pa_bits} bits")),
        ("Stage 2 granules", granules(stage2_granules)),
        ("Stage 1 granules", granules(stage1_granules)),
        ("Block translation changes", format!("level {bbm_level}")),
        ("Features", features.to_string()),
    ]
}

fn granules(granules: Granules) -> String {
    let names = [(Granule::K4, "4K"), (Granule::K16, "16K"), (Granule::K64, "64K")];
    let name = |(granule, name): (Granule, &str)| match granules.support(granule) {
        Support::Absent => None,
        Support::Present => Some(name.to_owned()),
        Support::Lpa2 => Some(format!("{name} with LPA2")),
    };
    names.into_iter().filter_map(name).collect::<Vec<_>>().join(", ")
}

fn fields(register: &str, value: u64) -> Vec<(&'static str, String)> {
    let layout = LAYOUTS.iter().find(|(name, _)| *name == register);
    let fields = layout.map_or(&[][..], |(_, fields)| *fields);
    let field = |&(name, lsb, width): &(&'static str, u8, u8)| {
        let value = value >> lsb & ((1 << width) - 1);
        (value != 0).then(|| (name, format!("{value:#x}")))
    };
    fields.iter().rev().filter_map(field).collect()
}

/// A field: name, lowest bit, width.
type Layout = [(&'static str, u8, u8)];

/// The registers that translation depends on, by the names of DDI 0487; fields that it does not know of
/// are left out.
const LAYOUTS: &[(&str, &Layout)] = &[
    (
        "MIDR_EL1",
        &[
            ("Revision", 0, 4),
            ("PartNum", 4, 12),
            ("Architecture", 16, 4),
            ("Variant", 20, 4),
            ("Implementer", 24, 8),
        ],
    ),
    (
        "ID_AA64PFR0_EL1",
        &[
            ("EL0", 0, 4),
            ("EL1", 4, 4),
            ("EL2", 8, 4),
            ("EL3", 12, 4),
            ("RAS", 28, 4),
            ("SEL2", 36, 4),
            ("RME", 52, 4),
        ],
    ),
    ("ID_AA64ISAR1_EL1", &[("APA", 4, 4), ("API", 8, 4), ("XS", 56, 4), ("LS64", 60, 4)]),
    ("ID_AA64ISAR2_EL1", &[("APA3", 12, 4)]),
    (
        "ID_AA64MMFR0_EL1",
        &[
            ("PARange", 0, 4),
            ("ASIDBits", 4, 4),
            ("BigEnd", 8, 4),
            ("SNSMem", 12, 4),
            ("BigEndEL0", 16, 4),
            ("TGran16", 20, 4),
            ("TGran64", 24, 4),
            ("TGran4", 28, 4),
            ("TGran16_2", 32, 4),
            ("TGran64_2", 36, 4),
            ("TGran4_2", 40, 4),
            ("ExS", 44, 4),
            ("FGT", 56, 4),
            ("ECV", 60, 4),
        ],
    ),
    (
        "ID_AA64MMFR1_EL1",
        &[
            ("HAFDBS", 0, 4),
            ("VMIDBits", 4, 4),
            ("VH", 8, 4),
            ("HPDS", 12, 4),
            ("LO", 16, 4),
            ("PAN", 20, 4),
            ("SpecSEI", 24, 4),
            ("XNX", 28, 4),
            ("TWED", 32, 4),
            ("ETS", 36, 4),
            ("HCX", 40, 4),
            ("AFP", 44, 4),
            ("nTLBPA", 48, 4),
            ("TIDCP1", 52, 4),
            ("CMOW", 56, 4),
        ],
    ),
    (
        "ID_AA64MMFR2_EL1",
        &[
            ("CnP", 0, 4),
            ("UAO", 4, 4),
            ("LSM", 8, 4),
            ("IESB", 12, 4),
            ("VARange", 16, 4),
            ("CCIDX", 20, 4),
            ("NV", 24, 4),
            ("ST", 28, 4),
            ("AT", 32, 4),
            ("IDS", 36, 4),
            ("FWB", 40, 4),
            ("TTL", 48, 4),
            ("BBM", 52, 4),
            ("EVT", 56, 4),
            ("E0PD", 60, 4),
        ],
    ),
    (
        "ID_AA64MMFR3_EL1",
        &[
            ("TCRX", 0, 4),
            ("SCTLRX", 4, 4),
            ("S1PIE", 8, 4),
            ("S2PIE", 12, 4),
            ("S1POE", 16, 4),
            ("S2POE", 20, 4),
            ("AIE", 24, 4),
            ("MEC", 28, 4),
            ("D128", 32, 4),
            ("D128_2", 36, 4),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_from_the_highest_down_and_zeros_left_out() {
        let fields = |register, value| -> Vec<String> {
            let fields = fields(register, value).into_iter();
            fields.map(|(name, value)| format!("{name} {value}")).collect()
        };
        assert_eq!(
            fields("MIDR_EL1", 0x410f_d034),
            ["Implementer 0x41", "Architecture 0xf", "PartNum 0xd03", "Revision 0x4"]
        );
        assert_eq!(
            fields("ID_AA64MMFR0_EL1", 0x0000_0300_0000_0006),
            ["TGran4_2 0x3", "PARange 0x6"]
        );
        assert_eq!(fields("REVIDR_EL1", 0x100), [""; 0]);
    }

    #[test]
    fn the_layouts_name_each_bit_once() {
        for (register, layout) in LAYOUTS {
            let mut taken = 0u64;
            for (name, lsb, width) in *layout {
                let bits = ((1 << width) - 1) << lsb;
                assert_eq!(taken & bits, 0, "{register}.{name}");
                taken |= bits;
            }
        }
    }
}
