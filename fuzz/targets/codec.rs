//! A frame is decoded into what its payload says, and a value that was encoded is decoded as itself, always
//! from the same bytes.

#![no_main]

use frame::{
    Ack, Agency, Batch, Documents, Frame, MessageId, Reply, Request, RequestError, UploadId,
    Winners, kind,
};
use fuzz::reference::{self, Bet, Pairs, once};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, payload) = fuzz::input::split(bytes, 4_096);
    let payload = &payload[..];
    let kind = u16::from(controls.byte());
    let mut id = MessageId::of(payload);
    let request = Frame { kind, id, payload };
    check_request(request);
    id.0[controls.below(16)] ^= 1 << controls.below(8);
    let wrong = Frame { kind, id, payload };
    let refused = match kind {
        kind::BET | kind::BATCH | kind::FINISHED | kind::WINNERS_QUERY | kind::RESUME => {
            RequestError::WrongId
        }
        _ => RequestError::UnknownType(kind),
    };
    assert_eq!(Request::decode(wrong), Err(refused));
    check_reply(wrong);
});

/// What a request says, as far as it can be compared.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Bet(Bet),
    Batch,
    Finished(u32, Option<u64>),
    Winners(u32),
    Resume(u32, Vec<u8>),
}

fn asked(kind: u16, payload: &[u8]) -> Option<Asked> {
    if kind == kind::BATCH {
        return Some(Asked::Batch);
    }
    if kind == kind::BET {
        return match reference::bets(payload) {
            (mut bets, true) if bets.len() == 1 => bets.pop().map(Asked::Bet),
            _ => None,
        };
    }
    if !matches!(kind, kind::FINISHED | kind::WINNERS_QUERY | kind::RESUME) {
        return None;
    }
    let pairs = reference::one_object(payload)?;
    let agency = reference::agency(&once(&pairs, "agency")?)?;
    Some(match kind {
        kind::FINISHED => {
            let bets = once(&pairs, "apuestas").and_then(|digits| reference::count(&digits));
            Asked::Finished(agency, bets)
        }
        kind::WINNERS_QUERY => Asked::Winners(agency),
        _ => {
            let upload = once(&pairs, "envio")?;
            let hex = upload.iter().all(|b| b"0123456789abcdef".contains(b));
            (upload.len() == 32 && hex).then_some(Asked::Resume(agency, upload))?
        }
    })
}

fn check_request(frame: Frame<'_>) {
    let decoded = Request::decode(frame);
    let said = decoded.as_ref().ok().map(|request| match request {
        Request::Bet(bet) => Asked::Bet(bet.into()),
        Request::Batch(_) => Asked::Batch,
        Request::Finished { agency, bets } => Asked::Finished(agency.get(), *bets),
        Request::Winners { agency } => Asked::Winners(agency.get()),
        Request::Resume { agency, upload } => {
            Asked::Resume(agency.get(), upload.to_string().into_bytes())
        }
    });
    assert_eq!(said, asked(frame.kind, frame.payload));
    let Ok(request) = decoded else { return };
    let mut written = Vec::new();
    let id = request.encode(&mut written);
    let again = whole(&written);
    assert_eq!((again.kind, again.id), (frame.kind, id));
    assert_eq!(Request::decode(again).as_ref(), Ok(&request));
    assert_eq!(rewritten(again.payload, &request), written);
    if let Request::Batch(batch) = request {
        assert_eq!((batch.payload(), id), (frame.payload, frame.id));
    }
}

/// The frame of the same request, made from the reference's words.
fn rewritten(payload: &[u8], request: &Request<'_>) -> Vec<u8> {
    let mut written = Vec::new();
    let number = |n: &Agency| n.get().to_string();
    let text = match request {
        Request::Bet(bet) => reference::payload(&[Bet::from(bet)]),
        Request::Batch(_) => payload.to_vec(),
        Request::Winners { agency } | Request::Finished { agency, bets: None } => {
            format!("{{agency:{}}}", number(agency)).into_bytes()
        }
        Request::Finished {
            agency,
            bets: Some(bets),
        } => format!("{{agency:{},apuestas:{bets}}}", number(agency)).into_bytes(),
        Request::Resume {
            agency,
            upload: UploadId(upload),
        } => {
            let hex: String = upload.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{{agency:{},envio:{hex}}}", number(agency)).into_bytes()
        }
    };
    let kind: u16 = match request {
        Request::Bet(_) => 1,
        Request::Batch(_) => 3,
        Request::Finished { .. } => 4,
        Request::Winners { .. } => 5,
        Request::Resume { .. } => 7,
    };
    written.extend_from_slice(&(18 + text.len() as u32).to_be_bytes());
    written.extend_from_slice(&kind.to_be_bytes());
    written.extend_from_slice(&MessageId::of(&text).0);
    written.extend_from_slice(&text);
    written
}

fn check_reply(frame: Frame<'_>) {
    let decoded = Reply::decode(frame).ok();
    assert_eq!(decoded, answered(frame.kind, frame.payload));
    let Some(reply) = decoded else { return };
    let mut written = Vec::new();
    reply.encode(frame.id, &mut written);
    let again = whole(&written);
    assert_eq!((again.kind, again.id), (frame.kind, frame.id));
    assert_eq!(Reply::decode(again).as_ref(), Ok(&reply));
    let mut twice = Vec::new();
    reply.encode(frame.id, &mut twice);
    assert_eq!(twice, written);
}

fn answered(kind: u16, payload: &[u8]) -> Option<Reply<'_>> {
    if kind == kind::WINNERS
        && let Some(list) = payload.strip_prefix(b"{ganadores:")
    {
        let list = list.strip_suffix(b"}")?;
        reference::list(list)?;
        return Some(Reply::Winners(Winners::Drawn(Documents::new(list))));
    }
    if !matches!(kind, kind::ACK | kind::WINNERS | kind::RESUMED) {
        return None;
    }
    let pairs = reference::one_object(payload)?;
    if kind == kind::RESUMED {
        return reference::count(&once(&pairs, "apuestas")?).map(Reply::Resumed);
    }
    let reason = match times(&pairs, "error") {
        0 => None,
        _ => Some(String::from_utf8(once(&pairs, "error")?).ok()?),
    };
    match (kind, &once(&pairs, "result")?[..]) {
        (kind::ACK, b"success") => Some(Reply::Ack(Ack::Success)),
        (kind::ACK, b"failure") => {
            let reason = reason.map(Into::into);
            Some(Reply::Ack(Ack::Failure { reason }))
        }
        (kind::WINNERS, b"failure") => {
            let reason = reason.map(Into::into);
            Some(Reply::Winners(Winners::Refused { reason }))
        }
        (kind::WINNERS, b"in_progress") => Some(Reply::Winners(Winners::InProgress)),
        _ => None,
    }
}

fn times(pairs: &Pairs, key: &str) -> usize {
    pairs.iter().filter(|(k, _)| k == key.as_bytes()).count()
}

/// The one frame that these bytes are.
fn whole(bytes: &[u8]) -> Frame<'_> {
    assert_eq!(Frame::size(bytes, usize::MAX), Ok(Some(bytes.len())));
    let frame = Frame::split(bytes).expect("a whole frame");
    assert_eq!(frame, fuzz::script::parts(bytes));
    if frame.kind == kind::BATCH {
        assert_eq!(Batch::new(frame.payload).payload(), frame.payload);
    }
    frame
}
