//! Chance that can be repeated.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use rand::{SeedableRng, rngs::StdRng};

/// A generator for one story; its seed is printed, and taken from `TIDEGATE_SEED` where that is set.
///
/// # Errors
/// `TIDEGATE_SEED` is no number.
pub fn chance(story: &str) -> Result<StdRng> {
    let seed = match env::var("TIDEGATE_SEED") {
        Ok(text) => text.parse().with_context(|| format!("TIDEGATE_SEED is `{text}`"))?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos().into(),
    };
    eprintln!("{story}: TIDEGATE_SEED={seed} repeats it");
    Ok(StdRng::seed_from_u64(seed))
}
