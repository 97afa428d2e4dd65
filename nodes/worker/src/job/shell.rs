//! How a command is started: by a shell, as Azure ML does, or without one where that means the same.

use std::path::Path;

use super::direct;

/// Program and arguments for a command line. `variables` is the run's whole environment, `folder` where it starts.
pub(crate) fn command_line(command: &str, variables: &[(String, String)], folder: &Path) -> Vec<String> {
    direct_words(command, variables, folder).unwrap_or_else(|| {
        let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
        vec![shell.to_owned(), "-c".to_owned(), command.to_owned()]
    })
}

fn direct_words(command: &str, variables: &[(String, String)], folder: &Path) -> Option<Vec<String>> {
    let words = direct::words(command)?;
    if variables.iter().any(|(name, _)| direct::changes_the_shell(name)) {
        return None;
    }
    let (_, path) = variables.iter().find(|(name, _)| name == "PATH")?;
    direct::can_start(words.first()?, path, folder).then(|| words.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &str, more: &[(&str, &str)]) -> Vec<String> {
        let mut variables = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        command_line(command, &variables, Path::new("/"))
    }

    #[test]
    fn a_plain_call_needs_no_shell_and_all_else_has_one() {
        assert_eq!(line("sleep 1", &[]), ["sleep", "1"]);
        assert_eq!(line("sleep 1; echo", &[])[1..], ["-c", "sleep 1; echo"]);
        assert_eq!(line("no-such-program x", &[])[1..], ["-c", "no-such-program x"]);
        assert_eq!(line("sleep 1", &[("BASH_ENV", "x")])[1..], ["-c", "sleep 1"]);
        assert_eq!(line("sleep 1", &[("BASH_FUNC_sleep%%", "() { :; }")])[1..], ["-c", "sleep 1"]);
    }
}
