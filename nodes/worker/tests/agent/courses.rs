//! What runs find, and what they leave.

use std::{fs, os::unix::fs::PermissionsExt, sync::atomic::Ordering};

use tidegate_scheduler::{
    ids::RunId,
    message::{End, Phase},
};
use tidegate_worker::Environment;

use crate::node::{Node, assignment, job, until};

#[actix_rt::test]
async fn a_command_runs_and_what_it_prints_is_kept() {
    let mut node = Node::new().await;
    node.run(1, "echo hello; echo oops >&2; pwd; ls").await;
    let ended = node.controller.ended(1).await;
    assert_eq!(*ended.end(), End::Succeeded);
    let work = node.attempt(1).join("wd");
    assert_eq!(node.controller.stdout(&ended), format!("hello\n{}\nlogs\noutputs\n", work.display()));
    assert_eq!(node.controller.stderr(&ended), "oops\n");
    assert!(ended.artifacts.default.is_none() && ended.artifacts.named.is_empty());
    assert!(ended.notes().contains("azureml:any:1 is not mapped"), "{}", ended.notes());
    assert_eq!(ended.artifacts.environment, "the host's own programs");
    assert!(ended.artifacts.confinement.contains("enforced"), "{}", ended.artifacts.confinement);
    let report = &ended.report;
    assert!(
        report.started.0 > 0
            && report.started <= report.ended
            && report.cpu_micros > 0
            && report.max_rss_kib > 0
    );
    assert!(node.attempt(1).exists());
    node.controller.acknowledge(1).await;
    until("its folder is gone", || !node.attempt(1).exists()).await;
}

#[actix_rt::test]
async fn phases_are_told_as_they_come() {
    let mut node = Node::new().await;
    node.run(1, "while [ ! -e go ]; do sleep 0.01; done").await;
    node.controller.phase(1, Phase::Running).await;
    fs::write(node.attempt(1).join("wd/go"), "").unwrap();
    assert_eq!(*node.controller.ended(1).await.end(), End::Succeeded);
    node.controller.heartbeats(2).await;
}

#[actix_rt::test]
async fn code_and_inputs_are_there_and_outputs_are_kept() {
    let mut node = Node::new().await;
    let source = node.path("source");
    fs::create_dir_all(source.join("lib")).unwrap();
    fs::write(source.join("run.sh"), "#!/bin/sh\n. ./lib/part\n").unwrap();
    fs::set_permissions(source.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let part = "cat \"$2\"/a \"$3\"; cat $AZURE_ML_INPUT_file; echo $1 > $4/m; echo one > $5; echo $AZURE_ML_OUTPUT_one
        mkdir -p outputs/deep; echo w > outputs/deep/model; echo l > logs/l; touch changed; ls -l $2/a | cut -c1-10";
    fs::write(source.join("lib/part"), part).unwrap();
    let data = node.path("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a"), "a\n").unwrap();
    fs::write(data.join("large"), vec![7; 3 << 20]).unwrap();
    let one = node.path("one");
    fs::create_dir(&one).unwrap();
    fs::write(one.join("iris.csv"), "csv\n").unwrap();
    let (code, data) = (node.controller.store_folder(&source), node.controller.store_folder(&data));
    let file = node.controller.store_folder(&one);
    let more = format!(
        r#""code":"{code}","inputs":{{"rate":0.1,"data":{{"type":"uri_folder","path":"{data}"}},
        "file":{{"type":"uri_file","path":"{file}"}},"blob":{{"type":"uri_file","path":"blob:{}"}}}},
        "outputs":{{"model":{{"type":"uri_folder"}},"one":{{"type":"uri_file"}},"none":null}}"#,
        node.controller.blobs.put("blob\n").unwrap()
    );
    let command =
        "./run.sh ${{inputs.rate}} ${{inputs.data}} ${{inputs.blob}} ${{outputs.model}} ${{outputs.one}}";
    for fence in [1, 2] {
        node.run_job(fence, &job(command, &more)).await;
        let ended = node.controller.ended(fence).await;
        assert_eq!(
            *ended.end(),
            End::Succeeded,
            "{:?}",
            ended.artifacts.stderr.is_some().then(|| node.controller.stderr(&ended))
        );
        let folder = node.attempt(fence);
        let text = node.controller.stdout(&ended);
        let expected = format!("a\nblob\ncsv\n{}/named/one/one\n", folder.display());
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(text.lines().last(), Some("-r--r--r--"), "inputs are read-only");
        let default = node.controller.files(&ended.artifacts.default.unwrap());
        assert_eq!(default, [("logs/l".into(), "l\n".into()), ("outputs/deep/model".into(), "w\n".into())]);
        let named = |name: &str| &ended.artifacts.named.iter().find(|(output, _)| output == name).unwrap().1;
        assert_eq!(node.controller.files(named("model")), [("m".into(), "0.1\n".into())]);
        assert_eq!(node.controller.files(named("one")), [("one".into(), "one\n".into())]);
        assert_eq!(node.controller.files(named("none")), []);
        node.controller.acknowledge(fence).await;
    }
}

