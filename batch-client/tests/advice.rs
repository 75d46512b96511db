//! What is said of a file that is no agency file: what it is, and how to save it right.

use std::io::Write as _;

use batch_client::advice::Advice;
use batch_client::scan::{Scan, Verdict};
use frame::Agency;

/// What is said of a file; `None` for a good one, too.
fn advice(file: &[u8]) -> Option<String> {
    let mut scan = Scan::new(file, Agency::new(1).unwrap(), false);
    match scan.advance(usize::MAX).unwrap().unwrap() {
        Verdict::Good(..) => None,
        Verdict::Bad { .. } => Advice::of(&scan.evidence()).map(|advice| advice.to_string()),
    }
}

/// Five rows with these delimiters and forms of dates.
fn rows(delimiter: &str, date: &str) -> String {
    let row = |n| ["Ana María", "Núñez", "30904465", date, &format!("{n}")].join(delimiter);
    (7_000..7_005).map(|n| row(n) + "\n").collect()
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    let units = text.encode_utf16();
    let bytes = |unit: u16| {
        if big {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        }
    };
    units.flat_map(bytes).collect()
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u8).collect()
}

/// A text in an encoding in which these letters are these bytes.
fn encoded(text: &str, letters: &str, bytes: &[u8]) -> Vec<u8> {
    let byte = |c: char| {
        letters
            .chars()
            .position(|letter| letter == c)
            .map(|at| bytes[at])
    };
    text.chars().map(|c| byte(c).unwrap_or(c as u8)).collect()
}

#[track_caller]
fn assert_advice(file: impl AsRef<[u8]>, what: &str, fix: &str) {
    let said = advice(file.as_ref());
    let said = said.as_deref().unwrap_or("nothing");
    let (found, ordered) = said.split_once(": ").unwrap_or((said, ""));
    assert!(
        format!("{found}: ").contains(what) && ordered.contains(fix),
        "{said}\nis not: {what}: {fix}"
    );
}

const GOOD: &str = "1999-03-17";

#[test]
fn a_file_that_is_not_text_is_named_by_its_first_bytes() {
    for (head, what, fix) in [
        (&b"\x1f\x8b\x08\0\0\0\0\0"[..], "packed with gzip", "gunzip"),
        (
            b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml",
            "an Excel workbook (xlsx)",
            "CSV in UTF-8",
        ),
        (
            b"PK\x03\x04\x14\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            "OpenDocument",
            "CSV in UTF-8",
        ),
        (b"PK\x03\x04\x14\0bets.csv", "a zip archive", "unpack it"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0",
            "an Excel workbook (xls)",
            "CSV in UTF-8",
        ),
        (
            b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
            "a PDF document",
            "export the table",
        ),
        (
            b"<!DOCTYPE html>\n<html>",
            "a web page",
            "download the file itself",
        ),
        (b"BZh91AY&SY", "packed with bzip2", "bunzip2"),
        (
            b"<?xml version=\"1.0\"?>\n",
            "it is XML",
            "export the table",
        ),
        (
            b"\xef\xbb\xbf[\n  {\"nombre\": \"Ana\"},\n",
            "it is JSON",
            "export the table",
        ),
        (
            b"{\"nombre\":\"Ana\"}\n{\"nombre\":\"Eva\"}\n",
            "it is JSON",
            "export",
        ),
        (
            b"INSERT INTO bets VALUES ('Ana','Lorca',1);\n",
            "orders in SQL",
            "export",
        ),
        (b"-- MySQL dump 10.13\n\n", "orders in SQL", "export"),
    ] {
        assert_advice([head, &[0x80; 100_000]].concat(), what, fix);
        assert_advice(head, what, fix);
    }
    // Names that begin so are names.
    for row in [
        "BZhao,Lorca,1,x,7\n",
        "Copy,Lorca,1,x,7\n",
        "[Ana],Lorca,1,x,7\n",
        "Set Ana,Lorca,1,x,7\n",
    ] {
        assert_eq!(advice(row.as_bytes()), None, "{row}");
    }
}

