//! Processes stand still, and go on as if nothing had been.

use std::{
    fs,
    process::{Child, Command},
    time::Duration,
};

use anyhow::Result;
use tidegate_tests::{
    Home,
    faults::{Paused, Reach},
    wait,
};

/// A master and a child that writes all the time; killed when dropped.
struct Busy {
    child: Child,
    home: Home,
}

impl Busy {
    fn new() -> Result<Busy> {
        let home = Home::new()?;
        let script = "(while :; do echo x >> written; sleep 0.005; done) & echo $! > writer; wait";
        let child = Command::new("sh").args(["-c", script]).current_dir(home.path()).spawn()?;
        let busy = Busy { child, home };
        busy.wait_for_more()?;
        Ok(busy)
    }

    fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    fn written(&self) -> u64 {
        fs::metadata(self.home.path().join("written")).map_or(0, |file| file.len())
    }

    fn wait_for_more(&self) -> Result<()> {
        let before = self.written();
        wait::until_value("more to be written", || Ok(self.written()), |now| *now > before).map(drop)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let writer = fs::read_to_string(self.home.path().join("writer")).unwrap_or_default();
        let pids = format!("{} {}", writer.trim(), self.child.id());
        let killed = Command::new("sh").args(["-c", &format!("kill -9 {pids}")]).status();
        let ended = self.child.wait();
        assert!(killed.is_ok() && ended.is_ok() || std::thread::panicking(), "{pids} are still there");
    }
}

fn state(pid: i32) -> Result<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('?'))
}

#[test]
fn a_process_stands_still_with_its_children_and_goes_on() -> Result<()> {
    let busy = Busy::new()?;
    let paused = Paused::pause(busy.pid(), Reach::WithChildren)?;
    let pids = paused.pids();
    assert!(pids.len() >= 2 && pids[0] == busy.pid(), "{pids:?}");
    let written = busy.written();
    for pid in &pids {
        assert_eq!(state(*pid)?, 'T');
    }
    assert_eq!(busy.written(), written);
    paused.resume()?;
    busy.wait_for_more()?;
    // Dropped, it goes on as well.
    drop(Paused::pause(busy.pid(), Reach::WithChildren)?);
    busy.wait_for_more()?;
    Paused::pause_for(busy.pid(), Reach::WithChildren, Duration::from_millis(10))?;
    busy.wait_for_more()
}

#[test]
fn a_process_stands_still_alone() -> Result<()> {
    let busy = Busy::new()?;
    let paused = Paused::pause(busy.pid(), Reach::Alone)?;
    assert_eq!(paused.pids(), [busy.pid()]);
    assert_eq!(state(busy.pid())?, 'T');
    busy.wait_for_more()?;
    paused.resume()?;
    assert_ne!(state(busy.pid())?, 'T');
    Ok(())
}

#[test]
fn nobody_is_not_paused() {
    let error = Paused::pause(i32::MAX, Reach::Alone).expect_err("there is no such process");
    assert!(error.to_string().contains("no process"), "{error}");
}
