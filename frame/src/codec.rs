//! Messages to frames and back: the encoding and the decoding of requests, then those of replies.
//!
//! Encoding appends to a buffer. Decoding borrows from the frame. Knows neither streams nor buffers with parts of
//! frames.

use crate::bet::Bet;
use crate::error::{BetError, Field, Flaw, FramingError, PayloadError, ReplyError, RequestError};
use crate::fields::{Agency, present, set};
use crate::layout::kind::{ACK, BATCH, BET, FINISHED, RESUME, RESUMED, WINNERS, WINNERS_QUERY};
use crate::layout::{HEADER, LENGTH_FIELD, MIN_LENGTH};
use crate::message::{self, Ack, Batch, Documents, MessageId, Reply, Request, UploadId, Winners};
use crate::payload::{self, ObjectWriter, Objects};

/// The place of an id that is not known yet.
const NO_ID: MessageId = MessageId([0; 16]);

const SUCCESS: &[u8] = b"success";
const FAILURE: &[u8] = b"failure";
const IN_PROGRESS: &[u8] = b"in_progress";

/// A whole frame, whose payload was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The type: what the payload holds. See [`kind`](crate::kind).
    pub kind: u16,
    /// The id of the request that this is, or that it answers.
    pub id: MessageId,
    /// The bytes after the header.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Returns the size in bytes of the frame that `bytes` begin with, its length field included; `None` while that field
    /// is not complete.
    ///
    /// # Errors
    /// The length in the header is below [`MIN_LENGTH`] or above `max_length`.
    pub fn size(bytes: &[u8], max_length: usize) -> Result<Option<usize>, FramingError> {
        let Some((field, _)) = bytes.split_first_chunk::<LENGTH_FIELD>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*field);
        match usize::try_from(length) {
            Ok(size) if (MIN_LENGTH..=max_length).contains(&size) => Ok(Some(LENGTH_FIELD + size)),
            _ => Err(FramingError::Length {
                length,
                max: max_length,
            }),
        }
    }

    /// Splits one whole frame into its parts; `None` where `bytes` are fewer than a header.
    pub fn split(bytes: &'a [u8]) -> Option<Self> {
        let (kind, rest) = bytes.get(LENGTH_FIELD..)?.split_first_chunk()?;
        let (id, payload) = rest.split_first_chunk()?;
        Some(Self {
            kind: u16::from_be_bytes(*kind),
            id: MessageId(*id),
            payload,
        })
    }

    /// Appends a frame whose payload `write` appends.
    fn append(out: &mut Vec<u8>, kind: u16, id: MessageId, write: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        write(out);
        let frame = &mut out[start..];
        // A payload is far below 4 GiB: replies are bounded by MAX_REPLY, requests by MAX_CLIENT_FRAME.
        let length = (frame.len() - LENGTH_FIELD) as u32;
        frame[..LENGTH_FIELD].copy_from_slice(&length.to_be_bytes());
        frame[LENGTH_FIELD..LENGTH_FIELD + 2].copy_from_slice(&kind.to_be_bytes());
        set_id(frame, id);
    }
}

/// Writes the id into the header of a frame.
pub(crate) fn set_id(frame: &mut [u8], id: MessageId) {
    frame[LENGTH_FIELD + 2..HEADER].copy_from_slice(&id.0);
}

/// Appends the frame of a reply with winners, all but their list of so many bytes; returns where in `out` the list goes.
pub(crate) fn append_winners_around(list: usize, id: MessageId, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    let without = Reply::Winners(Winners::Drawn(Documents::default()));
    without.encode(id, out);
    // A list is bounded by MAX_REPLY.
    let length = (out.len() - start - LENGTH_FIELD + list) as u32;
    out[start..start + LENGTH_FIELD].copy_from_slice(&length.to_be_bytes());
    // The list stands before the closing brace.
    out.len() - 1
}

impl<'a> Request<'a> {
    /// Appends the request as a frame, and returns the id that its reply will carry.
    pub fn encode(&self, out: &mut Vec<u8>) -> MessageId {
        let start = out.len();
        self.encode_without_id(out);
        let frame = &mut out[start..];
        let id = MessageId::of(&frame[HEADER..]);
        set_id(frame, id);
        id
    }

