//! How a story's server is started.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::Cluster;

/// How a story's server is started; each part has a default that suits most stories.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) data: Option<PathBuf>,
    pub(crate) port: Option<u16>,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
}

impl Options {
    /// The data folder, in place of one of the story's own, which is removed with it.
    pub fn data(mut self, folder: impl AsRef<Path>) -> Options {
        self.data = Some(folder.as_ref().to_owned());
        self
    }

    /// The port, in place of a free one.
    pub fn port(mut self, port: u16) -> Options {
        self.port = Some(port);
        self
    }

    /// One more argument of `tidegate up`.
    pub fn argument(mut self, argument: impl Into<OsString>) -> Options {
        self.arguments.push(argument.into());
        self
    }

    /// One more variable of the server's environment.
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Options {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the server and waits until it takes requests.
    ///
    /// # Errors
    /// It ends before, or takes too long; the error shows its log.
    pub fn up(self) -> Result<Cluster> {
        Cluster::start(self)
    }
}
