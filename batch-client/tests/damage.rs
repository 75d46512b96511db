//! Values that look damaged: each kind is told, and its near neighbours are not.

use batch_client::damage::{Damage, HowMany, Kind};
use batch_client::rows::Fault;
use batch_client::scan::Scan;
use batch_client::{advice, rows};
use frame::{Agency, Birthdate, Field, Flaw};

/// What is told of a file that is read on this day.
fn damages(file: &str) -> Vec<Damage> {
    let today = Birthdate::parse(b"2024-08-21").unwrap();
    let mut scan = Scan::new(file.as_bytes(), Agency::new(1).unwrap(), false).inspecting(today);
    scan.advance(usize::MAX).unwrap().unwrap();
    scan.damages()
}

/// A file whose last but one row has this value in this column, counted from 1.
fn file(column: usize, value: &str) -> String {
    let mut row = ["Ana", "Lorca", "30904465", "1999-03-17", "7574"];
    row[column - 1] = value;
    let row = format!("\"{}\"\r\n", row.join("\",\""));
    "Eva María,Núñez,5123456,1950-12-31,1\n".to_owned() + &row + "Pía,Paz,0012345,2000-02-29,2\n"
}

#[test]
fn each_kind_of_damage_is_told_with_its_first_row_and_without_the_value() {
    for (kind, column, values) in [
        (
            Kind::InvisibleCharacter,
            1,
            &[
                "Ana\u{a0}María",
                "Ana\u{feff}",
                "An\u{200b}a",
                "Ana\u{2400}",
                "\u{202e}Ana",
                "Ana\u{ad}",
            ][..],
        ),
        (Kind::InvisibleCharacter, 3, &["30904465\u{a0}"]),
        (
            Kind::ForeignQuotes,
            2,
            &[
                "“Lorca”",
                "„Lorca“",
                "«Lorca»",
                "‘Lorca’",
                "“Lorca",
                "Lorca”",
                "'Lorca'",
                "“de” “Lorca”",
            ],
        ),
        (Kind::ForeignQuotes, 3, &["“30904465”"]),
        (
            Kind::DecodedTwice,
            1,
            &[
                "MarÃ\u{ad}a",
                "NuÃ±ez",
                "MUÃ‘OZ",
                "Dâ€™Angelo",
                "Ã\u{a0}la",
                "ï»¿Ana",
                "Å¡ime",
                "MarÃƒÂ\u{ad}a",
                "NÂº",
            ],
        ),
        (Kind::LostLetter, 2, &["Mu\u{fffd}oz"]),
        (Kind::Formula, 1, &["=A1", "+Ana", "@Ana"]),
        (Kind::Formula, 3, &["=A1"]),
        (
            Kind::NoValue,
            3,
            &["#N/A", "#REF!", "#¡VALOR!", "########", "NULL", "NaN"],
        ),
        (Kind::NoValue, 2, &["#N/D", "#¿NOMBRE?"]),
        (Kind::TextMark, 3, &["'30904465"]),
        (
            Kind::DecimalDocument,
            3,
            &["3.0904E+07", "3,09E+07", "3E+07", "30904465.0"],
        ),
        (
            Kind::GroupedDigits,
            3,
            &["30.904.465", "30,904,465", "30 904 465", "5.123"],
        ),
        (Kind::EarlyBirthdate, 4, &["1879-12-31", "0001-01-01"]),
        (Kind::FutureBirthdate, 4, &["2024-08-22", "2999-01-01"]),
    ] {
        for value in values {
            let found = damages(&file(column, value));
            let expected = Damage {
                kind,
                line: 2,
                column,
                rows: HowMany::Exactly(1),
            };
            assert_eq!(found, [expected], "{value}");
            let text = found[0].to_string();
            let example = ["#N/A", "NULL"].contains(value);
            assert!(example || !text.contains(value), "{text}");
        }
    }
}

