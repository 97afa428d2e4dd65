use super::{ElementState, Elements, Tries};
use crate::event::Ending;
use crate::ids::Fence;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    PlaceNext,
    Place(u32),
    End(usize, Ending),
    Requeue(usize),
    Cancel(Option<u32>),
    Retry(Option<u32>),
}

fn step() -> impl Strategy<Value = Step> {
    let ending = prop_oneof![Just(Ending::Completed), Just(Ending::Failed), Just(Ending::Canceled)];
    prop_oneof![
        8 => Just(Step::PlaceNext),
        1 => (0..12u32).prop_map(Step::Place),
        8 => (any::<usize>(), ending).prop_map(|(which, ending)| Step::End(which, ending)),
        2 => any::<usize>().prop_map(Step::Requeue),
        1 => prop::option::of(0..12u32).prop_map(Step::Cancel),
        1 => prop::option::of(0..12u32).prop_map(Step::Retry),
    ]
}

fn pick(elements: &Elements, which: usize) -> Option<u32> {
    let placed: Vec<u32> = elements.placed().map(|(element, _)| element).collect();
    (!placed.is_empty()).then(|| placed[which % placed.len()])
}

proptest! {
    /// Whatever happens to the elements of a run, the compact form says the same as a plain list of states.
    #[test]
    fn says_the_same_as_a_plain_list(count in 1..12u32, steps in prop::collection::vec(step(), 0..80)) {
        let mut elements = Elements::new(count);
        let mut model: Vec<ElementState> = vec![ElementState::Waiting(Tries::default()); count as usize];
        for (n, step) in steps.into_iter().enumerate() {
            let fence = Fence(n as u64);
            let waiting = |model: &[ElementState], e: u32| matches!(model.get(e as usize), Some(ElementState::Waiting(_)));
            match step {
                Step::PlaceNext => {
                    let next = elements.next_waiting();
                    prop_assert_eq!(next.is_some(), (0..count).any(|e| waiting(&model, e)));
                    if let Some(element) = next {
                        prop_assert!(elements.place(element, fence).is_some());
                        model[element as usize] = ElementState::Placed(fence);
                    }
                }
                Step::Place(element) => {
                    let placed = elements.place(element, fence).is_some();
                    prop_assert_eq!(placed, waiting(&model, element));
                    if placed {
                        model[element as usize] = ElementState::Placed(fence);
                    }
                }
                Step::End(which, ending) => if let Some(element) = pick(&elements, which) {
                    elements.end(element, ending);
                    model[element as usize] = ElementState::Ended(ending);
                },
                Step::Requeue(which) => if let Some(element) = pick(&elements, which) {
                    let tries = Tries { user: 1, system: 0 };
                    elements.requeue(element, tries);
                    model[element as usize] = ElementState::Waiting(tries);
                },
                Step::Cancel(only) => {
                    let ranges = elements.cancel_waiting(only);
                    let told: u32 = ranges.iter().map(|(from, to)| to - from).sum();
                    let waits = |e: &u32| only.is_none_or(|only| only == *e) && waiting(&model, *e);
                    prop_assert_eq!(told, (0..count).filter(waits).count() as u32);
                    for e in 0..count {
                        if only.is_none_or(|only| only == e) && waiting(&model, e) {
                            model[e as usize] = ElementState::Ended(Ending::Canceled);
                        }
                    }
                }
                Step::Retry(only) => {
                    let touched = elements.retry(only);
                    let mut expected = 0;
                    for e in 0..count {
                        let state = &mut model[e as usize];
                        let again = matches!(state, ElementState::Ended(Ending::Failed | Ending::Canceled));
                        if only.is_none_or(|only| only == e) && again {
                            *state = ElementState::Waiting(Tries::default());
                            expected += 1;
                        }
                    }
                    prop_assert_eq!(touched, expected);
                }
            }
            for e in 0..count {
                prop_assert_eq!(elements.state(e), Some(model[e as usize]), "element {}", e);
            }
            let counts = elements.counts();
            let ended = |ending| model.iter().filter(|s| **s == ElementState::Ended(ending)).count() as u32;
            prop_assert_eq!(counts.completed, ended(Ending::Completed));
            prop_assert_eq!(counts.failed, ended(Ending::Failed));
            prop_assert_eq!(counts.canceled, ended(Ending::Canceled));
            prop_assert_eq!(counts.waiting, (0..count).filter(|&e| waiting(&model, e)).count() as u32);
            prop_assert_eq!(elements.waiting(100).count() as u32, counts.waiting);
        }
    }
}

#[test]
fn a_million_elements_take_no_room_of_their_own() {
    let mut elements = Elements::new(1_000_000);
    assert!(elements.place(0, Fence(1)).is_some());
    elements.end(0, Ending::Completed);
    elements.cancel_waiting(None);
    assert_eq!(elements.counts().canceled, 999_999);
    assert!(elements.ended.0.len() <= 1);
    assert_eq!(elements.retry(None), 999_999);
    assert!(elements.returned.is_empty());
}
