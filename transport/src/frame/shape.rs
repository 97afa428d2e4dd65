//! The shape check of a frame's body: made on the bytes alone, before anything is built from them.

/// How deeply arrays and maps may nest. A body that is deeper is refused, so that decoding cannot exhaust the stack.
pub const MAX_DEPTH: usize = 128;

/// Why a body is not exactly one MessagePack value that is safe to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// Arrays and maps nest more deeply than [`MAX_DEPTH`].
    #[error("nests more than {MAX_DEPTH} levels deep at byte {at}")]
    TooDeep {
        /// Offset in the body.
        at: usize,
    },
    /// A length claims more than the bytes that follow can hold, or the value is cut off.
    #[error("ends in the middle of the value that starts at byte {at}")]
    CutOff {
        /// Offset in the body.
        at: usize,
    },
    /// A MessagePack extension or the reserved marker; no frame of ours has one.
    #[error("has the marker 0x{marker:02x}, which is never used, at byte {at}")]
    Marker {
        /// The marker found.
        marker: u8,
        /// Offset in the body.
        at: usize,
    },
    /// Bytes follow the value.
    #[error("has {extra} bytes after its value")]
    Trailing {
        /// How many.
        extra: usize,
    },
}

/// What one marker announces.
enum Item {
    /// So many bytes of data that hold no values.
    Data(usize),
    /// So many values.
    Values(usize),
}

/// Checks that `body` is exactly one MessagePack value, of bounded depth, none of whose lengths claims more than
/// is there. Decoders that trust claimed lengths to reserve memory are then safe: what is claimed has been sent.
/// Runs in one pass without allocating; data (strings, byte strings) is skipped, not read.
///
/// # Errors
///
/// The first violation, with its offset.
pub fn check(body: &[u8]) -> Result<(), ShapeError> {
    // Values still to come at each open level; the lowest level is the body itself, which holds one value.
    let mut open = [0usize; MAX_DEPTH + 1];
    let mut depth = 0;
    open[0] = 1;
    let mut at = 0;
    loop {
        while open[depth] == 0 {
            if depth == 0 {
                let extra = body.len() - at;
                return if extra == 0 { Ok(()) } else { Err(ShapeError::Trailing { extra }) };
            }
            depth -= 1;
        }
        open[depth] -= 1;
        let start = at;
        let (head, item) = item(body, at)?;
        let left = body.len().checked_sub(at + head).ok_or(ShapeError::CutOff { at: start })?;
        at += head;
        match item {
            Item::Data(len) if len > left => return Err(ShapeError::CutOff { at: start }),
            Item::Data(len) => at += len,
            Item::Values(0) => {}
            // Every value takes at least one byte.
            Item::Values(n) if n > left => return Err(ShapeError::CutOff { at: start }),
            Item::Values(_) if depth == MAX_DEPTH => return Err(ShapeError::TooDeep { at: start }),
            Item::Values(n) => {
                depth += 1;
                open[depth] = n;
            }
        }
    }
}

/// Reads the marker at `at` and its length bytes: how many bytes they take, and what they announce.
fn item(body: &[u8], at: usize) -> Result<(usize, Item), ShapeError> {
    let marker = *body.get(at).ok_or(ShapeError::CutOff { at })?;
    let len = |bytes: usize| -> Result<usize, ShapeError> {
        let field = body.get(at + 1..at + 1 + bytes).ok_or(ShapeError::CutOff { at })?;
        Ok(field.iter().fold(0, |n, &byte| n << 8 | usize::from(byte)))
    };
    let pairs = |n: usize| n.checked_mul(2).ok_or(ShapeError::CutOff { at });
    Ok(match marker {
        // small integers; nil, false, true
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (1, Item::Data(0)),
        0x80..=0x8f => (1, Item::Values(usize::from(marker & 0x0f) * 2)),
        0x90..=0x9f => (1, Item::Values(usize::from(marker & 0x0f))),
        0xa0..=0xbf => (1, Item::Data(usize::from(marker & 0x1f))),
        // byte strings and strings with a length of one, two and four bytes
        0xc4 | 0xd9 => (2, Item::Data(len(1)?)),
        0xc5 | 0xda => (3, Item::Data(len(2)?)),
        0xc6 | 0xdb => (5, Item::Data(len(4)?)),
        // integers and floats of one, two, four and eight bytes
        0xcc | 0xd0 => (1, Item::Data(1)),
        0xcd | 0xd1 => (1, Item::Data(2)),
        0xca | 0xce | 0xd2 => (1, Item::Data(4)),
        0xcb | 0xcf | 0xd3 => (1, Item::Data(8)),
        0xdc => (3, Item::Values(len(2)?)),
        0xdd => (5, Item::Values(len(4)?)),
        0xde => (3, Item::Values(pairs(len(2)?)?)),
        0xdf => (5, Item::Values(pairs(len(4)?)?)),
        0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(ShapeError::Marker { marker, at }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_one_value() {
        assert_eq!(check(&[0x01]), Ok(()));
        assert_eq!(check(&[0x92, 0x01, 0xa1, b'x']), Ok(()));
        assert_eq!(check(&[0x81, 0x01, 0x90]), Ok(()));
        assert_eq!(check(&[0x01, 0x02, 0x03]), Err(ShapeError::Trailing { extra: 2 }));
        assert_eq!(check(&[]), Err(ShapeError::CutOff { at: 0 }));
    }

    #[test]
    fn a_length_may_not_claim_more_than_was_sent() {
        for claim in [
            &[0xdd, 0xff, 0xff, 0xff, 0xff][..],
            &[0xdf, 0xff, 0xff, 0xff, 0xff],
            &[0xc6, 0xff, 0xff, 0xff, 0xff, 0],
            &[0xdb, 0, 0, 0, 2, b'x'],
            &[0x92, 0x01],
            &[0xcf, 0, 0],
            &[0xdd, 0, 0],
        ] {
            assert_eq!(check(claim), Err(ShapeError::CutOff { at: 0 }), "{claim:02x?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            let mut body = vec![0x91; depth];
            body.push(0xc0);
            body
        };
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(ShapeError::TooDeep { at: MAX_DEPTH }));
        assert_eq!(check(&nested(1_000_000)), Err(ShapeError::TooDeep { at: MAX_DEPTH }));
    }

    #[test]
    fn extensions_are_refused() {
        assert_eq!(check(&[0x91, 0xd4, 1, 2]), Err(ShapeError::Marker { marker: 0xd4, at: 1 }));
    }
}
