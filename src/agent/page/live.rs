//! Those who look at the page, and the gathers that run for them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use futures::future::join_all;
use futures::{Stream, stream};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Source;
use super::shape::Shape;
use super::table::{Frame, Table, WINDOW};

/// Between two gathers while somebody looks. After the first one it is shorter, so that rates are
/// there at once.
const PACE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// How many may look at once. One more takes the place of the first, so that viewers who went
/// without a word never lock others out.
const MOST_VIEWERS: usize = 8;

/// After so many frames that nobody took, nobody looks: a laptop that was shut leaves its connection
/// open.
const MOST_UNREAD: u32 = 30;

/// What all viewers get: each table as it is now. Only the last one is kept, so a viewer that
/// reads slowly misses some and holds nothing.
type Frames = Arc<[Frame]>;

/// The page's state.
pub struct Page {
    sources: Vec<Arc<dyn Source>>,
    tables: Vec<Arc<Table>>,
    frames: watch::Sender<Frames>,
    /// How long to wait after the first gather, and after each other.
    pace: [Duration; 2],
    /// Frames since a viewer took something.
    unread: AtomicU32,
    /// A viewer came, or takes something again.
    came: Notify,
    viewers: Mutex<VecDeque<CancellationToken>>,
}

impl Page {
    /// A page of these parts, in their order.
    pub fn new(sources: Vec<Arc<dyn Source>>) -> Arc<Self> {
        Self::with_pace(sources, PACE)
    }

    fn with_pace(sources: Vec<Arc<dyn Source>>, pace: [Duration; 2]) -> Arc<Self> {
        let tables: Vec<_> = sources.iter().flat_map(|source| source.tables()).collect();
        let frames = tables.iter().map(|_| Frame::default()).collect();
        Arc::new(Self {
            sources,
            tables,
            frames: watch::Sender::new(frames),
            pace,
            unread: AtomicU32::new(0),
            came: Notify::new(),
            viewers: Mutex::default(),
        })
    }

    /// Gathers for viewers while there are any, until `stop`; then sends them away.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow() => {}
        }
        for viewer in self.viewers().drain(..) {
            viewer.cancel();
        }
    }

    async fn follow(&self) {
        loop {
            self.came.notified().await;
            let [mut pace, later] = self.pace;
            while self.frames.receiver_count() > 0 && !self.is_unread() {
                join_all(self.sources.iter().map(|source| source.clone().refresh())).await;
                let before = self.frames.borrow().clone();
                let frames = self.tables.iter().zip(before.iter());
                let frames: Frames = frames.map(|(table, it)| table.frame(it)).collect();
                self.frames.send_replace(frames);
                self.unread.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(pace).await;
                pace = later;
            }
        }
    }

    /// The events for one viewer: what there is, the last minutes, and then what is new.
    pub fn watch(self: Arc<Self>) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let token = CancellationToken::new();
        {
            let mut viewers = self.viewers();
            viewers.retain(|viewer| !viewer.is_cancelled());
            viewers.push_back(token.clone());
            if viewers.len() > MOST_VIEWERS
                && let Some(first) = viewers.pop_front()
            {
                first.cancel();
            }
        }
        let mut next: VecDeque<Next> = VecDeque::from([Next::Hello]);
        for (index, table) in self.tables.iter().enumerate() {
            next.push_back(Next::Rows(index));
            let past = table.numbers().into_iter();
            next.extend(past.map(|row| Next::Past(index, row)));
        }
        let viewer = Viewer {
            sent: vec![Frame::default(); self.tables.len()],
            frames: self.frames.subscribe(),
            gone: token.clone(),
            _end: token.drop_guard(),
            next,
            page: self.clone(),
        };
        self.unread.store(0, Ordering::Relaxed);
        self.came.notify_one();
        stream::unfold(viewer, |mut viewer| async move {
            let event = viewer.event().await?;
            Some((Ok(event), viewer))
        })
    }

    fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed) >= MOST_UNREAD
    }

    /// A viewer takes something.
    fn taken(&self) {
        if self.unread.swap(0, Ordering::Relaxed) >= MOST_UNREAD {
            self.came.notify_one();
        }
    }

    fn viewers(&self) -> std::sync::MutexGuard<'_, VecDeque<CancellationToken>> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = formatter.debug_struct("Page");
        out.field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// What a viewer is sent next. It is made when it is sent: a viewer holds one event at most.
