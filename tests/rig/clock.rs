//! Clocks jump in the processes that are to see it, and only the clocks that are to.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use tidegate_tests::{
    Home,
    faults::{Clock, Faked, with_uptime},
};

use crate::left_out;

const HOUR: f64 = 3600.0;
/// What rounding to text costs.
const ROUNDING: f64 = 0.002;

/// A program that tells its clocks when asked.
struct Watch {
    child: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// The child's start comes after this.
    begun: Instant,
}

/// What it tells.
#[derive(Debug)]
struct Clocks {
    /// How far its time of day is ahead of ours.
    ahead: f64,
    /// Since it started, by its `Instant`.
    elapsed: f64,
}

impl Watch {
    fn start(clock: &Clock) -> Result<Watch> {
        let begun = Instant::now();
        let mut child = clock.apply(&mut left_out("clock::tells_its_clocks")?).spawn()?;
        let ask = child.stdin.take().context("it was piped")?;
        let answers = BufReader::new(child.stdout.take().context("it was piped")?).lines();
        Ok(Watch { child, ask, answers, begun })
    }

    /// Has it sleep for so many seconds of its own, then tell.
    fn look(&mut self, sleep: f64) -> Result<Clocks> {
        let before = wall()?;
        writeln!(self.ask, "{sleep}")?;
        let told = self.answers.by_ref().find_map(|line| {
            let line = line.ok()?;
            let words = line.split_once("clocks: ")?.1;
            let (wall, elapsed) = words.split_once(' ')?;
            Some((wall.parse::<f64>().ok()?, elapsed.parse::<f64>().ok()?))
        });
        let (wall_there, elapsed) = told.context("it tells its clocks")?;
        let after = wall()?;
        // It was read between the two: less its own sleep, which is short in ours.
        ensure!(after - before < HOUR / 10.0, "it took {} s to answer", after - before);
        Ok(Clocks { ahead: wall_there - before, elapsed })
    }

    /// Since before its start, by the right clock.
    fn elapsed(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        assert!(ended.is_ok() || thread::panicking(), "{ended:?}");
    }
}

fn wall() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

#[test]
fn the_time_of_day_jumps_alone() -> Result<()> {
    let home = Home::new()?;
    let Some(clock) = Clock::new("the_time_of_day_jumps_alone", home.path(), Faked::Wall)? else {
        return Ok(());
    };
    let mut watch = Watch::start(&clock)?;
    for (offset, set) in [(0.0, false), (HOUR, true), (-HOUR, true), (86400.0 * 365.0, true), (0.0, true)] {
        if set {
            clock.set(offset)?;
        }
        let told = watch.look(0.0)?;
        // Ahead by the offset and the time that the question took.
        assert!(told.ahead >= offset - ROUNDING && told.ahead < offset + HOUR / 10.0, "{offset}: {told:?}");
        assert!(told.elapsed >= 0.0 && told.elapsed <= watch.elapsed(), "{offset}: {told:?}");
    }
    let refused = clock.set_rate(0.0, 2.0).expect_err("timers would run with it");
    assert!(refused.to_string().contains("WallAndMonotonic"), "{refused}");
    Ok(())
}

#[test]
fn all_clocks_jump_and_run_fast() -> Result<()> {
    let home = Home::new()?;
    let Some(clock) = Clock::new("all_clocks_jump", home.path(), Faked::WallAndMonotonic)? else {
        return Ok(());
    };
    let mut watch = Watch::start(&clock)?;
    let right = watch.look(0.0)?;
    assert!(right.elapsed <= watch.elapsed() + ROUNDING, "{right:?}");
    clock.set(HOUR)?;
    let jumped = watch.look(0.0)?;
    assert!(jumped.ahead >= HOUR - ROUNDING && jumped.elapsed >= HOUR - ROUNDING, "{jumped:?}");
    assert!(jumped.elapsed <= HOUR + watch.elapsed() + ROUNDING, "{jumped:?}");
    // Half a minute of its own passes within a third of a second.
    clock.set_rate(0.0, 100.0)?;
    let (before, begun) = (watch.look(0.0)?, Instant::now());
    let after = watch.look(30.0)?;
    assert!(after.elapsed - before.elapsed >= 30.0, "{before:?} {after:?}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    Ok(())
}

#[test]
fn nothing_is_left_of_a_killed_process_with_a_wrong_clock() -> Result<()> {
    let home = Home::new()?;
    let Some(clock) = Clock::new("nothing_is_left_of_a_killed_process", home.path(), Faked::Wall)? else {
        return Ok(());
    };
    let mut watch = Watch::start(&clock)?;
    watch.look(0.0)?;
    let pid = watch.child.id();
    let remains = || std::path::Path::new(&format!("/dev/shm/faketime_shm_{pid}")).exists();
    assert!(remains(), "the library keeps something there");
    drop(watch);
    drop(clock);
    assert!(!remains());
    Ok(())
}

#[test]
fn a_machine_was_up_for_longer() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a_machine_was_up_for_longer: needs root");
        return Ok(());
    }
    let monotonic = || {
        let now = clock_gettime(ClockId::Monotonic);
        Duration::new(now.tv_sec.cast_unsigned(), u32::try_from(now.tv_nsec).unwrap_or_default())
            .as_secs_f64()
    };
    for seconds in [1_000_000, -10] {
        let mut python = with_uptime(seconds, "python3".as_ref());
        let before = monotonic();
        let output = python.args(["-c", "import time; print(time.monotonic())"]).output()?;
        let after = monotonic();
        ensure!(output.status.success(), "{output:?}");
        let told: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        let there = told - seconds as f64;
        assert!((before..=after).contains(&there), "{before} {there} {after}");
    }
    Ok(())
}

/// Of each line, it sleeps for so many seconds, and tells its clocks.
#[test]
#[ignore = "started by the other tests of this file"]
fn tells_its_clocks() -> Result<()> {
    let begun = Instant::now();
    for line in std::io::stdin().lines() {
        thread::sleep(Duration::from_secs_f64(line?.trim().parse()?));
        println!("clocks: {:.6} {:.6}", wall()?, begun.elapsed().as_secs_f64());
    }
    Ok(())
}
