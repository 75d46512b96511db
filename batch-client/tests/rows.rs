//! The agency file as rows: which ones are valid bets, and where and why the others are not.

use std::io::{self, Read};

use batch_client::rows::{BadRow, Fault, MAX_ROW, RowError, Rows};
use frame::{Agency, Bet, Birthdate, Document, Name, Number, payload};

const AGENCY: u32 = 3;

/// Each row: its payload as a bet, or the line, the column and the reason why it is not valid.
fn read(file: impl Read) -> Vec<Result<String, (u64, usize, String)>> {
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
            Err(e @ (RowError::Io(_) | RowError::Changed)) => panic!("{e:?}"),
        });
    }
}

fn ana(number: u32) -> Result<String, (u64, usize, String)> {
    Ok(format!(
        "{{agency:3,nombre:Ana,apellido:Lorca,dni:1,nacimiento:2000-01-01,numero:{number}}}"
    ))
}

#[test]
fn line_ends_blanks_and_blank_lines_make_no_difference() {
    for file in [
        "Ana,Lorca,1,2000-01-01,1\nAna,Lorca,1,2000-01-01,2\n",
        "Ana,Lorca,1,2000-01-01,1\r\nAna,Lorca,1,2000-01-01,2\r\n",
        "Ana,Lorca,1,2000-01-01,1\nAna,Lorca,1,2000-01-01,2",
        "\u{feff} Ana\t,Lorca , 1,2000-01-01,1 \r\n\r\n\nAna,\"Lorca\", 1 ,2000-01-01,0002\r",
        "\n\nAna,Lorca,1,2000-01-01,1\n  \nAna,\" Lorca \",1,2000-01-01,\"2\"\r\n\r\n",
    ] {
        assert_eq!(read(file.as_bytes()), [ana(1), ana(2)], "{file:?}");
    }
    assert_eq!(read(&b""[..]), []);
    assert_eq!(read(&b"\r\n\n"[..]), []);
}

#[test]
fn a_bad_row_is_reported_with_line_and_column_and_the_next_row_is_read() {
    let good = "Ana,Lorca,1,2000-01-01,1";
    for (bad, lines, column, reason) in [
        (
            "Ana,Lorca,1,2000-01-01",
            1,
            5,
            "the row has 4 columns instead of 5",
        ),
        ("Ana,Lorca,1,2000-01-01,1,", 1, 6, "the row has 6 columns"),
        (" ,Lorca,1,2000-01-01,1", 1, 1, "nombre is empty"),
        (
            "Ana,Lo\u{7}rca,1,2000-01-01,1",
            1,
            2,
            "apellido holds a control",
        ),
        (
            "Ana,\"Lor\n\nca\",1,2000-01-01,1",
            3,
            2,
            "apellido holds a control",
        ),
        ("Ana,Lorca,,2000-01-01,1", 1, 3, "dni is empty"),
        ("Ana,Lorca,1,2001-02-29,1", 1, 4, "nacimiento is no"),
        ("Ana,Lorca,1,2000-01-01,x", 1, 5, "numero is not 1 to 9"),
        (
            "Ana,\"Lorca, h.\",1,2000-01-01,1",
            1,
            2,
            "apellido holds a character that a plain",
        ),
        (
            "\"Ana \"La Flaca\" Paz\",Lorca,1,2000-01-01,1",
            1,
            1,
            "there is text behind the quote",
        ),
        (
            "Ana,Lorca,\"1\"2,2000-01-01,1",
            1,
            3,
            "there is text behind the quote",
        ),
        (
            "Ana, \"Lorca\",1,2000-01-01,1",
            1,
            2,
            "there are blanks before the quote",
        ),
        ("Ana\r,Lorca,1,2000-01-01,1", 1, 1, "nombre holds a control"),
        ("Ana,Lorca,1\r,2000-01-01,1", 1, 3, "dni holds a control"),
        ("Ana,Lorca,1,2000-01-01,\"1\r\"", 1, 5, "numero is not 1"),
    ] {
        for end in ["\n", "\r\n"] {
            let file = format!("{good}{end}{end}{good}{end}{bad}{end}{good}{end}{end}{bad}");
            let rows = read(file.as_bytes());
            let [Ok(_), Ok(_), Err(first), Ok(_), Err(last)] = &rows[..] else {
                panic!("{bad:?} is read as {rows:?}")
            };
            assert_eq!((first.0, first.1), (4, column), "{file:?}");
            assert_eq!((last.0, last.1), (4 + lines + 2, column), "{file:?}");
            assert!(first.2.starts_with(reason), "{}", first.2);
        }
    }
}

