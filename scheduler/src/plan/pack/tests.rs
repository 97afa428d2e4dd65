use super::*;
use crate::ids::NodeId;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn shape(gpu: GpuNeed, cpu: u64) -> Shape {
    Shape { cpu, memory_mib: 0, gpu, models: Models::ANY }
}

fn room(free: &[u16], cpu: u64) -> Room {
    Room { cpu, memory_mib: 0, gpus: Gpus::new(free).expect("a node's GPUs"), model: None }
}

/// Half of the tasks want a GPU and 4 CPU, 3 of 10 half a GPU and 2 CPU, 2 of 10 two GPUs and 8 CPU.
fn mix() -> Mix {
    Mix::of([
        (shape(GpuNeed::Whole(1), 4), 5),
        (shape(GpuNeed::Share(500), 2), 3),
        (shape(GpuNeed::Whole(2), 8), 2),
    ])
}

#[test]
fn the_worked_example_has_its_numbers() {
    let rule = FragmentationAware::new(mix());
    let node = room(&[1000, 500], 8);
    let half = shape(GpuNeed::Share(500), 2);
    // Thousandths of a GPU times ten tasks: 5500 is 0.55.
    assert_eq!((rule.mix().fragments(&node), rule.mix().weight()), (5500, 10));

    let on = |device| node.minus(&half, Devices::one(device).expect("a device")).expect("it fits");
    assert_eq!(rule.mix().fragments(&on(1)), 2000, "0.20 once the half GPU is taken");
    assert_eq!(rule.gain(&node, &on(1)), 3500, "0.35 less");
    assert_eq!(rule.mix().fragments(&on(0)), 7000, "0.70 once the whole one is shared");
    assert_eq!(rule.gain(&node, &on(0)), -1500, "0.15 more");

    let rated = rule.rate(&node, &half).expect("it fits");
    assert_eq!(rated.devices.iter().collect::<Vec<_>>(), [1]);
    assert_eq!(rated.rating.gain, 4, "350 thousandths in steps of 80");
}

#[test]
fn what_a_task_cannot_use_is_a_fragment_to_it() {
    let alone = |task: Shape, node: &Room| Mix::of([(task, 1)]).fragments(node);
    let node = Room { memory_mib: 64, model: Model::new(3), ..room(&[1000, 300, 600], 8) };
    assert_eq!(alone(shape(GpuNeed::Whole(1), 8), &node), 900, "the shared GPUs");
    assert_eq!(alone(shape(GpuNeed::Whole(1), 9), &node), 1900, "all: there is too little CPU");
    assert_eq!(alone(shape(GpuNeed::Whole(2), 1), &node), 1900, "all: there are too few");
    assert_eq!(alone(shape(GpuNeed::Share(600), 1), &node), 300, "the one with less");
    assert_eq!(alone(shape(GpuNeed::None, 1), &node), 1900, "a task without GPUs uses none");
    let much = Shape { memory_mib: 65, ..shape(GpuNeed::Share(600), 1) };
    assert_eq!(alone(much, &node), 1900, "all: there is too little memory");
    let other = Shape { models: Models::only(Model::new(4)), ..shape(GpuNeed::Share(600), 1) };
    assert_eq!(alone(other, &node), 1900, "all: it is another model");
    let this = Shape { models: Models::only([3, 4].into_iter().filter_map(Model::new)), ..other };
    assert_eq!(alone(this, &node), 300);
}

#[test]
fn the_typical_tasks_are_the_most_frequent_95_of_100() {
    let counts = [(4, 3), (1, 90), (2, 4), (3, 3)].map(|(cpu, count)| (shape(GpuNeed::Whole(1), cpu), count));
    let kept = [(1, 90), (2, 4), (3, 3)].map(|(cpu, count)| (shape(GpuNeed::Whole(1), cpu), count));
    assert_eq!(Mix::typical(counts), Mix::of(kept), "94 are too few; of the equal ones the smaller is taken");
    assert_eq!(Mix::typical([]).weight(), 0);
    assert_eq!(Mix::typical([]).fragments(&room(&[1000], 1)), 0);
}

#[test]
fn a_mix_of_very_many_tasks_keeps_its_proportions() {
    let mix = Mix::of([(shape(GpuNeed::Whole(1), 1), u64::MAX), (shape(GpuNeed::Whole(2), 1), u64::MAX)]);
    let node = room(&[1000; Gpus::COUNT], 0);
    assert_eq!(mix.fragments(&node), 16_000 * mix.weight() as i64);
    let node = room(&[1000], 1);
    assert_eq!(mix.fragments(&node), 500 * mix.weight() as i64, "all to one half of the tasks");
}

#[test]
fn more_gpus_than_there_may_be_are_refused() {
    assert!(Gpus::idle(Gpus::COUNT).is_some() && Gpus::idle(Gpus::COUNT + 1).is_none());
    assert!(Gpus::new(&[1001]).is_none() && Gpus::new(&[0; Gpus::COUNT + 1]).is_none());
    assert!(Model::new(Model::COUNT).is_none() && Devices::one(Gpus::COUNT).is_none());
    let node = room(&[1000], 4);
    assert!(node.minus(&shape(GpuNeed::Whole(1), 1), Devices::one(1).expect("a device")).is_none());
    assert!(node.minus(&shape(GpuNeed::Whole(1), 1), Devices::default()).is_none());
    assert!(node.plus(&shape(GpuNeed::Share(1), 1), Devices::one(0).expect("a device")).is_none());
}

