//! How many runs of `/bin/true` a keeper starts and ends in a second, and what each costs, beside a bare loop of
//! `posix_spawn` measured in the same minute.
//!
//! `cargo run --release -p tidegate-worker --example keeper_rate [-- RUNS [IN_FLIGHT]]`
//!
//! What bounds it, by `perf record -e cpu-clock`: the command itself. Of the samples, five in six are in `/bin/true`
//! (exec, page faults, exit); the keeper's threads have the sixth: the birth of the child, its session (`setsid`
//! makes a scheduling group) and its two log files first, then the socket (two sends a run), the journal (three
//! appends, not synced), the looks at the logs' sizes and at `memory.oom_control`, and the wake-up of the slot.
//!
//! CPU time is that of all processes involved, the command's own included. Figures of a busy machine are worth little;
//! the ratios and the CPU time hold better than the rates.

use std::{
    collections::BTreeMap,
    ffi::CString,
    path::Path,
    ptr,
    time::{Duration, Instant},
};

use tidegate_worker::keeper::{
    KeeperConfig,
    client::{KeeperHandle, Launch},
    protocol::{FromKeeper, Limits, Outcome, StartRequest, ToKeeper},
};

/// What a measurement gives.
struct Figures {
    per_second: f64,
    cpu_us: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, keeper, folder, cgroups] = &arguments[..]
        && keeper == "keeper"
    {
        let config = KeeperConfig { cgroups: cgroups == "cgroups", ..KeeperConfig::new(folder, "rate") };
        return tidegate_worker::keeper::run(config).expect("the keeper works");
    }
    let number =
        |at: usize, usual: u64| arguments.get(at).map_or(usual, |text| text.parse().expect("a number"));
    let (runs, in_flight) = (number(1, 5_000), number(2, 64));
    println!("{runs} runs of /bin/true, {in_flight} in flight");
    let bare = bare(1, runs);
    let ceiling = self::bare(2, runs);
    show("posix_spawn, 1 thread", &bare, None);
    show("posix_spawn, 2 threads", &ceiling, None);
    for (name, how) in [("keeper without cgroups", "none"), ("keeper with cgroups", "cgroups")] {
        show(name, &keeper(how, runs, in_flight), Some(&ceiling));
    }
}

fn show(name: &str, figures: &Figures, ceiling: Option<&Figures>) {
    print!("{name:24} {:6.0}/s  {:5.0} us of CPU a run", figures.per_second, figures.cpu_us);
    if let Some(ceiling) = ceiling {
        let rate = figures.per_second / ceiling.per_second;
        let more = figures.cpu_us - ceiling.cpu_us;
        print!("   {rate:.2} of the rate of 2 threads, {more:+.0} us");
    }
    println!();
}

/// The bare loop.
fn bare(threads: u64, runs: u64) -> Figures {
    let (began, cpu) = (Instant::now(), children_us() + own_us());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..runs / threads).for_each(|_| spawn_true()));
        }
    });
    figures(runs, began.elapsed(), children_us() + own_us() - cpu)
}

fn spawn_true() {
    let program = CString::new("/bin/true").expect("no NUL in it");
    let argv = [program.as_ptr().cast_mut(), ptr::null_mut()];
    let env = [ptr::null_mut()];
    let (mut pid, mut status) = (0, 0);
    // SAFETY: every pointer is to a value that lives through the calls; both arrays end with null.
    unsafe {
        let refused = libc::posix_spawn(
            &mut pid,
            program.as_ptr(),
            ptr::null(),
            ptr::null(),
            argv.as_ptr(),
            env.as_ptr(),
        );
        assert_eq!(refused, 0, "cannot spawn /bin/true");
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
    }
    assert_eq!(status, 0);
}

