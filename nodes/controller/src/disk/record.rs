//! The log's records as they lie in its files: the layout that `raft-engine` gives them (its format
//! version 2, without compression or alignment), read here so that damage is seen before anything is changed.
//!
//! ```text
//! file   = magic (53 bytes) | version, alignment (8 bytes each, big-endian) | record*
//! record = length << 8 | compression, footer's offset (8 bytes each, big-endian)
//!        | entries, their CRC-32      (absent when there are no entries)
//!        | items, their CRC-32 xor the low half of the file's number (little-endian)
//! ```

/// Where the first record of a file begins.
pub(super) const FILE_HEADER: usize = MAGIC.len() + 16;

const MAGIC: &[u8] = b"RAFT-LOG-FILE-HEADER-9986AB3E47F320B394C8E84916EB0ED5";
const VERSION: u64 = 2;
const RECORD_HEADER: usize = 16;
const CHECKSUM: usize = 4;

/// One change that a record makes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// Entries `first .. first + count`.
    Entries { first: u64, count: u64 },
    /// Everything before `index` is dropped.
    Compact { index: u64 },
    /// A value put under a key.
    Put { key: &'a [u8], value: &'a [u8] },
    /// A key dropped.
    Delete { key: &'a [u8] },
    /// The whole group dropped.
    Clean,
}

/// A record whose checksums hold.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// Bytes from its first to the next record's first.
    pub(super) len: usize,
    items: &'a [u8],
}

/// Whether a file begins as one of ours.
pub(super) fn file_header_holds(file: &[u8]) -> bool {
    file.len() >= FILE_HEADER
        && file.starts_with(MAGIC)
        && big_endian(&file[MAGIC.len()..]) == VERSION
        && big_endian(&file[MAGIC.len() + 8..]) == 0
}

/// Reads the record at the start of `bytes`, in the file numbered `sequence`; `None` if there is no whole and
/// undamaged one.
pub(super) fn parse(bytes: &[u8], sequence: u64) -> Option<Record<'_>> {
    if bytes.len() < RECORD_HEADER {
        return None;
    }
    let (length_and_type, footer) = (big_endian(bytes), big_endian(&bytes[8..]));
    let (len, footer) = (usize::try_from(length_and_type >> 8).ok()?, usize::try_from(footer).ok()?);
    let fits = length_and_type & 0xff == 0 && RECORD_HEADER <= footer && footer <= len && len <= bytes.len();
    if !fits {
        return None;
    }
    let items = checked(&bytes[footer..len], sequence as u32)?;
    if footer > RECORD_HEADER {
        checked(&bytes[RECORD_HEADER..footer], 0)?;
    }
    Some(Record { len, items })
}

/// The first offset at or after `from` where a record of file `sequence` can be read.
pub(super) fn search(file: &[u8], from: usize, sequence: u64) -> Option<usize> {
    (from.max(FILE_HEADER)..file.len().saturating_sub(RECORD_HEADER))
        .find(|&offset| parse(&file[offset..], sequence).is_some())
}

impl<'a> Record<'a> {
    /// The changes, in order, of group `group`; `None` if they are not what a log of one group holds.
    pub(super) fn items(&self, group: u64) -> Option<Vec<Item<'a>>> {
        let mut rest = self.items;
        let count = varint(&mut rest)?;
        let mut items = Vec::new();
        for _ in 0..count {
            if varint(&mut rest)? != group {
                return None;
            }
            items.push(item(&mut rest)?);
        }
        rest.is_empty().then_some(items)
    }
}

fn item<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    match byte(rest)? {
        1 => {
            let count = varint(rest)?;
            let first = if count > 0 { varint(rest)? } else { 0 };
            for _ in 0..count {
                varint(rest)?;
            }
            Some(Item::Entries { first, count })
        }
        2 => match byte(rest)? {
            1 => Some(Item::Clean),
            2 => Some(Item::Compact { index: varint(rest)? }),
            _ => None,
        },
        3 => match byte(rest)? {
            1 => Some(Item::Put { key: run(rest)?, value: run(rest)? }),
            2 => Some(Item::Delete { key: run(rest)? }),
            _ => None,
        },
        _ => None,
    }
}

/// What precedes the checksum in `block`, if it matches.
fn checked(block: &[u8], signature: u32) -> Option<&[u8]> {
    let (content, checksum) = block.split_at_checked(block.len().checked_sub(CHECKSUM)?)?;
    let told = u32::from_le_bytes(checksum.try_into().ok()?) ^ signature;
    (!content.is_empty() && crc32fast::hash(content) == told).then_some(content)
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes[..8].iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (&first, tail) = rest.split_first()?;
    *rest = tail;
    Some(first)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let next = byte(rest)?;
        number |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn run<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(rest)?).ok()?;
    let (run, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(run)
}
