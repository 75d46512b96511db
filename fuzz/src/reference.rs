//! Payloads, bets and rows, read a second time: byte by byte, everything owned, by the letter of the
//! protocol and with nothing of what it is compared with.

/// The pairs of an object, in their order.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A bet's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bet {
    pub agency: u32,
    pub first_name: Vec<u8>,
    pub last_name: Vec<u8>,
    pub document: Vec<u8>,
    pub birthdate: Vec<u8>,
    pub number: u32,
}

impl From<&frame::Bet<'_>> for Bet {
    fn from(bet: &frame::Bet<'_>) -> Self {
        Self {
            agency: bet.agency.get(),
            first_name: bet.first_name.as_bytes().to_vec(),
            last_name: bet.last_name.as_bytes().to_vec(),
            document: bet.document.as_bytes().to_vec(),
            birthdate: bet.birthdate.as_bytes().to_vec(),
            number: bet.number.get(),
        }
    }
}

/// Returns the objects before the first place that breaks the grammar, and whether there is no such place.
pub fn objects(payload: &[u8]) -> (Vec<Pairs>, bool) {
    let (mut objects, mut rest) = (Vec::new(), payload);
    loop {
        let Some((pairs, after)) = object(rest) else {
            return (objects, false);
        };
        match after.split_first() {
            None => {
                objects.push(pairs);
                return (objects, true);
            }
            Some((b'|', after)) => {
                objects.push(pairs);
                rest = after;
            }
            Some(_) => return (objects, false),
        }
    }
}

/// Returns the one object of a payload.
pub fn one_object(payload: &[u8]) -> Option<Pairs> {
    match object(payload)? {
        (pairs, []) => Some(pairs),
        _ => None,
    }
}

/// Returns the values of a list `a|b|c`.
pub fn list(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut values, mut rest) = (Vec::new(), text);
    if blanks_off(text).is_empty() {
        return Some(values);
    }
    loop {
        let (read, after) = value(rest)?;
        values.push(read);
        match after.split_first() {
            None => return Some(values),
            Some((b'|', after)) => rest = after,
            Some(_) => return None,
        }
    }
}

fn object(text: &[u8]) -> Option<(Pairs, &[u8])> {
    let mut rest = blanks_off(text.strip_prefix(b"{")?);
    let mut pairs = Pairs::new();
    if let Some(after) = rest.strip_prefix(b"}") {
        return Some((pairs, after));
    }
    loop {
        let colon = rest.iter().position(|b| b":,|{}".contains(b))?;
        let key = rest[..colon].to_vec();
        let after = rest[colon..].strip_prefix(b":")?;
        let key = blanks_off_end(blanks_off(&key));
        if key.is_empty() {
            return None;
        }
        let (value, after) = value(after)?;
        pairs.push((key.to_vec(), value));
        match after.split_first()? {
            (b'}', after) => return Some((pairs, after)),
            (b',', after) => rest = after,
            _ => return None,
        }
    }
}

/// Returns a value, and what follows it and its blanks.
fn value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let text = blanks_off(text);
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|b| b",|{}".contains(b));
        let (value, rest) = text.split_at(end.unwrap_or(text.len()));
        return Some((blanks_off_end(value).to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        rest = match rest {
            [b'"', b'"', after @ ..] => {
                value.push(b'"');
                after
            }
            [b'"', after @ ..] => return Some((value, blanks_off(after))),
            [byte, after @ ..] => {
                value.push(*byte);
                after
            }
            [] => return None,
        };
    }
}

fn blanks_off(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|b| b" \t".contains(b)).count();
    &text[blanks..]
}

fn blanks_off_end(text: &[u8]) -> &[u8] {
    let blanks = text.iter().rev().take_while(|b| b" \t".contains(b)).count();
    &text[..text.len() - blanks]
}

/// Returns the bets before the first object that is none, and whether all objects are bets.
pub fn bets(payload: &[u8]) -> (Vec<Bet>, bool) {
    let (objects, well_formed) = objects(payload);
    let count = objects.len();
    let bets: Vec<Bet> = objects.iter().map_while(bet).collect();
    let all = well_formed && bets.len() == count;
    (bets, all)
}

fn bet(pairs: &Pairs) -> Option<Bet> {
    Some(Bet {
        agency: agency(&once(pairs, "agency")?)?,
        first_name: text(once(pairs, "nombre")?, 255)?,
        last_name: text(once(pairs, "apellido")?, 255)?,
        document: text(once(pairs, "dni")?, 32)?,
        birthdate: birthdate(once(pairs, "nacimiento")?)?,
        number: number(&once(pairs, "numero")?)?,
    })
}

/// Returns the value of a key that stands there just once.
pub fn once(pairs: &Pairs, key: &str) -> Option<Vec<u8>> {
    let mut values = pairs.iter().filter(|(k, _)| k == key.as_bytes());
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value.clone()),
        _ => None,
    }
}