/// A keeper's process, and an agent that keeps it busy.
fn keeper(how: &str, runs: u64, in_flight: u64) -> Figures {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let launch = Launch {
        program: std::env::current_exe().expect("our own program"),
        arguments: ["keeper".into(), folder.path().into(), how.into()].into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut agent = KeeperHandle::connect_or_start(folder.path(), &launch).await.expect("a keeper");
        let pid = agent.pid;
        // The first ones make the slots.
        drive(&mut agent, folder.path(), 0, in_flight * 2, in_flight).await;
        let (began, cpu) = (Instant::now(), own_us() + of_process_us(pid));
        let used = drive(&mut agent, folder.path(), in_flight * 2, runs, in_flight).await;
        let elapsed = began.elapsed();
        let cpu = own_us() + of_process_us(pid) - cpu;
        if std::env::var_os("SHOW_PARTS").is_some() {
            let each = |us: u64| us as f64 / runs as f64;
            println!("  agent and keeper with the runs' spawning {:.0} us, the runs' rusage {:.0} us; keeper RSS {} KiB",
                each(cpu), each(used), rss_kib(pid));
        }
        agent.send(&ToKeeper::Shutdown).await.expect("the keeper is there");
        while agent.next().await.is_some() {}
        while Path::new(&format!("/proc/{pid}")).exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        figures(runs, elapsed, cpu)
    })
}

/// Keeps `in_flight` runs going until `runs` have ended, forgetting them in batches as an agent does.
async fn drive(agent: &mut KeeperHandle, folder: &Path, first: u64, runs: u64, in_flight: u64) -> u64 {
    let mut next = first;
    let mut forget = Vec::new();
    let mut used_us = 0;
    let mut left: BTreeMap<u64, ()> = BTreeMap::new();
    while next < first + runs || !left.is_empty() {
        while next < first + runs && (left.len() as u64) < in_flight {
            left.insert(next, ());
            agent.send(&ToKeeper::Start(request(next, folder))).await.expect("the keeper is there");
            next += 1;
        }
        match agent.next().await.expect("the keeper is there") {
            FromKeeper::Exited(exit) => {
                assert_eq!(exit.outcome, Outcome::Code(0));
                left.remove(&exit.fence).expect("one exit a run");
                used_us += exit.cpu_us;
                forget.push(exit.fence);
            }
            FromKeeper::Started { .. } => {}
            other => panic!("{other:?}"),
        }
        if forget.len() == 64 || left.is_empty() {
            let fences = std::mem::take(&mut forget);
            agent.send(&ToKeeper::Forget { fences }).await.expect("the keeper is there");
        }
    }
    used_us
}

fn request(fence: u64, folder: &Path) -> StartRequest {
    StartRequest {
        fence,
        argv: vec!["/bin/true".to_owned()],
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        cwd: folder.to_owned(),
        stdout: folder.join(format!("out-{}", fence % 256)),
        stderr: folder.join(format!("err-{}", fence % 256)),
        limits: Limits { cpu_milli: Some(1000), memory_bytes: Some(1 << 30), pids: Some(1000) },
        timeout_ms: Some(3_600_000),
        grace_ms: 10_000,
        log_limit_bytes: 1 << 20,
    }
}

fn figures(runs: u64, elapsed: Duration, cpu_us: u64) -> Figures {
    Figures { per_second: runs as f64 / elapsed.as_secs_f64(), cpu_us: cpu_us as f64 / runs as f64 }
}

fn own_us() -> u64 {
    usage_us(libc::RUSAGE_SELF)
}

fn children_us() -> u64 {
    usage_us(libc::RUSAGE_CHILDREN)
}

fn usage_us(who: i32) -> u64 {
    // SAFETY: all zeros is a valid value of this plain structure, and the pointer to it lives through the call.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::getrusage(who, &mut usage) }, 0);
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}

/// CPU time of another process and of its children that it has reaped, to the kernel's clock tick.
fn of_process_us(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the keeper is there");
    let (_, fields) = stat.rsplit_once(") ").expect("a stat line");
    let ticks: u64 =
        fields.split(' ').skip(11).take(4).map(|field| field.parse::<u64>().expect("a number")).sum();
    ticks * 10_000
}

fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the keeper is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a VmRSS line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