#[test]
fn a_row_that_was_never_meant_to_be_a_bet_says_what_it_is() {
    let good = "Ana,Lorca,1,2000-01-01,1";
    for (row, reason) in [
        (
            "nombre,apellido,dni,nacimiento,numero",
            "the row is a header",
        ),
        (
            "\"Nombre\",\"Apellido\",\"Documento\",\"Fecha nac.\",\"Jugado\"",
            "the row is a header",
        ),
        (
            "\u{feff}First name,Last name,ID,Birth date,Number",
            "the row is a header",
        ),
        ("Total,,,,26936", "the row looks like a line of sums"),
        (",,,TOTAL:,26936", "the row looks like a line of sums"),
        (",,,,26936", "the row looks like a line of sums"),
        ("Suma: 26936", "the row looks like a line of sums"),
        (",,,,", "the row has no values"),
        (" , ,,,,", "the row has no values"),
        ("\"\",\"\",\"\",\"\",\"\"", "the row has no values"),
        ("\u{1a}", "the row ends with Control-Z"),
        ("\u{1a}\0\0", "the row ends with Control-Z"),
        (
            "Ana,Lorca,1,2000-01-01,1\u{1a}",
            "the row ends with Control-Z",
        ),
        ("sep=,", "the row tells a spreadsheet which delimiter"),
        ("SEP=;", "the row tells a spreadsheet which delimiter"),
        (
            "\"Ana,Lorca,1,2000-01-01,1\"",
            "the whole row stands in quotes",
        ),
        (
            "\u{feff}Ana,Lorca,1,2000-01-01,1",
            "a byte order mark stands before the row",
        ),
        (
            "\u{feff}\"Ana\",Lorca,1,2000-01-01,1",
            "a byte order mark stands before the row",
        ),
        (
            "\"\u{feff}Ana\",Lorca,1,2000-01-01,1",
            "a byte order mark stands before the row",
        ),
        ("\u{feff}", "a byte order mark stands before the row"),
        // Near neighbours, with reasons of their own.
        ("Ana,Lorca,Nro 7,2000-01-01,x", "numero is not"),
        ("Nombre,Apellido,Juan,Paz,Lima", "nacimiento is no"),
        ("Total,Lorca,1,2000-01-01,", "numero is not"),
        ("Sumarí,,,,", "apellido is empty"),
        (",Lorca,1,2000-01-01,1", "nombre is empty"),
        (",,,2000-01-01,1", "nombre is empty"),
        ("\"Ana, Lorca\"", "the row has 1 column"),
        ("\u{1a}na,Lorca,1,2000-01-01,1", "nombre holds a control"),
        ("separado=", "the row has 1 column"),
    ] {
        let file = format!("{good}\n{row}\r\n{good}\n");
        let rows = read(file.as_bytes());
        let [Ok(_), Err((2, _, found)), Ok(_)] = &rows[..] else {
            panic!("{row:?} is read as {rows:?}")
        };
        assert!(found.starts_with(reason), "{row:?}: {found}");
    }
    for row in [
        "Nombre,Apellido,Dni,2000-01-01,1",
        "Total,Suma,1,2000-01-01,1",
        "A\u{feff}na,Lorca,1,2000-01-01,1",
    ] {
        assert!(read(row.as_bytes())[0].is_ok(), "{row}");
    }
}

#[test]
fn a_quote_that_is_never_closed_does_not_make_the_whole_file_one_row() {
    let mut file = b"Ana,Lorca,1,2000-01-01,1\nAna,\"Lorca,1,2000-01-01,1\n".to_vec();
    file.resize(1_000_000, b'x');
    let rows = read(&file[..]);
    let [Ok(_), Err((2, 0, _))] = &rows[..] else {
        panic!("{rows:?}")
    };
}

