//! An upload against a model of the server, thousands of seeded runs: whatever gets lost, no row is skipped
//! and none repeated.

use std::collections::VecDeque;

use batch_client::batch::Summary;
use batch_client::error::{Error, Lost, Step};
use batch_client::upload::{Event, Next, Upload};
use frame::{Ack, Agency, Documents, MessageId, Reply, Request, UploadId, Winners};

fn agency() -> Agency {
    Agency::new(1).unwrap()
}

fn file(bets: u64) -> Summary {
    let upload = UploadId([7; 16]);
    Summary {
        bets,
        upload,
        checksum: 0,
    }
}

/// What travels to the model: the request, or the rows of a batch.
enum Travelling {
    Request(Request<'static>),
    Rows(std::ops::Range<u64>),
}

/// A client, a server, and what is on its way between them.
struct World {
    rng: fastrand::Rng,
    upload: Upload,
    rows: u64,
    /// The row of the file that the client reads next.
    cursor: u64,
    requests: VecDeque<(MessageId, Travelling)>,
    replies: VecDeque<(MessageId, Reply<'static>)>,
    /// How many rows the server has; they are the first ones of the file.
    stored: u64,
    resumed_once: bool,
    finished: bool,
    /// How often the server may still lose what it has.
    losses: u32,
    ids: u64,
    done: bool,
}

impl World {
    fn new(mut rng: fastrand::Rng) -> Self {
        let rows = rng.u64(..200);
        Self {
            upload: Upload::new(agency(), file(rows), rng.usize(1..8)),
            rng,
            rows,
            cursor: 0,
            requests: VecDeque::new(),
            replies: VecDeque::new(),
            stored: 0,
            resumed_once: false,
            finished: false,
            losses: 5,
            ids: 0,
            done: false,
        }
    }

    fn client_sends(&mut self) {
        let (step, bets, travelling) = match self.upload.next() {
            Next::Nothing => return,
            Next::Request(step, request) => (step, 0, Travelling::Request(request)),
            Next::Batch => {
                let end = (self.cursor + self.rng.u64(1..20)).min(self.rows);
                let rows = self.cursor..end;
                self.cursor = end;
                (
                    Step::Batch,
                    (end - rows.start) as u32,
                    Travelling::Rows(rows),
                )
            }
        };
        self.ids += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.ids.to_be_bytes());
        self.upload.sent(step, MessageId(id), bets);
        self.requests.push_back((MessageId(id), travelling));
    }

    fn server_serves(&mut self) {
        let Some((id, travelling)) = self.requests.pop_front() else {
            return;
        };
        let reply = match travelling {
            Travelling::Request(Request::Resume { .. }) => Reply::Resumed(self.stored),
            Travelling::Rows(rows) => {
                assert_eq!(rows.start, self.stored, "rows are skipped or repeated");
                self.stored = rows.end;
                Reply::Ack(Ack::Success)
            }
            Travelling::Request(Request::Finished { bets, .. }) => {
                assert_eq!((bets, self.stored), (Some(self.rows), self.rows));
                self.finished = true;
                Reply::Ack(Ack::Success)
            }
            Travelling::Request(_) => {
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
                self.resumed_once = true;
                self.cursor = stored;
            }
            Event::Stored { bets, .. } => {
                assert_eq!(self.upload.stored(), known + u64::from(bets));
            }
            Event::Winners(documents) => {
                assert_eq!(documents, Documents::new(b"1|2"));
                self.done = true;
            }
            Event::Finished { .. } | Event::NotYet => {}
            Event::Unexplained => panic!("the model refuses nothing"),
        }
    }

    /// The connection breaks: what the server had not taken is gone, and every reply on its way.
    fn breaks(&mut self) {
        if !self.resumed_once {
            return;
        }
        self.requests.clear();
        self.replies.clear();
        if self.losses > 0 && self.rng.u8(..10) == 0 {
            // A server that keeps nothing durable restarts.
            self.losses -= 1;
            self.stored = self.rng.u64(..=self.stored);
            self.finished = false;
        }
        self.upload.lost(Lost::Closed).unwrap();
        self.upload.begin();
    }
}

#[test]
fn whatever_gets_lost_no_row_is_skipped_and_none_repeated() {
    for seed in 0..3_000 {
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let breaks = rng.u32(..20);
        let mut world = World::new(rng);
        let mut turns = 0;
        while !world.done {
            turns += 1;
            assert!(turns < 1_000_000, "the upload does not come to its end");
            match world.rng.u32(..100) {
                n if n < breaks => world.breaks(),
                n if n < 50 => world.client_sends(),
                n if n < 75 => world.server_serves(),
                _ => world.client_takes(),
            }
            if world.upload.is_not_yet() {
                world.upload.ask_again();
            }
        }
        assert_eq!(world.stored, world.rows);
    }
}

/// An upload whose resume is on its way.
fn resuming(rows: u64) -> (Upload, MessageId) {
    let mut upload = Upload::new(agency(), file(rows), 2);
    upload.begin();
    let id = MessageId([1; 16]);
    upload.sent(Step::Resume, id, 0);
    (upload, id)
}

#[test]
fn three_unanswered_resumes_in_a_row_mean_a_server_that_does_not_know_resume() {
    for answered in [false, true] {
        let (mut upload, id) = resuming(5);
        if answered {
            upload.take(id, Reply::Resumed(0)).unwrap();
        }
        for unanswered in 1..=5 {
            upload.begin();
            assert!(upload.lost(Lost::Closed).is_ok(), "nothing was asked");
            upload.begin();
            upload.sent(Step::Resume, id, 0);
            let lost = upload.lost(Lost::Closed);
            assert_eq!(lost.is_err(), !answered && unanswered >= 3);
        }
    }
}

#[test]
fn what_the_server_refuses_or_confuses_ends_the_upload() {
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
