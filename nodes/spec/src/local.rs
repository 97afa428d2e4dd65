//! The files and folders on the submitting machine that a job needs.

use std::path::{Path, PathBuf};

use crate::data_path::DataPath;
use crate::error::{Problem, SpecError};
use crate::job::{CommandJob, DataKind, Input};

/// A file or folder that must be uploaded before the job can run elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPath {
    /// What the job needs it for.
    pub role: Role,
    /// The path as written.
    pub written: String,
    /// The path, taken from the file's folder where it is relative. It may lie outside that folder.
    pub path: PathBuf,
    /// What it has to be.
    pub expected: Expected,
}

/// What a job needs a local path for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The working folder.
    Code,
    /// The input of that name.
    Input(String),
}

impl Role {
    fn key(&self) -> String {
        match self {
            Role::Code => "code".to_owned(),
            Role::Input(name) => format!("inputs.{name}.path"),
        }
    }
}

/// What a local path has to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Expected {
    File,
    Folder,
    FileOrFolder,
}

/// What a local path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Found {
    File,
    Folder,
}

impl CommandJob {
    /// Every local path that must be uploaded: the code and the inputs. Those of the environment are not
    /// among them: an environment is looked up by [`crate::EnvironmentRef::lookup_keys`].
    pub fn local_paths(&self, folder: &Path) -> Vec<LocalPath> {
        let entry = |role, data: &DataPath, expected| {
            let path = data.resolve(folder)?;
            Some(LocalPath { role, written: data.as_str().to_owned(), path, expected })
        };
        let code = self.code.as_ref().and_then(|code| entry(Role::Code, code, Expected::FileOrFolder));
        let inputs = self.inputs.iter().filter_map(|(name, input)| {
            let data = input.data()?;
            let expected = match data.kind {
                Some(DataKind::UriFile) => Expected::File,
                Some(DataKind::UriFolder | DataKind::Mltable) => Expected::Folder,
                _ => Expected::FileOrFolder,
            };
            entry(Role::Input(name.clone()), &data.path, expected)
        });
        code.into_iter().chain(inputs).collect()
    }

    /// Checks that a local path leads to what the job needs there. Symbolic links are followed.
    ///
    /// # Errors
    /// Nothing is there, or a file where a folder is needed, or the other way round; at the key in the file.
    pub fn check_local_path(&self, local: &LocalPath) -> Result<Found, SpecError> {
        let refuse = |what| Err(self.origin.error(&local.role.key(), Problem::LocalPath { what }));
        let shown = local.path.display();
        let found = match std::fs::metadata(&local.path) {
            Ok(metadata) if metadata.is_dir() => Found::Folder,
            Ok(metadata) if metadata.is_file() => Found::File,
            Ok(_) => return refuse(format!("`{shown}` is neither a file nor a folder")),
            Err(error) => return refuse(format!("`{shown}` cannot be read: {error}")),
        };
        match (local.expected, found) {
            (Expected::File, Found::Folder) => refuse(format!("`{shown}` is a folder; a file is needed")),
            (Expected::Folder, Found::File) => refuse(format!("`{shown}` is a file; a folder is needed")),
            _ => Ok(found),
        }
    }

    /// Puts a content address in the place of a local path that has been uploaded.
    ///
    /// # Errors
    /// The address is not one, or the job has no such path.
    pub fn set_uploaded(&mut self, role: &Role, address: &str) -> Result<(), SpecError> {
        let refuse =
            |job: &CommandJob, what: String| Err(job.origin.error(&role.key(), Problem::LocalPath { what }));
        let blob = match DataPath::parse(address) {
            blob @ DataPath::Blob(_) => blob,
            _ => return refuse(self, format!("`{address}` is not a content address")),
        };
        let place = match role {
            Role::Code => self.code.as_mut(),
            Role::Input(name) => match self.inputs.get_mut(name) {
                Some(Input::Data(data)) => Some(&mut data.path),
                _ => None,
            },
        };
        match place {
            Some(place) => *place = blob,
            None => return refuse(self, "the job has no such path".to_owned()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, read_str};

    fn job(text: &str, folder: &Path) -> CommandJob {
        match read_str(text, "job.yml", folder).unwrap() {
            Document::Command(job) => *job,
            Document::Pool(_) => panic!("a pool"),
        }
    }

    const JOB: &str = "command: x\nenvironment: azureml:e\ncode: src\ninputs:\n  a: {type: uri_file, path: ../data.txt}\n  \
                       b: {path: https://h/x}\n  c: {type: uri_folder, path: data.txt}\n";

    #[test]
    fn local_paths_are_listed_checked_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("job");
        std::fs::create_dir_all(own.join("src")).unwrap();
        std::fs::write(folder.path().join("data.txt"), "x").unwrap();
        std::fs::write(own.join("data.txt"), "x").unwrap();
        let mut job = job(JOB, &own);
        let paths = job.local_paths(&own);
        let roles: Vec<_> = paths.iter().map(|path| path.role.clone()).collect();
        assert_eq!(roles, [Role::Code, Role::Input("a".to_owned()), Role::Input("c".to_owned())]);
        assert_eq!(job.check_local_path(&paths[0]).unwrap(), Found::Folder);
        assert_eq!(job.check_local_path(&paths[1]).unwrap(), Found::File);
        let error = job.check_local_path(&paths[2]).unwrap_err().to_string();
        assert!(error.starts_with("job.yml:7:25: inputs.c.path: `"), "{error}");
        assert!(error.ends_with("is a file; a folder is needed"), "{error}");

        let address = format!("tree:sha256-{}", "a".repeat(64));
        job.set_uploaded(&Role::Code, &address).unwrap();
        assert_eq!(job.code, Some(DataPath::Blob(address.clone())));
        assert!(job.set_uploaded(&Role::Code, "src").is_err());
        assert!(job.set_uploaded(&Role::Input("nope".to_owned()), &address).is_err());
        assert_eq!(job.local_paths(&own).len(), 2);
    }

    #[test]
    fn a_missing_path_is_refused_at_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let job = job(JOB, folder.path());
        let error = job.check_local_path(&job.local_paths(folder.path())[0]).unwrap_err();
        assert!(error.to_string().starts_with("job.yml:3:1: code: `"), "{error}");
    }
}