#[test]
fn a_quote_that_is_never_closed_is_reported_with_the_line_in_which_its_row_begins() {
    let good = "Ana,Lorca,1,2000-01-01,1\n";
    for (open, column) in [
        ("Ana,\"Lorca", 2),
        ("Ana,\"Lor\n\nca\n", 2),
        ("\"", 1),
        // Without the quote that is missing it would be a bet.
        ("Ana,Lorca,1,2000-01-01,\"75", 5),
    ] {
        let rows = read(format!("{good}\n{open}").as_bytes());
        let [Ok(_), Err((3, found, reason))] = &rows[..] else {
            panic!("{open:?} is read as {rows:?}")
        };
        assert_eq!(*found, column, "{open:?}");
        assert!(reason.starts_with("the quote is never closed"), "{reason}");
    }
}

/// A reader that gives at most so many bytes at once.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let size = space.len().min(self.1);
        self.0.read(&mut space[..size])
    }
}

#[test]
fn a_byte_order_mark_is_not_part_of_a_name_in_however_many_pieces_it_comes() {
    let file = "\u{feff}Ana,Lorca,1,2000-01-01,1";
    for size in 1..5 {
        assert_eq!(read(Pieces(file.as_bytes(), size)), [ana(1)], "{size}");
    }
    assert_eq!(read(&b"\n"[..]), []);
}

#[test]
fn whether_a_row_is_too_long_does_not_depend_on_the_pieces_in_which_it_comes() {
    let row = "Ana,Lorca,1,2000-01-01,1";
    let blanks = MAX_ROW - row.len() - 1;
    let quoted = "Ana,\"Lorca\",1,2000-01-01,1";
    for (surplus, accepted) in [(0, true), (1, false)] {
        for file in [
            format!("{row}{}\n{row}\n", " ".repeat(blanks + surplus)),
            format!("{quoted}{}\n{row}\n", " ".repeat(blanks - 2 + surplus)),
            format!("{row}\n{row}{}", " ".repeat(blanks + surplus)),
            format!("{row}\n{}{quoted}", " ".repeat(blanks - 2 + surplus)),
        ] {
            for size in [1, 700, MAX_ROW, MAX_ROW + 1, file.len()] {
                let rows = read(Pieces(file.as_bytes(), size));
                let all = rows == [ana(1), ana(1)];
                assert_eq!(
                    all, accepted,
                    "{surplus} bytes too many, in pieces of {size}"
                );
                assert!(accepted || matches!(rows.last(), Some(Err((_, 0, _)))));
            }
        }
    }
    // The length of one row does not count for the next.
    let rows = read(format!("{quoted}\n").repeat(1_000).as_bytes());
    assert!(rows.len() == 1_000 && rows.iter().all(|row| *row == ana(1)));
}

/// The column in which a row has quotes that no writer of CSV makes. A second reader, which knows nothing of the first
/// one: it takes away whole fields from the front.
fn misquoted(row: &str) -> Option<usize> {
    let mut rest = row.strip_suffix('\n').unwrap_or(row);
    rest = rest.strip_suffix('\r').unwrap_or(rest);
    for column in 1.. {
        rest = if let Some(mut quoted) = rest.strip_prefix('"') {
            while let Some(at) = quoted.find("\"\"")
                && !quoted[..at].contains('"')
            {
                quoted = &quoted[at + 2..];
            }
            match quoted.split_once('"') {
                Some((_, rest)) => rest.trim_start_matches([' ', '\t']),
                None => return Some(column),
            }
        } else {
            let end = rest.find([',', '\n']).unwrap_or(rest.len());
            let (plain, rest) = rest.split_at(end);
            if plain.trim_start_matches([' ', '\t']).starts_with('"') {
                return Some(column);
            }
            rest
        };
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (!rest.is_empty()).then_some(column),
        }
    }
    None
}

