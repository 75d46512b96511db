//! An upload against a model of the server, in thousands of seeded runs: whatever is lost, and whenever the file changes, no
//! row is skipped, none is sent twice to the same server, and none is of another file than the one that was checked.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use batch_client::batch::{Batches, Blocks, Summary};
use batch_client::error::{Error, Step};
use batch_client::rows::RowError;
use batch_client::upload::{Event, Next, Upload};
use frame::{Ack, Agency, Bet, Documents, MessageId, Reply, Request, UploadId, Winners};

fn agency() -> Agency {
    Agency::new(1).unwrap()
}

fn file(bets: u64) -> Summary {
    let upload = UploadId([7; 16]);
    Summary { bets, upload }
}

/// A file that several readers have open while it changes.
#[derive(Clone, Default)]
struct SharedFile {
    content: Rc<RefCell<Vec<u8>>>,
    at: usize,
}

impl Read for SharedFile {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let content = self.content.borrow();
        let mut rest = content.get(self.at..).unwrap_or_default();
        let count = rest.read(space)?;
        self.at += count;
        Ok(count)
    }
}

/// Row n bets on number n; all rows of the checked file have this name.
fn content(rows: u64, name: &str) -> Vec<u8> {
    let row = |n| format!("{name},Lorca,1,2000-01-01,{n}\n");
    (1..=rows).map(row).collect::<String>().into_bytes()
}

const CHECKED: &str = "Ana";

/// A request on its way to the model of the server, or the numbers and names of a batch.
enum InFlight {
    Request(Request<'static>),
    Batch(Vec<(u64, String)>),
}

/// A client, a server, and the messages between them.
struct Simulation {
    rng: fastrand::Rng,
    upload: Upload,
    rows: u64,
    file: SharedFile,
    blocks: Arc<Blocks>,
    batches: Option<Batches<SharedFile>>,
    /// The client has noticed that the file is not the one that was checked.
    changed: bool,
    requests: VecDeque<(MessageId, InFlight)>,
    replies: VecDeque<(MessageId, Reply<'static>)>,
    /// How many rows the server has; they are the first ones of the file.
    stored: u64,
    finished: bool,
    /// How often the server may still lose bets that it has acknowledged.
    losses: u32,
    ids: u64,
    done: bool,
}

impl Simulation {
    fn new(mut rng: fastrand::Rng) -> Self {
        let rows = rng.u64(..200);
        let shared = SharedFile::default();
        *shared.content.borrow_mut() = content(rows, CHECKED);
        let blocks = Blocks::of(shared.clone(), rng.usize(1..2_000)).unwrap();
        Self {
            upload: Upload::new(agency(), file(rows), rng.usize(1..8)),
            rng,
            rows,
            file: shared,
            blocks: Arc::new(blocks),
            batches: None,
            changed: false,
            requests: VecDeque::new(),
            replies: VecDeque::new(),
            stored: 0,
            finished: false,
            losses: 5,
            ids: 0,
            done: false,
        }
    }

    fn client_sends(&mut self) {
        let (step, bets, in_flight) = match self.upload.next() {
            Next::Nothing => return,
            Next::Request(step, request) => (step, 0, InFlight::Request(request)),
            Next::Batch => match self.batches.as_mut().unwrap().next_batch() {
                Ok(batch) => {
                    let (batch, bets) = batch.unwrap();
                    let bet = |bet: Bet<'_>| {
                        let name = bet.first_name.as_str().to_owned();
                        (bet.number.get().into(), name)
                    };
                    let batch = batch.bets().map(|read| bet(read.unwrap()));
                    (Step::Batch, bets, InFlight::Batch(batch.collect()))
                }
                Err(e) => return self.notice(&e),
            },
        };
        self.ids += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.ids.to_be_bytes());
        self.upload.sent(step, MessageId(id), bets);
        self.requests.push_back((MessageId(id), in_flight));
    }

    fn server_serves(&mut self) {
        let Some((id, in_flight)) = self.requests.pop_front() else {
            return;
        };
        let reply = match in_flight {
            InFlight::Request(Request::Resume { .. }) => Reply::Resumed(self.stored),
            InFlight::Batch(bets) => {
                for (number, name) in bets {
                    self.stored += 1;
                    assert_eq!(number, self.stored, "rows are skipped or sent twice");
                    assert_eq!(name, CHECKED, "a row of another file");
                }
                Reply::Ack(Ack::Success)
            }
            InFlight::Request(Request::Finished { bets, .. }) => {
                assert_eq!((bets, self.stored), (Some(self.rows), self.rows));
                self.finished = true;
                Reply::Ack(Ack::Success)
            }
            InFlight::Request(_) => {
                assert!(self.finished);
                Reply::Winners(if self.rng.bool() {
                    Winners::InProgress
                } else {
                    Winners::Drawn(Documents::new(b"1|2"))
                })
            }
        };
        self.replies.push_back((id, reply));
    }

    fn client_takes(&mut self) {
        let Some((id, reply)) = self.replies.pop_front() else {
            return;
        };
        let known = self.upload.stored();
        match self.upload.take(id, reply).unwrap() {
            Event::Resumed {
                stored, missing, ..
            } => {
                assert_eq!(missing, known.saturating_sub(stored));
                assert_eq!(self.upload.stored(), stored);
                let (file, blocks) = (self.file.clone(), Arc::clone(&self.blocks));
                let mut batches = Batches::new(file, blocks, agency(), self.rng.u32(1..20));
                match batches.skip(stored) {
                    Ok(found) => assert!(found),
                    Err(e) => return self.notice(&e),
                }
                self.batches = Some(batches);
            }
            Event::Stored { bets, .. } => {
                assert_eq!(self.upload.stored(), known + u64::from(bets));
            }
            Event::Winners(documents) => {
                assert_eq!(documents, Documents::new(b"1|2"));
                self.done = true;
            }
            Event::Finished { .. } | Event::NotYet => {}
            Event::NotNow(_) | Event::Replaced(_) => {
                panic!("the model never refuses")
            }
        }
    }

