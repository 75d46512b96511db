//! The live pages: HTML documents without outside resources, and the policy that a browser holds them to.

use sha2::{Digest as _, Sha256};

use super::response::Response;

/// How the lottery stands: the answer that carries its page.
pub(super) fn lottery() -> Response {
    document(
        include_str!("page/lottery.html"),
        &[
            include_str!("page/base.css"),
            include_str!("page/lottery.css"),
        ],
        &[
            include_str!("page/base.js"),
            include_str!("page/lottery.js"),
        ],
    )
}

/// The loop at work: the answer that carries its page.
pub(super) fn turn() -> Response {
    document(
        include_str!("page/loop.html"),
        &[include_str!("page/base.css"), include_str!("page/loop.css")],
        &[
            include_str!("page/base.js"),
            include_str!("page/cells.js"),
            include_str!("page/loop.js"),
        ],
    )
}

/// A document with its styles and its scripts put in.
fn document(html: &str, styles: &[&str], scripts: &[&str]) -> Response {
    let (style, script) = (styles.concat(), scripts.concat());
    let document = html
        .replace("<!-- style -->", &format!("<style>{style}</style>"))
        .replace("<!-- script -->", &format!("<script>{script}</script>"));
    let mut response = Response::new(200, "text/html; charset=utf-8", document);
    let policy = format!(
        "Content-Security-Policy: default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(&script),
        hash(&style)
    );
    response.fields = vec![policy, "Referrer-Policy: no-referrer".to_owned()];
    response
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
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit)) & 63;
            let is_padding = digit > group.len();
            text.push(match is_padding {
                true => '=',
                false => char::from(DIGITS[at as usize]),
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
    fn each_page_is_whole_and_names_no_other_resource_and_no_absolute_path() {
        for page in [lottery(), turn()] {
            let page = String::from_utf8(page.body.to_vec()).unwrap();
            assert_eq!(page.matches("<script>").count(), 1);
            assert_eq!(page.matches("<style>").count(), 1);
            assert!(!page.contains("<!-- "), "a part is not put in");
            let namespaces = page.replace("http://www.w3.org/2000/svg", "");
            for outside in [
                "http://",
                "https://",
                " src=",
                "@import",
                "url(",
                " style=",
                "onclick",
                "href=\"/",
                "fetch(\"/",
                "watch(\"/",
            ] {
                assert!(!namespaces.contains(outside), "{outside}");
            }
        }
    }
}
