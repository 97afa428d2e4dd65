//! Making a data folder a controller's: a join bundle is installed once, and never again.

use super::token;
use crate::failure::Failure;
use crate::output::note;
use anyhow::{Context as _, anyhow};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tidegate_controller::{JoinBundle, Membership, membership};

/// The file with the clients' token that goes with a bundle.
pub(crate) fn token_beside(bundle: &Path) -> PathBuf {
    bundle.with_extension("token")
}

/// Whose the data folder is, once the bundle, if there is one, has been installed.
pub(crate) fn join(data: &Path, bundle: Option<&Path>) -> Result<Membership, Failure> {
    let known = membership(data).map_err(anyhow::Error::from)?;
    match (known, bundle) {
        (Some(known), None) => Ok(known),
        (Some(known), Some(bundle)) => pass_over(data, known, bundle),
        (None, Some(bundle)) => install(data, bundle),
        (None, None) => Err(Failure::Usage(format!(
            "{} is no controller's data folder; `--join BUNDLE` makes it one: `tidegate controller init` writes bundles \
             for a new cluster, `tidegate controller add` one for a cluster that is there. A controller whose folder \
             was lost joins as a new one: `tidegate controller add --replaces ID`",
            data.display()
        ))),
    }
}

/// The folder is a member's already: the bundle must be of the same, and is not needed.
fn pass_over(data: &Path, known: Membership, path: &Path) -> Result<Membership, Failure> {
    let data = data.display();
    if !path.exists() {
        note(format_args!("{data} is controller c{}'s already: --join is not needed", known.id));
        return Ok(known);
    }
    let bundle = JoinBundle::load(path).map_err(anyhow::Error::from)?;
    if (bundle.id, &bundle.cluster) != (known.id, &known.cluster) {
        return Err(Failure::Usage(format!(
            "{data} belongs to controller c{} of cluster {}, and {} is for c{} of cluster {}; give that one a data \
             folder of its own",
            known.id,
            known.cluster,
            path.display(),
            bundle.id,
            bundle.cluster
        )));
    }
    note(format_args!(
        "{data} is controller c{}'s already: the bundle is not needed, and is removed",
        known.id
    ));
    used_up(path);
    Ok(known)
}

fn install(data: &Path, path: &Path) -> Result<Membership, Failure> {
    if !path.exists() {
        return Err(Failure::Usage(format!(
            "there is no {}; a bundle is removed once it was used. If the data folder {} was lost, join as a new \
             controller: `tidegate controller add --replaces ID --out FILE` makes the bundle",
            path.display(),
            data.display()
        )));
    }
    let bundle = JoinBundle::load(path).map_err(anyhow::Error::from)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make {}", data.display()))?;
    // First: the folder becomes a controller's with the last step.
    if let Some(token) = token::load(&token_beside(path))? {
        token::save(&data.join(token::FILE), &token)?;
    }
    bundle.install(data).map_err(anyhow::Error::from)?;
    used_up(path);
    let JoinBundle { id, founders, cluster, .. } = bundle;
    Ok(Membership { id, founders, cluster, begun: false })
}

/// Removes a bundle: it holds the cluster's key, and a controller that used it twice would forget what it had promised.
fn used_up(bundle: &Path) {
    for path in [bundle.to_owned(), token_beside(bundle)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(%error, file = %path.display(), "the bundle was used and cannot be removed: remove it")
            }
            _ => {}
        }
    }
}

/// The clients' token, which all controllers of a cluster take.
pub(crate) fn clients_token(data: &Path, named: Option<&Path>) -> anyhow::Result<String> {
    let path = named.map_or_else(|| data.join(token::FILE), Path::to_owned);
    token::load(&path)?.ok_or_else(|| {
        anyhow!(
            "the clients' token is not in {}; all controllers of a cluster take the same one: copy it from another's \
             data folder, or name its file by the key `token` of the configuration",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_controller::found;

    #[test]
    fn a_bundle_is_used_once_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let bundles = found("sea", &["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()]).unwrap();
        for (bundle, name) in bundles.iter().zip(["c1.join", "c2.join"]) {
            bundle.save(&at(name)).unwrap();
            token::save(&token_beside(&at(name)), "a-token-of-this-cluster").unwrap();
        }
        assert!(join(&at("d"), None).unwrap_err().to_string().contains("--join BUNDLE"));
        assert!(!at("d").exists(), "a refusal leaves nothing");
        assert_eq!(join(&at("d"), Some(&at("c1.join"))).unwrap().id, 1);
        assert!(!at("c1.join").exists() && !at("c1.token").exists());
        assert_eq!(clients_token(&at("d"), None).unwrap(), "a-token-of-this-cluster");
        assert_eq!(join(&at("d"), Some(&at("c1.join"))).unwrap().id, 1, "what was used is not missed");
        let other = join(&at("d"), Some(&at("c2.join"))).unwrap_err();
        assert!(other.to_string().contains("is for c2 of cluster sea"), "{other}");
        assert!(at("c2.join").exists());
        let lost = join(&at("e"), Some(&at("c1.join"))).unwrap_err();
        assert!(lost.code() == 2 && lost.to_string().contains("--replaces"), "{lost}");
        // A crash came between the installation and the removal.
        bundles[0].save(&at("c1.join")).unwrap();
        assert_eq!(join(&at("d"), Some(&at("c1.join"))).unwrap().id, 1);
        assert!(!at("c1.join").exists());
        fs::remove_file(at("d/token")).unwrap();
        assert!(clients_token(&at("d"), None).unwrap_err().to_string().contains("copy it"));
    }
}