    /// The file cannot be read any more.
    fn notice(&mut self, error: &RowError) {
        assert!(matches!(error, RowError::Changed), "{error:?}");
        self.changed = true;
    }

    fn file_changes(&mut self) {
        let mut content = self.file.content.borrow_mut();
        let other = self::content(self.rows, "Eva");
        match self.rng.u8(..5) {
            // In its place, from some byte on, as a writer does it.
            0 | 1 => {
                let from = self.rng.usize(..=content.len().min(other.len()));
                content.truncate(from);
                content.extend_from_slice(&other[from..]);
            }
            2 => {
                let length = self.rng.usize(..=content.len());
                content.truncate(length);
            }
            3 => content.extend_from_slice(&other),
            _ => *content = self::content(self.rows, CHECKED),
        }
    }

    /// The connection is lost, with all requests and replies that were on their way.
    fn connection_is_lost(&mut self) {
        self.requests.clear();
        self.replies.clear();
        if self.losses > 0 && self.rng.u8(..10) == 0 {
            // A server without durable storage restarts.
            self.losses -= 1;
            self.stored = self.rng.u64(..=self.stored);
            self.finished = false;
        }
        self.upload.begin();
    }
}

#[test]
fn whatever_is_lost_and_whenever_the_file_changes_a_prefix_of_the_checked_file_is_stored() {
    let (mut done, mut changed) = (0, 0);
    for seed in 0..4_000 {
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let breaks = rng.u32(..20);
        let changes = if rng.bool() { rng.u32(..4) } else { 0 };
        let mut simulation = Simulation::new(rng);
        let mut turns = 0;
        while !simulation.done && !simulation.changed {
            turns += 1;
            assert!(turns < 1_000_000, "the upload does not end");
            match simulation.rng.u32(..100) {
                n if n < breaks => simulation.connection_is_lost(),
                n if n < breaks + changes => simulation.file_changes(),
                n if n < 50 => simulation.client_sends(),
                n if n < 75 => simulation.server_serves(),
                _ => simulation.client_takes(),
            }
            if simulation.upload.is_not_yet() {
                simulation.upload.ask_again();
            }
        }
        if simulation.done {
            assert_eq!(simulation.stored, simulation.rows);
            done += 1;
        } else {
            assert!(changes > 0);
            changed += u32::from(simulation.stored > 0);
        }
    }
    assert!(done > 1_000 && changed > 100, "{done} {changed}");
}

/// An upload that has sent its resume.
fn resuming(rows: u64) -> (Upload, MessageId) {
    let mut upload = Upload::new(agency(), file(rows), 2);
    upload.begin();
    let id = MessageId([1; 16]);
    upload.sent(Step::Resume, id, 0);
    (upload, id)
}

#[test]
fn a_resume_that_is_refused_without_a_reason_means_a_server_that_does_not_know_resume_unless_one_was_answered()
 {
    let refused = Reply::Ack(Ack::Failure { reason: None });
    let (mut upload, id) = resuming(5);
    let error = upload.take(id, refused.clone()).unwrap_err();
    assert!(matches!(error, Error::NoResume));

    let (mut upload, id) = resuming(5);
    upload.take(id, Reply::Resumed(0)).unwrap();
    upload.begin();
    upload.sent(Step::Resume, id, 0);
    let error = upload.take(id, refused).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }));
}

#[test]
fn a_refusal_and_an_invalid_reply_end_the_upload() {
    let failure = |reason: &'static str| {
        Reply::Ack(Ack::Failure {
            reason: Some(reason.into()),
        })
    };
    let code = |reply| {
        let (mut upload, id) = resuming(5);
        upload.take(id, reply).unwrap_err().exit_code()
    };
    assert_eq!(code(Reply::Resumed(6)), 76);
    assert_eq!(code(failure("another upload was first")), 76);
    assert_eq!(code(failure("no space left")), 75);
    assert_eq!(code(Reply::Ack(Ack::Success)), 76);
    assert_eq!(code(Reply::Winners(Winners::InProgress)), 76);

    let (mut upload, _) = resuming(5);
    let other = upload.take(MessageId([2; 16]), Reply::Resumed(0));
    assert!(matches!(other, Err(Error::Protocol { .. })));
    let unasked = upload.take(MessageId([1; 16]), Reply::Resumed(0));
    assert!(matches!(unasked, Err(Error::Protocol { .. })));
}

#[test]
fn no_more_batches_are_in_flight_than_the_window_allows() {
    let (mut upload, id) = resuming(100);
    upload.take(id, Reply::Resumed(0)).unwrap();
    for n in 2..4 {
        assert_eq!(upload.next(), Next::Batch);
        upload.sent(Step::Batch, MessageId([n; 16]), 10);
    }
    assert_eq!(upload.next(), Next::Nothing);
    let stored = upload.take(MessageId([2; 16]), Reply::Ack(Ack::Success));
    assert!(matches!(stored, Ok(Event::Stored { bets: 10, .. })));
    assert_eq!(upload.next(), Next::Batch);
}
