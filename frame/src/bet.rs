//! A bet: six valid fields, read from an object of a payload and written as one; and the bets of a batch, which can be copied
//! as rows without being read.
//!
//! Reading borrows from the payload. It allocates only for a quoted value that holds quotes, which are doubled in the
//! payload. Knows no rule of the lottery.

use crate::copy::FromObject;
use crate::error::{BatchError, BetError, Field};
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

/// The bets of a batch, in their order. An error is the last item.
#[derive(Clone, Debug)]
pub struct Bets<'a> {
    objects: Objects<'a>,
    /// How many were read or copied, the one with an error among them.
    count: usize,
    failed: bool,
    /// The agency of the last bet that was read.
    agency: Option<Agency>,
    /// Copies bets of that agency.
    copy: Option<FromObject>,
}

impl<'a> Bets<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self {
            objects: Objects::new(payload),
            count: 0,
            failed: false,
            agency: None,
            copy: None,
        }
    }

    /// Room for any row that is copied: it has 578 bytes at most with its line end, and a few bytes after it are written, too.
    pub const ROOM: usize = 640;

    /// Copies the next bet to the front of `out`, as a row of CSV: agency, first name, last name, document, birthdate and
    /// number without quotes, and then `end`. Returns how many bytes the row has; it is the row of the bet that
    /// [`next`](Iterator::next) would return, which is skipped.
    ///
    /// `None`: the next bet cannot be copied and has to be read, or there is none; the bytes of `out` have no meaning then.
    /// Nearly all bets but the first and the last can be copied: those of the same agency as the last bet that was read,
    /// written as [`Bet::write`] writes them, without quotes.
    #[inline]
    pub fn copy_row<const N: usize>(
        &mut self,
        end: &'static [u8; N],
        out: &mut [u8],
    ) -> Option<usize> {
        let agency = self.agency?;
        let copy = self.copy.get_or_insert_with(|| FromObject::new(agency));
        let (read, written) = copy.row(self.objects.rest(), end, out)?;
        if !self.objects.pass(read) {
            return None;
        }
        self.count += 1;
        Some(written)
    }
}

impl<'a> Iterator for Bets<'a> {
    type Item = Result<Bet<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = Bet::read(&mut self.objects);
        self.count += 1;
        self.failed = read.is_err();
        let agency = match &read {
            Ok(Some(bet)) => Some(bet.agency),
            _ => None,
        };
        if self.agency != agency {
            self.agency = agency;
            self.copy = None;
        }
        let bet = self.count;
        read.map_err(|error| BatchError { bet, error }).transpose()
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
            damage(&mut payload, &mut rng);
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

    /// Changes or removes some bytes of a payload.
    fn damage(payload: &mut Vec<u8>, rng: &mut fastrand::Rng) {
        for _ in 0..rng.u8(..4) {
            let at = rng.usize(..payload.len());
            let byte = *rng.choice(b"{}:,|\" \t0Az\x1f\x7f\xc2\x85\xc3").unwrap();
            let instead = [byte].into_iter().take(rng.usize(..2));
            payload.splice(at..at + rng.usize(..2), instead);
        }
    }

    /// A row of CSV that needs no quotes.
    fn row(bet: &Bet<'_>) -> Vec<u8> {
        let (agency, number) = (bet.agency.to_string(), bet.number.to_string());
        let texts = [&bet.first_name, &bet.last_name].map(Name::as_bytes);
        let columns = [
            agency.as_bytes(),
            texts[0],
            texts[1],
            bet.document.as_bytes(),
            bet.birthdate.as_bytes(),
            number.as_bytes(),
        ];
        assert!(columns.iter().all(|column| !column.contains(&b',')));
        [&columns.join(&b','), &b"\r\n"[..]].concat()
    }

    #[test]
    fn a_bet_is_copied_as_the_row_that_reading_it_gives_or_not_at_all() {
        let (mut copied, mut room) = (0, [0; Bets::ROOM]);
        for seed in 0..50_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let bets = (0..rng.usize(2..6)).map(|_| {
                let name = "Año".repeat(rng.usize(1..12));
                let usual = BET.replace("0464", &rng.u32(..1_000_000_000).to_string());
                usual.replace("Lorca", name.trim_end_matches(|_| rng.bool()))
            });
            let mut payload = bets.collect::<Vec<_>>().join("|").into_bytes();
            damage(&mut payload, &mut rng);
            let (mut copying, mut reading) = (Bets::new(&payload), Bets::new(&payload));
            let room = &mut room[..[640, rng.usize(..640)][usize::from(seed % 8 == 0)]];
            loop {
                let read = reading.next();
                match copying.copy_row(b"\r\n", room) {
                    Some(length) => {
                        let bet = read.expect("a bet").expect("a valid one");
                        assert_eq!(room[..length], row(&bet), "seed {seed}");
                        copied += 1;
                    }
                    None => {
                        assert_eq!(copying.next(), read, "seed {seed}");
                        if read.is_none_or(|read| read.is_err()) {
                            break;
                        }
                    }
                }
            }
        }
        assert!(copied > 20_000, "{copied}");
    }

    #[test]
    fn of_usual_bets_all_are_copied_but_the_first_and_the_last_as_far_as_each_field_may_go() {
        let longest = BET
            .replace("agency:1", "agency:4294967295")
            .replace("Ana", &("é".repeat(127) + "e"))
            .replace("Lorca", &"x".repeat(255))
            .replace("012", &"9".repeat(32))
            .replace("0464", "999999999");
        let shortest = BET.replace("Lorca", "L").replace("0464", "0");
        for usual in [BET.replace("0464", "464"), longest, shortest] {
            let payload = [&*usual; 5].join("|");
            let mut bets = Bets::new(payload.as_bytes());
            let first = bets.next().unwrap().unwrap();
            for _ in 0..3 {
                let mut room = [0; Bets::ROOM];
                let length = bets.copy_row(b"\r\n", &mut room).unwrap();
                assert_eq!(room[..length], row(&first));
            }
            assert_eq!(bets.copy_row(b"\r\n", &mut [0; Bets::ROOM]), None);
            assert_eq!(bets.next(), Some(Ok(first)));
            assert_eq!(bets.next(), None);
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
