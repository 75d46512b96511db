//! The live page: one HTML file without outside resources, and the policy that a browser holds it to.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::response::Response;

const PAGE: &str = include_str!("page.html");

/// The answer that carries the page.
pub(super) fn page() -> Response {
    let mut response = Response::new(
        200,
        "text/html; charset=utf-8",
        Bytes::from_static(PAGE.as_bytes()),
    );
    let policy = format!(
        "Content-Security-Policy: default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(inside("script")),
        hash(inside("style"))
    );
    response.fields = vec![policy, "Referrer-Policy: no-referrer".to_owned()];
    response
}

/// The text of the page's only element of this name.
fn inside(element: &str) -> &'static str {
    let (begin, end) = (format!("<{element}>"), format!("</{element}>"));
    let text = PAGE.split_once(&begin).map_or("", |(_, rest)| rest);
    text.split_once(&end).map_or("", |(text, _)| text)
}

/// How a policy names a text that may run or style: by its SHA-256 (CSP level 3, section 2.3.1).
fn hash(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text)))
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit)) & 63;
            let is_padding = digit > group.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(DIGITS[at as usize])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_page_has_one_script_and_one_style_and_names_no_other_resource() {
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert_eq!(PAGE.matches("<style").count(), 1);
        assert!(!inside("script").is_empty() && !inside("style").is_empty());
        for outside in [
            "http://", "https://", " src=", "@import", "url(", " style=", "onclick",
        ] {
            let plain = PAGE.replace("http://www.w3.org/2000/svg", "");
            assert!(!plain.contains(outside), "{outside}");
        }
    }
}
