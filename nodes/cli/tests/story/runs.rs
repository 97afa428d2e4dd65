//! Submitting, looking, waiting, fetching.

use crate::harness::Home;
use std::fs;

#[test]
fn a_run_prints_leaves_outputs_and_tells_how_it_ended() {
    let home = Home::new();
    let _up = home.up("");
    home.write("src/train.py", "import sys\nprint('rate', sys.argv[1])\nprint('careful', file=sys.stderr)\n");
    home.write("data/in.txt", "input\n");
    let more = "code: ./src\ninputs:\n  data: {type: uri_folder, path: ./data}\n  file: {type: uri_file, path: data/in.txt}\n  \
                rate: 0.5\noutputs:\n  model: {type: uri_folder}\ntags: {team: vision}";
    let command = ">-\n  python3 train.py ${{inputs.rate}} && cat ${{inputs.data}}/in.txt ${{inputs.file}}\n  \
                   && cp ${{inputs.file}} ${{outputs.model}}/m && echo kept > outputs/kept";
    home.job("job.yml", command, more);
    let done = home.run("submit job.yml --name one --stream --set inputs.rate=0.25");
    assert_eq!((done.code, done.out.as_str()), (0, "rate 0.25\ninput\ninput\n"), "{done:?}");
    assert!(done.err.contains("careful") && done.err.contains("run one Completed (exit code 0)"), "{done:?}");

    let run = home.run("run show one -o json").json();
    assert_eq!((run["exit_code"].as_i64(), run["tags"]["team"].as_str()), (Some(0), Some("vision")));
    assert!(run["notes"][0].as_str().unwrap().contains("not mapped"), "{run}");
    assert!(home.run("run show one").ok().contains("host's own programs"));
    assert_eq!(home.run("run logs one --only stdout").out, done.out);

    home.run("run download one --all --path got").ok();
    assert_eq!(fs::read_to_string(home.path().join("got/outputs/kept")).unwrap(), "kept\n");
    assert_eq!(fs::read_to_string(home.path().join("got/named/model/m")).unwrap(), "input\n");
    let again = home.run("run download one --path got");
    assert!(again.code == 2 && again.err.contains("exists already"), "{again:?}");
    let other = home.run("run download one --output-name nothing");
    assert!(other.code == 2 && other.err.contains("default, model"), "{other:?}");

    assert!(home.run("run list").ok().contains("one"));
    assert!(home.run("run list --tag team=other -o json").json()["items"].as_array().unwrap().is_empty());
    let same = home.run("submit job.yml --name one --set inputs.rate=0.25");
    assert!(same.code == 0 && same.err.contains("accepted before"), "{same:?}");
    let conflict = home.run("submit job.yml --name one");
    assert!(conflict.code == 3 && conflict.err.contains("another specification"), "{conflict:?}");
}

#[test]
fn exit_codes_tell_how_a_run_ended() {
    let home = Home::new();
    let _up = home.up("");
    home.job("fail.yml", "echo before; exit 7", "");
    let failed = home.run("submit fail.yml --name f --wait");
    assert_eq!((failed.code, failed.out.as_str()), (1, "f\n"), "{failed:?}");
    assert!(failed.err.contains("exit code 7"), "{failed:?}");
    assert_eq!(home.run("run show f -o json").json()["exit_code"], 7);
    assert_eq!(home.run("run wait f").code, 1);
    assert_eq!(home.run("run retry f").code, 0);
    assert_eq!(home.run("run wait f").code, 1);
    assert_eq!(home.run("run show f -o json").json()["attempts"].as_array().unwrap().len(), 2);

    home.job("long.yml", "sleep 600", "tidegate: {grace_period: 1}");
    home.run("submit long.yml --name l").ok();
    home.until("run show l -o json", |run| run["state"] == "Running");
    home.run("run cancel l").ok();
    assert_eq!(home.run("run wait l").code, 5);
    let over = home.run("run cancel l");
    assert!(over.code == 3 && over.err.contains("ended already"), "{over:?}");
    assert_eq!(home.run("run show nothing").code, 3);
}

#[test]
fn arrays_share_a_node_and_know_their_elements() {
    let home = Home::new();
    let _up = home.up("");
    home.job("e.yml", "echo element $TIDEGATE_ARRAY_INDEX of $TIDEGATE_ARRAY_COUNT", "resources: {cpus: 1}");
    let done = home.run("submit e.yml --count 4 --name a --wait");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("4 completed of 4 elements"), "{done:?}");
    let run = home.run("run show a -o json").json();
    assert_eq!((run["count"].as_u64(), run["elements"]["completed"].as_u64()), (Some(4), Some(4)));
    assert!(home.run("run list").ok().contains("4/4"));
    assert_eq!(home.run("run logs a --element 3").ok(), "element 3 of 4\n");
    assert_eq!(home.run("run logs a --element 4").code, 3);
}

#[test]
fn a_run_over_quota_explains_itself_and_starts_once_it_may() {
    let home = Home::new();
    let _up = home.up("");
    let pool = home.run("pool show default -o json").json();
    let family = pool["family"].as_str().unwrap();
    home.run(&format!("quota set {} 0", family.to_uppercase())).ok();
    home.job("j.yml", "echo done", "");
    home.run("submit j.yml --name q").ok();
    let explained = home.until("run explain q -o json", |told| {
        told["reasons"]
            .as_array()
            .is_some_and(|reasons| reasons.iter().any(|reason| reason["details"]["reason"] == "quota"))
    });
    let text = home.run("run explain q").ok();
    assert!(
        text.starts_with("q is queued:") && text.contains("raise it with `tidegate quota set"),
        "{explained}"
    );
    assert!(home.run("quota list").ok().contains(family));
    home.run(&format!("quota set {family} none")).ok();
    assert_eq!(home.run("run wait q").code, 0);
    assert!(home.run("run explain q").ok().contains("does not wait"));
    assert!(home.run("node list").ok().contains("n1"));
    assert_eq!(home.run("pool delete default").code, 0);
}
