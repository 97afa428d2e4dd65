//! Starting a command inside a cgroup v2: `clone3` puts the child there at birth, which `posix_spawn` cannot, and which
//! does not disturb the rest of the machine as moving it later would.

use std::{
    ffi::{CStr, c_char},
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::pipe::{PipeFlags, pipe_with};

/// `clone3`: the child starts with default handlers (Linux 5.5). The constants of `libc` are too narrow for it.
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
/// The highest real-time signal.
const LAST_SIGNAL: i32 = 64;
/// `clone3`: the child is born in the group given (Linux 5.7).
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// What the child does between its birth and its program, with nothing but system calls.
pub(super) struct Child<'a> {
    pub(super) program: &'a CStr,
    /// Ends with null.
    pub(super) argv: &'a [*const c_char],
    /// Ends with null.
    pub(super) env: &'a [*const c_char],
    pub(super) cwd: &'a CStr,
    pub(super) stdout: &'a CStr,
    pub(super) stderr: Option<&'a CStr>,
}

impl Child<'_> {
    /// Starts it in the group whose folder is open as `group`.
    pub(super) fn spawn(&self, group: BorrowedFd<'_>) -> io::Result<i32> {
        let (told, tell) = pipe_with(PipeFlags::CLOEXEC)?;
        // SAFETY: all zeros is a valid value of this plain structure.
        let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
        arguments.flags = CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND;
        arguments.exit_signal = libc::SIGCHLD as u64;
        arguments.cgroup = group.as_raw_fd() as u64;
        // SAFETY: without CLONE_VM the child is a copy, as by fork; it calls async-signal-safe functions alone and ends
        // in exec or _exit, so the locks that other threads held are never touched.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, &mut arguments, size_of::<libc::clone_args>()) };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => self.become_it(tell.as_raw_fd()),
            pid => {
                drop(tell);
                outcome(pid as i32, told)
            }
        }
    }

    /// In the child: never returns.
    fn become_it(&self, tell: i32) -> ! {
        // SAFETY: system calls on values prepared before the child was born.
        unsafe {
            self.prepare();
            let error = *libc::__errno_location();
            libc::write(tell, (&raw const error).cast(), size_of::<i32>());
            libc::_exit(127)
        }
    }

    /// In the child: returns only when a step failed, which errno tells.
    unsafe fn prepare(&self) {
        let write = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: as the caller.
        unsafe {
            // `CLONE_CLEAR_SIGHAND` leaves ignored signals ignored, which outlasts the exec. (It refuses some: KILL,
            // STOP, the C library's own.)
            for signal in 1..=LAST_SIGNAL {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(none.as_mut_ptr());
            if libc::setsid() < 0
                || libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) < 0
            {
                return;
            }
            let input = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            if input < 0 || libc::dup2(input, 0) < 0 {
                return;
            }
            let stdout = libc::open(self.stdout.as_ptr(), write, 0o600);
            if stdout < 0 || libc::dup2(stdout, 1) < 0 {
                return;
            }
            let stderr = self.stderr.map_or(stdout, |path| libc::open(path.as_ptr(), write, 0o600));
            if stderr < 0 || libc::dup2(stderr, 2) < 0 || libc::chdir(self.cwd.as_ptr()) < 0 {
                return;
            }
            libc::execve(self.program.as_ptr(), self.argv.as_ptr(), self.env.as_ptr());
        }
    }
}

/// Waits until the child runs its program, which closes the pipe, or has told why it cannot.
fn outcome(pid: i32, told: OwnedFd) -> io::Result<i32> {
    let mut error = [0; 4];
    let got = rustix::io::retry_on_intr(|| rustix::io::read(told.as_fd(), &mut error))?;
    if got == 0 {
        return Ok(pid);
    }
    // SAFETY: our own child, which has ended, reaped here alone.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    Err(io::Error::from_raw_os_error(i32::from_ne_bytes(error)))
}
