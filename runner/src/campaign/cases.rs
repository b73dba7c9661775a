//! The cases of a worker of which parts are still to come.

use std::collections::BTreeMap;

use judge::open::OpenCase;
use judge::verdict::CaseRecord;

/// Cases of which parts are still to come, by their numbers.
#[derive(Default)]
pub struct Cases {
    open: BTreeMap<u64, Box<InParts>>,
}

struct InParts {
    case: OpenCase,
    /// Parts that are still to come.
    parts: u32,
}

impl Cases {
    /// Adds case number `index`, in one part.
    pub fn open(&mut self, index: u64, case: OpenCase) {
        self.open.insert(index, Box::new(InParts { case, parts: 1 }));
    }

    /// Case number `index`, if it is open.
    pub fn get(&mut self, index: u64) -> Option<&mut OpenCase> {
        self.open.get_mut(&index).map(|open| &mut open.case)
    }

    /// Another part of case number `index` is to come.
    pub fn add_part(&mut self, index: u64) {
        if let Some(open) = self.open.get_mut(&index) {
            open.parts += 1;
        }
    }

    /// A part of case number `index` is done. Returns its record when it was the last.
    pub fn part_done(&mut self, index: u64) -> Option<CaseRecord> {
        let open = self.open.get_mut(&index)?;
        open.parts -= 1;
        if open.parts > 0 {
            return None;
        }
        self.open.remove(&index).map(|open| open.case.close())
    }
}
