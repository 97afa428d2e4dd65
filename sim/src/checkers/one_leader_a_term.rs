//! At most one controller leads in a term.

use std::collections::BTreeMap;

/// Who led when.
#[derive(Default)]
pub(crate) struct OneLeaderATerm {
    leaders: BTreeMap<u64, u64>,
}

impl OneLeaderATerm {
    /// A controller leads in a term; tells whether that is news.
    pub(crate) fn leads(&mut self, id: u64, term: u64, found: &mut Vec<String>) -> bool {
        let before = *self.leaders.entry(term).or_insert(id);
        if before != id {
            found.push(format!("one leader a term: {before} and {id} both lead in term {term}"));
        }
        before == id
    }
}
