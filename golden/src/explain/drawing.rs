//! Registers and descriptors, drawn as boxes of fields.

use core::fmt;

use crate::descriptor::Format;
use crate::el::Regime;
use crate::fault::FaultKind;
use crate::granule::Granule;
use crate::level::Level;
use crate::masked::Masked;
use crate::params::{Stage1Params, Stage2Params};
use crate::registers::Field;

/// One box of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The bits and what they are called.
    pub field: Field,
    /// The field is a part of an address and is shown in its place, not moved to bit 0.
    pub address: bool,
}

const fn field(name: &'static str, msb: u8, lsb: u8) -> Column {
    Column { field: Field { name, msb, lsb }, address: false }
}

const fn bit(name: &'static str, bit: u8) -> Column {
    field(name, bit, bit)
}

const fn address(name: &'static str, msb: u8, lsb: u8) -> Column {
    Column { address: true, ..field(name, msb, lsb) }
}

/// The most boxes that a drawing has.
const MAX_COLUMNS: usize = 20;

/// A value drawn as boxes: bits, names, values.
///
/// ```text
/// | 63:56 | 55:12        | 9  | 8:7 | 0 |
/// | ATTR  | PA           | NS | SH  | F |
/// | 0xff  | 0x4000121000 | ?  | 0x3 | 0 |
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Drawing {
    value: Masked,
    columns: [Column; MAX_COLUMNS],
    len: usize,
    indent: usize,
}

impl Drawing {
    const fn new(value: Masked) -> Self {
        Self { value, columns: [bit("", 0); MAX_COLUMNS], len: 0, indent: 0 }
    }

    fn with(mut self, columns: &[Column]) -> Self {
        for &column in columns {
            if let Some(slot) = self.columns.get_mut(self.len) {
                *slot = column;
                self.len += 1;
            }
        }
        self
    }

    /// The drawing, moved to the right by this many spaces.
    #[must_use]
    pub const fn indented(mut self, spaces: usize) -> Self {
        self.indent = spaces;
        self
    }

    /// Its boxes, from the highest bits down.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.columns.get(..self.len).unwrap_or_default()
    }

    /// A table descriptor in this layout.
    #[must_use]
    pub fn table(layout: &Layout, format: &Format, descriptor: u64) -> Self {
        let ns = bit("NSTable", 63);
        let read_only = bit("APTable[1]", 62);
        let drawing = Self::new(Masked::exact(descriptor));
        let drawing = match layout.kind {
            Kind::TwoRanges => drawing.with(&[
                ns,
                field("APTable", 62, 61),
                bit("UXNTable", 60),
                bit("PXNTable", 59),
            ]),
            Kind::NestedVirtualization => drawing.with(&[
                ns,
                read_only,
                bit("as 0", 61),
                bit("PXNTable", 60),
                bit("RES0", 59),
            ]),
            Kind::OneRange => {
                drawing.with(&[ns, read_only, bit("RES0", 61), bit("XNTable", 60), bit("RES0", 59)])
            }
            Kind::Stage2 => drawing,
        };
        drawing
            .with_address(format, "table", format.granule.bits() as u8)
            .with(&[bit("AF", 10), TYPE])
    }

    /// A block or page descriptor in this layout.
    #[must_use]
    pub fn leaf(layout: &Layout, format: &Format, level: Level, descriptor: u64) -> Self {
        let Layout { kind, indirect } = *layout;
        let drawing = Self::new(Masked::exact(descriptor));
        let drawing = match kind {
            _ if indirect => drawing.with(&[field("PI", 54, 53)]),
            Kind::TwoRanges => drawing.with(&[bit("UXN", 54), bit("PXN", 53)]),
            Kind::NestedVirtualization => drawing.with(&[bit("PXN", 54), bit("RES0", 53)]),
            Kind::OneRange => drawing.with(&[bit("XN", 54), bit("RES0", 53)]),
            Kind::Stage2 => drawing.with(&[field("XN", 54, 53)]),
        };
        let drawing =
            drawing.with(&[bit("Cont", 52), bit(if indirect { "PI" } else { "DBM" }, 51)]);
        let drawing = drawing.with_address(format, "OA", format.granule.leaf_bits(level) as u8);
        let drawing = if level == Level::FINAL { drawing } else { drawing.with(&[bit("nT", 16)]) };
        let bit_11 = match kind {
            Kind::TwoRanges | Kind::NestedVirtualization => "nG",
            Kind::OneRange => "RES0",
            Kind::Stage2 => "FnXS",
        };
        let drawing = drawing.with(&[bit(bit_11, 11), bit("AF", 10)]);
        let drawing = if format.ds { drawing } else { drawing.with(&[field("SH", 9, 8)]) };
        let drawing = match kind {
            Kind::Stage2 if indirect => drawing.with(&[bit("Dirty", 7), bit("PI", 6)]),
            _ if indirect => drawing.with(&[bit("nDirty", 7), bit("PI", 6)]),
            Kind::TwoRanges => drawing.with(&[field("AP", 7, 6)]),
            Kind::NestedVirtualization => drawing.with(&[bit("AP[2]", 7), bit("as 0", 6)]),
            Kind::OneRange => drawing.with(&[bit("AP[2]", 7), bit("RES1", 6)]),
            Kind::Stage2 => drawing.with(&[field("S2AP", 7, 6)]),
        };
        match kind {
            Kind::Stage2 => drawing.with(&[field("MemAttr", 5, 2), TYPE]),
            _ => drawing.with(&[field("AttrIndx", 4, 2), TYPE]),
        }
    }

    /// An invalid descriptor: there is nothing in it but bit 0, or the reserved type.
    #[must_use]
    pub fn invalid(descriptor: u64) -> Self {
        Self::new(Masked::exact(descriptor)).with(&[TYPE])
    }

    /// The address from bit `lsb` up, with the bits above 47 where the format has them.
    fn with_address(self, format: &Format, name: &'static str, lsb: u8) -> Self {
        if format.ds {
            self.with(&[field(">>48", 49, 48), address(name, 47, lsb), field(">>50", 9, 8)])
        } else if format.granule == Granule::K64 {
            self.with(&[address(name, 47, lsb), field(">>48", 15, 12)])
        } else {
            self.with(&[address(name, 47, lsb)])
        }
    }
}

