//! A bet: six valid fields, read from an object of a payload and written as one.
//!
//! Reading borrows from the payload. It allocates only for a quoted value that holds quotes, which are doubled in the
//! payload. Knows no rule of the lottery.

use crate::error::{BetError, Field};
use crate::fields::{Agency, Birthdate, Document, Name, Number, present, set};
use crate::payload::{self, Objects};

/// One bet: six valid fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bet<'a> {
    /// The agency that took it.
    pub agency: Agency,
    /// The bettor's first name, `nombre`.
    pub first_name: Name<'a>,
    /// The bettor's last name, `apellido`.
    pub last_name: Name<'a>,
    /// The bettor's document, `dni`.
    pub document: Document<'a>,
    /// The bettor's day of birth, `nacimiento`.
    pub birthdate: Birthdate,
    /// The number that was bet on, `numero`.
    pub number: Number,
}

impl<'a> Bet<'a> {
    /// Reads the next object of a payload as a bet; `None` after the last.
    ///
    /// Fields may stand in any order; unknown keys are ignored.
    ///
    /// # Errors
    /// The text does not follow the grammar, or a field is missing, repeated (a name such as `A,agency:2` must not
    /// move a bet to agency 2) or not allowed.
    pub fn read(objects: &mut Objects<'a>) -> Result<Option<Self>, BetError> {
        match Self::read_as_written(objects) {
            Some(bet) => Ok(Some(bet)),
            None => Self::read_by_name(objects),
        }
    }

    /// The fast path, for a valid bet in the form that [`write`](Self::write) gives it, without quotes. `None` for any
    /// other bet; the cursor has not moved then.
    fn read_as_written(objects: &mut Objects<'a>) -> Option<Self> {
        let mut ahead = objects.clone();
        let bet = Self {
            agency: ahead.split_after(b"{agency:", Agency::split)?,
            first_name: Name::from_plain(ahead.value_after(b",nombre:")?)?,
            last_name: Name::from_plain(ahead.value_after(b",apellido:")?)?,
            document: Document::from_plain(ahead.value_after(b",dni:")?)?,
            birthdate: ahead.split_after(b",nacimiento:", Birthdate::split)?,
            number: ahead.split_after(b",numero:", Number::split)?,
        };
        ahead.end()?;
        *objects = ahead;
        Some(bet)
    }

    /// Not inlined, so that the code of the fast path stays small.
    #[cold]
    fn read_by_name(objects: &mut Objects<'a>) -> Result<Option<Self>, BetError> {
        let (mut agency, mut first_name, mut last_name) = (None, None, None);
        let (mut document, mut birthdate, mut number) = (None, None, None);
        let found = objects.read(|key, value| match key {
            b"agency" => set(&mut agency, Field::Agency, Agency::parse(&value)),
            b"nombre" => set(&mut first_name, Field::FirstName, Name::parse(value)),
            b"apellido" => set(&mut last_name, Field::LastName, Name::parse(value)),
            b"dni" => set(&mut document, Field::Document, Document::parse(value)),
            b"nacimiento" => set(&mut birthdate, Field::Birthdate, Birthdate::parse(&value)),
            b"numero" => set(&mut number, Field::Number, Number::parse(&value)),
            _ => Ok(()),
        })?;
        if !found {
            return Ok(None);
        }
        Ok(Some(Self {
            agency: present(agency, Field::Agency)?,
            first_name: present(first_name, Field::FirstName)?,
            last_name: present(last_name, Field::LastName)?,
            document: present(document, Field::Document)?,
            birthdate: present(birthdate, Field::Birthdate)?,
            number: present(number, Field::Number)?,
        }))
    }

    /// Appends the bet as a payload object, its fields in the order of the protocol.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{agency:");
        payload::write_number(out, self.agency.get().into());
        out.extend_from_slice(b",nombre:");
        self.first_name.write(out);
        out.extend_from_slice(b",apellido:");
        self.last_name.write(out);
        out.extend_from_slice(b",dni:");
        self.document.write(out);
        out.extend_from_slice(b",nacimiento:");
        out.extend_from_slice(self.birthdate.as_bytes());
        out.extend_from_slice(b",numero:");
        payload::write_number(out, self.number.get().into());
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Flaw;

    const BET: &str =
        "{agency:1,nombre:Ana,apellido:Lorca,dni:012,nacimiento:2000-02-29,numero:0464}";

