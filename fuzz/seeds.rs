//! Writes the inputs that each target begins with, made of the golden vectors, into `corpus`.

use std::fs;
use std::path::{Path, PathBuf};

use event_server::store::files::{Durability, FileName, WalStore};
use frame::Frame;
use fuzz::store_disk::Disk;
use fuzz::{input, script};

/// A few ways in which things happen: all at once, byte by byte, in pieces, under odd bounds.
const CONTROLS: [&[u8]; 5] = [
    &[],
    &[0, 0, 0, 1],
    &[0, 0, 0, 0, 3, 0, 40, 2, 7],
    &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    &[3, 0, 2, 1, 0, 4, 0, 2, 5, 1, 90, 3],
];

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = root.join("../frame/tests/vectors");
    let golden = Golden::read(&vectors)?;
    let corpus = |target: &str, seeds: Vec<Vec<u8>>| write(root.join("corpus").join(target), seeds);

    let stream = golden.frames.concat();
    let (first, ways) = (&golden.frames[0], CONTROLS.iter());
    let streams = [first.clone(), stream.clone(), golden.script.clone()];
    let mut seeds = Vec::new();
    for (way, stream) in ways.flat_map(|way| streams.iter().map(move |stream| (way, stream))) {
        seeds.push(input::join(way, stream));
    }
    corpus("inbox", seeds)?;

    // Ten messages at once, whose lengths change at the borders of blocks.
    let lengths = [[0, 55, 56, 63, 64, 65, 119, 120, 200], [1; 9], [250; 9]];
    let seeds = lengths.map(|lengths| {
        let ways = lengths.into_iter().flat_map(|length| [length, 1]);
        input::join(&[&[10], &ways.collect::<Vec<_>>()[..]].concat(), &stream)
    });
    corpus("digest", seeds.to_vec())?;

    let payloads = golden.frames.iter().map(|frame| script::parts(frame));
    let payloads: Vec<Frame<'_>> = payloads.collect();
    let seeds = payloads.iter().map(|frame| input::join(&[], frame.payload));
    corpus("payload", seeds.collect())?;
    let usual = "{agency:1,nombre:Ana,apellido:Núñez,dni:1,nacimiento:2000-02-29,numero:7}";
    let batches = [[usual; 4].join("|"), [usual; 2].join("|") + "|"].map(String::into_bytes);
    let rows =
        "Ana,Núñez,1,2000-02-29,7\nJosé María de la O,Paz,30904465,1999-12-31,7574\r\n".repeat(3);
    let mut seeds: Vec<_> = batches
        .iter()
        .map(|batch| input::join(&[0], batch))
        .collect();
    seeds.extend(CONTROLS.map(|way| input::join(&[&[1], way].concat(), rows.as_bytes())));
    corpus("copied", seeds)?;
    let odd: [(u8, &[u8]); 5] = [
        (4, b"{agency:2,apuestas:7,apuestas:7}"),
        (5, b"{ agency : \"2\" ,x:}"),
        (7, b"{envio:0123456789abcdef0123456789abcdeF,agency:1}"),
        (2, b"{error:\"a,b\",result:failure}"),
        (6, b"{ganadores: 1 |\"2|\"\"\"|}"),
    ];
    let golden_ones = payloads.iter().map(|frame| {
        let kind = u8::try_from(frame.kind).expect("a small type");
        (kind, frame.payload)
    });
    let seeds = golden_ones.chain(odd);
    let seeds = seeds.map(|(kind, payload)| input::join(&[kind, 0, 0], payload));
    corpus("codec", seeds.collect())?;

    let recorded = root.join("../event-server/tests/vectors/postgres_session.bin");
    let recorded = fs::read(recorded)?;
    let ways = CONTROLS.iter().map(|way| input::join(way, &recorded));
    corpus("database", ways.collect())?;

    let fixture = fs::read(root.join("../fixtures/agency-5.csv"))?;
    let fixture = &fixture[..fixture.len().min(2_000)];
    let long = ["Ana,", &"x".repeat(250), ",1,2000-01-01,7\r\n"].concat();
    let files = [
        fixture.to_vec(),
        golden.agency_file.clone(),
        long.repeat(4).into_bytes(),
        b"\xef\xbb\xbf\n\r\n Ana , \"Paz, h.\",1,2000-01-01,7\n\"A\"\"b\n".to_vec(),
        b"Ana,\"Pa\nz\",1,2000-01-01,7\n\nAna,Paz,1,2000-01-01,7,8".to_vec(),
    ];
    let mut seeds: Vec<_> = files.iter().map(|file| input::join(&[], file)).collect();
    seeds.extend(files.iter().map(|file| input::join(CONTROLS[3], file)));
    // A row of 16 KiB of blanks, and as many empty lines.
    seeds.push(
        [
            input::join(&[], b"Ana,Paz,1,2000-01-01,7 "),
            vec![0xff, 255],
        ]
        .concat(),
    );
    seeds.push([input::join(&[0, 0, 0, 30], b"\n"), vec![0xff, 255]].concat());
    // More than fits into a frame, without so many bytes.
    let row = b"Ana,x\xff\x03,1,2000-01-01,7\n";
    seeds.extend(CONTROLS.map(|way| [input::join(way, b""), row.repeat(60)].concat()));
    corpus("agency_file", seeds)?;

    let ways = CONTROLS.iter();
    let changed = ways.flat_map(|way| files.iter().map(move |file| input::join(way, file)));
    corpus("changed_file", changed.collect())?;

    let day = b"b1\nhAna\ni\nc\nXPaz\nfx\nc\np\nlLong\nc\nd\nc";
    let mut seeds: Vec<_> = (0..30)
        .map(|way| input::join(&[0, way, way % 7, way * 3, 5 * way], day))
        .collect();
    seeds.push(input::join(&[1, 0, 7], &golden.bets));
    seeds.push(input::join(&[1], b"1,a,\"b\",3,2000-01-01,007\n"));
    for way in CONTROLS {
        seeds.push(input::join(
            &[&[2], way].concat(),
            b"@1,a,b,3,2000-01-01,5\r\n\nAx\nB\nD\nH",
        ));
    }
    seeds.push(input::join(&[3], &log()));
    corpus("recovery", seeds)?;

    let story = golden.story();
    let talks = [
        &golden.script[..],
        &story,
        b">hello",
        b"=hello\r",
        b"=\x07",
        b"!4{agency:1}",
    ];
    let mut seeds = Vec::new();
    for (way, talk) in CONTROLS
        .iter()
        .flat_map(|way| talks.map(|talk| (way, talk)))
    {
        seeds.push(input::join(&[&[0], *way].concat(), talk));
    }
    corpus("connection", seeds)?;

    let requests: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\nGET /x HTTP/1.0\r\n\r\n",
        b"GET /api/lottery?a HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text;q=0.5\r\n\r\n",
        b"POST /readyz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
        b"GET http://h/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n",
        b"GET /x\xff\xff HTTP/1.1\r\n\r\n",
    ];
    let ways = CONTROLS.iter();
    let seeds = ways.flat_map(|way| requests.map(|text| input::join(way, text)));
    corpus("http", seeds.collect())
}