#[actix_rt::test]
async fn large_outputs_are_sent_before_the_end_and_not_twice() {
    let mut node = Node::new().await;
    let command = "head -c 5000000 /dev/zero | tr '\\0' x > outputs/large; seq 100000; for i in 1 2 3 4 5 6 7 8 9; do echo $i > outputs/$i; done";
    node.run(1, command).await;
    let ended = node.controller.ended(1).await;
    assert_eq!(*ended.end(), End::Succeeded);
    let files = node.controller.files(&ended.artifacts.default.unwrap());
    let (name, large) = files.last().unwrap();
    assert_eq!((files.len(), name.as_str(), large.len()), (10, "outputs/large", 5_000_000));
    assert_eq!(node.controller.stdout(&ended).lines().count(), 100_000);
    let sent = node.controller.bulk.puts.load(Ordering::Relaxed);
    assert_eq!(sent, 12, "the large file, nine small ones, the log and the tree");
    node.run(2, command).await;
    let again = node.controller.ended(2).await;
    assert_eq!(again.artifacts.stdout, ended.artifacts.stdout);
    assert_eq!(node.controller.bulk.puts.load(Ordering::Relaxed), sent);
}

#[actix_rt::test]
async fn a_body_that_was_not_sent_is_fetched() {
    let mut node = Node::new().await;
    let body = job(
        "echo ${{name}} $TIDEGATE_RUN $TIDEGATE_RUN_ID $TIDEGATE_ARRAY_INDEX/$TIDEGATE_ARRAY_COUNT $TIDEGATE_NODE",
        "",
    );
    node.controller.blobs.put(body.clone()).unwrap();
    let mut element = assignment(5, &body);
    element.count = 3;
    element.slot.element = 2;
    element.slot.run = RunId(9);
    node.run_assignment(element, None).await;
    let ended = node.controller.ended(5).await;
    assert_eq!(node.controller.stdout(&ended), "run-5 run-5 9 2/3 7\n");
}

#[actix_rt::test]
async fn a_command_sees_what_it_was_given_and_nothing_of_the_agents_secrets() {
    let mut node = Node::new().await;
    node.run_job(
        1,
        &job(
            "env; [ -d $TMPDIR ] && [ -w $TMPDIR ] && echo fine",
            r#""environment_variables":{"A":"1 2","N":3}"#,
        ),
    )
    .await;
    let ended = node.controller.ended(1).await;
    let text = node.controller.stdout(&ended);
    for line in
        ["A=1 2", "N=3", "AZUREML_RUN_ID=run-1", "TIDEGATE_WORKSPACE=main", "TIDEGATE_FENCE=1", "fine"]
    {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
    assert!(!text.contains("secret") && !text.contains("RUST_LOG"), "{text}");
}

#[actix_rt::test]
async fn a_mapped_environment_is_on_the_path() {
    let venv = tempfile::tempdir().unwrap();
    let bin = venv.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("greet"), "#!/bin/sh\necho from $VIRTUAL_ENV\n").unwrap();
    fs::set_permissions(bin.join("greet"), fs::Permissions::from_mode(0o755)).unwrap();
    let place = venv.path().to_owned();
    let mut node = Node::with(|config| {
        config.environments.insert("any".into(), Environment::Existing { venv: place.clone() });
        config.environments.insert("gone".into(), Environment::Existing { venv: "/nowhere".into() });
    })
    .await;
    node.run(1, "greet").await;
    let ended = node.controller.ended(1).await;
    assert_eq!(node.controller.stdout(&ended), format!("from {}\n", place.display()));
    assert_eq!(
        (ended.notes().as_str(), ended.artifacts.environment),
        ("", format!("any: {}", place.display()))
    );
    node.run_job(2, &job("greet", "").replace("azureml:any:1", "azureml:gone")).await;
    let End::CannotStart { reason } = node.controller.ended(2).await.report.end else { panic!() };
    assert!(reason.contains("/nowhere"), "{reason}");
}

#[actix_rt::test]
async fn many_at_once_all_end() {
    let mut node = Node::new().await;
    let body = job("/bin/true", "");
    for fence in 1..=300 {
        node.run_job(fence, &body).await;
    }
    for fence in 1..=300 {
        assert_eq!(*node.controller.ended(fence).await.end(), End::Succeeded);
        node.controller.acknowledge(fence).await;
    }
    until("all folders are gone", || fs::read_dir(node.config.folder.join("runs")).unwrap().count() == 0)
        .await;
    assert!(!node.config.folder.join("cache").exists(), "nothing was fetched");
}
