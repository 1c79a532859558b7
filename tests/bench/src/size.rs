//! How large something is when it is uploaded.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// What a zip adds to one file named `bootstrap`: a header before it, one in the directory, and the directory's end.
const ZIP_OVERHEAD: usize = 30 + 46 + 22 + 2 * "bootstrap".len();

/// The size of a zip that holds one file, in bytes, deflated as `sam build` and `sam package` do it.
pub fn zipped(file: &Path) -> anyhow::Result<u64> {
    let bytes = std::fs::read(file).with_context(|| format!("{} is not built", file.display()))?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&bytes)?;
    Ok((encoder.finish()?.len() + ZIP_OVERHEAD).try_into()?)
}
