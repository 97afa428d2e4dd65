use super::PageMap;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u32),
    Remove(u16),
    Change(u16),
    Fork,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..600u16, any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => (0..600u16).prop_map(Step::Remove),
        2 => (0..600u16).prop_map(Step::Change),
        1 => Just(Step::Fork),
    ];
    prop::collection::vec(step, 0..1500)
}

proptest! {
    /// A map behaves like an ordered map, and a fork keeps what it held whatever happens afterwards.
    #[test]
    fn equals_an_ordered_map_and_forks_stay(steps in steps()) {
        let mut map = PageMap::default();
        let mut model = BTreeMap::new();
        let mut forks = Vec::new();
        for step in steps {
            match step {
                Step::Insert(key, value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                Step::Remove(key) => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                Step::Change(key) => {
                    if let Some(value) = map.get_mut(&key) {
                        *value ^= 1;
                    }
                    if let Some(value) = model.get_mut(&key) {
                        *value ^= 1;
                    }
                }
                Step::Fork => forks.push((map.clone(), model.clone())),
            }
        }
        forks.push((map, model));
        for (map, model) in forks {
            prop_assert_eq!(map.len(), model.len());
            prop_assert!(map.iter().eq(model.iter().map(|(key, value)| (*key, value))));
            prop_assert!(map.range(100..300).eq(model.range(100..300).map(|(key, value)| (*key, value))));
            prop_assert!(map.range(..=77).eq(model.range(..=77).map(|(key, value)| (*key, value))));
            let bytes = rmp_serde::to_vec(&map).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<PageMap<u16, u32>>(&bytes).unwrap(), map);
        }
    }
}

#[test]
fn growing_keys_leave_full_pages() {
    let mut map = PageMap::default();
    (0..6400u32).for_each(|key| {
        map.insert(key, ());
    });
    assert_eq!(map.pages.len(), 100);
}
