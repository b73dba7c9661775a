//! Two values of `PAR_EL1` held against each other, field by field.

use golden::Masked;
use golden::explain::{Column, Par};

/// One field of both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its bits: `47:12`.
    pub bits: String,
    pub name: &'static str,
    /// What is allowed: `?` where any value is, empty where the form allowed has no such field.
    pub allowed: String,
    /// What was observed, empty where the form observed has no such field.
    pub observed: String,
    pub differs: bool,
}

/// The fields of the first of the values allowed, and of what was observed, from the highest bits down.
/// A success and a fault have different fields, and then all of both are there.
pub fn compare(allowed: Masked, observed: u64) -> Vec<Field> {
    let mut fields = Vec::new();
    let seen = Masked::exact(observed);
    let (here, there) = (Par(allowed).drawing(), Par(seen).drawing());
    let mut covered = 0;
    let mut add = |column: &Column, allowed: Option<Masked>, observed: Option<Masked>| {
        covered |= bits(column);
        let wrong = |allowed: Masked| bits(column) & allowed.mask & (allowed.value ^ seen.value);
        let value = |of: Option<Masked>| of.map_or_else(String::new, |of| text(column, of));
        fields.push(Field {
            bits: match column.field.msb == column.field.lsb {
                true => column.field.msb.to_string(),
                false => format!("{}:{}", column.field.msb, column.field.lsb),
            },
            name: column.field.name,
            allowed: value(allowed),
            observed: value(observed),
            // Where the forms differ, it is bit 0 that says so.
            differs: allowed.zip(observed).is_some_and(|(allowed, _)| wrong(allowed) != 0),
        });
    };
    let same_form = (allowed.value ^ observed) & 1 == 0;
    for column in here.columns() {
        let in_both = same_form || column.field.lsb == 0;
        add(column, Some(allowed), in_both.then_some(seen));
    }
    if !same_form {
        for column in there.columns().iter().filter(|column| column.field.lsb != 0) {
            add(column, None, Some(seen));
        }
    }
    let rest = !covered & allowed.mask & (allowed.value ^ observed);
    if same_form && rest != 0 {
        let hex = |value: u64| format!("{:#x}", value & rest);
        let (allowed, observed) = (hex(allowed.value), hex(observed));
        fields.push(Field {
            bits: String::new(),
            name: "other bits",
            allowed,
            observed,
            differs: true,
        });
    }
    fields
}

const fn bits(column: &Column) -> u64 {
    let width = column.field.msb - column.field.lsb + 1;
    (u64::MAX >> (64 - width)) << column.field.lsb
}

fn text(column: &Column, value: Masked) -> String {
    let known = value.mask & bits(column) == bits(column);
    let shifted = if column.address { column.field.lsb } else { 0 };
    match known {
        true => format!("{:#x}", column.field.get(value.value) << shifted),
        false => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing(allowed: Masked, observed: u64) -> Vec<&'static str> {
        let fields = compare(allowed, observed);
        fields.iter().filter(|field| field.differs).map(|field| field.name).collect()
    }

    #[test]
    fn the_fields_that_differ_are_named() {
        let allowed = Masked::exact(0xff00_0004_5678_9980);
        assert_eq!(differing(allowed, 0xff00_0004_5678_9980), [""; 0]);
        assert_eq!(differing(allowed, 0x4400_0004_5678_8980), ["ATTR", "PA"]);
        // Bit 11 is in no field.
        assert_eq!(differing(allowed, 0xff00_0004_5678_9180), ["other bits"]);
        let unknown = Masked { mask: !(0xff << 56), ..allowed };
        assert_eq!(differing(unknown, 0x4400_0004_5678_9980), [""; 0]);
    }

    #[test]
    fn a_success_and_a_fault_differ_in_bit_0() {
        let fields = compare(Masked::exact(0xa1b), 0xff00_0004_5678_9980);
        let differs: Vec<&Field> = fields.iter().filter(|field| field.differs).collect();
        assert_eq!((differs.len(), differs[0].name), (1, "F"));
        let pa = fields.iter().find(|field| field.name == "PA").unwrap();
        assert_eq!((&*pa.allowed, &*pa.observed), ("", "0x456789000"));
        let fst = fields.iter().find(|field| field.name == "FST").unwrap();
        assert_eq!((&*fst.allowed, &*fst.observed), ("0xd", ""));
    }
}