const TYPE: Column = field("type", 1, 0);

/// Which fields the descriptors of a stage have, by the regime and the permissions in use.
///
/// Source: DDI 0487, "VMSAv8-64 descriptor formats"; `HCR_EL2.NV1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    kind: Kind,
    indirect: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Stage 1 of a regime with two VA ranges: EL1&0, EL2&0.
    TwoRanges,
    /// The same, where {NV, NV1} is {1, 1}: bit 54 is PXN, and AP\[1] counts as 0.
    NestedVirtualization,
    /// Stage 1 of EL2 with one VA range.
    OneRange,
    Stage2,
}

impl Layout {
    /// That of a stage 1.
    #[must_use]
    pub const fn of_stage1(params: &Stage1Params) -> Self {
        let kind = match params.regime {
            Regime::El2 => Kind::OneRange,
            Regime::El10 if params.nv1 => Kind::NestedVirtualization,
            Regime::El10 | Regime::El20 => Kind::TwoRanges,
        };
        Self { kind, indirect: params.pie }
    }

    /// That of a stage 2.
    #[must_use]
    pub const fn of_stage2(params: &Stage2Params) -> Self {
        Self { kind: Kind::Stage2, indirect: params.s2pie }
    }
}

/// The three lines of a drawing.
#[derive(Clone, Copy)]
enum Line {
    Bits,
    Names,
    Values,
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, line) in [Line::Bits, Line::Names, Line::Values].into_iter().enumerate() {
            write!(f, "{}{:indent$}|", if n == 0 { "" } else { "\n" }, "", indent = self.indent)?;
            for column in self.columns() {
                let mut text = Counted { to: None, count: 0 };
                let mut width = 0;
                for line in [Line::Bits, Line::Names, Line::Values] {
                    text.count = 0;
                    self.cell(&mut text, column, line)?;
                    width = width.max(text.count);
                }
                f.write_str(" ")?;
                let mut text = Counted { to: Some(f), count: 0 };
                self.cell(&mut text, column, line)?;
                let rest = width.saturating_sub(text.count);
                write!(f, "{:rest$} |", "")?;
            }
        }
        Ok(())
    }
}

