//! Known bugs are found, and a play that finds one is made smaller. The whole table: the example `mutants`.

#![cfg(feature = "mutants")]

use tidegate_scheduler::mutants::Mutant;
use tidegate_sim::{Options, Verdict, play, shrink};

fn with(mutant: Mutant) -> Options {
    Options { mutant: Some(mutant), ..Options::default() }
}

#[test]
fn each_kind_of_verdict_comes_up() {
    // What a seed draws changes with the simulator: the first one that ends in this way.
    let verdict = |mutant, code| {
        let mut verdicts = (1..20).map(|seed| play(seed, &with(mutant)).verdict);
        verdicts.find(|verdict| verdict.exit_code() == code).expect("a seed that ends so")
    };
    let wrong = verdict(Mutant::SkipRefund, 129);
    let crashed = verdict(Mutant::SnapshotOffByOne, 127);
    let stuck = verdict(Mutant::MuteFollower, 128);
    assert!(matches!(&wrong, Verdict::Wrong { broken } if broken[0].starts_with("S3 quota")), "{wrong}");
    assert!(matches!(&crashed, Verdict::Crashed { .. }), "{crashed}");
    assert!(matches!(&stuck, Verdict::Stuck { what } if what[0].starts_with("L1 leader")), "{stuck}");
    assert_eq!([wrong.exit_code(), crashed.exit_code(), stuck.exit_code()], [129, 127, 128]);
}

#[test]
fn a_failing_play_is_made_smaller_and_fails_in_the_same_way() {
    let options = with(Mutant::RetryForever);
    let whole = (1..20).map(|seed| play(seed, &options)).find(|played| !played.verdict.is_kept());
    let whole = whole.expect("a seed that finds it");
    let small = shrink(whole.seed, &options, 60, &mut |_| {}).expect("it fails");
    assert_eq!(small.verdict.signature(), whole.verdict.signature());
    assert!(small.faults.len() <= whole.faults.len() && small.planned.len() < whole.planned.len());
    assert!(!small.options.skip_requests.is_empty());
    let again = play(small.seed, &small.options);
    assert_eq!((again.trace_hash, again.verdict), (small.trace_hash, small.verdict.clone()));
    assert!(small.to_string().contains("tidegate sim replay --seed"), "{small}");
}
