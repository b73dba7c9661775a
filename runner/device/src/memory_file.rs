//! Memory files (memfd): files that another process can open, and that are gone with the last who holds them.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{MemfdFlags, memfd_create};

/// A memory file of `bytes` zeros; `name` shows in /proc alone.
pub fn zeroed(name: &str, bytes: u64) -> io::Result<File> {
    let file = File::from(memfd_create(format!("hypwalk-{name}"), MemfdFlags::CLOEXEC)?);
    file.set_len(bytes)?;
    Ok(file)
}

/// A memory file that holds `bytes`.
pub fn holding(name: &str, bytes: &[u8]) -> io::Result<File> {
    let mut file = zeroed(name, 0)?;
    file.write_all(bytes)?;
    Ok(file)
}
