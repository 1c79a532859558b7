//! A short hash for change detection.

/// The 64-bit FNV-1a hash, to detect changes. Unlike the standard library's hashes, it is stable across versions and
/// machines. It is not for security.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
