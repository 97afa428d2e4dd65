//! What a sequence of records leaves behind: which entries, which hard state, which beginning.

use tidegate_scheduler::consensus::HardState;

use super::codec::{self, Beginning};
use super::record::Item;

/// The one group of this log; the number is part of every record.
pub(super) const GROUP: u64 = 1;

/// What the records seen so far amount to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// First and last index present.
    span: Option<(u64, u64)>,
    pub(super) hard_state: HardState,
    pub(super) beginning: Beginning,
}

impl Shape {
    /// Takes in one record's items. An error says what does not fit what came before.
    pub(super) fn apply(&mut self, items: Vec<Item<'_>>) -> Result<(), String> {
        items.into_iter().try_for_each(|item| self.apply_item(item))
    }

    fn apply_item(&mut self, item: Item<'_>) -> Result<(), String> {
        match item {
            Item::Entries { count: 0, .. } => Ok(()),
            Item::Entries { first, count } => self.append(first, count),
            Item::Compact { index } => {
                self.span = self
                    .span
                    .filter(|&(_, last)| last >= index)
                    .map(|(first, last)| (first.max(index), last));
                Ok(())
            }
            Item::Put { key: codec::HARD_STATE, value } => {
                self.hard_state = codec::to_hard_state(value).ok_or("a hard state of the wrong length")?;
                Ok(())
            }
            Item::Put { key: codec::BEGINNING, value } => {
                self.beginning = codec::to_beginning(value).ok_or("a beginning of the wrong length")?;
                Ok(())
            }
            Item::Put { .. } | Item::Delete { .. } | Item::Clean => Err("a change that no log makes".into()),
        }
    }

    fn append(&mut self, first: u64, count: u64) -> Result<(), String> {
        let last = first + count - 1;
        match self.span {
            Some((_, end)) if first > end + 1 => {
                Err(format!("entries {} to {} are missing", end + 1, first - 1))
            }
            Some((start, _)) if first >= start => {
                self.span = Some((start, last));
                Ok(())
            }
            _ => {
                self.span = Some((first, last));
                Ok(())
            }
        }
    }

    /// The first index that the log may hold, and the last that it holds (one less when it is empty). An
    /// error says which entries must be there and are not.
    pub(super) fn bounds(&self) -> Result<(u64, u64), String> {
        let first = self.beginning.first;
        let last = match self.span {
            Some((start, _)) if start > first => {
                return Err(format!("entries {first} to {} are missing", start - 1));
            }
            Some((_, last)) => last,
            None => first - 1,
        };
        if self.hard_state.commit > last {
            return Err(format!(
                "it ends at entry {last}, but entry {} was committed before it was closed",
                self.hard_state.commit
            ));
        }
        Ok((first, last))
    }
}
