//! Secrets that someone may have written into a value: none is allowed there, and none is shown.

/// The value, with `***` for a password as URLs have them: `http://user:password@host`.
pub(super) fn masked(value: &str) -> String {
    let masked = value.split(',').map(|part| {
        let Some((user, host)) = part.rsplit_once('@') else {
            return part.to_owned();
        };
        let begin = user.find("://").map_or(0, |at| at + "://".len());
        let (scheme, user) = user.split_at(begin);
        match user.split_once(':') {
            Some((name, _)) => format!("{scheme}{name}:***@{host}"),
            None => part.to_owned(),
        }
    });
    masked.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_password_is_masked_and_everything_else_is_shown_as_it_is() {
        for (value, shown) in [
            ("tcp://ana:s3cret:x@host:1", "tcp://ana:***@host:1"),
            ("ana:s@cret@host:1,b:2", "ana:***@host:1,b:2"),
            ("ana@host:1", "ana@host:1"),
            ("/data/a,b:c.csv", "/data/a,b:c.csv"),
            ("host:1,[::1]:2", "host:1,[::1]:2"),
        ] {
            assert_eq!(masked(value), shown);
        }
    }
}
