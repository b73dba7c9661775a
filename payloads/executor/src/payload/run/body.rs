//! Response body of a case.

use case::MAX_PROBES;
use link::observations::Report;
use zerocopy::{Immutable, IntoBytes};

use crate::payload::in_flight::InFlight;

/// The body of a response, filled from the front: report, answers, lists.
pub(super) struct Body<'a> {
    bytes: &'a mut [u8],
    used: usize,
}

impl<'a> Body<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, used: size_of::<Report>() }
    }

    /// Where the answers go: behind the report.
    pub(super) fn answers(&mut self) -> *mut u64 {
        const { assert!(size_of::<Report>().is_multiple_of(align_of::<u64>())) };
        let most = size_of::<u64>() * MAX_PROBES;
        self.bytes[size_of::<Report>()..][..most].as_mut_ptr().cast()
    }

    /// Adds `item`, if there is room.
    pub(super) fn push(&mut self, item: &(impl IntoBytes + Immutable)) -> bool {
        let bytes = item.as_bytes();
        let Some(place) = self.bytes.get_mut(self.used..self.used + bytes.len()) else {
            return false;
        };
        place.copy_from_slice(bytes);
        self.used += bytes.len();
        true
    }

    /// Adds the lists that follow the answers which `report` counts.
    pub(super) fn list_exceptions_and_updates(&mut self, report: &mut Report, case: &InFlight) {
        self.used = size_of::<Report>() + size_of::<u64>() * report.answers as usize;
        let (exceptions, updates) = (case.exceptions(), &*case.updates);
        report.exceptions = exceptions.iter().take_while(|item| self.push(*item)).count() as u32;
        report.updates = updates.iter().take_while(|item| self.push(*item)).count() as u32;
        let listed = (report.exceptions as usize, report.updates as usize);
        if listed != (exceptions.len(), updates.len()) {
            report.truncated = 1;
        }
    }

    /// Writes the report in front; returns the size of the body.
    pub(super) fn finish(&mut self, report: &Report) -> usize {
        self.bytes[..size_of::<Report>()].copy_from_slice(report.as_bytes());
        self.used
    }
}