#[test]
fn other_encodings_are_named_with_the_way_to_utf_8() {
    let text = rows(",", GOOD);
    for (mark, big, encoding) in [
        ("\u{feff}", false, "UTF-16"),
        ("\u{feff}", true, "UTF-16"),
        ("", false, "UTF-16LE"),
        ("", true, "UTF-16BE"),
    ] {
        let file = utf16(&format!("{mark}{text}"), big);
        assert_advice(
            file,
            "its text is in UTF-16",
            &format!("iconv -f {encoding} -t UTF-8"),
        );
    }
    assert_advice(latin1(&text), "Latin-1 or Windows-1252", "save it in UTF-8");
    let names = |names: &str| {
        let names = names.split(' ');
        names
            .map(|name| format!("Ana,{name},1,{GOOD},7\n"))
            .collect::<String>()
    };
    let (letters, dos) = ("áéíóúüñÑÁÓ", b"\xa0\x82\xa1\xa2\xa3\x81\xa4\xa5\xb5\xe0");
    let mac = b"\x87\x8e\x92\x97\x9c\x9f\x96\x84\xe7\xee";
    for (word, bytes, encoding) in [
        ("Núñez", &dos[..], "code page 850, of DOS: "),
        ("Peña García Ángel MUÑOZ", dos, "code page 850, of DOS: "),
        ("Núñez", mac, "MacRoman: "),
        ("García", mac, "MacRoman: "),
        ("MUÑOZ", mac, "MacRoman: "),
        (
            "José",
            b"\xe1\xe9\xed\xf3\xfa\xfc\xf1\xd1\xc1\xd3",
            "Latin-1 or Windows-1252: ",
        ),
    ] {
        let file = encoded(&names(word), letters, bytes);
        assert_advice(
            file,
            &format!("not in UTF-8 but most likely in {encoding}"),
            "iconv -f ",
        );
    }
    // Windows-1251, Windows-1250, and letters of which two encodings make a name.
    for word in [
        &b"\xc8\xe2\xe0\xed\xee\xe2"[..],
        b"Wa\xb3\xeasa",
        b"D\x92angelo",
        b"Jos\xc3",
    ] {
        let file = [b"Ana,", word, b",1,1999-03-17,7\n"].concat();
        assert_advice(
            file,
            "its text is not in UTF-8: ",
            "with the program that made it",
        );
    }
    assert_advice(
        [text.clone().into_bytes(), latin1(&text)].concat(),
        "some of its rows are in UTF-8 and some are not",
        "save those",
    );
    let late = "Ana,Lorca,1,2000-01-01,1\n".repeat(5_000).into_bytes();
    assert_advice(
        [late, latin1(&text)].concat(),
        "Latin-1 or Windows-1252",
        "iconv",
    );
    assert_eq!(advice(format!("\u{feff}{text}").as_bytes()), None);
}