impl Drawing {
    fn cell(&self, text: &mut impl fmt::Write, column: &Column, line: Line) -> fmt::Result {
        let Field { name, msb, lsb } = column.field;
        match line {
            Line::Bits if msb == lsb => write!(text, "{msb}"),
            Line::Bits => write!(text, "{msb}:{lsb}"),
            Line::Names => text.write_str(name),
            Line::Values => {
                let Masked { value, mask } = self.value;
                let all = column.field.get(u64::MAX);
                let (value, known) = (column.field.get(value), column.field.get(mask) == all);
                match (known, all) {
                    (false, _) => text.write_str("?"),
                    (true, 1) => write!(text, "{value}"),
                    (true, _) if column.address => write!(text, "{:#x}", value << lsb),
                    (true, _) => write!(text, "{value:#x}"),
                }
            }
        }
    }
}

/// Counts the characters that it passes on, if to anyone.
struct Counted<'a, 'b> {
    to: Option<&'a mut fmt::Formatter<'b>>,
    count: usize,
}

impl fmt::Write for Counted<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.count += text.len();
        match &mut self.to {
            Some(to) => to.write_str(text),
            None => Ok(()),
        }
    }
}

/// `PAR_EL1`, drawn. Bits that are not determined show as `?`.
#[derive(Clone, Copy, Debug)]
pub struct Par(pub Masked);

impl Par {
    /// Its boxes: bit 0 tells the two forms apart.
    #[must_use]
    pub fn drawing(self) -> Drawing {
        let drawing = Drawing::new(self.0);
        if self.0.value & 1 == 0 {
            drawing.with(&[
                field("ATTR", 63, 56),
                address("PA", 55, 12),
                bit("NS", 9),
                field("SH", 8, 7),
                bit("F", 0),
            ])
        } else {
            drawing.with(&[
                bit("DirtyBit", 15),
                bit("S", 9),
                bit("PTW", 8),
                field("FST", 6, 1),
                bit("F", 0),
            ])
        }
    }
}

impl fmt::Display for Par {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PAR_EL1 = {}\n{}", self.0, self.drawing().indented(2))?;
        match self.0.value & 1 {
            0 => Ok(()),
            _ => write_status(f, self.0.value >> 1),
        }
    }
}

/// `ESR_ELx` of an abort, drawn. Bits that are not determined show as `?`.
#[derive(Clone, Copy, Debug)]
pub struct Esr(pub Masked);

impl Esr {
    /// Its boxes: those of a Data Abort or of an Instruction Abort.
    #[must_use]
    pub fn drawing(self) -> Drawing {
        let drawing =
            Drawing::new(self.0).with(&[bit("DirtyBit", 37), field("EC", 31, 26), bit("IL", 25)]);
        let is_fetch = self.0.value >> 26 & 0b11_1110 == 0x20;
        let drawing = if is_fetch {
            drawing.with(&[bit("EA", 9), bit("S1PTW", 7)])
        } else {
            drawing.with(&[
                bit("ISV", 24),
                bit("EA", 9),
                bit("CM", 8),
                bit("S1PTW", 7),
                bit("WnR", 6),
            ])
        };
        drawing.with(&[field(if is_fetch { "IFSC" } else { "DFSC" }, 5, 0)])
    }
}

impl fmt::Display for Esr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ESR_ELx = {}\n{}", self.0, self.drawing().indented(2))?;
        write_status(f, self.0.value)
    }
}

fn write_status(f: &mut fmt::Formatter<'_>, code: u64) -> fmt::Result {
    match fault_status(code & 0b11_1111) {
        Some((kind, level)) if kind.has_level() => write!(f, "\n  {kind}, level {level}"),
        Some((kind, _)) => write!(f, "\n  {kind}"),
        None => f.write_str("\n  a fault status code that no translation gives"),
    }
}

/// The kind and level that a fault status code stands for, if it is one that translation gives.
///
/// Source: `EncodeLDFSC`.
#[must_use]
pub fn fault_status(code: u64) -> Option<(FaultKind, Level)> {
    const KINDS: [FaultKind; 9] = [
        FaultKind::AddressSize,
        FaultKind::Translation,
        FaultKind::AccessFlag,
        FaultKind::Permission,
        FaultKind::Alignment,
        FaultKind::ExternalAbortOnWalk,
        FaultKind::UnsupportedUpdate,
        FaultKind::TlbConflict,
        FaultKind::UnsupportedAtomic,
    ];
    const LEVELS: [Level; 5] = [Level::L0, Level::L1, Level::L2, Level::L3, Level::MINUS_1];
    KINDS
        .into_iter()
        .flat_map(|kind| LEVELS.into_iter().map(move |level| (kind, level)))
        .find(|&(kind, level)| kind.status_code(level) == code)
}