enum Next {
    Hello,
    Rows(usize),
    Past(usize, u32),
    Event(&'static str, Bytes),
}

struct Viewer {
    page: Arc<Page>,
    frames: watch::Receiver<Frames>,
    /// What of each table it has.
    sent: Vec<Frame>,
    next: VecDeque<Next>,
    gone: CancellationToken,
    _end: DropGuard,
}

impl Viewer {
    /// The next event; none when this viewer is to go.
    async fn event(&mut self) -> Option<Bytes> {
        loop {
            self.page.taken();
            if let Some(next) = self.next.pop_front() {
                if let Some(event) = self.make(next) {
                    return Some(event);
                }
                continue;
            }
            tokio::select! {
                () = self.gone.cancelled() => return None,
                changed = self.frames.changed() => changed.ok()?,
            }
            self.queue();
        }
    }

    /// Queues what is new in the frames; rows before the figures that name them.
    fn queue(&mut self) {
        let frames = self.frames.borrow_and_update().clone();
        for (frame, sent) in frames.iter().zip(&mut self.sent) {
            if frame.generation != sent.generation {
                self.next.push_back(Next::Event("rows", frame.rows.clone()));
            }
            // Another one, be it earlier: the clock may have been set back.
            if frame.time.total_cmp(&sent.time).is_ne() {
                self.next.push_back(Next::Event("now", frame.now.clone()));
            }
            sent.generation = frame.generation;
            sent.time = frame.time;
        }
    }

    fn make(&mut self, next: Next) -> Option<Bytes> {
        match next {
            Next::Hello => Some(event("hello", &hello(&self.page.tables))),
            Next::Rows(index) => {
                let frame = self.page.tables.get(index)?.frame(&Frame::default());
                let sent = self.sent.get_mut(index)?;
                sent.generation = frame.generation;
                sent.time = frame.time;
                Some(event("rows", &frame.rows))
            }
            Next::Past(index, row) => {
                let past = self.page.tables.get(index)?.past(row)?;
                Some(event("past", &past))
            }
            Next::Event(name, data) => Some(event(name, &data)),
        }
    }
}

/// What the page must know before anything else.
fn hello(tables: &[Arc<Table>]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Hello<'a> {
        version: &'static str,
        window: f64,
        tables: Vec<&'a Shape>,
    }
    let hello = Hello {
        version: env!("CARGO_PKG_VERSION"),
        window: WINDOW,
        tables: tables.iter().map(|table| &table.shape).collect(),
    };
    // Text and numbers, which cannot fail.
    serde_json::to_vec(&hello).unwrap_or_default()
}

/// An event as <https://html.spec.whatwg.org/multipage/server-sent-events.html> has it. JSON
/// escapes line ends, so the data is one line.
fn event(name: &str, data: &[u8]) -> Bytes {
    [b"event: ", name.as_bytes(), b"\ndata: ", data, b"\n\n"]
        .concat()
        .into()
}

#[cfg(test)]
mod tests {
    use super::super::shape::{Column, Unit};
    use super::super::table::Record;
    use super::*;
    use futures::StreamExt;
    use futures::future::BoxFuture;

    const COLUMNS: &[Column] = &[Column::gauge("n", "N", Unit::Count)];

    /// Counts how often it was asked.
    struct Fake(Arc<Table>, AtomicU32);

    impl Source for Fake {
        fn tables(&self) -> Vec<Arc<Table>> {
            vec![self.0.clone()]
        }