/// The golden vectors.
struct Golden {
    frames: Vec<Vec<u8>>,
    /// The frames as a script.
    script: Vec<u8>,
    /// A bets.csv.
    bets: Vec<u8>,
    /// Its rows as an agency has them.
    agency_file: Vec<u8>,
}

impl Golden {
    fn read(vectors: &Path) -> std::io::Result<Self> {
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(vectors.join("frames.json"))?)?;
        let vectors_of = |json: &serde_json::Value| json.as_array().cloned().unwrap_or_default();
        let frames: Vec<Vec<u8>> = vectors_of(&json)
            .iter()
            .map(|vector| unhex(vector["frame_hex"].as_str().expect("a golden frame")))
            .collect();
        let lines = frames.iter().map(|frame| script::parts(frame));
        let lines: Vec<Vec<u8>> = lines.filter_map(script::line).collect();
        let bets = fs::read(vectors.join("bets.csv"))?;
        let rows = bets.split_inclusive(|b| *b == b'\n');
        let rows = rows.filter_map(|row| row.splitn(2, |b| *b == b',').nth(1));
        let agency_file = rows.collect::<Vec<_>>().concat();
        let script = lines.join(&b'\n');
        Ok(Self {
            frames,
            script,
            bets,
            agency_file,
        })
    }

    /// An agency's whole upload, and what it may not do after it.
    fn story(&self) -> Vec<u8> {
        let bet = script::parts(&self.frames[0]).payload;
        let [resume, finished] = [
            &b"7{agency:1,envio:0123456789abcdef0123456789abcdef}"[..],
            b"4{agency:1,apuestas:2}",
        ];
        let batch = [b"3", bet, b"|", bet].concat();
        [resume, &batch, finished, b"5{agency:1}", &batch, b"9{}"].join(&b'\n')
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    digits
        .map(|digits| u8::from_str_radix(digits, 16).expect("hexadecimal digits"))
        .collect()
}

/// A store's log.
fn log() -> Vec<u8> {
    let disk = Disk::new(0);
    let (store, _) = WalStore::open(disk.boot(), Durability::Always, |_| {}).expect("a new disk");
    drop(store);
    disk.bytes(FileName::Log).expect("a log")
}

fn write(folder: PathBuf, seeds: Vec<Vec<u8>>) -> std::io::Result<()> {
    fs::create_dir_all(&folder)?;
    for (i, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{i:02}")), seed)?;
    }
    Ok(())
}