    /// Appends the request as a frame whose id is zeros. The id is the MD5 of the payload, so it can be computed only
    /// now, and [`set_id`] writes it.
    pub(crate) fn encode_without_id(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bet(bet) => Frame::append(out, BET, NO_ID, |out| bet.write(out)),
            Self::Batch(batch) => Frame::append(out, BATCH, NO_ID, |out| {
                out.extend_from_slice(batch.payload())
            }),
            Self::Finished { agency, bets } => Frame::append(out, FINISHED, NO_ID, |out| {
                let object =
                    ObjectWriter::new(out).number(Field::Agency.name(), agency.get().into());
                match bets {
                    Some(bets) => object.number(Field::Bets.name(), *bets).end(),
                    None => object.end(),
                }
            }),
            Self::Winners { agency } => Frame::append(out, WINNERS_QUERY, NO_ID, |out| {
                ObjectWriter::new(out)
                    .number(Field::Agency.name(), agency.get().into())
                    .end();
            }),
            Self::Resume { agency, upload } => Frame::append(out, RESUME, NO_ID, |out| {
                ObjectWriter::new(out)
                    .number(Field::Agency.name(), agency.get().into())
                    .pair(Field::Upload.name(), upload.to_string().as_bytes())
                    .end();
            }),
        }
    }

    /// Reads a frame as a request. The bets of a batch are read only as they are taken out of it.
    ///
    /// # Errors
    /// No request has the type, the id is not the MD5 of the payload, or the payload is not valid for the type.
    pub fn decode(frame: Frame<'a>) -> Result<Self, RequestError> {
        Self::decode_as(frame, || MessageId::of(frame.payload))
    }

    /// Does the same as [`decode`](Self::decode), where the MD5 of the frame's payload is known already:
    /// [`Inbox::hashed_frame`](crate::Inbox::hashed_frame) gives both.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode).
    pub fn decode_hashed(frame: Frame<'a>, md5: MessageId) -> Result<Self, RequestError> {
        Self::decode_as(frame, || md5)
    }

    fn decode_as(frame: Frame<'a>, md5: impl FnOnce() -> MessageId) -> Result<Self, RequestError> {
        if !matches!(frame.kind, BET | BATCH | FINISHED | WINNERS_QUERY | RESUME) {
            return Err(RequestError::UnknownType(frame.kind));
        }
        if frame.id != md5() {
            return Err(RequestError::WrongId);
        }
        Ok(match frame.kind {
            BET => Self::Bet(decode_bet(frame.payload)?),
            BATCH => Self::Batch(Batch::new(frame.payload)),
            FINISHED => {
                let (mut agency, mut bets) = (None, None);
                payload::read_object(frame.payload, |key, value| match key {
                    b"agency" => set(&mut agency, Field::Agency, Agency::parse(&value)),
                    // Without an upload this key is ignored, whatever it holds. So nothing is an error here.
                    b"apuestas" => {
                        bets = Some(bets.map_or_else(|| count(&value).ok(), |_| None));
                        Ok(())
                    }
                    _ => Ok(()),
                })?;
                Self::Finished {
                    agency: present(agency, Field::Agency)?,
                    bets: bets.flatten(),
                }
            }
            WINNERS_QUERY => {
                let mut agency = None;
                payload::read_object(frame.payload, |key, value| match key {
                    b"agency" => set(&mut agency, Field::Agency, Agency::parse(&value)),
                    _ => Ok(()),
                })?;
                Self::Winners {
                    agency: present(agency, Field::Agency)?,
                }
            }
            _ => {
                let (mut agency, mut upload) = (None, None);
                payload::read_object(frame.payload, |key, value| match key {
                    b"agency" => set(&mut agency, Field::Agency, Agency::parse(&value)),
                    b"envio" => set(&mut upload, Field::Upload, UploadId::parse(&value)),
                    _ => Ok(()),
                })?;
                Self::Resume {
                    agency: present(agency, Field::Agency)?,
                    upload: present(upload, Field::Upload)?,
                }
            }
        })
    }
}

fn decode_bet(payload: &[u8]) -> Result<Bet<'_>, BetError> {
    let mut objects = Objects::new(payload);
    let bet = present(Bet::read(&mut objects)?, Field::Agency)?;
    match objects.read(|_, _| Ok::<_, BetError>(()))? {
        true => Err(BetError::Payload(PayloadError {
            at: 0,
            expected: "one bet",
        })),
        false => Ok(bet),
    }
}