#[test]
fn other_delimiters_line_ends_and_headers_are_named() {
    for (delimiter, name) in [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")] {
        let what = format!("its columns are divided by {name}");
        assert_advice(rows(delimiter, GOOD), &what, "commas between the columns");
        assert_advice(rows(&format!("\"{delimiter}\""), GOOD), &what, "commas");
    }
    assert_advice(
        "Ana Lorca 30904465 1999-03-17 7574\n".repeat(3),
        "divided by blanks",
        "commas",
    );
    assert_advice(
        rows(",", GOOD).replace('\n', "\r"),
        "carriage return alone",
        "line feeds",
    );
    assert_advice(
        rows(",", GOOD).repeat(900).replace('\n', "\r"),
        "carriage return alone",
        "line feeds",
    );
    let header = "nombre,apellido,dni,nacimiento,numero\n";
    assert_advice(
        header.to_owned() + &rows(",", GOOD),
        "its first line is a header",
        "delete the first line",
    );
    let quoted = "\"First name\",\"Last name\",\"ID\",\"Born\",\"Bet\"\n";
    assert_advice(
        quoted.to_owned() + &rows(",", GOOD),
        "its first line is a header",
        "delete the first line",
    );
    assert_advice(
        "sep=;\n".to_owned() + &rows(";", GOOD),
        "divided by semicolons and its first line tells a spreadsheet the delimiter",
        "delete the first line",
    );
    assert_advice(
        "sep=;\r\n".to_owned() + "Nombre;Apellido;DNI;Nacido;Apuesta\n" + &rows(";", GOOD),
        "tells a spreadsheet the delimiter (sep=) and its second line is a header",
        "delete the first line and the second one",
    );
    for neighbour in ["sep=Ana,Lorca,1,x,7\n", "Ana,Lorca,1,x,7\n"] {
        assert_eq!(
            advice((neighbour.to_owned() + &rows(",", GOOD)).as_bytes()),
            None,
            "{neighbour}"
        );
    }
}

#[test]
fn other_forms_of_dates_and_numbers_are_named_without_their_values() {
    for (date, form) in [
        ("17/03/1999", "DD/MM/YYYY"),
        ("3-17-1999", "MM-DD-YYYY"),
        ("03/17/1999", "MM/DD/YYYY"),
        ("03/17/99", "MM/DD/YY"),
        ("17.03.1999", "DD.MM.YYYY"),
        ("17/03/99", "DD/MM/YY"),
        ("1999/03/17", "YYYY/MM/DD"),
        ("19990317", "YYYYMMDD"),
        ("1999-3-17", "YYYY-M-D"),
    ] {
        let file = rows(",", date);
        let first = if form.starts_with("MM") {
            "has the month first, "
        } else {
            ""
        };
        assert_advice(&file, &format!("but {first}such as {form}: "), "YYYY-MM-DD");
        let said = advice(file.as_bytes()).unwrap();
        assert!(!said.contains(date) && !said.contains("Ana"), "{said}");
    }
    let (any, month, day) = (
        rows(",", "03/04/1999"),
        rows(",", "03/17/1999"),
        rows(",", "17/03/1999"),
    );
    let many = any.repeat(100);
    assert_advice(
        &any,
        "such as DD/MM/YYYY or MM/DD/YYYY, and no row shows which",
        "after finding out",
    );
    assert_advice(
        many.clone() + &month,
        "has the month first, such as MM/DD/YYYY",
        "year first",
    );
    assert_advice(many + &day, "but such as DD/MM/YYYY: ", "year first");
    assert_advice(
        month + &day,
        "DD/MM/YYYY in some rows and MM/DD/YYYY in others",
        "for each row",
    );
    assert_advice(
        rows(",", "1999-03-17 00:00:00"),
        "a time behind it",
        "YYYY-MM-DD",
    );
    assert_advice(
        rows(",", "36236"),
        "a spreadsheet's number of a day",
        "YYYY-MM-DD",
    );
    assert_advice(
        "Ana,Lorca,1,2000-01-01,7.574\n",
        "a point, a comma or blanks",
        "digits alone",
    );
    assert_advice(
        "Ana,Lorca,1,2000-01-01,\u{a0}7574\n",
        "blanks around them",
        "replace",
    );
}

