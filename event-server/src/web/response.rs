//! An answer, and how its head is written.

use std::io::Write as _;

use bytes::Bytes;

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, one of those that have a [`reason`].
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    /// Further fields, each a whole line of the head.
    pub fields: Vec<String>,
    /// The body; answers with the same body share it.
    pub body: Bytes,
}

const PLAIN: &str = "text/plain; charset=utf-8";

impl Response {
    /// Returns an answer without further fields.
    pub(super) fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type,
            fields: Vec::new(),
            body: body.into(),
        }
    }

    /// Returns an answer of plain text.
    pub(super) fn text(status: u16, text: &str) -> Self {
        Self::new(status, PLAIN, text.to_owned())
    }

    /// Writes the head. `connection` is the value of its field Connection, if it is to have one.
    pub(super) fn head(&self, connection: Option<&str>, out: &mut Vec<u8>) {
        let Self {
            status,
            content_type,
            fields,
            body,
        } = self;
        let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
        // Writing to memory does not fail.
        let _ = write!(
            out,
            "HTTP/1.1 {status} {}\r\nDate: {date}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n",
            reason(*status),
            body.len()
        );
        for field in fields {
            let _ = write!(out, "{field}\r\n");
        }
        if let Some(connection) = connection {
            let _ = write!(out, "Connection: {connection}\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Returns the reason phrase of a status code.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}
