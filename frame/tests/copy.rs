//! Columns of a file, copied as the objects of a payload: what is copied is what reading and writing gives.

use fastrand::Rng;
use frame::copy::FromColumns;
use frame::{Agency, Bet, Birthdate, Document, Name, Number};

fn agency(number: u32) -> Agency {
    Agency::new(number).unwrap()
}

/// The object of the bet in these columns, by reading each of them.
fn object(agency: Agency, columns: &[u8]) -> Vec<u8> {
    let columns: Vec<&[u8]> = columns.split(|byte| *byte == b',').collect();
    let [first_name, last_name, document, birthdate, number] = columns[..] else {
        panic!("{} columns", columns.len());
    };
    let bet = Bet {
        agency,
        first_name: Name::parse(first_name).unwrap(),
        last_name: Name::parse(last_name).unwrap(),
        document: Document::parse(document).unwrap(),
        birthdate: Birthdate::parse(birthdate).unwrap(),
        number: Number::parse(number).unwrap(),
    };
    let mut object = Vec::new();
    bet.write(&mut object);
    object
}

/// A row, and enough behind it.
fn row(columns: &str) -> Vec<u8> {
    format!("{columns}\nAna,Lorca,012,2000-02-29,464\n").into_bytes()
}

#[test]
fn columns_are_copied_as_the_object_that_reading_them_gives_or_not_at_all() {
    let (mut copied, mut room) = (0, [0; FromColumns::ROOM]);
    for seed in 0..50_000 {
        let rng = &mut Rng::with_seed(seed);
        let agency = agency(*rng.choice(&[1, 42, u32::MAX]).unwrap());
        let name = "Año".repeat(rng.usize(1..12));
        let document = "7".repeat(rng.usize(1..35));
        let number = rng.u32(..1_100_000_000);
        let mut text = row(&format!("{name},Paz,{document},2000-02-29,{number}"));
        for _ in 0..rng.u8(..3) {
            let at = rng.usize(..text.len() - 32);
            text[at] = *rng.choice(b"{}:,|\" \t0Az\x1f\x7f\xc2\x85\xc3").unwrap();
        }
        let out = &mut room[..[FromColumns::ROOM, rng.usize(..200)][usize::from(seed % 8 == 0)]];
        if let Some((read, written)) = FromColumns::new(agency).object(&text, out) {
            assert_eq!(out[..written], object(agency, &text[..read]), "seed {seed}");
            assert!(!text[read].is_ascii_digit(), "seed {seed}");
            copied += 1;
        }
    }
    assert!(copied > 15_000, "{copied}");
}

#[test]
fn usual_columns_are_copied_as_far_as_each_field_may_go_and_others_are_not() {
    let (name, document) = ("é".repeat(127) + "e", "9".repeat(32));
    let mut out = [0; FromColumns::ROOM];
    let copy = FromColumns::new(agency(4_294_967_295));
    for columns in [
        "A,B,1,2000-02-29,0".to_owned(),
        "Ana,Lorca,012,1999-12-31,464".to_owned(),
        format!("{name},{name},{document},2000-02-29,999999999"),
    ] {
        let text = row(&columns);
        let (read, written) = copy.object(&text, &mut out).unwrap();
        assert_eq!(text[..read], *columns.as_bytes());
        assert_eq!(
            out[..written],
            object(agency(4_294_967_295), columns.as_bytes())
        );
    }
    for columns in [
        ",B,1,2000-02-29,0".to_owned(),
        " A,B,1,2000-02-29,0".to_owned(),
        "A,B ,1,2000-02-29,0".to_owned(),
        "\"A\",B,1,2000-02-29,0".to_owned(),
        "A;B,1,2000-02-29,0".to_owned(),
        "A,B,1,2000-02-30,0".to_owned(),
        "A,B,1,2000-02-29,00".to_owned(),
        "A,B,1,2000-02-29,0464".to_owned(),
        "A,B,1,2000-02-29,1000000000".to_owned(),
        "A,B,1,2000-02-29,".to_owned(),
        format!("{name}e,B,1,2000-02-29,0"),
        format!("A,{name}e,1,2000-02-29,0"),
        format!("A,B,{document}9,2000-02-29,0"),
    ] {
        assert_eq!(copy.object(&row(&columns), &mut out), None, "{columns}");
    }
}
