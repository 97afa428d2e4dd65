//! What a tree refuses, and that it is always the same bytes.

use proptest::prelude::*;

use super::*;

fn dir(path: &str) -> TreeEntry {
    TreeEntry { path: path.into(), kind: TreeKind::Dir }
}

fn file(path: &str, size: u64) -> TreeEntry {
    let kind = TreeKind::File { digest: Digest::of(path.as_bytes()), size, executable: size % 2 == 1 };
    TreeEntry { path: path.into(), kind }
}

fn link(path: &str, target: &str) -> TreeEntry {
    TreeEntry { path: path.into(), kind: TreeKind::Symlink { target: target.into() } }
}

/// Encodes without any check, as somebody hostile would.
fn forge(entries: &[TreeEntry]) -> Vec<u8> {
    rmp_serde::to_vec(&Encoded { format: FORMAT, entries }).unwrap()
}

#[test]
fn a_tree_comes_back_whatever_the_order_it_was_made_in() {
    let mut entries =
        vec![dir("a"), file("a-b", 3), file("a/b", 4), link("a/up", "../a-b"), dir("a/c"), file("é", 5)];
    let tree = Tree::new(entries.clone()).unwrap();
    entries.reverse();
    assert_eq!(Tree::new(entries).unwrap(), tree);
    assert_eq!(Tree::decode(&tree.encode()).unwrap(), tree);
    assert_eq!(tree.digest(), Digest::of(&tree.encode()));
    assert_eq!(tree.total_bytes(), 12);
    assert_eq!(tree.contents().len(), 3);
    assert_eq!(tree.get("a/c"), Some(&TreeKind::Dir));
    assert_eq!(tree.get("a/d"), None);
    let json = serde_json::to_string(&tree).unwrap();
    assert_eq!(serde_json::from_str::<Tree>(&json).unwrap(), tree);
}

#[test]
fn hostile_paths_are_refused_by_name() {
    let long_name = "x".repeat(256);
    let long_path = vec!["x".repeat(200); 25].join("/");
    let deep = vec!["x"; 300].join("/");
    for (path, reason) in [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("..", "`..`"),
        ("../x", "`..`"),
        ("a/../../x", "`..`"),
        ("./x", "`.`"),
        ("a//b", "empty component"),
        ("a/", "empty component"),
        ("a\0b", "zero byte"),
        (&long_name, "255"),
        (&long_path, "4096"),
        (&deep, "256 deep"),
    ] {
        let error = Tree::decode(&forge(&[file(path, 1)])).unwrap_err();
        let message = error.to_string();
        assert!(matches!(&error, TreeError::Path { .. }), "{path}: {error:?}");
        assert!(message.contains(reason), "{message}");
        assert!(message.len() < 1000);
    }
}

#[test]
fn entries_must_be_sorted_unique_and_in_folders() {
    let refused = |entries: &[TreeEntry]| Tree::decode(&forge(entries)).unwrap_err();
    assert_eq!(refused(&[file("b", 1), file("a", 1)]), TreeError::Order("a".into()));
    assert_eq!(refused(&[file("a", 1), file("a", 1)]), TreeError::Order("a".into()));
    assert_eq!(refused(&[file("a/b", 1)]), TreeError::NoFolder("a/b".into()));
    assert_eq!(refused(&[file("a", 1), file("a/b", 1)]), TreeError::NoFolder("a/b".into()));
    // Writing through a link is how archives escape.
    assert_eq!(refused(&[dir("b"), link("a", "b"), file("a/b", 1)]), TreeError::Order("a".into()));
    assert_eq!(refused(&[link("a", "b"), file("a/b", 1), dir("b")]), TreeError::NoFolder("a/b".into()));
    assert_eq!(refused(&[file("a", u64::MAX), file("b", 1)]), TreeError::Size("b".into()));
    let many: Vec<_> = (0..=MAX_ENTRIES).map(|i| dir(&format!("{i:07}"))).collect();
    assert_eq!(Tree::new(many).unwrap_err(), TreeError::TooMany(MAX_ENTRIES + 1));
}

#[test]
fn links_that_leave_are_refused() {
    let base = [dir("p"), dir("p/q"), file("p/q/f", 1)];
    for (links, culprit) in [
        (vec![link("l", "/etc/passwd")], "l"),
        (vec![link("l", "")], "l"),
        (vec![link("l", "a\0b")], "l"),
        (vec![link("l", "..")], "l"),
        (vec![link("l", "p/../..")], "l"),
        (vec![link("p/q/l", "../../..")], "p/q/l"),
        (vec![link("p/q/l", "../../../x/p")], "p/q/l"),
        (vec![link("l", "nowhere/../../x")], "l"),
        // By its text `up/..` is `p/q`; followed, it is above the tree.
        (vec![link("p/q/up", "../.."), link("z", "p/q/up/..")], "z"),
        (vec![link("a", "b/.."), link("b", "p/q/c"), link("p/q/c", "../.."), link("z", "b/../x")], "a"),
    ] {
        let mut entries = base.to_vec();
        entries.extend(links);
        match Tree::new(entries) {
            Err(TreeError::Link { path, .. }) => assert_eq!(path, culprit),
            other => panic!("{culprit}: {other:?}"),
        }
    }
}

#[test]
fn links_that_stay_are_allowed() {
    let entries = vec![
        dir("p"),
        dir("p/q"),
        link("a", "p/q/f"),
        link("b", "."),
        link("c", "p/../p//./q"),
        link("d", "nowhere"),
        link("e", "e"),
        link("p/q/root", "../.."),
        link("p/through", "q/root/a"),
    ];
    Tree::new(entries).unwrap();
}

#[test]
fn links_that_take_too_long_to_follow_are_refused() {
    let target = vec!["n".repeat(200); 20].join("/");
    let links = |count: usize| (0..count).map(|i| link(&format!("{i:05}"), &target)).collect();
    Tree::new(links(100)).unwrap();
    assert!(matches!(Tree::new(links(10_000)), Err(TreeError::Link { .. })));
}

#[test]
fn other_bytes_are_refused() {
    let tree = Tree::new(vec![dir("a"), file("a/b", 1)]).unwrap().encode();
    for length in 0..tree.len() {
        assert!(Tree::decode(&tree[..length]).is_err());
    }
    let trailing = [&tree[..], b"x"].concat();
    assert!(Tree::decode(&trailing).unwrap_err().to_string().contains("canonical"));
    let newer = rmp_serde::to_vec(&Encoded { format: 9_u8, entries: Vec::<TreeEntry>::new() }).unwrap();
    assert!(Tree::decode(&newer).unwrap_err().to_string().contains("format 9"));
    // An array said to have four billion entries takes no memory for them.
    assert!(Tree::decode(&[0x92, 1, 0xdd, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert!(Tree::decode(&vec![0; MAX_TREE_BYTES + 1]).unwrap_err().to_string().contains("limit"));
}

proptest! {
    #[test]
    fn whatever_is_decoded_is_sound(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(tree) = Tree::decode(&bytes) {
            prop_assert_eq!(tree.encode(), bytes);
        }
    }

    #[test]
    fn a_damaged_tree_is_refused_or_another_one(at in 0..200_usize, bit in 0..8_u32) {
        let tree = Tree::new(vec![dir("a"), file("a/b", 77), link("a/c", "b"), file("z", 1)]).unwrap();
        let mut bytes = tree.encode();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(other) = Tree::decode(&bytes) {
            prop_assert_ne!(other.digest(), tree.digest());
        }
    }
}
