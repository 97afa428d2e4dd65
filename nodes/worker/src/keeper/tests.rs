//! Builders for the tests of this module.

use std::path::Path;

use super::protocol::{Limits, StartRequest};

/// A request to run `argv` with its folder and logs in `folder`.
pub(crate) fn request(fence: u64, argv: &[&str], folder: &Path) -> StartRequest {
    StartRequest {
        fence,
        argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        cwd: folder.to_owned(),
        stdout: folder.join(format!("{fence}.out")),
        stderr: folder.join(format!("{fence}.err")),
        limits: Limits::default(),
        timeout_ms: None,
        grace_ms: 1000,
        log_limit_bytes: 0,
    }
}