/// Reads an agency's number.
pub fn agency(digits: &[u8]) -> Option<u32> {
    let number: u32 = parse(digits)?;
    (number.to_string().as_bytes() == digits && number > 0).then_some(number)
}

/// Reads a name or a document.
pub fn text(value: Vec<u8>, max: usize) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(&value).ok()?;
    let valid = (1..=max).contains(&text.len()) && !text.contains(char::is_control);
    valid.then_some(value)
}

/// Reads a date.
pub fn birthdate(value: Vec<u8>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(&value).ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else {
        return None;
    };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let number = |text: &str| parse::<u32>(text.as_bytes());
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (year > 0 && (1..=days).contains(&day)).then_some(value)
}

/// Reads a number that was bet on.
pub fn number(digits: &[u8]) -> Option<u32> {
    (digits.len() <= 9).then(|| parse(digits)).flatten()
}

/// Reads a whole number of 1 to 19 digits.
pub fn count(digits: &[u8]) -> Option<u64> {
    (digits.len() <= 19).then(|| parse(digits)).flatten()
}

fn parse<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Returns these bets as a payload.
pub fn payload(bets: &[Bet]) -> Vec<u8> {
    let objects: Vec<Vec<u8>> = bets.iter().map(written).collect();
    objects.join(&b'|')
}

fn written(bet: &Bet) -> Vec<u8> {
    let agency = bet.agency.to_string();
    let number = bet.number.to_string();
    let values = [
        ("agency", agency.as_bytes()),
        ("nombre", &bet.first_name),
        ("apellido", &bet.last_name),
        ("dni", &bet.document),
        ("nacimiento", &bet.birthdate),
        ("numero", number.as_bytes()),
    ];
    let pairs: Vec<Vec<u8>> = values
        .iter()
        .map(|(key, value)| [key.as_bytes(), b":", &quoted(value)].concat())
        .collect();
    [b"{", &pairs.join(&b',')[..], b"}"].concat()
}

fn quoted(value: &[u8]) -> Vec<u8> {
    let blank_end = blanks_off(value) != value || blanks_off_end(value) != value;
    if !blank_end && !value.starts_with(b"\"") && !value.iter().any(|b| b",|{}".contains(b)) {
        return value.to_vec();
    }
    let mut quoted = vec![b'"'];
    for byte in value {
        quoted.extend(std::iter::repeat_n(*byte, 1 + usize::from(*byte == b'"')));
    }
    quoted.push(b'"');
    quoted
}

/// Returns these bets as rows of bets.csv.
pub fn rows(bets: &[Bet]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for bet in bets {
        let (agency, number) = (bet.agency.to_string(), bet.number.to_string());
        let columns: [&[u8]; 6] = [
            agency.as_bytes(),
            &bet.first_name,
            &bet.last_name,
            &bet.document,
            &bet.birthdate,
            number.as_bytes(),
        ];
        writer
            .write_record(columns)
            .expect("writing to memory does not fail");
    }
    writer
        .into_inner()
        .expect("writing to memory does not fail")
}

/// What the draw needs of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub agency: u32,
    pub document: Vec<u8>,
    pub number: u64,
}

/// Returns the rows of a bets.csv that others may have written; `None` where a line is no row.
pub fn stored(file: &[u8]) -> Option<Vec<Row>> {
    let Some(lines) = file.strip_suffix(b"\n") else {
        return file.is_empty().then(Vec::new);
    };
    lines.split(|b| *b == b'\n').map(row).collect()
}

fn row(line: &[u8]) -> Option<Row> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).ok()?;
    if text.contains(char::is_control) || line.len() > event_server::store::files::MAX_ROW {
        return None;
    }
    let columns = columns(line)?;
    let [agency, _, _, document, birthdate, number] = &columns[..] else {
        return None;
    };
    self::birthdate(birthdate.clone())?;
    Some(Row {
        // Leading zeros are allowed here.
        agency: count(agency)
            .and_then(|agency| u32::try_from(agency).ok())
            .filter(|agency| *agency > 0)?,
        document: document.clone(),
        number: count(number)?,
    })
}

fn columns(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut columns, mut rest) = (Vec::new(), line);
    loop {
        let mut column = Vec::new();
        let quoted = rest.first() == Some(&b'"');
        rest = if quoted { &rest[1..] } else { rest };
        loop {
            rest = match (quoted, rest) {
                (false, [] | [b',', ..]) => break,
                (true, []) => return None,
                (true, [b'"', b'"', after @ ..]) => {
                    column.push(b'"');
                    after
                }
                (true, [b'"', after @ ..]) => {
                    rest = after;
                    break;
                }
                (_, [byte, after @ ..]) => {
                    column.push(*byte);
                    after
                }
            };
        }
        columns.push(column);
        rest = match rest {
            [] => return Some(columns),
            [b',', after @ ..] => after,
            _ => return None,
        };
    }
}
