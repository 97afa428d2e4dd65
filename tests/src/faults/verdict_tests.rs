use serde_json::json;

use super::*;
use crate::faults::{Said, Try};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A submission that was asked for from `from` until `until`.
fn asked(from: u64, until: u64, acknowledged: bool) -> Submission {
    let nothing = Try { server: 0, at: at(from), until: at(from), said: Said::Nothing("cut".to_owned()) };
    let said = match acknowledged {
        true => Said::Acknowledged { known: false },
        false => Said::Later(503),
    };
    let last = Try { server: 1, at: at(until), until: at(until), said };
    Submission { name: "it-0".to_owned(), elements: 1, tries: vec![nothing, last] }
}

#[test]
fn a_silence_is_time_in_which_somebody_asks() {
    assert_eq!(longest_silence(&[]), at(0));
    // Nobody asks from 2 to 10.
    assert_eq!(longest_silence(&[asked(0, 2, true), asked(10, 11, true)]), at(2));
    // The second asks since 1, the first was answered at 2.
    assert_eq!(longest_silence(&[asked(0, 2, true), asked(1, 7, true)]), at(5));
    // One that is given up ends no silence.
    assert_eq!(longest_silence(&[asked(0, 9, false), asked(8, 12, true)]), at(12));
    // Nor does who asks later shorten it.
    assert_eq!(longest_silence(&[asked(0, 9, true), asked(8, 10, true)]), at(9));
}

#[test]
fn waiting_ends_with_the_acknowledgement() {
    assert_eq!(asked(3, 8, true).waited(), at(5));
    assert_eq!(asked(3, 8, true).acknowledged(), Some(at(8)));
    assert_eq!(asked(3, 9, false).waited(), at(6));
    assert_eq!(asked(3, 9, false).acknowledged(), None);
}

#[test]
fn what_was_promised_is_there_and_complete() {
    let (promised, unknown) = (asked(0, 1, true), asked(0, 1, false));
    assert_eq!(wrong_state(&promised, Some("Completed")), None);
    for state in [None, Some("Failed"), Some("Running")] {
        assert!(wrong_state(&promised, state).is_some(), "{state:?}");
    }
    assert_eq!(wrong_state(&unknown, None), None);
    assert_eq!(wrong_state(&unknown, Some("Queued")), None);
    assert!(wrong_state(&unknown, Some("Failed")).is_some());
}

#[test]
fn executions_are_told_apart() {
    let attempt = |number: u64, state: &str| json!({"attempt": number, "state": state});
    let executed =
        |started: &[u32], ended: &[u32]| Executions { started: started.into(), ended: ended.into() };
    let judge = |executed: &Executions, recorded: &[Value], demand| {
        wrong_element(executed, recorded, Some("Completed"), demand).len()
    };
    let one = [attempt(1, "Completed")];
    let two = [attempt(1, "Failed"), attempt(2, "Completed")];
    let both = [attempt(1, "Completed"), attempt(2, "Completed")];
    assert_eq!(judge(&executed(&[1], &[1]), &one, Demand::Once), 0);
    assert_eq!(judge(&executed(&[1, 2], &[2]), &two, Demand::OneResult), 0);
    assert_eq!(
        judge(&executed(&[1, 2], &[2, 1]), &two, Demand::OneResult),
        0,
        "the first came to its end unseen"
    );
    assert_eq!(judge(&executed(&[1, 2], &[2]), &two, Demand::Once), 1);
    assert_eq!(judge(&executed(&[1, 1], &[1]), &one, Demand::OneResult), 1, "an attempt ran twice");
    assert_eq!(judge(&executed(&[1, 2], &[1]), &one, Demand::OneResult), 1, "an attempt is unknown");
    assert_eq!(judge(&executed(&[1], &[]), &one, Demand::OneResult), 1, "a result without an end");
    assert_eq!(judge(&executed(&[1, 2], &[1, 2]), &both, Demand::OneResult), 1, "two results");
    assert_eq!(judge(&executed(&[], &[]), &[], Demand::OneResult), 1, "no result");
}
