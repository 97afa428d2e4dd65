//! What waits for what: runs after runs, arrays a few at a time, teams that share a quota, workspaces that are full.

use crate::harness::Home;
use serde_json::{Value, json};
use std::fs;

const PART: &str = "resources: {cpus: 1}";

fn has_reason(told: &Value, reason: &str) -> bool {
    told["reasons"].as_array().is_some_and(|all| all.iter().any(|one| one["details"]["reason"] == reason))
}

#[test]
fn a_run_after_one_that_fails_starts_or_goes_with_it() {
    let home = Home::new();
    let _up = home.up("");
    let gate = home.path().join("gate");
    let until = format!("until test -e {}; do sleep 0.05; done", gate.display());
    home.job("first.yml", &format!("{until}; exit 3"), PART);
    home.job("next.yml", "echo told", PART);
    let own = format!("{PART}\ntidegate:\n  team: nlp\n  after:\n    - {{run: first, on: ended}}");
    home.job("last.yml", "echo swept", &own);
    home.run("submit first.yml --name first").ok();
    home.run("submit next.yml --name alarm --after first:failed").ok();
    home.run("submit next.yml --name test --after first").ok();
    home.run("submit last.yml --name sweep --after alarm").ok();

    home.until("run show first -o json", |run| run["state"] == "Running");
    let explained = home.run("run explain alarm").ok();
    assert!(explained.contains("it starts once run first has failed or been canceled"), "{explained}");
    let explained = home.run("run explain sweep").ok();
    let awaited = "it starts once run alarm has completed, and run first has ended in any way";
    assert!(explained.contains(awaited), "{explained}");
    let shown = home.run("run show sweep").ok();
    assert!(
        shown.contains("first has ended: waits") && shown.contains("alarm has completed: waits"),
        "{shown}"
    );
    assert!(shown.contains("50 (band medium)") && shown.contains("nlp"), "{shown}");
    let unknown = home.run("submit next.yml --name nothing --after nobody");
    assert!(unknown.code == 3 && unknown.err.contains("nobody"), "{unknown:?}");

    fs::write(&gate, "").unwrap();
    assert_eq!(home.run("run wait first").code, 1);
    assert_eq!(home.run("run wait test").code, 5);
    let shown = home.run("run show test").ok();
    assert!(shown.contains("first has completed: it is Failed"), "{shown}");
    assert!(shown.contains("canceled, since run first, which it was to start after"), "{shown}");
    assert_eq!(home.run("run wait alarm").code, 0);
    assert_eq!(home.run("run wait sweep").code, 0);
    assert_eq!(home.run("run logs sweep").ok(), "swept\n");
    let late = home.run("submit next.yml --name late --after first");
    assert!(late.code == 3 && late.err.contains("retry that one first"), "{late:?}");
    home.run("submit next.yml --name late --after first:failed --wait").ok();
}

#[test]
fn an_array_runs_so_many_elements_at_once_and_no_more() {
    let home = Home::new();
    let _up = home.up("");
    let place = home.path().join("place");
    fs::create_dir(&place).unwrap();
    let place = place.display();
    let gate = home.path().join("gate");
    let command = format!(
        "mkdir {place}/at.$TIDEGATE_ARRAY_INDEX; ls -d {place}/at.* | wc -l >> {place}/seen; \
         until test -e {}; do sleep 0.05; done; rmdir {place}/at.$TIDEGATE_ARRAY_INDEX",
        gate.display()
    );
    home.job("part.yml", &command, "resources: {memory: 64Mi}");
    home.run("submit part.yml --name a --count 6 --max-concurrent 2").ok();
    home.until("run show a -o json", |run| run["elements"]["running"] == 2 && run["state"] == "Running");
    home.until("run explain a -o json", |told| has_reason(told, "concurrency"));
    let explained = home.run("run explain a").ok();
    assert!(explained.contains("2 of its elements run, and no more than 2 may at once"), "{explained}");
    assert!(home.run("run show a").ok().contains("no more than 2 elements"));
    fs::write(&gate, "").unwrap();
    assert_eq!(home.run("run wait a").code, 0);
    let seen = fs::read_to_string(home.path().join("place/seen")).unwrap();
    let seen: Vec<u32> = seen.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!((seen.len(), seen.iter().max()), (6, Some(&2)), "{seen:?}");
}

