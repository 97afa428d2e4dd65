//! Starting one command: `posix_spawn`, which shares memory with the child until it has its own (no copy of page
//! tables, unlike `fork`), in a session of its own, with nothing of ours but what the request names.

use std::{
    ffi::{CString, OsStr, c_char},
    io,
    mem::MaybeUninit,
    os::{fd::BorrowedFd, unix::ffi::OsStrExt},
    path::Path,
    ptr,
};

use super::{protocol::StartRequest, spawn_into::Child};

/// A request as the system call wants it.
pub(super) struct Command {
    program: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
    stdout: CString,
    /// `None`: the same file as `stdout`.
    stderr: Option<CString>,
}

impl Command {
    /// Prepares a request; `mark` is added to its environment.
    pub(super) fn new(request: &StartRequest, mark: Option<(&str, &str)>) -> Result<Self, String> {
        let program = super::program::resolve(request)?;
        let env = request.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let env =
            env.chain(mark).map(|(name, value)| text(format!("{name}={value}"), "environment variable"));
        Ok(Self {
            program: path(&program, "program")?,
            argv: request
                .argv
                .iter()
                .map(|argument| text(argument.as_str(), "argument"))
                .collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, _>>()?,
            cwd: path(&request.cwd, "working folder")?,
            stdout: path(&request.stdout, "stdout")?,
            stderr: (request.stderr != request.stdout)
                .then(|| path(&request.stderr, "stderr"))
                .transpose()?,
        })
    }

    /// Starts it; its process id, which is its session and its process group as well.
    pub(super) fn spawn(&self) -> io::Result<i32> {
        let mut actions = Actions::new()?;
        let mut attributes = Attributes::new()?;
        self.fill(&mut actions)?;
        attributes.fill()?;
        let argv = pointers(&self.argv);
        let env = pointers(&self.env);
        let mut pid = 0;
        // SAFETY: every pointer is to a value that lives to the end of this call; both arrays end with null.
        check(unsafe {
            libc::posix_spawn(
                &mut pid,
                self.program.as_ptr(),
                actions.0.as_ptr(),
                attributes.0.as_ptr(),
                argv.as_ptr().cast(),
                env.as_ptr().cast(),
            )
        })?;
        Ok(pid)
    }

    /// As [`Command::spawn`], but born in the cgroup v2 whose folder is open as `group`.
    pub(super) fn spawn_into(&self, group: BorrowedFd<'_>) -> io::Result<i32> {
        let child = Child {
            program: &self.program,
            argv: &pointers(&self.argv),
            env: &pointers(&self.env),
            cwd: &self.cwd,
            stdout: &self.stdout,
            stderr: self.stderr.as_deref(),
        };
        child.spawn(group)
    }

    fn fill(&self, actions: &mut Actions) -> io::Result<()> {
        let actions = actions.0.as_mut_ptr();
        let write = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_NOCTTY;
        // SAFETY: `actions` is initialised, and copies the paths given to it.
        unsafe {
            check(libc::posix_spawn_file_actions_addopen(
                actions,
                0,
                c"/dev/null".as_ptr(),
                libc::O_RDONLY,
                0,
            ))?;
            check(libc::posix_spawn_file_actions_addopen(actions, 1, self.stdout.as_ptr(), write, 0o600))?;
            match &self.stderr {
                Some(stderr) => {
                    check(libc::posix_spawn_file_actions_addopen(actions, 2, stderr.as_ptr(), write, 0o600))?;
                }
                None => check(libc::posix_spawn_file_actions_adddup2(actions, 1, 2))?,
            }
            check(libc::posix_spawn_file_actions_addchdir_np(actions, self.cwd.as_ptr()))
        }
    }
}

struct Actions(MaybeUninit<libc::posix_spawn_file_actions_t>);

impl Actions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the call initialises what it is given, or fails.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        Ok(Self(actions))
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised by `new`, destroyed once. It cannot fail on an initialised value.
        unsafe { libc::posix_spawn_file_actions_destroy(self.0.as_mut_ptr()) };
    }
}

struct Attributes(MaybeUninit<libc::posix_spawnattr_t>);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the call initialises what it is given, or fails.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        Ok(Self(attributes))
    }

    /// A session of its own, no signal blocked, none ignored.
    fn fill(&mut self) -> io::Result<()> {
        let attributes = self.0.as_mut_ptr();
        let signals = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        let flags = libc::POSIX_SPAWN_SETSID as libc::c_short | signals as libc::c_short;
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `attributes` is initialised and copies the sets; `set` is initialised before each use.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            check(libc::posix_spawnattr_setsigmask(attributes, set.as_ptr()))?;
            libc::sigfillset(set.as_mut_ptr());
            // Setting these two is refused.
            libc::sigdelset(set.as_mut_ptr(), libc::SIGKILL);
            libc::sigdelset(set.as_mut_ptr(), libc::SIGSTOP);
            check(libc::posix_spawnattr_setsigdefault(attributes, set.as_ptr()))?;
            check(libc::posix_spawnattr_setflags(attributes, flags))
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised by `new`, destroyed once. It cannot fail on an initialised value.
        unsafe { libc::posix_spawnattr_destroy(self.0.as_mut_ptr()) };
    }
}

fn check(code: i32) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

fn path(path: &Path, what: &str) -> Result<CString, String> {
    text(path.as_os_str().as_bytes(), what)
}

fn text(bytes: impl Into<Vec<u8>>, what: &str) -> Result<CString, String> {
    CString::new(bytes).map_err(|error| {
        let shown = error.into_vec();
        format!("{what} {:?} holds a NUL byte, which no program can be given", OsStr::from_bytes(&shown))
    })
}
