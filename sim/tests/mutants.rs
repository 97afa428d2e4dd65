//! Known bugs are found, and a play that finds one is made smaller. The whole table: the example `mutants`.

#![cfg(feature = "mutants")]

use tidegate_scheduler::mutants::Mutant;
use tidegate_sim::{Options, Verdict, play, shrink};

fn with(mutant: Mutant) -> Options {
    Options { mutant: Some(mutant), ..Options::default() }
}

#[test]
fn each_kind_of_verdict_comes_up() {
    let verdict = |mutant| play(1, &with(mutant)).verdict;
    let (wrong, crashed, stuck) =
        (verdict(Mutant::SkipRefund), verdict(Mutant::SnapshotOffByOne), verdict(Mutant::MuteFollower));
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