#[test]
fn two_teams_share_the_quota_of_a_family() {
    let home = Home::new();
    let _up = home.up("");
    for team in ["nlp", "vision"] {
        let pool = format!(
            "type: amlcompute\nname: {team}\nsize: Standard_F2s_v2\nmax_instances: 4\ntidegate: {{team: {team}, order: fair}}\n"
        );
        home.write("pool.yml", &pool);
        let shown = home.run("pool apply pool.yml").ok();
        assert!(
            shown.contains(&format!("team        {team}")) && shown.contains("order       fair"),
            "{shown}"
        );
    }
    let family = "standardFSv2Family";
    home.run(&format!("quota set {family} 0")).ok();
    let gate = home.path().join("gate");
    let until = format!("until test -e {}; do sleep 0.05; done", gate.display());
    for team in ["nlp", "vision"] {
        home.job("j.yml", &until, &format!("compute: {team}"));
        home.run(&format!("submit j.yml --name {team} --count 4 --team {team}")).ok();
        home.until(&format!("run explain {team} -o json"), |told| has_reason(told, "quota"));
    }
    // Eight vCPU are four nodes: whoever asked first gets no more of them than the other.
    home.run(&format!("quota set {family} 8")).ok();
    for team in ["nlp", "vision"] {
        home.until(&format!("pool show {team} -o json"), |pool| pool["nodes"]["running"] == 2);
    }
    let told = home.run("run explain vision").ok();
    assert!(told.contains("8 of 8 are used"), "{told}");
    let quotas = home.run("quota list -o json").json();
    let of = |quota: &&Value| quota["family"] == family && quota.get("workspace").is_none();
    let line = quotas["items"].as_array().unwrap().iter().find(of).unwrap();
    assert_eq!((&line["used"], &line["limit"]), (&json!(8), &json!(8)), "{quotas}");

    // What is kept for a team is its own.
    let kept = format!("quota set {family} --for-workspace default --for-team nlp --nominal 4 --weight 3");
    let kept = home.run(&kept).ok();
    assert!(kept.contains("nlp"), "{kept}");
    fs::write(&gate, "").unwrap();
    for team in ["nlp", "vision"] {
        assert_eq!(home.run(&format!("run wait {team}")).code, 0);
    }
}

#[test]
fn limits_are_taken_from_what_a_clouds_tool_lists() {
    let home = Home::new();
    let _up = home.up("");
    let usage = json!([
        {"currentValue": 4, "limit": 100, "name": {"localizedValue": "Total Regional vCPUs", "value": "cores"}},
        {"currentValue": "0", "limit": "24", "name": {"value": "standardDSv2Family"}},
        {"currentValue": 0, "limit": 30, "name": {"value": "lowPriorityCores"}},
        {"currentValue": 0, "limit": 2500, "name": {"value": "availabilitySets"}},
    ]);
    home.write("usage.json", &usage.to_string());
    let dry = home.run("quota import usage.json --region eastus --dry-run");
    assert!(dry.code == 0 && dry.err.contains("nothing was set"), "{dry:?}");
    assert_eq!(home.run("quota list -o json").json()["items"], json!([]));
    let set = home.run("quota import usage.json --region eastus");
    assert!(
        set.code == 0 && set.err.contains("left out 1 of 4") && set.err.contains("availabilitySets"),
        "{set:?}"
    );
    let quotas = home.run("quota list -o json").json();
    let limit = |family: Option<&str>, tier: &str| {
        let of = |quota: &&Value| quota["family"].as_str() == family && quota["tier"] == tier;
        let found = quotas["items"].as_array().unwrap().iter().find(of);
        found.map(|quota| (quota["region"].clone(), quota["limit"].clone()))
    };
    let wanted = |limit: u64| Some((json!("eastus"), json!(limit)));
    assert_eq!(limit(Some("standardDSv2Family"), "dedicated"), wanted(24), "{quotas}");
    assert_eq!(limit(None, "dedicated"), wanted(100), "{quotas}");
    assert_eq!(limit(None, "low_priority"), wanted(30), "{quotas}");
    home.write("bad.json", "{\"value\": 1}");
    let bad = home.run("quota import bad.json --region eastus");
    assert!(bad.code == 2 && bad.err.contains("az vm list-usage"), "{bad:?}");
}

#[test]
fn a_workspace_that_is_full_says_so() {
    let home = Home::new();
    let _up = home.up("");
    let set = home.run("workspace set default --max-running 1 --max-open 2").ok();
    assert!(set.contains("MAX RUNNING"), "{set}");
    let gate = home.path().join("gate");
    home.job("j.yml", &format!("until test -e {}; do sleep 0.05; done", gate.display()), PART);
    home.run("submit j.yml --name one").ok();
    home.until("run show one -o json", |run| run["state"] == "Running");
    home.run("submit j.yml --name two").ok();
    home.until("run explain two -o json", |told| has_reason(told, "workspace_limit"));
    let told = home.run("run explain two").ok();
    assert!(told.contains("raise it with `tidegate workspace set default --max-running 2`"), "{told}");
    let refused = home.run("submit j.yml --name three");
    assert!(
        refused.code == 3 && refused.err.contains("workspace default has 2 runs that have not ended, of 2"),
        "{refused:?}"
    );
    let workspaces = home.run("workspace list -o json").json();
    assert_eq!(
        workspaces["items"],
        json!([{"name": "default", "running": 1, "open": 2, "max_running": 1, "max_open": 2}])
    );
    // What is left out stays.
    home.run("workspace set default --max-running none").ok();
    let kept = &home.run("workspace list -o json").json()["items"][0];
    assert_eq!((kept.get("max_running"), &kept["max_open"]), (None, &json!(2)));
    home.until("run show two -o json", |run| run["state"] == "Running");
    fs::write(&gate, "").unwrap();
    assert_eq!(home.run("run wait two").code, 0);
    assert_eq!(home.run("run wait one").code, 0);
    home.run("submit j.yml --name three --wait").ok();
}
