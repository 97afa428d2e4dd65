use super::*;
use tidegate_scheduler::resources::Resources;

fn environments(folder: &Path, table: &[(&str, Environment)]) -> Environments {
    let capacity = Resources::default();
    let mut config = WorkerConfig::new(1, "c", folder, &capacity);
    config.environments = table.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    config.uv = uv();
    Environments::new(&config, folder.join("envs"))
}

/// `uv` as the tests are told of it, or from `PATH`.
fn uv() -> Option<PathBuf> {
    let places = std::env::var_os("TIDEGATE_UV").map(PathBuf::from).into_iter();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|place| place.join("uv")).collect::<Vec<_>>();
    places.chain(found).find(|place| place.is_file())
}

fn wanted(name: &str) -> EnvironmentRef {
    EnvironmentRef::Reference(format!("azureml:{name}"))
}

#[tokio::test]
async fn what_nothing_maps_runs_on_the_host_and_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let chosen = environments(temp.path(), &[]).choose(&wanted("sk:1")).await.unwrap();
    assert_eq!(chosen.venv, None);
    let note = chosen.note.unwrap();
    assert!(note.contains("azureml:sk:1") && note.contains("host's own programs"), "{note}");
}

#[tokio::test]
async fn a_virtual_environment_that_is_there_is_used_and_one_that_is_not_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let venv = temp.path().join("venv");
    let all = environments(temp.path(), &[("sk", Environment::Existing { venv: venv.clone() })]);
    let End::CannotStart { reason } = all.choose(&wanted("sk:1")).await.unwrap_err() else { panic!() };
    assert!(reason.contains("sk is mapped to") && reason.contains("no folder `bin`"), "{reason}");
    std::fs::create_dir_all(venv.join("bin")).unwrap();
    let chosen = all.choose(&wanted("sk:1")).await.unwrap();
    let variables = chosen.variables("/bin");
    assert_eq!(variables[0], ("PATH".to_owned(), format!("{}/bin:/bin", venv.display())));
    assert_eq!(variables[1], ("VIRTUAL_ENV".to_owned(), venv.display().to_string()));
}

#[tokio::test]
async fn without_uv_the_error_says_what_to_do() {
    let temp = tempfile::tempdir().unwrap();
    let mut all = environments(temp.path(), &[("sk", Environment::Built { packages: vec![], python: None })]);
    all.uv = Some("/no/such/uv".into());
    let End::CannotStart { reason } = all.choose(&wanted("sk")).await.unwrap_err() else { panic!() };
    assert!(reason.contains("install uv"), "{reason}");
}

#[tokio::test]
async fn uv_builds_once_for_all_and_tells_why_it_cannot() {
    if uv().is_none() {
        println!("skipped: uv_builds_once_for_all_and_tells_why_it_cannot: there is no uv");
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let missing = temp.path().join("no-such-wheel.whl").display().to_string();
    let all = environments(
        temp.path(),
        &[
            ("empty", Environment::Built { packages: vec![], python: None }),
            ("broken", Environment::Built { packages: vec![missing], python: None }),
        ],
    );
    let empty = wanted("empty");
    let (one, two) = tokio::join!(all.choose(&empty), all.choose(&empty));
    let venv = one.unwrap().venv.unwrap();
    assert_eq!(two.unwrap().venv.as_ref(), Some(&venv));
    assert!(venv.join("bin/python").exists());
    let End::CannotStart { reason } = all.choose(&wanted("broken")).await.unwrap_err() else { panic!() };
    assert!(reason.contains("uv pip install failed") && reason.contains("no-such-wheel"), "{reason}");
}