        fn refresh(self: Arc<Self>) -> BoxFuture<'static, ()> {
            let count = f64::from(self.1.fetch_add(1, Ordering::Relaxed));
            let record = Record {
                key: "a",
                labels: "name=\"<b>\"",
                values: &[count],
            };
            self.0.record(count * 2.0, [record]);
            Box::pin(async {})
        }
    }

    fn page() -> (Arc<Page>, Arc<Fake>) {
        let table = Table::new(Shape {
            name: "t",
            title: "T",
            heads: &["name"],
            details: &[],
            columns: COLUMNS,
        });
        let fake = Arc::new(Fake(Arc::new(table), AtomicU32::new(0)));
        let pace = [Duration::from_millis(1); 2];
        (Page::with_pace(vec![fake.clone()], pace), fake)
    }

    async fn next(stream: &mut (impl Stream<Item = Result<Bytes, Infallible>> + Unpin)) -> String {
        let event = stream.next().await.unwrap().unwrap();
        String::from_utf8(event.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn nothing_runs_unless_somebody_looks() {
        let (page, fake) = page();
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (page, stop) = (page.clone(), stop.clone());
            async move { page.run(stop).await }
        });
        let a_while = Duration::from_millis(100);
        let asked = || fake.1.load(Ordering::Relaxed);
        tokio::time::sleep(a_while).await;
        assert_eq!(asked(), 0);

        let mut viewer = Box::pin(page.clone().watch());
        assert!(next(&mut viewer).await.starts_with("event: hello\ndata: {"));
        assert!(next(&mut viewer).await.starts_with("event: rows\n"));
        assert!(next(&mut viewer).await.contains("<b>"));
        assert!(next(&mut viewer).await.starts_with("event: now\n"));
        // One that reads nothing for a while misses what was meanwhile.
        while asked() < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let last = next(&mut viewer).await;
        let figure = last.rsplit_once('[').unwrap().1.split('.').next().unwrap();
        assert!(figure.parse::<u32>().unwrap() >= 18, "{last}");

        drop(viewer);
        tokio::time::sleep(a_while).await;
        let before = asked();
        tokio::time::sleep(a_while).await;
        assert_eq!(asked(), before);

        let mut viewer = Box::pin(page.clone().watch());
        let mut first = Vec::new();
        for _ in 0..3 {
            first.push(next(&mut viewer).await);
        }
        assert!(first[2].starts_with("event: past\n"), "{first:?}");
        stop.cancel();
        running.await.unwrap();
        while viewer.next().await.is_some() {}
    }

    #[tokio::test]
    async fn for_viewers_who_take_nothing_any_more_nothing_runs() {
        let (page, fake) = page();
        let running = tokio::spawn({
            let page = page.clone();
            async move { page.run(CancellationToken::new()).await }
        });
        let asked = || fake.1.load(Ordering::Relaxed);
        let mut viewer = Box::pin(page.clone().watch());
        let a_while = Duration::from_millis(200);
        while !page.is_unread() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(a_while).await;
        let before = asked();
        tokio::time::sleep(a_while).await;
        assert_eq!(asked(), before);
        // It reads on.
        while asked() == before {
            next(&mut viewer).await;
        }
        running.abort();
    }

    #[tokio::test]
    async fn one_viewer_too_many_takes_the_place_of_the_first() {
        let (page, _) = page();
        let mut viewers: Vec<_> = (0..=MOST_VIEWERS)
            .map(|_| Box::pin(page.clone().watch()))
            .collect();
        let first: Vec<_> = viewers.remove(0).collect().await;
        assert_eq!(first.len(), 2);
        // Those who went make room.
        viewers.truncate(2);
        let _third = page.clone().watch();
        assert_eq!(page.viewers().len(), 3);
        assert!(next(&mut viewers[0]).await.starts_with("event: hello"));
    }
}