#[test]
fn a_task_without_gpus_keeps_off_those_that_others_need() {
    let mut rooms = Rooms::new(FragmentationAware::new(mix()));
    rooms.put(NodeId(1), room(&[1000, 1000], 8));
    rooms.put(NodeId(2), room(&[], 8));
    rooms.put(NodeId(3), room(&[], 6));
    let task = shape(GpuNeed::None, 6);
    let mut order = Vec::new();
    while let Some(choice) = rooms.best(&task, &BTreeSet::new()) {
        rooms.take(choice.node, &task, choice.devices).expect("it fits");
        order.push(choice.node.0);
    }
    assert_eq!(order, [3, 2, 1], "the fullest of those without GPUs first");
}

#[test]
fn without_typical_tasks_the_fullest_place_is_taken() {
    let mut rooms = Rooms::new(FragmentationAware::new(Mix::typical([])));
    rooms.put(NodeId(1), room(&[1000, 1000], 8));
    rooms.put(NodeId(2), room(&[700, 400, 600], 9));
    rooms.put(NodeId(3), room(&[700, 400, 600], 8));
    let best = rooms.best(&shape(GpuNeed::Share(500), 1), &BTreeSet::new()).expect("there is room");
    assert_eq!((best.node, best.devices.iter().collect::<Vec<_>>()), (NodeId(3), vec![2]));
}

#[test]
fn more_shapes_than_are_remembered_find_their_place() {
    let mut rooms = Rooms::new(FragmentationAware::new(Mix::typical([])));
    for node in 0..4 {
        rooms.put(NodeId(node), room(&[1000], 1000 + 100 * node));
    }
    for round in 0..2 {
        for cpu in 0..300 {
            let best = rooms.best(&shape(GpuNeed::Share(1), 4 * cpu + round), &BTreeSet::new());
            let fits = (0..4).find(|node| 4 * cpu + round <= 1000 + 100 * node);
            assert_eq!(best.map(|best| best.node.0), fits, "{cpu}");
        }
    }
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let gpu = prop_oneof![
        Just(GpuNeed::None),
        (1u16..=3).prop_map(|part| GpuNeed::Share(part * 250)),
        (1u8..=3).prop_map(GpuNeed::Whole),
    ];
    let models = prop_oneof![Just(Models::ANY), Just(Models::only(Model::new(1)))];
    (gpu, 0u64..4, 0u64..4, models).prop_map(|(gpu, cpu, memory_mib, models)| Shape {
        cpu,
        memory_mib,
        gpu,
        models,
    })
}

fn any_room() -> impl Strategy<Value = Room> {
    let gpus = prop::collection::vec((0u16..=4).prop_map(|part| part * 250), 0..4);
    (0u64..9, 0u64..9, gpus, 0usize..3).prop_map(|(cpu, memory_mib, free, model)| Room {
        cpu,
        memory_mib,
        gpus: Gpus::new(&free).expect("a node's GPUs"),
        model: Model::new(model),
    })
}

/// The definition, word for word: fragments to one task, times how many there are of it.
fn fragments_by_definition(counts: &[(Shape, u64)], room: &Room) -> i64 {
    let lost = |shape: &Shape| -> u64 {
        let (count, each) = shape.gpu.parts();
        let usable = room.fits(shape) && count > 0;
        let lost = |free: &&u16| !usable || **free < each;
        room.gpus.free().iter().filter(lost).map(|free| u64::from(*free)).sum()
    };
    counts.iter().map(|(shape, count)| lost(shape) * count).sum::<u64>() as i64
}

proptest! {
    #[test]
    fn fragments_are_what_the_definition_says(
        counts in prop::collection::vec((any_shape(), 1u64..9), 0..9),
        room in any_room(),
    ) {
        prop_assert_eq!(Mix::of(counts.clone()).fragments(&room), fragments_by_definition(&counts, &room));
    }

    /// Tasks come and go; each comes to the place that a look at every node finds.
    #[test]
    fn the_index_finds_what_a_look_at_every_node_finds(
        counts in prop::collection::vec((any_shape(), 1u64..9), 1..6),
        nodes in prop::collection::vec(any_room(), 1..12),
        tasks in prop::collection::vec((0usize..6, 0usize..40, 0u64..12), 1..60),
    ) {
        let rule = FragmentationAware::new(Mix::of(counts.clone()));
        let mut rooms = Rooms::new(rule.clone());
        for (n, room) in nodes.iter().enumerate() {
            rooms.put(NodeId(n as u64), *room);
        }
        let mut placed: Vec<(Choice, Shape)> = Vec::new();
        for (task, ends, silent) in tasks {
            if ends < placed.len() {
                let (choice, shape) = placed.swap_remove(ends);
                prop_assert!(rooms.give_back(choice.node, &shape, choice.devices).is_some());
            }
            let shape = counts[task % counts.len()].0;
            let without = BTreeSet::from([NodeId(silent)]);
            let every = rooms.iter().filter(|(node, _)| !without.contains(node));
            let rated = every.filter_map(|(node, room)| Some((rule.rate(room, &shape)?, node)));
            let best = rated.max_by_key(|(rated, node)| (rated.rating, std::cmp::Reverse(*node)));
            let expected = best.map(|(rated, node)| Choice { node, devices: rated.devices, rating: rated.rating });
            let found = rooms.best(&shape, &without);
            prop_assert_eq!(found, expected);
            if let Some(choice) = found {
                prop_assert!(rooms.take(choice.node, &shape, choice.devices).is_some());
                placed.push((choice, shape));
            }
        }
        for (choice, shape) in placed {
            prop_assert!(rooms.give_back(choice.node, &shape, choice.devices).is_some());
        }
        prop_assert_eq!(rooms.iter().map(|(_, room)| *room).collect::<Vec<_>>(), nodes);
    }
}
