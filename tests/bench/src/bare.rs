//! What the machine can do without any scheduler: the bare `posix_spawn` rate, and a loop that makes the same folders
//! and files as a worker does for a run, spawns the same command in the same way, and deletes them.

use std::{
    ffi::{CString, c_char},
    fs::{self, DirBuilder, File},
    io::{self, Write},
    mem::MaybeUninit,
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::Path,
    ptr, thread,
    time::Instant,
};

use anyhow::Result;

use crate::{
    cpu,
    machine::Machine,
    report::{Figure, Report},
};

/// How many are spawned.
const RUNS: u64 = 10_000;
/// What a worker writes down of a run before its command starts, in bytes.
const ASSIGNMENT_BYTES: usize = 600;
/// What a worker's command finds in its environment: so many variables.
const VARIABLES: usize = 17;

/// Measures and reports.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    report.title("The machine alone, /bin/true");
    for threads in [1, 2] {
        let name = format!("bare_spawn_{threads}_thread{}", if threads == 1 { "" } else { "s" });
        let (figures, machine) = Machine::around(|| timed(&name, || spawn_all(threads, RUNS)))?;
        report.add(&name, figures, Some(&machine))?;
    }
    // Once as anybody would do it, and once as our worker does it: with folders that serve one run after the other.
    for (name, again) in [("bare_loop", false), ("bare_loop_reusing", true)] {
        let folder = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
        let work = || loop_all(2, RUNS, folder.path(), again);
        let (figures, machine) = Machine::around(|| timed(name, work))?;
        report.add(name, figures, Some(&machine))?;
    }
    Ok(())
}

fn timed(name: &str, work: impl FnOnce() -> io::Result<()>) -> Result<Vec<Figure>> {
    let (began, cpu) = (Instant::now(), cpu::own_micros() + cpu::children_micros());
    work()?;
    let (elapsed, cpu) = (began.elapsed(), cpu::own_micros() + cpu::children_micros() - cpu);
    Ok(vec![
        Figure::new(name, RUNS as f64 / elapsed.as_secs_f64(), "runs/s"),
        Figure::new(format!("{name}_cpu"), cpu as f64 / RUNS as f64, "us of CPU/run"),
    ])
}

/// Spawns `/bin/true` again and again, one at a time on each thread.
pub(crate) fn spawn_all(threads: u64, count: u64) -> io::Result<()> {
    on_threads(threads, count, |_| run(&Spawn::bare()?))
}

/// The same, with all that a worker does on the disk. `again`: each thread's folders are made once, and renamed from run
/// to run.
fn loop_all(threads: u64, count: u64, place: &Path, again: bool) -> io::Result<()> {
    on_threads(threads, count, |number| {
        let root = place.join(number.to_string());
        let work = root.join("wd");
        let folders = [root.clone(), root.join("tmp"), work.clone(), work.join("outputs"), work.join("logs")];
        match again && number >= threads {
            true => fs::rename(place.join((number - threads).to_string()), &root)?,
            false => folders.iter().try_for_each(|folder| DirBuilder::new().mode(0o700).create(folder))?,
        }
        let files = [root.join("assignment"), root.join("stdout"), root.join("stderr")];
        File::create(&files[0])?.write_all(&[b'x'; ASSIGNMENT_BYTES])?;
        run(&Spawn::of_worker(&work, &files[1], &files[2])?)?;
        files.iter().try_for_each(fs::remove_file)?;
        match again {
            true => Ok(()),
            false => folders.iter().rev().try_for_each(fs::remove_dir),
        }
    })
}

fn on_threads(threads: u64, count: u64, run: impl Fn(u64) -> io::Result<()> + Sync) -> io::Result<()> {
    let run = &run;
    thread::scope(|scope| {
        let of_thread = |thread| move || (thread..count).step_by(threads as usize).try_for_each(run);
        let started: Vec<_> = (0..threads).map(|thread| scope.spawn(of_thread(thread))).collect();
        started.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread has panicked")))
        })
    })
}

/// How `/bin/true` is spawned.
struct Spawn {
    actions: Option<Box<MaybeUninit<libc::posix_spawn_file_actions_t>>>,
    attributes: Option<Box<MaybeUninit<libc::posix_spawnattr_t>>>,
    environment: Vec<CString>,
}

impl Spawn {
    fn bare() -> io::Result<Spawn> {
        Ok(Spawn { actions: None, attributes: None, environment: Vec::new() })
    }

    /// In a session of its own, in its folder, its outputs in files, with an environment.
    fn of_worker(work: &Path, stdout: &Path, stderr: &Path) -> io::Result<Spawn> {
        let (mut actions, mut attributes) =
            (Box::new(MaybeUninit::uninit()), Box::new(MaybeUninit::uninit()));
        let [work, stdout, stderr] = [work, stdout, stderr].map(path);
        let write = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_NOCTTY;
        // SAFETY: both are initialised before they are used; the strings live through the calls, which copy them.
        unsafe {
            let actions = actions.as_mut_ptr();
            check(libc::posix_spawn_file_actions_init(actions))?;
            check(libc::posix_spawn_file_actions_addopen(
                actions,
                0,
                c"/dev/null".as_ptr(),
                libc::O_RDONLY,
                0,
            ))?;
            check(libc::posix_spawn_file_actions_addopen(actions, 1, stdout?.as_ptr(), write, 0o600))?;
            check(libc::posix_spawn_file_actions_addopen(actions, 2, stderr?.as_ptr(), write, 0o600))?;
            check(libc::posix_spawn_file_actions_addchdir_np(actions, work?.as_ptr()))?;
            let attributes = attributes.as_mut_ptr();
            check(libc::posix_spawnattr_init(attributes))?;
            check(libc::posix_spawnattr_setflags(attributes, libc::POSIX_SPAWN_SETSID as libc::c_short))?;
        }
        let variable = |number| CString::new(format!("TIDEGATE_VARIABLE_{number}=a value of usual length"));
        let environment = (0..VARIABLES).map(variable).collect::<Result<_, _>>()?;
        Ok(Spawn { actions: Some(actions), attributes: Some(attributes), environment })
    }
}

impl Drop for Spawn {
    fn drop(&mut self) {
        // SAFETY: what is there was initialised, and is destroyed once.
        unsafe {
            if let Some(actions) = &mut self.actions {
                libc::posix_spawn_file_actions_destroy(actions.as_mut_ptr());
            }
            if let Some(attributes) = &mut self.attributes {
                libc::posix_spawnattr_destroy(attributes.as_mut_ptr());
            }
        }
    }
}

/// Spawns it and waits for it.
fn run(spawn: &Spawn) -> io::Result<()> {
    let argv: [*mut c_char; 2] = [c"/bin/true".as_ptr().cast_mut(), ptr::null_mut()];
    let environment: Vec<*mut c_char> =
        spawn.environment.iter().map(|one| one.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect();
    let (mut pid, mut status) = (0, 0);
    // SAFETY: every pointer is to a value that lives through the calls; both arrays end with null.
    unsafe {
        check(libc::posix_spawn(
            &mut pid,
            argv[0],
            spawn.actions.as_ref().map_or(ptr::null(), |actions| actions.as_ptr()),
            spawn.attributes.as_ref().map_or(ptr::null(), |attributes| attributes.as_ptr()),
            argv.as_ptr(),
            environment.as_ptr(),
        ))?;
        if libc::waitpid(pid, &mut status, 0) != pid {
            return Err(io::Error::last_os_error());
        }
    }
    if status == 0 { Ok(()) } else { Err(io::Error::other(format!("/bin/true ended with status {status}"))) }
}

fn check(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

fn path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
