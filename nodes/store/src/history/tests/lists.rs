//! Lists of runs: filters and cursors.

use tidegate_scheduler::event::Ending;

use super::*;
use crate::history::{Cursor, RunFilter};

fn names(world: &World, filter: &RunFilter) -> Vec<String> {
    let page = world.history().runs(filter, None, 100).unwrap();
    page.items.into_iter().map(|row| row.submit.name).collect()
}

fn world_with_runs() -> World {
    let mut world = World::new();
    for (name, experiment, tags) in [
        ("alpha", "one", r#"{"team": "red", "kind": "blue"}"#),
        ("beta", "one", r#"{"team": "blue"}"#),
        ("gamma", "two", r#"{"team": "blue", "kind": null}"#),
        ("Delta", "two", "{}"),
    ] {
        let body = format!(r#"{{"display_name": "The {name} Run", "tags": {tags}}}"#);
        world.submit(Submit { experiment: experiment.into(), ..submission(name, 1, &body) });
    }
    let run = world.state.find_run("default", "beta").unwrap().0;
    let fence = world.start(run, 0);
    world.end(fence, End::Succeeded);
    world.cancel("alpha", None);
    world
}

#[test]
fn filters_narrow_and_combine() {
    let world = world_with_runs();
    let all = RunFilter::default();
    let tag = |key: &str, value: Option<&str>| Some((key.to_owned(), value.map(str::to_owned)));
    let submitted = |name| world.history().find_run("default", name).unwrap().unwrap().submitted;
    for (filter, expected) in [
        (all.clone(), vec!["Delta", "gamma", "beta", "alpha"]),
        (RunFilter { experiment: Some("one".into()), ..all.clone() }, vec!["beta", "alpha"]),
        (RunFilter { workspace: Some("other".into()), ..all.clone() }, vec![]),
        (
            RunFilter { pool: Some("cpu".into()), text: Some("A R".into()), ..all.clone() },
            vec!["Delta", "gamma", "beta", "alpha"],
        ),
        (RunFilter { text: Some("delta".into()), ..all.clone() }, vec!["Delta"]),
        (RunFilter { text: Some("%".into()), ..all.clone() }, vec![]),
        (RunFilter { ending: Some(None), ..all.clone() }, vec!["Delta", "gamma"]),
        (RunFilter { ending: Some(Some(Ending::Completed)), ..all.clone() }, vec!["beta"]),
        (RunFilter { ending: Some(Some(Ending::Canceled)), ..all.clone() }, vec!["alpha"]),
        (RunFilter { tag: tag("team", Some("blue")), ..all.clone() }, vec!["gamma", "beta"]),
        (RunFilter { tag: tag("kind", None), ..all.clone() }, vec!["gamma", "alpha"]),
        (
            RunFilter { tag: tag("team", Some("blue")), experiment: Some("two".into()), ..all.clone() },
            vec!["gamma"],
        ),
        (RunFilter { submitted_from: Some(submitted("gamma")), ..all.clone() }, vec!["Delta", "gamma"]),
        (RunFilter { submitted_before: Some(submitted("beta")), ..all.clone() }, vec!["alpha"]),
    ] {
        assert_eq!(names(&world, &filter), expected, "{filter:?}");
    }
}

#[test]
fn a_cursor_stays_right_while_runs_come_and_go() {
    let mut world = World::new();
    for i in 0..10 {
        world.submit(submission(&format!("run{i}"), 1, "{}"));
    }
    let filter = RunFilter::default();
    let first = world.history().runs(&filter, None, 4).unwrap();
    world.submit(submission("later", 1, "{}"));
    let cursor: Cursor = first.next.unwrap().to_string().parse().unwrap();
    let second = world.history().runs(&filter, Some(cursor), 4).unwrap();
    let third = world.history().runs(&filter, second.next, 4).unwrap();
    assert_eq!(third.next, None);
    let told: Vec<_> =
        first.items.iter().chain(&second.items).chain(&third.items).map(|row| row.run.0).collect();
    assert_eq!(told, (1..=10).rev().collect::<Vec<_>>());
    // Exactly full, and no page after it.
    assert_eq!(world.history().runs(&filter, None, 11).unwrap().next, None);
}

#[test]
fn other_text_is_no_cursor() {
    for text in ["", ".", "1", "1.", "x.1", "1.1.1", "-1.0", "ffffffffffffffff.0", "1.' OR 1"] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
}

#[test]
fn what_is_not_there_is_nothing() {
    let world = World::new();
    let history = world.history();
    assert_eq!(history.run(RunId(7)).unwrap(), None);
    assert_eq!(history.find_run("default", "x").unwrap(), None);
    assert_eq!(history.body(RunId(7)).unwrap(), None);
    assert_eq!(history.attempt(Fence(7)).unwrap(), None);
    assert_eq!(history.element(Slot { run: RunId(7), element: 0 }).unwrap(), None);
    assert!(history.elements(RunId(7), None, None, 5).unwrap().items.is_empty());
}
