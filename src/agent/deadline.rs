//! Jobs that may hang in the kernel for ever, run so that nobody waits for them.
//!
//! statfs(2) on a mount whose server is gone sleeps uninterruptibly; no timeout and no signal
//! ends it. Such a call gets a thread that is given up, and is not tried again before it returns,
//! so that at most one thread per hung thing is lost. Tokio's blocking threads would not do: its
//! runtime waits for them when it ends, and the process could not stop.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A job to run once.
pub type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// The most threads one [`Runner::run`] starts at once.
const MOST_THREADS: usize = 16;

/// Threads for work that may never end. The last that was done waits for more, since a scrape comes
/// every few seconds and a new thread costs as much as reading ten files.
#[derive(Clone, Debug)]
pub struct Workers {
    name: &'static str,
    idle: Arc<Mutex<Option<Sender<Task>>>>,
}

type Task = Box<dyn FnOnce() + Send>;

impl Workers {
    /// Threads of that name; none yet.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            idle: Arc::default(),
        }
    }

    /// Runs a task on the thread that waits, or on a new one.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn run(&self, task: Task) -> std::io::Result<()> {
        let waiting = lock(&self.idle).take();
        let Some(waiting) = waiting else {
            return self.start(task);
        };
        match waiting.send(task) {
            Ok(()) => Ok(()),
            Err(mpsc::SendError(task)) => self.start(task),
        }
    }

    fn start(&self, task: Task) -> std::io::Result<()> {
        let idle = Arc::downgrade(&self.idle);
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        thread.spawn(move || {
            let mut next = Some(task);
            while let Some(task) = next {
                task();
                next = wait(&idle);
            }
        })?;
        Ok(())
    }
}

/// Waits for another task; none when another thread waits already, as those were needed because
/// something hung, or when nobody is left to give one.
fn wait(idle: &Weak<Mutex<Option<Sender<Task>>>>) -> Option<Task> {
    let (sender, receiver) = mpsc::channel();
    {
        let idle = idle.upgrade()?;
        let mut idle = lock(&idle);
        if idle.is_some() {
            return None;
        }
        *idle = Some(sender);
    }
    receiver.recv().ok()
}

/// Runs jobs within a deadline and remembers which are still hanging.
#[derive(Debug)]
pub struct Runner {
    workers: Workers,
    deadline: Duration,
    hanging: Mutex<HashMap<String, Arc<Progress>>>,
}

#[derive(Debug, Default)]
struct Progress {
    started: AtomicBool,
    done: AtomicBool,
}

struct Queued<T> {
    index: usize,
    progress: Arc<Progress>,
    job: Job<T>,
}

/// What the threads of one run share. They store their results here and wake nobody but with the
/// last one: a wake-up for each costs more than most of the jobs.
struct Shared<T> {
    state: Mutex<State<T>>,
    finished: Condvar,
}

/// The jobs of a run by name.
type Tracked = Vec<(String, Arc<Progress>)>;

struct State<T> {
    queue: VecDeque<Queued<T>>,
    results: Vec<Option<T>>,
    unfinished: usize,
}

impl Runner {
    /// A runner whose runs end after `deadline` at the latest.
    pub fn new(thread_name: &'static str, deadline: Duration) -> Self {
        Self {
            workers: Workers::new(thread_name),
            deadline,
            hanging: Mutex::default(),
        }
    }

