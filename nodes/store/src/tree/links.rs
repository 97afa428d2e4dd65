//! Where symbolic links lead.

use std::collections::HashMap;

use super::check::target_is_plain;
use super::{TreeEntry, TreeKind};
use crate::beneath::split;

/// The system follows no more links than this for one name; a chain that is longer leads nowhere.
const MAX_HOPS: usize = 40;

/// Bytes of paths looked up for all links of a tree together: far more than real folders need, and what
/// keeps a hostile one from taking minutes.
const MAX_WORK: usize = 256 << 20;

/// The links that lead out of the tree, or that take too long to follow: path and target of each.
///
/// A link is followed as the system would, through other links of the tree: `a -> b/..` leads elsewhere
/// than its text says when `b` is a link too.
pub(crate) fn leaving(entries: &[TreeEntry]) -> Vec<(&str, &str)> {
    let links: HashMap<&str, &str> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            TreeKind::Symlink { target } => Some((entry.path.as_str(), target.as_str())),
            TreeKind::Dir | TreeKind::File { .. } => None,
        })
        .collect();
    let mut work = MAX_WORK;
    entries
        .iter()
        .filter_map(|entry| links.get_key_value(entry.path.as_str()))
        .filter(|(path, target)| !stays_inside(path, target, &links, &mut work))
        .map(|(path, target)| (*path, *target))
        .collect()
}

fn stays_inside(link: &str, target: &str, links: &HashMap<&str, &str>, work: &mut usize) -> bool {
    if !target_is_plain(target) {
        return false;
    }
    let mut at = split(link).0.to_owned();
    let mut rest: Vec<&str> = target.rsplit('/').collect();
    let mut hops = 1;
    while let Some(name) = rest.pop() {
        match name {
            "" | "." => continue,
            ".." if at.is_empty() => return false,
            ".." => at.truncate(split(&at).0.len()),
            name => {
                let parent = at.len();
                if parent > 0 {
                    at.push('/');
                }
                at.push_str(name);
                let Some(left) = work.checked_sub(at.len()) else {
                    return false;
                };
                *work = left;
                if let Some(next) = links.get(at.as_str()) {
                    hops += 1;
                    if hops > MAX_HOPS {
                        return true;
                    }
                    if !target_is_plain(next) {
                        return false;
                    }
                    at.truncate(parent);
                    rest.extend(next.rsplit('/'));
                }
            }
        }
    }
    true
}
