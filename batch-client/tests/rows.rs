//! The agency file as rows: which ones are bets, and where and why the others are none.

use std::io::{self, Read};

use batch_client::rows::{BadRow, Fault, RowError, Rows};
use frame::{Agency, MessageId, UploadId};

const AGENCY: u32 = 3;

/// What each row is: its payload, or where and why it is none.
fn read(file: &[u8]) -> Vec<Result<String, (u64, usize, String)>> {
    let mut rows = Rows::new(file);
    let mut all = Vec::new();
    loop {
        let bet = match rows.next_row() {
            Ok(None) => return all,
            Ok(Some(row)) => row.bet(Agency::new(AGENCY).unwrap()).and_then(|bet| {
                let mut out = Vec::new();
                bet.write(&mut out);
                row.check_plain().map(|()| String::from_utf8(out).unwrap())
            }),
            Err(e) => Err(e),
        };
        all.push(match bet {
            Ok(text) => Ok(text),
            Err(RowError::Bad(BadRow {
                line,
                column,
                fault,
            })) => Err((line, column, fault.to_string())),
            Err(RowError::TooLong { line }) => {
                all.push(Err((line, 0, Fault::TooLong.to_string())));
                return all;
            }
            Err(RowError::Io(e)) => panic!("{e}"),
        });
    }
}

fn ana(number: u32) -> Result<String, (u64, usize, String)> {
    Ok(format!(
        "{{agency:3,nombre:Ana,apellido:Lorca,dni:1,nacimiento:2000-01-01,numero:{number}}}"
    ))
}

#[test]
fn lf_crlf_a_missing_last_one_blanks_and_blank_lines_make_no_difference() {
    for file in [
        "Ana,Lorca,1,2000-01-01,1\nAna,Lorca,1,2000-01-01,2\n",
        "Ana,Lorca,1,2000-01-01,1\r\nAna,Lorca,1,2000-01-01,2\r\n",
        "Ana,Lorca,1,2000-01-01,1\nAna,Lorca,1,2000-01-01,2",
        "\u{feff} Ana\t,Lorca , 1,2000-01-01,1 \r\n\r\n\nAna,\"Lorca\", 1 ,2000-01-01,0002\r",
        "\n\nAna,Lorca,1,2000-01-01,1\n  \nAna,\" Lorca \",1,2000-01-01,\"2\"\r\n\r\n",
    ] {
        assert_eq!(read(file.as_bytes()), [ana(1), ana(2)], "{file:?}");
    }
    assert_eq!(read(b""), []);
    assert_eq!(read(b"\r\n\n"), []);
}

#[test]
fn a_bad_row_is_told_by_line_and_column_and_the_next_one_is_read() {
    let good = "Ana,Lorca,1,2000-01-01,1";
    for (bad, column, reason) in [
        (
            "Ana,Lorca,1,2000-01-01",
            5,
            "there are 4 columns instead of 5",
        ),
        ("Ana,Lorca,1,2000-01-01,1,", 6, "there are 6 columns"),
        ("Ana,1,2000-01-01,1", 5, "there are 4 columns"),
        (" ,Lorca,1,2000-01-01,1", 1, "nombre is empty"),
        (
            "Ana,Lo\u{7}rca,1,2000-01-01,1",
            2,
            "apellido holds a control",
        ),
        ("Ana,Lorca,,2000-01-01,1", 3, "dni is empty"),
        (
            "Ana,Lorca,1,2001-02-29,1",
            4,
            "nacimiento is no calendar date",
        ),
        ("Ana,Lorca,1,2000-01-01,x", 5, "numero is not 1 to 9"),
        (
            "Ana,\"Lorca,1,2000-01-01,1",
            2,
            "the field begins with a quote",
        ),
        (
            "Ana,\"Lorca\"x,1,2000-01-01,1",
            2,
            "the field begins with a quote",
        ),
        (
            "Ana,\"Lorca, h.\",1,2000-01-01,1",
            2,
            "apellido holds what a plain",
        ),
    ] {
        for end in ["\n", "\r\n"] {
            let file = format!("{good}{end}{end}{good}{end}{bad}{end}{good}{end}{end}{bad}");
            let rows = read(file.as_bytes());
            let [Ok(_), Ok(_), Err(first), Ok(_), Err(last)] = &rows[..] else {
                panic!("{bad:?} is read as {rows:?}")
            };
            assert_eq!((first.0, first.1), (4, column), "{file:?}");
            assert_eq!((last.0, last.1), (7, column), "{file:?}");
            assert!(first.2.starts_with(reason), "{}", first.2);
        }
    }
}

#[test]
fn a_row_is_what_the_csv_crate_takes_it_for_however_the_bytes_come() {
    for seed in 0..2_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        let mut expected = Vec::new();
        for _ in 0..rng.usize(..30) {
            let mut name = || -> String {
                let letters = ['a', 'ñ', ',', '"', ' ', '}'];
                let length = rng.usize(..20);
                let middle: String = (0..length)
                    .map(|_| letters[rng.usize(..letters.len())])
                    .collect();
                format!("b{middle}b")
            };
            let row = [name(), name(), "1".into(), "2000-01-01".into(), "1".into()];
            writer.write_record(&row).unwrap();
            expected.push(row);
        }
        let file = writer.into_inner().unwrap();
        let mut rows = Rows::new(Trickle(&file, rng));
        for [first, last, ..] in expected {
            let row = rows.next_row().unwrap().unwrap();
            let bet = row.bet(Agency::new(AGENCY).unwrap()).unwrap();
            let names = (bet.first_name.as_str(), bet.last_name.as_str());
            assert_eq!(names, (&*first, &*last), "seed {seed}");
        }
        assert!(rows.next_row().unwrap().is_none());
        assert_eq!(rows.digest(), UploadId(MessageId::of(&file).0));
    }
}

/// Gives its bytes in pieces of any size.
struct Trickle<'a>(&'a [u8], fastrand::Rng);

impl Read for Trickle<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.1.u8(..8) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = space.len().min(self.0.len());
        let (piece, rest) = self.0.split_at(self.1.usize(most.min(1)..=most));
        space[..piece.len()].copy_from_slice(piece);
        self.0 = rest;
        Ok(piece.len())
    }
}

#[test]
fn a_quote_without_its_end_spoils_its_line_alone() {
    let rows = read(b"Ana,\"Lorca,1,2000-01-01,1\nAna,Lorca,1,2000-01-01,1\n");
    let [Err((1, 2, _)), Ok(_)] = &rows[..] else {
        panic!("{rows:?}")
    };
}

#[test]
fn a_line_without_its_end_is_not_read_to_the_end() {
    let mut file = b"Ana,Lorca,1,2000-01-01,1\n".to_vec();
    file.resize(1_000_000, b'x');
    let rows = read(&file);
    let [Ok(_), Err((2, 0, _))] = &rows[..] else {
        panic!("{rows:?}")
    };
}

#[test]
fn the_digest_is_that_of_all_bytes() {
    let file = b"\xef\xbb\xbfAna,Lorca,1,2000-01-01,1\r\n\r\nx";
    let mut rows = Rows::new(&file[..]);
    while let Ok(Some(_)) = rows.next_row() {}
    assert_eq!(rows.digest(), UploadId(MessageId::of(file).0));
}
