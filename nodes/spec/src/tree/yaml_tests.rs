use super::*;

fn read(text: &str) -> Result<Node, SpecError> {
    parse(&Source::new("t.yml", text))
}

fn refused(text: &str) -> SpecError {
    read(text).expect_err(text)
}

fn entry<'a>(node: &'a Node, key: &str) -> &'a Entry {
    let Value::Map(entries) = &node.value else { panic!("not a map: {node:?}") };
    entries.iter().find(|entry| entry.key == key).unwrap_or_else(|| panic!("no {key} in {entries:?}"))
}

#[test]
fn values_know_their_places_and_maps_their_order() {
    let text = "b: 1\na:\n  é: [x, 'y']\n";
    let tree = read(text).unwrap();
    let Value::Map(entries) = &tree.value else { panic!("{tree:?}") };
    assert_eq!(entries.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    let list = entry(&entry(&tree, "a").node, "é");
    assert_eq!((list.spot.line, list.spot.column, list.spot.length), (3, 3, 2));
    let Value::List(items) = &list.node.value else { panic!("{list:?}") };
    let spot = items[1].spot;
    assert_eq!((spot.line, spot.column), (3, 10));
    assert_eq!(&text[spot.offset..spot.offset + spot.length], "'y'");
}

#[test]
fn a_byte_order_mark_means_nothing() {
    let text = "\u{feff}a: 1\nb: 2\n";
    let tree = read(text).unwrap();
    let spot = entry(&tree, "b").spot;
    assert_eq!((spot.line, spot.column, &text[spot.offset..spot.offset + 1]), (2, 1, "b"));
}

#[test]
fn quoted_and_tagged_scalars_are_what_they_say() {
    let tree = read("a: '1'\nb: !!str 1\nc: !!int '5'\nd: !!float 5\n").unwrap();
    assert_eq!(entry(&tree, "a").node.value, Value::Text("1".to_owned()));
    assert_eq!(entry(&tree, "b").node.value, Value::Text("1".to_owned()));
    assert_eq!(entry(&tree, "c").node.value, Value::Int(5));
    assert_eq!(entry(&tree, "d").node.value, Value::Float(5.0));
    assert!(matches!(refused("a: !foo x").problem(), Problem::Malformed { .. }));
    assert!(matches!(refused("a: !!int x").problem(), Problem::Malformed { .. }));
    assert!(matches!(refused("a: !!set {x}").problem(), Problem::Malformed { .. }));
}

#[test]
fn merges_yield_to_the_maps_own_keys_and_to_earlier_merges() {
    let tree = read("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\n").unwrap();
    let z = &entry(&tree, "z").node;
    assert_eq!(entry(z, "a").node.value, Value::Int(0));
    assert_eq!(entry(z, "b").node.value, Value::Int(1));
    assert_eq!(entry(z, "c").node.value, Value::Int(2));
    assert!(matches!(refused("<<: 1").problem(), Problem::Malformed { .. }));
}

#[test]
fn duplicate_and_odd_keys_are_refused_where_they_stand() {
    let error = refused("a: 1\nb: 2\na: 3\n");
    assert_eq!(error.to_string(), "t.yml:3:1: a: the key is given twice, first in line 1");
    let error = refused("tags:\n  off: x\n");
    assert_eq!(
        error.to_string(),
        "t.yml:2:3: expected text as a key, found the boolean false; quote it: \"off\""
    );
    // Where a schema has the key, it is one.
    assert!(entry(&read("on: x\n").unwrap(), "on").is_boolean);
    assert!(!entry(&read("\"on\": x\n").unwrap(), "on").is_boolean);
    assert!(refused("? [a]\n: b\n").to_string().contains("found a list"));
}

#[test]
fn bombs_are_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    assert!(matches!(refused(&laughs).problem(), Problem::TooComplex { .. }));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 50_000].join(", "));
    assert!(matches!(refused(&long).problem(), Problem::TooComplex { .. }));
    assert!(matches!(refused("a: &a [*a]").problem(), Problem::TooComplex { .. }));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&deep).is_err());
    let mut nested = "a: &a0 [x]\n".to_owned();
    for level in 1..70 {
        nested.push_str(&format!("b{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(matches!(refused(&nested).problem(), Problem::TooComplex { .. }));
}

#[test]
fn many_keys_cost_no_more_than_their_number() {
    let wide: String = (0..40_000).map(|n| format!("k{n}: x\n")).collect();
    assert!(read(&wide).is_ok());
}

#[test]
fn a_file_holds_exactly_one_document() {
    assert!(matches!(refused("").problem(), Problem::Empty));
    assert!(matches!(refused("# nothing\n").problem(), Problem::Empty));
    assert!(matches!(refused("---\na: 1\n---\nb: 1\n").problem(), Problem::Malformed { .. }));
    assert!(read("---\na: 1\n...\n").is_ok());
}
