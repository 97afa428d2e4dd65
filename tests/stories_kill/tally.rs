//! Executions, counted outside of the cluster: by what the commands themselves write down.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// The folder that commands write to.
#[derive(Debug, Clone)]
pub(crate) struct Tally(PathBuf);

/// What an element's executions have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Executions {
    /// The attempts that started, in order.
    pub(crate) started: Vec<u32>,
    /// The attempts that came to their end, in order.
    pub(crate) ended: Vec<u32>,
}

impl Tally {
    pub(crate) fn new(folder: &Path) -> Result<Tally> {
        fs::create_dir(folder)?;
        Ok(Tally(folder.to_owned()))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// Lets the lasting runs end.
    pub(crate) fn release(&self) -> Result<()> {
        Ok(fs::write(self.0.join("release"), "")?)
    }

    /// How many commands have started and not come to their end, the lasting ones aside.
    pub(crate) fn at_work(&self) -> Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let lasts = path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with("short-"));
            let lines = if lasts { 0 } else { fs::read_to_string(&path)?.lines().count() };
            count += lines % 2;
        }
        Ok(count)
    }

    /// How often an element was executed so far.
    pub(crate) fn of(&self, run: &str, element: u32) -> Result<Executions> {
        let text = match fs::read_to_string(self.0.join(format!("{run}.{element}"))) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let mut found = Executions { started: Vec::new(), ended: Vec::new() };
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [word, of, number, attempt] = words[..] else {
                bail!("{run}.{element} has the line {line:?}")
            };
            if of != run || number.parse() != Ok(element) {
                bail!("{run}.{element} has the line {line:?}");
            }
            match word {
                "start" => found.started.push(attempt.parse()?),
                "end" => found.ended.push(attempt.parse()?),
                _ => bail!("{run}.{element} has the line {line:?}"),
            }
        }
        Ok(found)
    }
}