fn count(digits: &[u8]) -> Result<u64, Flaw> {
    payload::parse_number(digits).ok_or(Flaw::NotCount)
}

impl<'a> Reply<'a> {
    /// Appends the reply to the request `id` as a frame.
    pub fn encode(&self, id: MessageId, out: &mut Vec<u8>) {
        let result = Field::Result.name();
        let kind = match self {
            Self::Ack(_) => ACK,
            Self::Winners(_) => WINNERS,
            Self::Resumed(_) => RESUMED,
        };
        Frame::append(out, kind, id, |out| match self {
            Self::Ack(Ack::Success) => ObjectWriter::new(out).pair(result, SUCCESS).end(),
            Self::Ack(Ack::Failure { reason: None })
            | Self::Winners(Winners::Refused { reason: None }) => {
                ObjectWriter::new(out).pair(result, FAILURE).end();
            }
            Self::Ack(Ack::Failure {
                reason: Some(reason),
            })
            | Self::Winners(Winners::Refused {
                reason: Some(reason),
            }) => {
                ObjectWriter::new(out)
                    .pair(result, FAILURE)
                    .pair(Field::Error.name(), reason.as_bytes())
                    .end();
            }
            Self::Winners(Winners::InProgress) => {
                ObjectWriter::new(out).pair(result, IN_PROGRESS).end()
            }
            Self::Winners(Winners::Drawn(documents)) => {
                out.extend_from_slice(b"{ganadores:");
                out.extend_from_slice(documents.list());
                out.push(b'}');
            }
            Self::Resumed(bets) => ObjectWriter::new(out)
                .number(Field::Bets.name(), *bets)
                .end(),
        });
    }

    /// Reads a frame as a reply.
    ///
    /// # Errors
    /// No reply has the type, or the payload is not valid for the type.
    pub fn decode(frame: Frame<'a>) -> Result<Self, ReplyError> {
        match frame.kind {
            ACK => match outcome(frame.payload)? {
                Outcome::Success => Ok(Self::Ack(Ack::Success)),
                Outcome::Failure(reason) => Ok(Self::Ack(Ack::Failure { reason })),
                Outcome::InProgress => Err(BetError::Field(Field::Result, Flaw::NotResult).into()),
            },
            WINNERS => {
                if let Some(list) = message::winners_list(frame.payload)? {
                    payload::read_list(list, |_| Ok::<_, BetError>(()))?;
                    return Ok(Self::Winners(Winners::Drawn(Documents::new(list))));
                }
                match outcome(frame.payload)? {
                    Outcome::InProgress => Ok(Self::Winners(Winners::InProgress)),
                    Outcome::Failure(reason) => Ok(Self::Winners(Winners::Refused { reason })),
                    Outcome::Success => Err(BetError::Field(Field::Result, Flaw::NotResult).into()),
                }
            }
            RESUMED => {
                let mut bets = None;
                payload::read_object(frame.payload, |key, value| match key {
                    b"apuestas" => set(&mut bets, Field::Bets, count(&value)),
                    _ => Ok(()),
                })?;
                Ok(Self::Resumed(present(bets, Field::Bets)?))
            }
            kind => Err(ReplyError::UnknownType(kind)),
        }
    }
}

/// The key `result` of a reply.
enum Outcome<'a> {
    Success,
    Failure(Option<std::borrow::Cow<'a, str>>),
    InProgress,
}

fn outcome(payload: &[u8]) -> Result<Outcome<'_>, BetError> {
    let (mut result, mut reason) = (None, None);
    payload::read_object(payload, |key, value| match key {
        b"result" => set(&mut result, Field::Result, Ok(value)),
        b"error" => set(&mut reason, Field::Error, message::utf8(value)),
        _ => Ok(()),
    })?;
    match &*present(result, Field::Result)? {
        SUCCESS => Ok(Outcome::Success),
        FAILURE => Ok(Outcome::Failure(reason)),
        IN_PROGRESS => Ok(Outcome::InProgress),
        _ => Err(BetError::Field(Field::Result, Flaw::NotResult)),
    }
}
