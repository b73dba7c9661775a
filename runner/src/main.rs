//! The command `hypwalk`.

fn main() {}