    /// Runs the jobs and returns their results in the same order; `None` for one that missed the
    /// deadline, or that still hangs since an earlier run and was therefore not tried.
    ///
    /// One thread does all the work while it flows. When it stalls, more join, twice as many each
    /// time, so that many hung jobs do not keep the others from being done in time.
    pub fn run<T: Send + 'static>(&self, jobs: Vec<(String, Job<T>)>) -> Vec<Option<T>> {
        let end = Instant::now() + self.deadline;
        let stall = self.deadline / 10;
        let (shared, tracked) = self.enqueue(jobs);
        let mut threads = self.start(1, &shared);
        let mut state = lock(&shared.state);
        while state.unfinished > 0 && threads > 0 {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let unfinished = state.unfinished;
            let wait = stall.min(end - now);
            let waited = shared.finished.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.unfinished == unfinished {
                let more = threads.min(MOST_THREADS - threads).min(state.queue.len());
                drop(state);
                threads += self.start(more, &shared);
                state = lock(&shared.state);
            }
        }
        // What nobody started is dropped, which lets the threads that hang end when they return.
        state.queue.clear();
        let results = std::mem::take(&mut state.results);
        drop(state);
        let missed = |(name, progress): (String, Arc<Progress>)| {
            let hangs =
                progress.started.load(Ordering::Acquire) && !progress.done.load(Ordering::Acquire);
            hangs.then_some((name, progress))
        };
        lock(&self.hanging).extend(tracked.into_iter().filter_map(missed));
        results
    }

    /// Queues every job but those that still hang.
    fn enqueue<T>(&self, jobs: Vec<(String, Job<T>)>) -> (Arc<Shared<T>>, Tracked) {
        let mut hanging = lock(&self.hanging);
        hanging.retain(|_, progress| !progress.done.load(Ordering::Acquire));
        let results = jobs.iter().map(|_| None).collect();
        let mut queue = VecDeque::with_capacity(jobs.len());
        let mut tracked = Vec::with_capacity(jobs.len());
        for (index, (name, job)) in jobs.into_iter().enumerate() {
            if !hanging.contains_key(&name) {
                let progress = Arc::<Progress>::default();
                tracked.push((name, progress.clone()));
                queue.push_back(Queued {
                    index,
                    progress,
                    job,
                });
            }
        }
        let state = Mutex::new(State {
            unfinished: queue.len(),
            queue,
            results,
        });
        let finished = Condvar::new();
        (Arc::new(Shared { state, finished }), tracked)
    }

    /// Starts threads; returns how many.
    fn start<T: Send + 'static>(&self, count: usize, shared: &Arc<Shared<T>>) -> usize {
        let started = (0..count).map_while(|_| {
            let shared = shared.clone();
            self.workers
                .run(Box::new(move || work(&shared)))
                .inspect_err(|error| tracing::warn!(%error, "cannot start a thread"))
                .ok()
        });
        started.count()
    }
}

fn work<T>(shared: &Shared<T>) {
    loop {
        let next = lock(&shared.state).queue.pop_front();
        let Some(Queued {
            index,
            progress,
            job,
        }) = next
        else {
            return;
        };
        progress.started.store(true, Ordering::Release);
        let result = job();
        progress.done.store(true, Ordering::Release);
        let mut state = lock(&shared.state);
        state.unfinished -= 1;
        // Gone when the run has ended without this job.
        if let Some(slot) = state.results.get_mut(index) {
            *slot = Some(result);
        }
        if state.unfinished == 0 {
            shared.finished.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_millis(200);

    fn job<T>(name: &str, job: impl FnOnce() -> T + Send + 'static) -> (String, Job<T>) {
        (name.to_owned(), Box::new(job))
    }

    #[test]
    fn results_come_back_in_the_order_of_the_jobs() {
        let runner = Runner::new("test", DEADLINE);
        let jobs = (0..50).map(|n| job(&n.to_string(), move || n)).collect();
        assert_eq!(runner.run(jobs), (0..50).map(Some).collect::<Vec<_>>());
        assert_eq!(runner.run(Vec::<(String, Job<()>)>::new()), []);
    }

    #[test]
    fn the_same_thread_does_one_run_after_the_other_and_ends_with_the_runner() {
        let runner = Runner::new("test", DEADLINE);
        let thread = || {
            let job = job("name", || std::thread::current().id());
            let ran = runner.run(vec![job])[0].unwrap();
            while lock(&runner.workers.idle).is_none() {
                std::thread::yield_now();
            }
            ran
        };
        assert_eq!(thread(), thread());
        let idle = Arc::downgrade(&runner.workers.idle);
        drop(runner);
        assert!(idle.upgrade().is_none());
    }

    #[test]
    fn many_hung_jobs_cost_one_deadline_and_the_others_are_done() {
        let runner = Runner::new("test", DEADLINE);
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let hang = |n: usize| {
            let gate = gate.clone();
            job(&format!("hung{n}"), move || {
                lock(&gate).recv().unwrap_or(());
            })
        };
        let mut jobs: Vec<_> = (0..10).map(hang).collect();
        jobs.push(job("well", || ()));
        let begin = Instant::now();
        let results = runner.run(jobs);
        assert!(begin.elapsed() < DEADLINE * 2, "{:?}", begin.elapsed());
        assert!(results[..10].iter().all(Option::is_none));
        assert_eq!(results[10], Some(()));

        // The next run does not try them again, so it does not wait either.
        let begin = Instant::now();
        let jobs = vec![hang(0), hang(1), job("well", || ())];
        assert_eq!(runner.run(jobs), [None, None, Some(())]);
        assert!(begin.elapsed() < DEADLINE / 2, "{:?}", begin.elapsed());
        drop(release);
    }

    #[test]
    fn a_job_that_returned_at_last_is_tried_again() {
        let runner = Runner::new("test", DEADLINE);
        let (release, gate) = mpsc::channel::<()>();
        assert_eq!(
            runner.run(vec![job("slow", move || gate.recv().unwrap_or(()))]),
            [None]
        );
        drop(release);
        let begin = Instant::now();
        while runner.run(vec![job("slow", || ())]) == [None] {
            assert!(begin.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
