//! The token that clients present: made at the first start, kept for its owner alone.

use crate::context::write_private;
use anyhow::{Context as _, anyhow};
use rand::Rng;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Random letters of a token: 60 bits for each ten.
const LETTERS: usize = 43;
/// A file that is shorter was tampered with.
const LEAST: usize = 16;

/// The name of the token's file in a data folder.
pub(crate) const FILE: &str = "token";

/// The token of the data folder; a new one at its first start.
pub(crate) fn load_or_make(data: &Path) -> anyhow::Result<String> {
    let path = data.join(FILE);
    match load(&path)? {
        Some(token) => Ok(token),
        None => {
            let token = make();
            save(&path, &token)?;
            Ok(token)
        }
    }
}

/// Writes a token for its owner alone.
pub(crate) fn save(path: &Path, token: &str) -> anyhow::Result<()> {
    write_private(path, format!("{token}\n").as_bytes())
}

/// The token in a file; nothing where there is no such file.
pub(crate) fn load(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(token) => {
            let mode = fs::metadata(path)
                .with_context(|| format!("cannot look at {}", path.display()))?
                .permissions();
            if mode.mode() & 0o077 != 0 {
                return Err(anyhow!(
                    "{0} can be read by others; remove it to get a new token, or `chmod 600 {0}`",
                    path.display()
                ));
            }
            match token.trim() {
                token if token.len() >= LEAST && token.chars().all(|c| c.is_ascii_graphic()) => {
                    Ok(Some(token.to_owned()))
                }
                _ => Err(anyhow!("{} holds no token; remove it to get a new one", path.display())),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A new token.
pub(crate) fn make() -> String {
    let mut rng = rand::rng();
    let letters = (0..LETTERS).map(|_| char::from(rng.sample(rand::distr::Alphanumeric)));
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let token = load_or_make(folder.path()).unwrap();
        assert_eq!(token.len(), LETTERS);
        assert_eq!(load_or_make(folder.path()).unwrap(), token);
        let path = folder.path().join("token");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load_or_make(folder.path()).unwrap_err().to_string().contains("read by others"));
        fs::remove_file(&path).unwrap();
        assert_ne!(load_or_make(folder.path()).unwrap(), token);
        fs::write(&path, "short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(load_or_make(folder.path()).is_err());
    }
}
