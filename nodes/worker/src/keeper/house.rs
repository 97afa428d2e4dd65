//! The keeper's first thread: sets the process up, takes over from a dead keeper, then keeps house (connections, logs,
//! adopted processes) until it is told to leave or nobody needs it.

use std::{
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, FromRawFd, OwnedFd},
        unix::net::UnixListener,
    },
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::{
    Keeper, KeeperConfig, KeeperError, accept, cgroup, deadlines,
    folder::Folder,
    journal::{Journal, Record},
    ledger::Ledger,
    link, orders, orphans, procfs,
    protocol::Cause,
    recover,
    run::Run,
    slots,
};

/// How often logs are looked at, and adopted processes reaped, while runs live.
const TICK: Duration = Duration::from_millis(250);
/// The same, while a log grows fast.
const FAST_TICK: Duration = Duration::from_millis(50);
/// The same, while nothing runs.
const IDLE_TICK: Duration = Duration::from_secs(10);

/// Runs the keeper of a folder, in a process of its own, until it is told to leave, or SIGTERM or SIGINT comes (both
/// stop all runs), or it has had neither attempts nor an agent for `linger`. Blocks; never call it inside an
/// asynchronous runtime.
///
/// # Errors
///
/// Another keeper has the folder, or the folder cannot be used as it must be.
pub fn run(config: KeeperConfig) -> Result<(), KeeperError> {
    let folder = Folder::open(&config.folder)
        .map_err(KeeperError::doing(format!("open the folder {}", config.folder.display())))?;
    let lock = folder.lock().map_err(KeeperError::doing("lock its folder"))?;
    let Some(_lock) = lock else {
        return Err(KeeperError::AlreadyRunning(folder.path().to_owned()));
    };
    let signals = prepare_process().map_err(KeeperError::doing("set its process up"))?;
    let keeper = take_over(&config, &folder)?;
    let socket = folder.socket();
    let listener = accept::listen(&socket)
        .map_err(KeeperError::doing(format!("listen on {}", folder.path().join("keeper.sock").display())))?;
    let watcher = keeper.clone();
    thread::Builder::new()
        .name("deadlines".to_owned())
        .spawn(move || orders::watch_deadlines(&watcher))
        .map_err(KeeperError::doing("start its thread for deadlines"))?;
    tracing::info!(folder = %folder.path().display(), confinement = ?keeper.confinement, "the keeper is at work");
    let kept = keep_house(&config, &keeper, &listener, &signals);
    // Nobody is to find a socket that does not answer.
    std::fs::remove_file(&socket).map_err(KeeperError::doing("remove its socket"))?;
    kept.map_err(KeeperError::doing("wait for connections"))?;
    keeper.slots.end_all().map_err(KeeperError::doing("end its slots"))?;
    keeper.root.remove().map_err(KeeperError::doing("remove its cgroups"))
}

/// Makes this process one that runs can be born from; gives what signals are read from.
fn prepare_process() -> io::Result<OwnedFd> {
    // Whatever the process that started us left open is not for the runs. (Ours are closed on exec, all of them.)
    // SAFETY: no pointers; descriptors are marked, none is closed.
    if unsafe { libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) } < 0 {
        tracing::warn!(error = %io::Error::last_os_error(), "descriptors left open by our parent may reach the runs");
    }
    // SAFETY: a plain system call, no pointers.
    if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // Few arenas: hundreds of threads that mostly sleep are not to take memory each.
    // SAFETY: sets a number inside the allocator, before there are threads.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is initialised by the first call; the descriptor is new and ours alone.
    unsafe {
        // An ignored SIGCHLD would have our children reaped behind our back.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
        if libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) < 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Takes the journal up, clears what a dead keeper left, and finds out what can be enforced.
