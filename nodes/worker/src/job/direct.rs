//! Which commands need no shell.
//!
//! A shell costs about a millisecond. A line that holds nothing but plain words, the first of them a program, means the
//! same to the system as to a shell, as `make` found out long ago. Whatever is in doubt goes to the shell.

use std::{
    ffi::CString,
    fs::File,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

/// What begins a shell's own words, in bash or in POSIX's shell.
const SHELL_WORDS: &[&str] = &[
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
];

/// The words of a command that needs no shell to be understood; `None` if it does, or may.
pub(super) fn words(command: &str) -> Option<Vec<&str>> {
    let command = command.trim_matches([' ', '\t', '\n']);
    if command.is_empty() || !command.bytes().all(is_plain) {
        return None;
    }
    let words: Vec<&str> = command.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let program = words.first()?;
    // An assignment, an option of nothing, a job's number, and what only a shell knows.
    let odd = program.contains('=') || program.starts_with(['-', '%', '+']) || SHELL_WORDS.contains(program);
    (!odd).then_some(words)
}

/// Characters that mean themselves in every shell, wherever they stand in a word.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" \t/._-+=:,@%".contains(&byte)
}

/// Variables that change how a shell reads what it is given.
pub(super) fn changes_the_shell(variable: &str) -> bool {
    matches!(variable, "BASH_ENV" | "ENV" | "SHELLOPTS" | "BASHOPTS" | "POSIXLY_CORRECT")
        || variable.starts_with("BASH_FUNC_")
}

/// Whether the system can start this program as it is: otherwise a shell tells why it cannot, or reads it as a script.
pub(super) fn can_start(program: &str, path: &str, folder: &Path) -> bool {
    if program.contains('/') {
        return has_a_loader(&folder.join(program));
    }
    let mut places =
        path.split(':').filter(|place| place.starts_with('/')).map(|place| Path::new(place).join(program));
    // A relative or empty part of PATH is the shell's to understand.
    !path.split(':').any(|place| !place.starts_with('/'))
        && places.find(|place| is_executable(place)).is_some_and(|place| has_a_loader(&place))
}

fn is_executable(place: &Path) -> bool {
    CString::new(place.as_os_str().as_bytes())
        .is_ok_and(|place| access(place.as_c_str(), Access::EXEC_OK).is_ok())
        && place.is_file()
}

/// A program, or a script whose interpreter is there.
fn has_a_loader(place: &Path) -> bool {
    let mut head = [0; 256];
    let read = File::open(place).and_then(|mut file| file.read(&mut head));
    let Ok(count) = read else { return false };
    let head = &head[..count];
    if !is_executable(place) {
        return false;
    }
    match head.strip_prefix(b"#!") {
        None => head.starts_with(b"\x7fELF"),
        Some(line) => interpreter(line).is_some_and(|path| is_executable(&path)),
    }
}

fn interpreter(line: &[u8]) -> Option<PathBuf> {
    let line = line.split(|byte| *byte == b'\n').next()?;
    let path = std::str::from_utf8(line).ok()?.split_ascii_whitespace().next()?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, process::Command};

    use super::*;

    #[test]
    fn plain_calls_are_split_into_their_words() {
        for (command, expected) in [
            ("/bin/true", vec!["/bin/true"]),
            ("  python train.py --lr=0.1 \t-v\n", vec!["python", "train.py", "--lr=0.1", "-v"]),
            ("./run.sh a,b user@host:/x 50% +x", vec!["./run.sh", "a,b", "user@host:/x", "50%", "+x"]),
            ("g++ -o x x.cc", vec!["g++", "-o", "x", "x.cc"]),
        ] {
            assert_eq!(words(command), Some(expected), "{command}");
        }
    }

    #[test]
    fn whatever_a_shell_might_read_differently_goes_to_it() {
        for command in [
            "",
            " \n",
            "a\nb",
            "a;b",
            "a|b",
            "a&b",
            "a>b",
            "a<b",
            "a `b`",
            "a $b",
            "a ~",
            "a *",
            "a ?",
            "a [x]",
            "a {1,2}",
            "a 'b'",
            "a \"b\"",
            "a \\b",
            "a #b",
            "a !b",
            "a (b)",
            "a ^b",
            "A=1 b",
            "PATH=x",
            "echo a",
            "cd x",
            "true",
            "exit 3",
            ". x",
            ": x",
            "exec a",
            "time a",
            "for",
            "-a",
            "%1",
            "ulimit -n",
            "a é",
            "a\rb",
            "a\0b",
            "kill 1",
            "test -f x",
            "[ -f x ]",
            "source a",
            "if",
            "export A",
            "a{b",
            "a}b",
        ] {
            assert_eq!(words(command), None, "{command:?}");
        }
    }

    #[test]
    fn every_word_of_this_machines_bash_is_known() {
        let Ok(output) = Command::new("bash").args(["-c", "compgen -b; compgen -k"]).output() else {
            println!("skipped: every_word_of_this_machines_bash_is_known: there is no bash");
            return;
        };
        let listed = String::from_utf8(output.stdout).unwrap();
        assert!(listed.lines().count() > 50);
        for word in listed.lines() {
            assert_eq!(words(word), None, "{word}");
        }
    }

    #[test]
    fn words_mean_to_a_shell_what_they_mean_here() {
        let seed: u64 = 0x7ead;
        println!("seed {seed:#x}");
        let alphabet: Vec<char> = "abZ09/._-+=:,@% \t".chars().collect();
        let mut state = seed;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..100 {
            let tail: String = (0..draw(30)).map(|_| alphabet[draw(alphabet.len())]).collect();
            let ours = words(&format!("/usr/bin/x {tail}")).map(|words| words[1..].join("\n"));
            let script = format!("for word in {tail}; do printf '%s\\n' $word; done");
            let shell = Command::new("sh").args(["-c", &script]).output().unwrap();
            let theirs = String::from_utf8(shell.stdout).unwrap();
            assert_eq!(ours.as_deref(), Some(theirs.trim_end_matches('\n')), "{tail:?}");
        }
    }

    #[test]
    fn only_what_the_system_can_load_is_started_without_a_shell() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        let write = |name: &str, content: &str, mode: u32| {
            fs::write(folder.join(name), content).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        write("script", "#!/bin/sh\n", 0o755);
        write("spaced", "#! /bin/sh -e\n", 0o755);
        write("bare", "echo hello\n", 0o755);
        write("orphan", "#!/no/such/interpreter\n", 0o755);
        write("closed", "#!/bin/sh\n", 0o644);
        let path = format!("/nonexistent:{}", folder.display());
        for (program, expected) in [
            ("script", true),
            ("spaced", true),
            ("bare", false),
            ("orphan", false),
            ("closed", false),
            ("absent", false),
            ("./script", true),
            ("./absent", false),
            ("/bin/true", true),
            ("/bin", false),
        ] {
            assert_eq!(can_start(program, &path, folder), expected, "{program}");
        }
        assert!(!can_start("script", &format!("relative:{}", folder.display()), folder));
        assert!(!can_start("script", &format!("{}:", folder.display()), folder));
    }
}