/// The rows as the csv crate reads the whole file at once, but for those that are not quoted as writers of CSV do it.
fn read_by_csv(file: &str) -> Vec<Result<String, (u64, usize)>> {
    let ended = file.is_empty() || file.ends_with('\n');
    let file = format!("{file}{}", if ended { "" } else { "\n" });
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(file.as_bytes());
    let mut record = csv::ByteRecord::new();
    let (mut rows, mut begin) = (Vec::new(), 0);
    while reader.read_byte_record(&mut record).unwrap() {
        let end = reader.position().byte() as usize;
        let text = &file[begin..end];
        let marked = text.strip_prefix('\u{feff}').filter(|_| begin == 0);
        let row = marked.unwrap_or(text).trim_start_matches('\n');
        let line = 1 + file[..end - row.len()].matches('\n').count() as u64;
        begin = end;
        if !row.trim().is_empty() {
            let bet = misquoted(row).or_else(|| instead(&record));
            let bet = bet.map_or_else(|| self::bet(&record), Err);
            rows.push(bet.map_err(|column| (line, column)));
        }
    }
    rows
}

/// The first column, where a row begins with a byte order mark, has nothing but commas, or is in quotes as a whole.
fn instead(record: &csv::ByteRecord) -> Option<usize> {
    let last = record.len() - 1;
    let is_empty = |(index, column): (usize, &[u8])| {
        let column = column
            .strip_suffix(b"\r")
            .filter(|_| index == last)
            .unwrap_or(column);
        column.iter().all(|b| b" \t".contains(b))
    };
    let first = std::str::from_utf8(&record[0]).unwrap();
    let marked = first
        .trim_start_matches([' ', '\t'])
        .starts_with('\u{feff}');
    let empty = last > 0 && record.iter().enumerate().all(is_empty);
    let commas = record[0].iter().filter(|b| **b == b',').count();
    let whole = last == 0 && commas >= 4;
    (marked || empty || whole).then_some(1)
}

/// The payload of a row, or the number of the column that is wrong.
fn bet(record: &csv::ByteRecord) -> Result<String, usize> {
    let columns = record.iter().enumerate().map(|(index, column)| {
        let column = std::str::from_utf8(column).unwrap();
        let last = index + 1 == record.len();
        let column = column.strip_suffix('\r').filter(|_| last).unwrap_or(column);
        column.trim_matches([' ', '\t']).as_bytes()
    });
    let columns: Vec<&[u8]> = columns.collect();
    let [first_name, last_name, document, birthdate, number] = columns[..] else {
        return Err(columns.len().min(5) + 1);
    };
    let bet = Bet {
        agency: Agency::new(AGENCY).unwrap(),
        first_name: Name::parse(first_name).map_err(|_| 1_usize)?,
        last_name: Name::parse(last_name).map_err(|_| 2_usize)?,
        document: Document::parse(document).map_err(|_| 3_usize)?,
        birthdate: Birthdate::parse(birthdate).map_err(|_| 4_usize)?,
        number: Number::parse(number).map_err(|_| 5_usize)?,
    };
    match columns.iter().position(|text| payload::needs_quotes(text)) {
        Some(column) => Err(column + 1),
        None => {
            let mut out = Vec::new();
            bet.write(&mut out);
            Ok(String::from_utf8(out).unwrap())
        }
    }
}

#[test]
fn rows_are_those_of_the_csv_crate_whatever_is_quoted_and_in_whatever_pieces_the_file_comes() {
    let row = "Ana,Lorca,1,2000-01-01,1\n";
    let pieces = [
        row,
        "\"Ana\", Lorca ,\"1\",2000-01-01,1\r\n",
        "Ana,\"de la \"\"O\"\"\",1,2000-01-01,1\n",
        "\"",
        "\"\"",
        ",",
        "\n",
        "\r\n",
        "\u{feff}",
        " ",
        "ñ",
    ];
    let mut bets = 0;
    for seed in 0..10_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = rng.usize(..40);
        let piece = |_| {
            let most = if rng.bool() { 3 } else { pieces.len() };
            pieces[rng.usize(..most)]
        };
        let file: String = (0..count).map(piece).collect();
        let expected = read_by_csv(&file);
        bets += expected.iter().flatten().count();
        for size in [rng.usize(1..9), rng.usize(1..100), file.len().max(1)] {
            let rows = read(Pieces(file.as_bytes(), size)).into_iter();
            let rows = rows.map(|row| row.map_err(|(line, column, _)| (line, column)));
            assert_eq!(rows.collect::<Vec<_>>(), expected, "seed {seed}: {file:?}");
        }
    }
    assert!(bets > 10_000);
}