#[test]
fn rows_with_other_columns_are_named() {
    for (row, what, fix) in [
        (
            "Ana,Lorca,1999-03-17,30904465,7574\n",
            "the birthdate stands in column 3",
            "the order name, surname",
        ),
        (
            "Ana,Lorca,30904465,7574,17/03/1999\n",
            "the birthdate stands in column 5",
            "the order name, surname",
        ),
        (
            "3,Ana,Lorca,30904465,1999-03-17,7574\n",
            "a column before the name",
            "delete that column",
        ),
        (
            "3,Ana,Lorca,30904465,1999-03-17,7574\n",
            "its rows have a column before the name: ",
            "delete that column",
        ),
        (
            "3,Ana,Lorca,30904465,17/03/1999,7574\n",
            "a column before the name and the birthdate is not in the form YYYY-MM-DD but such as DD/MM/YYYY: ",
            "delete that column",
        ),
        (
            "\"Ana,Lorca,30904465,1999-03-17,7574\"\n",
            "its rows are in quotes as a whole: ",
            "delete the quotes at both ends",
        ),
        (
            "“Ana”,“Lorca”,“30904465”,“1999-03-17”,“7574”\n",
            "its values stand in quotes that are not those of CSV",
            "delete these quotes",
        ),
        (
            "Ana,Lorca,30904465,1999-03-17,7574,\n",
            "end with a comma",
            "delete that comma",
        ),
        (
            "Ana Lorca,30904465,1999-03-17,7574\n",
            "have 4 columns instead of 5",
            "name, surname",
        ),
        (
            "Ana, \"Lorca, h.\",30904465,1999-03-17,7574\n",
            "blanks before quotes",
            "delete the blanks",
        ),
    ] {
        assert_advice(row.repeat(3), what, fix);
    }
    let comma = rows(",", GOOD) + "Ana,Lorca, h.,30904465,1999-03-17,7574\n";
    assert_advice(comma, "a name holds a comma", "in double quotes");
}

#[test]
fn a_quote_that_is_not_closed_is_named_with_its_line() {
    let open = "Ana,\"Lorca,30904465,1999-03-17,7574\n";
    let whole = "\"Ana,Lorca,30904465,1999-03-17,7574\n";
    for rest in [0, 1, 3, 3_000] {
        for open in [open, whole] {
            let file = rows(",", GOOD) + open + &rows(",", GOOD).repeat(rest);
            assert_advice(&file, "a quote in line 6 is not closed", "close it");
            let said = advice(file.as_bytes()).unwrap();
            assert!(!said.contains("divided"), "{said}");
        }
    }
}

#[test]
fn everything_that_is_wrong_with_an_export_is_one_sentence() {
    let header = "Nombre;Apellido;Documento;Fecha de nacimiento;Número\n".to_owned();
    let file = latin1(&(header + &rows(";", "17/03/1999")).replace('\n', "\r\n"));
    assert_eq!(
        advice(&file).unwrap(),
        "its columns are divided by semicolons, its first line is a header, its text is not in UTF-8 but most likely in Latin-1 or Windows-1252 and the birthdate is not in the form YYYY-MM-DD but such as DD/MM/YYYY: save it with commas between the columns, delete the first line, save it in UTF-8 (in a spreadsheet: CSV UTF-8; in a shell: iconv -f WINDOWS-1252 -t UTF-8) and write the year first: YYYY-MM-DD"
    );
}

#[test]
fn single_bad_rows_say_nothing_of_the_file_and_any_bytes_are_judged_without_a_panic() {
    for row in [
        "Ana,Lorca,30904465,2001-02-29,7574\n",
        ",Lorca,30904465,1999-03-17,7574\n",
        "x\n",
    ] {
        assert_eq!(advice((rows(",", GOOD) + row).as_bytes()), None, "{row}");
    }
    let pieces: [&[u8]; 14] = [
        b"Ana",
        b",",
        b";",
        b"\n",
        b"\r",
        b"\"",
        b" ",
        b"\xff\xfe",
        b"\0",
        b"\xf1",
        "ñ".as_bytes(),
        b"17/03/1999",
        b"1999-03-17",
        b"7574",
    ];
    for seed in 0..20_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut file = Vec::new();
        for _ in 0..rng.usize(..40) {
            file.write_all(pieces[rng.usize(..pieces.len())]).unwrap();
        }
        if let Some(said) = advice(&file) {
            assert!(
                !said.contains("1999") && !said.contains("Ana") && !said.contains(['\n', '|']),
                "seed {seed}: {said}"
            );
        }
    }
}
