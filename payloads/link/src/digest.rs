//! The digest that stands for observations on a line where bytes are dear.
//!
//! The host forecasts what a case's observations will be. Where the target's digest is that of the forecast, the
//! forecast is what the target would have sent; else the host asks for all of it. Two bodies that differ have
//! the same digest by chance once in 2^64.

use crc::{CRC_64_XZ, Crc};

const CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// The digest of the body of [`crate::message::MessageKind::Observations`].
pub fn of(body: &[u8]) -> u64 {
    CRC.checksum(body)
}