#[test]
fn the_near_neighbours_of_damage_are_not_told() {
    for (column, values) in [
        (
            1,
            &[
                "D’Angelo",
                "O'Higgins",
                "’t Hooft",
                "'t Hooft",
                "Ana “La Flaca” Paz",
                "Ana “La Flaca”",
                "“La Flaca” Paz",
                "Jean-Luc",
                "Ma. José",
                "JOÃO",
                "IRMÃ",
                "IRMÃ\u{a0}",
                "SMÅ’S",
                "Ânia",
                "São",
                "Åsa",
                "Weiß’",
                "Éva",
                "Null",
                "None",
                "Ana #2",
                "Ana=Eva",
                "-",
                "?",
                "Ana@casa",
                "ნინო",
                "محمد",
                "می\u{200c}خواهم",
                "Ōta",
                "Dvořák",
                "Łucja",
                "🙂",
            ][..],
        ),
        (
            2,
            &[
                "de la O",
                "Núñez",
                "N'Diaye",
                "Ó Briain",
                "Müller-Lüdenscheidt",
            ],
        ),
        (
            3,
            &[
                "A-30904465",
                "0012345",
                "AB123456",
                "20-30904465-9",
                "12E45",
                "X1234567L",
                "NULLO",
                "30904465-K",
                "F.12.345",
                "1.2",
                "1234.567",
            ],
        ),
        (4, &["1880-01-01", "2024-08-21", "2024-01-01", "1900-01-01"]),
        (5, &["0", "000007574"]),
    ] {
        for value in values {
            let found: Vec<Damage> = damages(&file(column, value));
            // What nobody sees may still be told of a value that ends with it.
            let found = found
                .iter()
                .filter(|damage| damage.kind != Kind::InvisibleCharacter);
            assert_eq!(
                found.count(),
                0,
                "{value}: {:?}",
                damages(&file(column, value))
            );
        }
    }
    // Documents with points are alike where all of them have points.
    let points = "Ana,Lorca,30.904.465,1999-03-17,1\nEva,Paz,5.123.456,1999-03-17,1\n";
    assert_eq!(damages(points), []);
}

#[test]
fn rows_are_counted_once_for_each_kind_and_in_the_order_of_the_kinds() {
    let file = "=a,=b,1,2999-01-01,1\nAna,“b”,'1,1999-01-01,1\n=a,+b,1,1999-01-01,1\n";
    let told = damages(file);
    let told: Vec<_> = told
        .iter()
        .map(|found| (found.kind, found.line, found.column, found.rows.number()))
        .collect();
    let expected = [
        (Kind::ForeignQuotes, 2, 2, 1),
        (Kind::Formula, 1, 1, 2),
        (Kind::TextMark, 2, 3, 1),
        (Kind::FutureBirthdate, 1, 4, 1),
    ];
    assert_eq!(told, expected);
}

#[test]
fn rows_that_are_there_twice_are_told_where_they_are_many() {
    let rows: String = (0..40)
        .map(|n| format!("Ana,Lorca,{n},1999-03-17,1\n"))
        .collect();
    let found = damages(&rows.repeat(2));
    assert_eq!(
        found,
        [Damage {
            kind: Kind::RepeatedRows,
            line: 41,
            column: 1,
            rows: HowMany::Exactly(40),
        }]
    );
    // The same bet twice, and bets that differ in one place.
    let few = rows.clone() + rows.lines().next().unwrap();
    assert_eq!(damages(&few), []);
    assert_eq!(damages(&(rows.clone() + &rows.replace(",1\n", ",2\n"))), []);
}

#[test]
fn every_kind_is_described_for_programs() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let described = std::fs::read_to_string(format!("{folder}/../docs/operations.md")).unwrap();
    let faults = [
        Fault::Columns(1),
        Fault::Field(Field::FirstName, Flaw::Empty),
        Fault::Quotes(Field::FirstName),
        Fault::Quoting(rows::QuoteFlaw::Unclosed),
        Fault::TooLong,
        Fault::Header,
        Fault::Sums,
        Fault::NoValues,
        Fault::EndMark,
        Fault::DelimiterNote,
        Fault::QuotedRow,
        Fault::ByteOrderMark,
    ];
    let names = Kind::ALL.map(Kind::name).into_iter();
    let names = names.chain(advice::Kind::ALL.map(advice::Kind::name));
    for name in names.chain(faults.map(Fault::kind)) {
        assert!(
            described.contains(&format!("| `{name}` |")),
            "docs/operations.md does not describe {name}"
        );
    }
}
