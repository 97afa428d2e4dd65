//! Which file a command names, and why it could not be started.

use std::{
    ffi::CString,
    fs,
    io::{self, ErrorKind},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::protocol::StartRequest;

/// Where programs are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The program's file: as it is when it holds a `/` (then relative to the working folder), else from the request's own
/// `PATH`.
pub(super) fn resolve(request: &StartRequest) -> Result<PathBuf, String> {
    let Some(name) = request.argv.first().filter(|name| !name.is_empty()) else {
        return Err("the command is empty: it needs at least a program".to_owned());
    };
    for (what, path) in [("cwd", &request.cwd), ("stdout", &request.stdout), ("stderr", &request.stderr)] {
        if !path.is_absolute() {
            return Err(format!("{what} {} is not an absolute path", path.display()));
        }
    }
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let path = request.env.iter().find(|(variable, _)| variable == "PATH");
    let path = path.map_or(DEFAULT_PATH, |(_, value)| value);
    let found = path
        .split(':')
        .filter(|folder| !folder.is_empty())
        .map(|folder| request.cwd.join(folder).join(name))
        .find(|file| is_executable(file));
    let not_found =
        || format!("{name}: {} (looked in PATH={path})", io::Error::from_raw_os_error(libc::ENOENT));
    found.ok_or_else(not_found)
}

/// What the system's refusal means: `posix_spawn` tells an error, but not which of its steps met it.
pub(super) fn diagnose(request: &StartRequest, refused: &io::Error) -> String {
    if let Err(error) = fs::read_dir(&request.cwd).map(drop)
        && error.kind() != ErrorKind::PermissionDenied
    {
        return format!("cannot enter the working folder {}: {error}", request.cwd.display());
    }
    for log in [&request.stdout, &request.stderr] {
        let mut options = fs::OpenOptions::new();
        if let Err(error) = options.append(true).create(true).mode(0o600).open(log) {
            return format!("cannot open the log file {}: {error}", log.display());
        }
    }
    let program = request.argv.first().map_or("", String::as_str);
    let what = match refused.raw_os_error() {
        Some(libc::E2BIG) => "arguments and environment are larger than the system allows".to_owned(),
        Some(libc::ENOEXEC) => {
            format!("{program} is neither a program of this machine nor a script with a #! line")
        }
        Some(libc::ENOENT) if request.cwd.join(program).exists() => {
            format!("the interpreter that {program} names is missing")
        }
        Some(libc::EAGAIN | libc::ENOMEM) => format!("the machine has no room to start {program}"),
        _ => format!("cannot start {program}"),
    };
    format!("{what}: {refused}")
}

fn is_executable(file: &Path) -> bool {
    let Ok(name) = CString::new(file.as_os_str().as_bytes()) else {
        return false;
    };
    access(name.as_c_str(), Access::EXEC_OK).is_ok() && file.is_file()
}
