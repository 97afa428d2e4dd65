//! Clients come through where servers are hard to reach, and the verdict finds every bug that a cluster may have.

use std::time::Duration;

use anyhow::Result;
use tidegate_tests::{
    Home, Tally,
    faults::{ClientModel, Demand, Said, Verdict},
};

use crate::stand_in::{Bug, StandIn};

const LONG: Duration = Duration::from_secs(60);

/// What comes out when three clients submit so many runs to three such servers.
fn verdict(bug: Bug, runs: usize, demand: Demand) -> Result<(ClientModel, Verdict)> {
    let home = Home::new()?;
    let tally = Tally::new(&home.path().join("tally"))?;
    let servers = StandIn::start(3, bug, &tally)?;
    let give_up = if bug == Bug::NeverAccepts { Duration::from_millis(100) } else { LONG };
    let model = ClientModel::new(servers.callers(), tally, "it").give_up(give_up);
    model.submit(runs, 3)?;
    if !matches!(bug, Bug::Forgets | Bug::RefusesAgain) {
        model.wait_for_all(&servers.callers()[0], LONG)?;
    }
    let verdict = model.verdict(&servers.callers()[0], demand)?;
    Ok((model, verdict))
}

#[test]
fn a_right_cluster_that_is_hard_to_reach_passes() -> Result<()> {
    for (bug, demand) in [(Bug::None, Demand::Once), (Bug::HardToReach, Demand::Once)] {
        let (model, verdict) = verdict(bug, 60, demand)?;
        verdict.holds(LONG)?;
        assert_eq!((verdict.submitted, verdict.acknowledged, verdict.executions), (60, 60, 60));
        assert!(verdict.longest_wait >= verdict.longest_silence / 2, "{verdict:?}");
        let tries: Vec<Said> =
            model.submissions().iter().flat_map(|one| one.tries.clone()).map(|one| one.said).collect();
        let again = tries.iter().filter(|said| matches!(said, Said::Nothing(_))).count();
        let later = tries.iter().filter(|said| **said == Said::Later(503)).count();
        let known = tries.iter().filter(|said| **said == Said::Acknowledged { known: true }).count();
        assert_eq!(again > 0 && later > 0 && known > 0, bug == Bug::HardToReach, "{again} {later} {known}");
    }
    Ok(())
}

#[test]
fn every_bug_is_found() -> Result<()> {
    let bugs = [
        (Bug::Forgets, "it-5 was acknowledged, and is lost"),
        (Bug::RunsTwice, "it-5 element 0 executed attempt 1 more than once"),
        (Bug::TwoResults, "it-5 element 0 has 2 results"),
        (Bug::Fails, "it-5 was acknowledged, and is Failed"),
        (Bug::DoesNothing, "it-5 element 0 has the result of attempt 1, which did not come to its end once"),
        (Bug::RunsUnknown, "it-5 element 0 executed attempt 2, which nobody knows"),
        (Bug::MakesUp, "it-1000000 is there, and nobody has submitted it"),
        (Bug::Stale, "it-5 was acknowledged, and server 0 does not know it"),
        (Bug::RefusesAgain, "was refused: 409"),
        (Bug::NeverAccepts, "it-5 was never answered"),
    ];
    for (bug, words) in bugs {
        let (_, verdict) = verdict(bug, 12, Demand::OneResult)?;
        let error = verdict.holds(LONG).expect_err("it has a bug").to_string();
        assert!(error.contains(words), "{bug:?}: {error}");
    }
    Ok(())
}

#[test]
fn an_execution_too_many_is_found_where_one_is_demanded() -> Result<()> {
    let (_, found) = verdict(Bug::TwoResults, 12, Demand::Once)?;
    assert!(found.wrong.iter().any(|what| what.contains("was not executed once")), "{found:?}");
    Ok(())
}

#[test]
fn waiting_for_too_long_is_found() -> Result<()> {
    let (_, found) = verdict(Bug::HardToReach, 12, Demand::Once)?;
    let error = found.holds(Duration::ZERO).expect_err("nothing takes no time").to_string();
    assert!(error.contains("a submission waited"), "{error}");
    let home = Home::new()?;
    let model = ClientModel::new(Vec::new(), Tally::new(&home.path().join("tally"))?, "it");
    let none = model.submit(1, 1).expect_err("there are no servers");
    assert!(none.to_string().contains("no servers"), "{none}");
    Ok(())
}

#[test]
fn clients_submit_until_they_are_told_to_stop() -> Result<()> {
    let home = Home::new()?;
    let tally = Tally::new(&home.path().join("tally"))?;
    let servers = StandIn::start(2, Bug::None, &tally)?;
    let model = ClientModel::new(servers.callers(), tally, "it").pause(Duration::from_millis(1));
    model.submit_during(2, || model.wait_for_more(20))?;
    let verdict = model.verdict(&servers.callers()[1], Demand::Once)?;
    verdict.holds(LONG)?;
    assert!(verdict.submitted >= 20 && verdict.submitted == verdict.acknowledged, "{verdict:?}");
    Ok(())
}
