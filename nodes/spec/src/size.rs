//! Amounts of memory: `4Gi`, `512MiB`, `2GB`.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// An amount of memory in bytes, written with a unit.
///
/// Binary units are `Ki`, `Mi`, `Gi`, `Ti` (also `KiB`, ...), decimal ones `K`, `M`, `G`, `T` (also `KB`, ...);
/// `B` is bytes. Case does not matter, a fraction such as `1.5Gi` is fine, a bare number is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemorySize(u64);

const KIB: u64 = 1024;
const UNITS: [(&str, u64); 8] = [
    ("ki", KIB),
    ("mi", KIB.pow(2)),
    ("gi", KIB.pow(3)),
    ("ti", KIB.pow(4)),
    ("k", 1_000),
    ("m", 1_000_000),
    ("g", 1_000_000_000),
    ("t", 1_000_000_000_000),
];

impl MemorySize {
    /// The amount in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// The amount in MiB, rounded up: a run is never given less than it asked for.
    pub fn mib(self) -> u64 {
        self.0.div_ceil(KIB.pow(2))
    }
}

impl FromStr for MemorySize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<MemorySize, &'static str> {
        const HOW: &str = "an amount of memory with a unit, such as 512Mi, 4Gi or 2GB";
        let lower = text.trim().to_lowercase();
        let split = lower.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(HOW)?;
        let (digits, unit) = lower.split_at(split);
        let unit = unit.trim();
        let factor = match unit.strip_suffix('b').unwrap_or(unit) {
            "" if unit == "b" => 1,
            short => UNITS.iter().find(|(name, _)| *name == short).map(|(_, factor)| *factor).ok_or(HOW)?,
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
            return Err(HOW);
        }
        // In units of 10^-9, so that no amount goes through a float.
        let whole: u128 = whole.parse().map_err(|_| HOW)?;
        let fraction: u128 = format!("{fraction:0<9}").parse().map_err(|_| HOW)?;
        let billionths = whole.checked_mul(1_000_000_000).and_then(|n| n.checked_add(fraction)).ok_or(HOW)?;
        let bytes = billionths.checked_mul(u128::from(factor)).ok_or(HOW)?.div_ceil(1_000_000_000);
        u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).map(MemorySize).ok_or(HOW)
    }
}

impl fmt::Display for MemorySize {
    /// The largest binary unit that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [("Ti", KIB.pow(4)), ("Gi", KIB.pow(3)), ("Mi", KIB.pow(2)), ("Ki", KIB)];
        let unit = names.into_iter().find(|(_, factor)| self.0.is_multiple_of(*factor));
        let (name, factor) = unit.unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / factor)
    }
}

impl Serialize for MemorySize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_every_unit() {
        for (text, bytes) in [
            ("4Gi", 4 << 30),
            ("512MiB", 512 << 20),
            ("512mib", 512 << 20),
            ("2GB", 2_000_000_000),
            ("2g", 2_000_000_000),
            ("1.5Gi", 3 << 29),
            ("100 KB", 100_000),
            ("7B", 7),
            ("0.5Ki", 512),
        ] {
            assert_eq!(text.parse::<MemorySize>().map(MemorySize::bytes), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn amounts_without_sense_are_refused() {
        for text in
            ["", "512", "Gi", "-1Gi", "1..5Gi", ".5Gi", "1.Gi", "1e3Mi", "0Gi", "1Zi", "99999999999999Ti"]
        {
            assert!(text.parse::<MemorySize>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for bytes in [1, 1023, 1024, 1 << 20, 3 << 29, 1_000_000_000] {
            let size = MemorySize(bytes);
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert_eq!(MemorySize(1).mib(), 1);
    }
}