fn take_over(config: &KeeperConfig, folder: &Folder) -> Result<Arc<Keeper>, KeeperError> {
    let id = folder.id().map_err(KeeperError::doing("identify its folder"))?;
    let loaded = Journal::open(&folder.journal())
        .map_err(KeeperError::doing(format!("open {}", folder.journal().display())))?;
    if loaded.torn_bytes > 0 {
        tracing::warn!(bytes = loaded.torn_bytes, "the journal's end was torn, and is cut off");
    }
    let (mut ledger, inheritance) = Ledger::take_up(loaded.journal, loaded.records);
    recover::clear(&inheritance, &id).map_err(KeeperError::doing("end the runs of a dead keeper"))?;
    let name = format!("tidegate-{}-{id}", file_name(&config.node));
    let (root, confinement) = cgroup::detect(&name, config.cgroups);
    let mut opened = || {
        recover::report_lost(&mut ledger, &inheritance.unfinished)?;
        ledger.begin(Record::Opened { boot_id: procfs::boot_id()?, cgroup_roots: root.folders() })
    };
    opened().map_err(KeeperError::doing("write its journal"))?;
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
    let event = event.map_err(|error| KeeperError::doing("make an event")(error.into()))?;
    Ok(Arc::new(Keeper {
        ledger: Mutex::new(ledger),
        live: Mutex::default(),
        slots: slots::Slots::new(config.slot_idle),
        deadlines: deadlines::Deadlines::default(),
        link: Arc::new(link::Link::default()),
        id,
        root,
        confinement,
        event,
        dozing: AtomicBool::new(false),
        leaving: AtomicBool::new(false),
    }))
}

/// A node's name as a part of a folder's name.
fn file_name(node: &str) -> String {
    let keep = |one: char| if one.is_ascii_alphanumeric() || "-_.".contains(one) { one } else { '_' };
    node.chars().take(64).map(keep).collect()
}

fn keep_house(
    config: &KeeperConfig,
    keeper: &Arc<Keeper>,
    listener: &UnixListener,
    signals: &OwnedFd,
) -> io::Result<()> {
    let mut needed = Instant::now();
    let mut stopping = false;
    let mut wait = Duration::ZERO;
    let mut round = 0;
    loop {
        round += 1;
        wait_for_something(keeper, listener, signals, wait)?;
        keeper.dozing.store(false, Ordering::SeqCst);
        if let Err(error) = accept::accept(keeper, listener, round) {
            tracing::error!(%error, "a connection cannot be taken");
        }
        let mut live: Vec<Arc<Run>> = keeper.live().values().cloned().collect();
        if live.is_empty() {
            // Whoever begins a run from here on wakes us.
            keeper.dozing.store(true, Ordering::SeqCst);
            live.extend(keeper.live().values().cloned());
        }
        wait = look_around(keeper, &live);
        if keeper.is_leaving() {
            if !std::mem::replace(&mut stopping, true) {
                live.iter().for_each(|run| orders::stop(keeper, run, run.request.grace_ms, Cause::Stopped));
            }
            if live.is_empty() {
                return Ok(());
            }
            continue;
        }
        // Exits that nobody has fetched are in the journal, for the next keeper to tell.
        if keeper.link.has_agent() || !live.is_empty() || keeper.ledger().has_unwritten() {
            needed = Instant::now();
        }
        let unneeded = needed.elapsed();
        if unneeded >= config.linger {
            tracing::info!("no attempts and no agent: the keeper leaves");
            return Ok(());
        }
        wait = wait.min(config.linger - unneeded);
    }
}

/// Waits for a connection, a signal, or a word from another thread.
fn wait_for_something(
    keeper: &Keeper,
    listener: &UnixListener,
    signals: &OwnedFd,
    wait: Duration,
) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(wait.subsec_nanos()),
    };
    let mut fds = [listener.as_fd(), signals.as_fd(), keeper.event.as_fd()]
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timeout)))?;
    let [_, signal, event] = fds.map(|fd| !fd.revents().is_empty());
    let mut taken = [0; 128];
    if event {
        rustix::io::read(&keeper.event, &mut taken)?;
    }
    if signal {
        rustix::io::read(signals, &mut taken)?;
        tracing::info!("told to end by a signal: stopping all runs");
        keeper.leave();
    }
    Ok(())
}

/// Reaps, cuts logs, removes what is not used any more; how long it can wait until the next time.
fn look_around(keeper: &Arc<Keeper>, live: &[Arc<Run>]) -> Duration {
    if let Err(error) = orphans::reap() {
        tracing::error!(%error, "adopted processes cannot be reaped");
    }
    if let Err(error) = keeper.slots.clear_ended() {
        tracing::error!(%error, "the cgroup of a slot cannot be removed");
    }
    let late = keeper.ledger().late();
    keeper.link.send(late.into_iter().filter_map(|status| status.into_message()));
    let mut fast = false;
    for run in live {
        fast |= run.logs.enforce();
    }
    match (fast, live.is_empty()) {
        (true, _) => FAST_TICK,
        (false, false) => TICK,
        (false, true) => IDLE_TICK,
    }
}
