use super::*;

const A: Place = Place::Controller(1);
const B: Place = Place::Controller(2);
const C: Place = Place::Machine(1);

fn quality() -> Quality {
    Quality {
        delay_min: Micros(100),
        delay_mean: Micros(900),
        loss: 0,
        duplicate: 0,
        reorder: 0,
        queue: None,
    }
}

fn network(quality: Quality) -> Network {
    Network::new(quality, Random::new(1))
}

fn side(places: &[Place]) -> Side {
    places.iter().copied().collect()
}

fn first(arrivals: Arrivals) -> Option<Micros> {
    arrivals[0]
}

#[test]
fn messages_take_their_time_and_keep_their_order() {
    let mut network = network(quality());
    let mut last = Micros(0);
    for sent in 0..1000 {
        let at = first(network.toss(Micros(sent), A, B)).expect("nothing is lost");
        assert!(at >= Micros(sent + 100) && at >= last);
        last = at;
    }
    assert_eq!(network.tally(), Tally::default());
}

#[test]
fn loss_duplicates_and_reordering_come_as_often_as_drawn() {
    let mut network = network(Quality { loss: 100_000, duplicate: 50_000, reorder: 500_000, ..quality() });
    for sent in 0..10_000 {
        network.toss(Micros(sent * 10), A, B);
    }
    let Tally { lost, doubled, overtaken, .. } = network.tally();
    assert!((900..1100).contains(&lost), "{lost}");
    assert!((380..520).contains(&doubled), "{doubled}");
    assert!(overtaken > 500, "{overtaken}");
    network.calm();
    assert!((0..1000).all(|_| first(network.toss(Micros(0), A, B)).is_some()));
}

#[test]
fn a_block_stops_one_direction_until_it_is_lifted() {
    let mut network = network(quality());
    network.block(7, Block { from: side(&[A]), to: side(&[B, C]) });
    assert_eq!(network.toss(Micros(0), A, B), [None, None]);
    assert!(!network.is_open(A, C) && network.is_open(C, A) && network.is_open(B, C));
    assert!(network.unblock(7) && !network.unblock(7));
    assert!(first(network.toss(Micros(0), A, B)).is_some());
}

#[test]
fn healing_some_leaves_the_others_cut_off() {
    let mut network = network(quality());
    network.block(1, Block { from: side(&[A, C]), to: side(&[B, C]) });
    network.slow(1, A, B, 50);
    network.heal(&side(&[A, B]));
    assert!(network.is_open(A, B) && !network.is_open(A, C) && !network.is_open(C, B));
}

#[test]
fn a_clog_holds_back_and_slowness_multiplies() {
    let mut network = network(Quality { delay_mean: Micros(0), ..quality() });
    network.clog(3, A, B, Micros(5000));
    assert_eq!(first(network.toss(Micros(0), A, B)), Some(Micros(5100)));
    assert_eq!(first(network.toss(Micros(0), B, A)), Some(Micros(100)));
    network.slow(2, B, A, 10);
    assert_eq!(first(network.toss(Micros(0), B, A)), Some(Micros(1000)));
    let mut last = Micros(0);
    assert_eq!(network.carry(Micros(0), A, B, &mut last), Micros(5100));
    assert_eq!(network.carry(Micros(9000), A, B, &mut last), Micros(9100));
}

#[test]
fn a_small_queue_loses_what_comes_beyond_and_fills_no_other() {
    let mut network = network(Quality { queue: Some(3), ..quality() });
    let arrived = (0..10).filter(|_| first(network.toss(Micros(0), A, B)).is_some()).count();
    assert_eq!((arrived, network.tally().overflowed), (3, 7));
    assert!(first(network.toss(Micros(0), B, A)).is_some(), "another path");
    assert!(first(network.toss(Micros::seconds(60), A, B)).is_some(), "all have arrived");
}

#[test]
fn what_is_felt_is_told_once() {
    let mut network = network(quality());
    network.block(7, Block { from: side(&[A]), to: side(&[B]) });
    network.slow(8, B, C, 3);
    network.clog(9, C, A, Micros(5000));
    network.clog(10, C, B, Micros(5000));
    for (from, to) in [(A, B), (B, C), (C, A), (A, C)] {
        network.toss(Micros(0), from, to);
    }
    assert_eq!(network.take_felt(), BTreeSet::from([7, 8, 9]));
    assert!(network.take_felt().is_empty());
}
