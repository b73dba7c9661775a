//! The numbers by which a stub knows registers: its target description, in XML.
//!
//! ```xml
//!   <target>
//!     <architecture>aarch64</architecture>
//!     <xi:include href="aarch64-core.xml"/>       another such file, whose registers come here
//!   </target>
//!   <feature name="org.gnu.gdb.aarch64.core">
//!     <reg name="x0" bitsize="64"/>               the number after the last one's, from 0
//!     <reg name="pc" bitsize="64" regnum="32"/>   this one
//! ```
//!
//! The GDB manual, appendix "Target Descriptions".

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::error::GdbError;

/// The description that others are included in.
pub const ROOT: &str = "target.xml";
/// What all AArch64 machines have, and all that is needed.
const NEEDED: [&str; 3] = ["x0", "pc", "cpsr"];
/// More files than this describe no machine.
const MOST_FILES: usize = 64;

/// How a stub has a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Register {
    pub number: u64,
    /// Its size in bytes, 1 to 8.
    pub bytes: usize,
}

/// Registers of up to 64 bits, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registers(BTreeMap<String, Register>);

impl Default for Registers {
    /// GDB's own order for AArch64, for stubs that describe nothing.
    fn default() -> Self {
        let general = (0..31).map(|number| (format!("x{number}"), Register { number, bytes: 8 }));
        let others = [("sp", 31, 8), ("pc", 32, 8), ("cpsr", 33, 4)];
        let others =
            others.map(|(name, number, bytes)| (name.to_owned(), Register { number, bytes }));
        Self(general.chain(others).collect())
    }
}

impl Registers {
    /// What the files of a description say, of which `fetch` gets one by name; no more of them are got than
    /// are needed to know the program counter and its like.
    pub fn read(mut fetch: impl FnMut(&str) -> Result<String, GdbError>) -> Result<Self, GdbError> {
        let mut all = Self(BTreeMap::new());
        let mut next = 0;
        let mut files = 0;
        // What is left to do, the next thing last.
        let mut items = vec![Item::Include(ROOT.to_owned())];
        while let Some(item) = items.pop() {
            match item {
                Item::Architecture(name) if name != "aarch64" => {
                    return Err(GdbError::Architecture(name));
                }
                Item::Architecture(_) => {}
                Item::Register { name, number, bits } => {
                    let number = number.unwrap_or(next);
                    next = number.saturating_add(1);
                    if let 1..=64 = bits {
                        let register = Register { number, bytes: bits.div_ceil(8) };
                        all.0.entry(name).or_insert(register);
                    }
                }
                Item::Include(file) => {
                    files += 1;
                    if files <= MOST_FILES {
                        let text = fetch(&file)?;
                        items.extend(items_of(&text).into_iter().rev());
                    }
                }
            }
            if NEEDED.iter().all(|name| all.0.contains_key(*name)) {
                break;
            }
        }
        Ok(all)
    }

    /// The register `name`.
    pub fn get(&self, name: &str) -> Result<Register, GdbError> {
        self.0.get(name).copied().ok_or_else(|| GdbError::NoRegister(name.to_owned()))
    }
}

#[derive(Debug)]
enum Item {
    Architecture(String),
    Include(String),
    Register { name: String, number: Option<u64>, bits: usize },
}

/// What `text` says, as far as it is XML.
fn items_of(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut reader = Reader::from_str(text);
    let mut in_architecture = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) if tag.name().as_ref() == "architecture" => {
                in_architecture = true;
            }
            Ok(Event::Text(text)) if in_architecture => {
                items.push(Item::Architecture(text.trim().to_owned()));
                in_architecture = false;
            }
            Ok(Event::Start(tag) | Event::Empty(tag)) => items.extend(item(&tag)),
            Ok(Event::Eof) | Err(_) => return items,
            Ok(_) => {}
        }
    }
}

fn item(tag: &BytesStart<'_>) -> Option<Item> {
    let attribute = |name: &str| Some(tag.try_get_attribute(name).ok()??.value.into_owned());
    match tag.local_name().as_ref() {
        "include" => Some(Item::Include(attribute("href")?)),
        "reg" => {
            let number = attribute("regnum").and_then(|number| number.parse().ok());
            let bits = attribute("bitsize").and_then(|bits| bits.parse().ok()).unwrap_or(64);
            Some(Item::Register { name: attribute("name")?, number, bits })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Registers, GdbError> {
        Registers::read(|name| {
            let found = files.iter().find(|(other, _)| *other == name);
            Ok(found.unwrap_or_else(|| panic!("{name} was not to be read")).1.to_owned())
        })
    }

    #[test]
    fn registers_count_on_from_the_last_number() {
        let root = r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target>
            <architecture>aarch64</architecture>
            <xi:include href="a.xml"/><xi:include href="b.xml"/><xi:include href="c.xml"/></target>"#;
        let a = r#"<feature name="first"><reg name="odd" bitsize="8" regnum="7"/>
            <reg name="x0" bitsize="64"/><reg name="x0" bitsize="64"/>
            <reg name="v0" bitsize="128"/></feature>"#;
        let b = r#"<feature name="second"><reg name="cpsr" bitsize="32"></reg>
            <reg name="pc" bitsize="64" regnum="99"/><reg name="late" bitsize="64"/></feature>"#;
        // c.xml is not needed any more.
        let registers = read(&[("target.xml", root), ("a.xml", a), ("b.xml", b)]);
        let registers = registers.expect("it is an aarch64");
        let found = ["odd", "x0", "cpsr", "pc", "late", "v0"]
            .map(|name| registers.get(name).ok().map(|register| (register.number, register.bytes)));
        assert_eq!(found, [Some((7, 1)), Some((8, 8)), Some((11, 4)), Some((99, 8)), None, None]);
    }

    #[test]
    fn another_architecture_is_told() {
        let root = "<target><architecture> arm\n</architecture></target>";
        let error = read(&[("target.xml", root)]).expect_err("it is no aarch64").to_string();
        assert!(error.contains("architecture arm, and not aarch64"), "{error}");
    }

    #[test]
    fn what_makes_no_sense_describes_nothing() {
        for text in ["", "<", "<target><reg/><xi:include/></target>", "no XML", "<reg name='x0'"] {
            let registers = read(&[("target.xml", text)]).expect("nothing is wrong");
            let error = registers.get("pc").expect_err("there is none").to_string();
            assert!(error.contains("\"pc\""), "{error}");
        }
        // A file that includes itself ends.
        let endless = r#"<target><xi:include href="target.xml"/></target>"#;
        assert!(read(&[("target.xml", endless)]).is_ok());
        assert_eq!(Registers::default().get("pc").ok().map(|pc| pc.number), Some(32));
    }
}
