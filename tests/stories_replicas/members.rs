//! Controllers come and go while clients submit.

use anyhow::Result;

use crate::{cluster, demand_all};

#[test]
fn a_controller_is_added_and_the_leader_removed_under_load() -> Result<()> {
    let (mut replicas, model) = cluster(3)?;
    model.submit_during(2, || {
        model.wait_for_more(20)?;
        let fourth = replicas.add(1, None)?;
        assert_eq!(replicas.id(fourth), 4);
        model.wait_for_more(5)?;
        replicas.start(fourth)?;
        replicas.wait_until_ready(fourth)?;
        replicas.wait_for_voters(&[0, 1, 2, 3])?;
        model.wait_for_more(20)?;

        let leader = replicas.leader()?;
        replicas.remove(fourth, leader.at)?;
        let status = replicas.wait_for_end(leader.at)?;
        assert!(status.success(), "{status}: {}", replicas.log(leader.at));
        assert!(replicas.log(leader.at).contains("was removed from cluster"));
        let rest: Vec<usize> = (0..4).filter(|at| *at != leader.at).collect();
        replicas.wait_for_voters(&rest)?;
        let next = replicas.wait_for_all()?;
        assert!(rest.contains(&next.at));
        model.wait_for_more(20)?;

        // Started again on what it has, it is told so, and disturbs nobody.
        replicas.start(leader.at)?;
        let status = replicas.wait_for_end(leader.at)?;
        assert!(status.success(), "{status}: {}", replicas.log(leader.at));
        assert_eq!(replicas.log(leader.at).matches("was removed from cluster").count(), 2);
        assert_eq!(replicas.leader()?, next, "nothing came of it");

        // Two of three are enough again.
        replicas.kill(next.at)?;
        replicas.wait_for_lead_after(next.term)?;
        model.wait_for_more(20)?;
        replicas.start(next.at)?;
        replicas.wait_for_all().map(drop)
    })?;
    demand_all(&replicas, &model)?;
    replicas.finish()
}

#[test]
fn leadership_is_given_where_it_is_wanted() -> Result<()> {
    let (mut replicas, model) = cluster(3)?;
    model.submit_during(2, || {
        let before = replicas.wait_for_all()?;
        for round in 1..=4 {
            let to = (before.at + round) % 3;
            replicas.tidegate(0, &["controller", "lead", &replicas.id(to).to_string()])?.succeeded()?;
            assert_eq!(replicas.leader()?.at, to);
            model.wait_for_more(5)?;
        }
        let listed = replicas.tidegate(0, &["controller", "list"])?.succeeded()?.stdout;
        assert_eq!(listed.matches("follows").count(), 2, "{listed}");
        Ok(())
    })?;
    demand_all(&replicas, &model)?;
    replicas.finish()
}