    fn read(payload: &str) -> Result<Option<Bet<'_>>, BetError> {
        Bet::read(&mut Objects::new(payload.as_bytes()))
    }

    #[test]
    fn fields_are_found_by_name_in_any_order_and_unknown_keys_ignored() {
        let shuffled = "{numero:464,x:1,nacimiento:2000-02-29, dni : 012,x:2,apellido:Lorca,nombre:Ana,agency:1}";
        let bet = read(shuffled).unwrap().unwrap();
        assert_eq!(read(BET), Ok(Some(bet.clone())));
        let mut out = Vec::new();
        bet.write(&mut out);
        assert_eq!(out, BET.replace("0464", "464").as_bytes());
    }

    #[test]
    fn the_fast_path_reads_what_write_writes_and_agrees_with_reading_by_name() {
        let written = BET.replace("0464", "464");
        assert!(Bet::read_as_written(&mut Objects::new(written.as_bytes())).is_some());
        let two = [BET, BET].join("|").into_bytes();
        for seed in 0..50_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut payload = two.clone();
            for _ in 0..rng.u8(..4) {
                let at = rng.usize(..payload.len());
                let byte = *rng.choice(b"{}:,|\" \t0Az\x1f\x7f\xc2\x85\xc3").unwrap();
                payload.splice(
                    at..at + rng.usize(..2),
                    [byte].into_iter().take(rng.usize(..2)),
                );
            }
            let (mut either, mut by_name) = (Objects::new(&payload), Objects::new(&payload));
            for _ in 0..3 {
                let read = Bet::read(&mut either);
                assert_eq!(read, Bet::read_by_name(&mut by_name), "seed {seed}");
                if read.is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_missing_and_a_repeated_field_are_named() {
        for field in [
            Field::Agency,
            Field::FirstName,
            Field::LastName,
            Field::Document,
            Field::Birthdate,
            Field::Number,
        ] {
            let without = BET.replace(&format!("{}:", field.name()), "other:");
            assert_eq!(read(&without), Err(BetError::Field(field, Flaw::Missing)));
            let start = BET.find(field.name()).unwrap();
            let pair = BET[start..].split([',', '}']).next().unwrap();
            let twice = BET.replacen('{', &format!("{{{pair},"), 1);
            assert_eq!(read(&twice), Err(BetError::Field(field, Flaw::Repeated)));
        }
    }

    #[test]
    fn each_field_is_refused_outside_its_bounds_and_taken_at_them() {
        let (name, document) = ("é".repeat(127) + "e", "9".repeat(32));
        for (old, new) in [
            ("agency:1", "agency:4294967295"),
            ("nombre:Ana", &format!("nombre:{name}")),
            ("dni:012", &format!("dni:{document}")),
            ("2000-02-29", "0001-01-01"),
            ("2000-02-29", "9999-12-31"),
            ("numero:0464", "numero:999999999"),
            ("numero:0464", "numero:0"),
        ] {
            assert!(read(&BET.replace(old, new)).is_ok(), "{new}");
        }
        for (old, new, flaw) in [
            ("agency:1", "agency:0", Flaw::NotAgency),
            ("agency:1", "agency:01", Flaw::NotAgency),
            ("agency:1", "agency:+1", Flaw::NotAgency),
            ("agency:1", "agency:4294967296", Flaw::NotAgency),
            ("agency:1", "agency:", Flaw::NotAgency),
            ("nombre:Ana", "nombre:", Flaw::Empty),
            ("nombre:Ana", &format!("nombre:{name}x"), Flaw::TooLong(255)),
            ("nombre:Ana", "nombre:A\nna", Flaw::Control),
            ("nombre:Ana", "nombre:Áñ\u{85}", Flaw::Control),
            ("apellido:Lorca", "apellido:\"\"", Flaw::Empty),
            ("dni:012", "dni:\0", Flaw::Control),
            ("dni:012", &format!("dni:{document}9"), Flaw::TooLong(32)),
            ("2000-02-29", "1999-02-29", Flaw::NotDate),
            ("2000-02-29", "1999-2-3", Flaw::NotDate),
            ("2000-02-29", "99-01-01", Flaw::NotDate),
            ("2000-02-29", "0000-01-01", Flaw::NotDate),
            ("2000-02-29", "2000-13-01", Flaw::NotDate),
            ("2000-02-29", "2000/02/29", Flaw::NotDate),
            ("numero:0464", "numero:", Flaw::NotNumber),
            ("numero:0464", "numero:-1", Flaw::NotNumber),
            ("numero:0464", "numero:0000000001", Flaw::NotNumber),
        ] {
            let Err(BetError::Field(_, found)) = read(&BET.replace(old, new)) else {
                panic!("{new} is taken")
            };
            assert_eq!(found, flaw, "{new}");
        }
        assert_eq!(Name::parse(&b"\xc3"[..]), Err(Flaw::NotUtf8));
    }
}
