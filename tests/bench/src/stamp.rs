//! The command of a measured run: `tidegate-bench-stamp FILE` appends the machine's monotonic time, in nanoseconds as
//! eight bytes, to a file. Without the standard library's start, so that nothing of its own is measured.

#![no_main]

use std::ffi::{c_char, c_int};

/// The time is read first of all.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` lives through the call; `arguments` holds `count` strings, as the system gives them.
    unsafe {
        if libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) != 0 || count != 2 {
            return 2;
        }
        let bytes = (now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64).to_le_bytes();
        let file = libc::open(*arguments.add(1), libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT, 0o600);
        let written = libc::write(file, bytes.as_ptr().cast(), bytes.len());
        c_int::from(written != bytes.len() as isize)
    }
}
