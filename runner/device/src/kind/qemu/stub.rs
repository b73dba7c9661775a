//! The firmware that enters the executor on a machine whose RAM QEMU won't let `-kernel` have.

/// Instructions for address 0, little-endian: X0 = `device_tree`, then a branch to `entry`.
///
/// ```text
///   movz x0, #device_tree[15:0]      movz x1, #entry[15:0]       br x1
///   movk x0, #device_tree[31:16], lsl #16 ..                     (parts that are 0 are left out)
/// ```
pub fn firmware(device_tree: u64, entry: u64) -> Vec<u8> {
    let mut words = load(0, device_tree);
    words.extend(load(1, entry));
    words.push(BR | 1 << 5);
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

const MOVZ: u32 = 0xd280_0000;
const MOVK: u32 = 0xf280_0000;
const BR: u32 = 0xd61f_0000;

/// Loads `value` into register `register`.
fn load(register: u32, value: u64) -> Vec<u32> {
    let part = |at: u32| (value >> (16 * at)) as u32 & 0xffff;
    let word = |code: u32, at: u32| code | at << 21 | part(at) << 5 | register;
    let parts = (1..4).filter(|&at| part(at) != 0).map(|at| word(MOVK, at));
    std::iter::once(word(MOVZ, 0)).chain(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_that_an_assembler_makes() {
        let words: Vec<_> = firmware(0x4000_0000, 0x12_4020_8000)
            .chunks(4)
            .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("whole words")))
            .collect();
        let expected = [
            0xd280_0000, // movz x0, #0
            0xf2a8_0000, // movk x0, #0x4000, lsl #16
            0xd290_0001, // movz x1, #0x8000
            0xf2a8_0401, // movk x1, #0x4020, lsl #16
            0xf2c0_0241, // movk x1, #0x12, lsl #32
            0xd61f_0020, // br x1
        ];
        assert_eq!(words, expected);
    }
}
