//! A client that writes down what it asks and what it is told.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use fixtures::history::{Ask, History, Told};
use frame::Request;

use crate::common::{Peer, agency, batch, bet, resume, winners};

/// The bets of each agency's file; every tenth wins.
pub const BETS: u64 = 60;

/// The most bets of a batch.
const BATCH: u64 = 4;

/// The pause before the next try, where no central was there.
const PAUSE: Duration = Duration::from_millis(5);

/// The document of a bet of an agency's file.
fn document(number: u32, at: u64) -> String {
    format!("{}", u64::from(number) * 1_000_000 + at)
}

/// Sends an agency's file to whichever of these centrals, again after whatever happens, and asks for the winners. In the middle it
/// leaves now and then, without a word.
pub fn upload(history: &History, number: u32, centrals: &[SocketAddr], mut rng: fastrand::Rng) {
    loop {
        let address = centrals[rng.usize(..centrals.len())];
        match TcpStream::connect(address) {
            Ok(stream) => {
                let mut client = Client {
                    history,
                    number,
                    id: history.client(),
                    peer: Peer::over(stream),
                };
                if client.upload(&mut rng).is_some() {
                    return;
                }
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

struct Client<'h> {
    history: &'h History,
    number: u32,
    id: u64,
    peer: Peer,
}

impl Client<'_> {
    /// `None` where it got no further than the middle.
    fn upload(&mut self, rng: &mut fastrand::Rng) -> Option<()> {
        let told = self.ask(Ask::Resume, &resume(self.number, 7))?;
        let Told::Count(mut stored) = told else {
            thread::sleep(PAUSE);
            return None;
        };
        if stored > BETS {
            // More than the file has: it can only be judged.
            return Some(());
        }
        while stored < BETS {
            if rng.u8(..12) == 0 {
                return None;
            }
            let bets = rng.u64(1..=BATCH).min(BETS - stored);
            let rows: Vec<String> = (stored..stored + bets)
                .map(|at| bet(self.number, &document(self.number, at), at % 10 == 0))
                .collect();
            let ask = Ask::Batch {
                first: stored,
                bets,
            };
            match self.ask(ask, &batch(&rows.join("|")))? {
                Told::Done => stored += bets,
                _ => return None,
            }
        }
        let finished = Request::Finished {
            agency: agency(self.number),
            bets: Some(BETS),
        };
        let told = self.ask(Ask::Finished { bets: BETS }, &finished)?;
        if told != Told::Done {
            return None;
        }
        let told = self.ask(Ask::Winners, &winners(self.number))?;
        matches!(told, Told::Winners(_)).then_some(())
    }

    /// `None` where the connection ended without an answer.
    fn ask(&mut self, ask: Ask, request: &Request<'_>) -> Option<Told> {
        self.history.ask(self.id, self.number, ask);
        let answer = self.peer.try_ask(request)?;
        let told = told(&answer);
        self.history.told(self.id, told.clone());
        Some(told)
    }
}

/// What an answer says.
fn told(answer: &str) -> Told {
    let inner = |name: &str| answer.strip_prefix(name)?.strip_suffix('}');
    if answer == "{result:success}" {
        Told::Done
    } else if let Some(count) = inner("{apuestas:") {
        Told::Count(count.parse().unwrap())
    } else if let Some(documents) = inner("{ganadores:") {
        let documents = documents.split('|').filter(|document| !document.is_empty());
        Told::Winners(documents.map(str::to_owned).collect())
    } else {
        assert!(answer.starts_with("{result:"), "{answer}");
        Told::Refused
    }
}

/// Writes down what is stored of each agency in the end: all rows, `agency,first name,last name,document,…`, in their order.
pub fn stored(history: &History, agencies: u32, rows: &str, winning: &str) {
    for number in 1..=agencies {
        let rows: Vec<&str> = rows_of(number, rows).collect();
        let (counter, reader) = (history.client(), history.client());
        history.ask(counter, number, Ask::Rows);
        history.told(counter, Told::Count(rows.len() as u64));
        let won = rows.iter().filter(|row| row.ends_with(winning));
        history.ask(reader, number, Ask::WinningRows);
        history.told(
            reader,
            Told::Winners(won.map(|row| document_of(row)).collect()),
        );
    }
}

/// Fails where other rows are stored than the files have.
pub fn assert_files(agencies: u32, rows: &str) {
    for number in 1..=agencies {
        let expected = (0..BETS).map(|at| document(number, at));
        let found = rows_of(number, rows).map(document_of);
        assert!(
            found.eq(expected),
            "agency {number}: other rows than its file has"
        );
    }
}

fn rows_of(number: u32, rows: &str) -> impl Iterator<Item = &str> {
    let own = format!("{number},");
    rows.lines().filter(move |row| row.starts_with(&own))
}

/// The document of a row.
fn document_of(row: &str) -> String {
    row.split(',').nth(3).unwrap().to_owned()
}
