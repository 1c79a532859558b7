//! A short text for a long one.

/// FNV-1a, 64 bits: short, enough to notice a change, and stable across versions and machines, unlike the standard
/// library's hashers. It guards nothing.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
