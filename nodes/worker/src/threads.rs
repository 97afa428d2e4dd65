//! A few threads for the file work of attempts, apart from those that wait for the network: a run's folder is made, or
//! stored, or deleted, by one of them in one go.

use std::{
    collections::VecDeque,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

type Job = Box<dyn FnOnce() + Send>;

/// The threads. Clones share them; when the last is dropped they end, once all jobs are done.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Handle>);

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared {
    queue: Mutex<Queue>,
    /// There is a job, or there never will be.
    changed: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}

impl Threads {
    pub(crate) fn new(count: usize) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), threads: Mutex::default() });
        for number in 0..count {
            let own = shared.clone();
            let thread = thread::Builder::new().name(format!("files-{number}")).spawn(move || work(&own))?;
            locked(&shared.threads).push(thread);
        }
        Ok(Self(Arc::new(Handle(shared))))
    }

    /// Runs a job when a thread is free, in the order of the calls.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let shared = &self.0.0;
        let mut queue = locked(&shared.queue);
        queue.jobs.push_back(Box::new(job));
        if queue.idle > 0 {
            shared.changed.notify_one();
        }
    }

    /// Waits until all jobs given so far are done; none is run after that.
    pub(crate) fn close(&self) {
        let shared = &self.0.0;
        shared.close();
        for thread in std::mem::take(&mut *locked(&shared.threads)) {
            if thread.join().is_err() {
                tracing::error!("a thread for file work has panicked");
            }
        }
    }
}

impl Shared {
    fn close(&self) {
        locked(&self.queue).closed = true;
        self.changed.notify_all();
    }
}

fn work(shared: &Shared) {
    let mut queue = locked(&shared.queue);
    loop {
        if let Some(job) = queue.jobs.pop_front() {
            drop(queue);
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a piece of file work has panicked");
            }
            queue = locked(&shared.queue);
        } else if queue.closed {
            return;
        } else {
            queue.idle += 1;
            queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_job_is_done_before_the_threads_end_even_after_a_panic() {
        let threads = Threads::new(2).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        for number in 0..100 {
            let done = done.clone();
            threads.run(move || {
                assert!(number != 50, "on purpose");
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        threads.close();
        assert_eq!(done.load(Ordering::Relaxed), 99);
    }
}
