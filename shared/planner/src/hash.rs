//! A short hash for change detection.

/// FNV-1a, 64 bits: detects changes, and is stable across versions and machines, unlike the standard library's hashers.
/// Not for security.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
