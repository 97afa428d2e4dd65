//! An ordered map whose pages are shared between forks.
//!
//! A fork copies the table of pages (one pointer for some sixty entries); a write copies the one page it
//! touches, if that page is still shared. Keys that only grow, as ids do, leave full pages behind.

use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

const PAGE: usize = 64;

/// The map. No page is ever empty.
#[derive(Clone, Debug)]
pub struct PageMap<K, V> {
    pages: Vec<Arc<Vec<(K, V)>>>,
    len: usize,
}

impl<K, V> Default for PageMap<K, V> {
    fn default() -> Self {
        PageMap { pages: Vec::new(), len: 0 }
    }
}

impl<K: Ord + Copy, V: Clone> PageMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The page on which `key` is, or would be inserted.
    fn page_of(&self, key: &K) -> usize {
        self.pages.partition_point(|page| page[0].0 <= *key).saturating_sub(1)
    }

    fn locate(&self, key: &K) -> Option<(usize, usize)> {
        let page = self.page_of(key);
        let at = self.pages.get(page)?.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
        Some((page, at))
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.locate(key).map(|(page, at)| &self.pages[page][at].1)
    }

    /// Whether `key` has a value.
    pub fn contains(&self, key: &K) -> bool {
        self.locate(key).is_some()
    }

    /// The value of `key`, to be changed; copies its page if a fork shares it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (page, at) = self.locate(key)?;
        Some(&mut Arc::make_mut(&mut self.pages[page])[at].1)
    }

    /// Sets the value of `key`; gives back the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.pages.is_empty() {
            self.pages.push(Arc::new(vec![(key, value)]));
            self.len = 1;
            return None;
        }
        let index = self.page_of(&key);
        let last_page = index + 1 == self.pages.len();
        let page = Arc::make_mut(&mut self.pages[index]);
        match page.binary_search_by(|entry| entry.0.cmp(&key)) {
            Ok(at) => return Some(std::mem::replace(&mut page[at].1, value)),
            Err(at) if page.len() < PAGE => page.insert(at, (key, value)),
            Err(at) if at == PAGE && last_page => self.pages.push(Arc::new(vec![(key, value)])),
            Err(at) => {
                let mut upper = page.split_off(PAGE / 2);
                match at.checked_sub(PAGE / 2) {
                    Some(above) => upper.insert(above, (key, value)),
                    None => page.insert(at, (key, value)),
                }
                self.pages.insert(index + 1, Arc::new(upper));
            }
        }
        self.len += 1;
        None
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (index, at) = self.locate(key)?;
        let page = Arc::make_mut(&mut self.pages[index]);
        let (_, value) = page.remove(at);
        if page.is_empty() {
            self.pages.remove(index);
        }
        self.len -= 1;
        Some(value)
    }

    /// All entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.pages.iter().flat_map(|page| page.iter().map(|(key, value)| (*key, value)))
    }

    /// The entries with keys in `range`, in order.
    pub fn range<R: RangeBounds<K>>(&self, range: R) -> impl Iterator<Item = (K, &V)> {
        let start = match range.start_bound() {
            Bound::Included(key) | Bound::Excluded(key) => self.page_of(key),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(key) => Bound::Included(*key),
            Bound::Excluded(key) => Bound::Excluded(*key),
            Bound::Unbounded => Bound::Unbounded,
        };
        self.pages[start.min(self.pages.len())..]
            .iter()
            .flat_map(|page| page.iter().map(|(key, value)| (*key, value)))
            .take_while(move |(key, _)| match end {
                Bound::Included(end) => *key <= end,
                Bound::Excluded(end) => *key < end,
                Bound::Unbounded => true,
            })
            .filter(move |(key, _)| range.contains(key))
    }

    /// The entry with the highest key.
    pub fn last(&self) -> Option<(K, &V)> {
        self.pages.last().and_then(|page| page.last()).map(|(key, value)| (*key, value))
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for PageMap<K, V> {
    /// Equal content; where pages begin does not matter.
    fn eq(&self, other: &Self) -> bool {
        let entries = |map: &Self| map.pages.clone();
        self.len == other.len
            && entries(self)
                .iter()
                .flat_map(|page| page.iter())
                .eq(entries(other).iter().flat_map(|page| page.iter()))
    }
}

impl<K: Serialize, V: Serialize> Serialize for PageMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.len))?;
        for entry in self.pages.iter().flat_map(|page| page.iter()) {
            seq.serialize_element(entry)?;
        }
        seq.end()
    }
}

impl<'de, K, V> Deserialize<'de> for PageMap<K, V>
where
    K: Deserialize<'de> + Ord + Copy,
    V: Deserialize<'de> + Clone,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);
        impl<'de, K, V> Visitor<'de> for Entries<K, V>
        where
            K: Deserialize<'de> + Ord + Copy,
            V: Deserialize<'de> + Clone,
        {
            type Value = PageMap<K, V>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a sequence of pairs")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut map = PageMap::default();
                while let Some((key, value)) = seq.next_element::<(K, V)>()? {
                    map.insert(key, value);
                }
                Ok(map)
            }
        }
        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests;
