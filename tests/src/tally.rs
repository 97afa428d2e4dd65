//! Executions, counted outside of the cluster: by what the commands themselves write down.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// The folder that commands write to.
#[derive(Debug, Clone)]
pub struct Tally(PathBuf);

/// What an element's executions have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executions {
    /// The attempts that started, in order.
    pub started: Vec<u32>,
    /// The attempts that came to their end, in order.
    pub ended: Vec<u32>,
}

impl Tally {
    /// Makes the folder.
    ///
    /// # Errors
    /// It is there already, or cannot be made.
    pub fn new(folder: &Path) -> Result<Tally> {
        fs::create_dir(folder)?;
        Ok(Tally(folder.to_owned()))
    }

    /// The folder: commands are given it in the variable `TALLY`.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// A command that is counted: it writes a line before its body and another one after it, and in between it may not
    /// fail.
    pub fn counted(body: &str) -> String {
        let line = |word: &str| {
            format!(r#"echo "{word} $TIDEGATE_RUN ${{TIDEGATE_ARRAY_INDEX:-0}} $TIDEGATE_ATTEMPT" >> $f"#)
        };
        let file = "f=$TALLY/$TIDEGATE_RUN.${TIDEGATE_ARRAY_INDEX:-0}";
        format!("{file}\n{}\n{}\n{}\n", line("start"), body.trim(), line("end"))
    }

    /// Lets the lasting runs end: their bodies wait for the file `$TALLY/release`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn release(&self) -> Result<()> {
        Ok(fs::write(self.0.join("release"), "")?)
    }

    /// How many commands of runs whose names begin so have started and not come to their end.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn at_work(&self, names: &str) -> Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let counts = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(names));
            let lines = if counts { fs::read_to_string(&path)?.lines().count() } else { 0 };
            count += lines % 2;
        }
        Ok(count)
    }

    /// How often an element was executed so far.
    ///
    /// # Errors
    /// What was written cannot be read, or does not speak of this element.
    pub fn of(&self, run: &str, element: u32) -> Result<Executions> {
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
