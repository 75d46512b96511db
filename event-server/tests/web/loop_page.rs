//! A browser shows the live page of the loop, and both pages behind a proxy under a path.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use event_server::limits::room_for_connections;
use fixtures::browser::Browser;
use fixtures::programs::Signal;
use frame::kind;
use socket2::{Domain, Socket, Type};

use crate::central::Central;
use crate::common::{Peer, batch, bet, encode, eventually, finished, raw, winners};
use crate::page::{assert_asks_only, assert_contrast, assert_fits, open_at};

/// Fails instead of skipping where no nginx is installed.
const REQUIRED: &str = "REQUIRE_NGINX";

/// Winning bets: their list is more than the way to a slow reader takes.
const WINNERS: usize = 20_000;

fn open(central: &Central, width: u32, height: u32, dark: bool) -> Option<Browser> {
    open_at(
        &format!("http://{}/loop", central.http),
        width,
        height,
        dark,
    )
}

fn assert_clean(browser: &Browser, central: &Central) {
    assert_asks_only(browser, &format!("http://{}/", central.http));
}

/// How many elements of the page a selector finds.
fn count(browser: &Browser, selector: &str) -> u64 {
    let expression = format!("document.querySelectorAll({selector:?}).length");
    browser.value(&expression).as_u64().unwrap()
}

/// What the page tells of the chosen connection under this name.
fn fact(browser: &Browser, name: &str) -> String {
    let expression = format!(
        "[...document.querySelectorAll('#facts div')].find((fact) => fact.firstChild.textContent === {name:?})\
         ?.lastChild.textContent ?? ''"
    );
    browser.value(&expression).as_str().unwrap().to_owned()
}

/// Each width and both schemes of colours: all fits, and can be read.
fn assert_looks_well(browser: &Browser, name: &str) {
    for (width, height) in [(1920, 1080), (1200, 900), (360, 740)] {
        for dark in [false, true] {
            browser.look(width, height, dark);
            browser.wait_for(&format!("innerWidth === {width}"));
            assert_fits(browser);
            assert_contrast(browser);
            let scheme = if dark { "dark" } else { "light" };
            browser.picture(&format!("loop-{name}-{width}-{scheme}"));
        }
    }
}

#[test]
fn five_connections_are_cells_that_a_keyboard_chooses_and_a_screen_reader_tells() {
    let central = Central::start(&[("SERVER_NAME", "central-1")]);
    // Slots 0 to 4: it has said nothing; one bet; half a frame; a held query; three bytes of a length.
    let _silent = TcpStream::connect(central.lottery).unwrap();
    let peers: Vec<Peer> = (0..4).map(|_| Peer::connect(central.lottery)).collect();
    let [mut open_one, mut partial, mut held, mut length]: [Peer; 4] =
        peers.try_into().ok().unwrap();
    assert_eq!(
        open_one.ask(&batch(&bet(2, "1", false))),
        "{result:success}"
    );
    let request = raw(kind::BATCH, bet(3, "2", false).as_bytes());
    partial.stream.write_all(&request[..57]).unwrap();
    held.send(&winners(4));
    length.stream.write_all(&request[..3]).unwrap();
    let Some(browser) = open(&central, 1200, 900, false) else {
        return;
    };
    browser.wait_for("document.querySelectorAll('.cell[data-state=held]').length === 1");
    assert_eq!(count(&browser, ".cell"), 5);
    assert!(browser.value("document.getElementById('map').hidden") == true);
    let crowd = browser.text("crowd");
    assert!(
        crowd.starts_with("5 connections in 5 slots, 2 in the middle of a frame"),
        "{crowd}"
    );

    // The keyboard: the link to the other page, the slab, the tools, the table.
    let mut order = Vec::new();
    for _ in 0..5 {
        browser.press("Tab", "");
        order.push(browser.value("document.activeElement.id"));
        let outline = browser.value("getComputedStyle(document.activeElement).outlineStyle");
        assert_ne!(outline, "none");
    }
    assert_eq!(order, ["", "slab", "show", "order", "list"]);
    browser.value("document.getElementById('slab').focus()");
    browser.press("Home", "");
    for (slot, title, waits, frame) in [
        (
            0,
            "Slot 0 · no agency yet · sniffing",
            "the peer's first byte",
            "none has begun".to_owned(),
        ),
        (
            1,
            "Slot 1 · agency 2 · open",
            "nothing: nobody owes anybody anything",
            "none has begun".to_owned(),
        ),
        (
            2,
            "Slot 2 · no agency yet · open",
            "the rest of what the peer began to send",
            format!("57 of {} bytes are there", request.len()),
        ),
        (
            3,
            "Slot 3 · agency 4 · held",
            "the draw",
            "none has begun".to_owned(),
        ),
        (
            4,
            "Slot 4 · no agency yet · open",
            "the rest of what the peer began to send",
            "3 of the 4 bytes of its length are there".to_owned(),
        ),
    ] {
        assert_eq!(browser.text("cell-title"), title);
        assert_eq!(fact(&browser, "waits for"), waits);
        assert_eq!(fact(&browser, "frame"), frame);
        assert!(
            browser.text("news").starts_with(&format!("Slot {slot}, ")),
            "{}",
            browser.text("news")
        );
        browser.press("ArrowRight", "");
    }
    browser.press("Escape", "");
    assert_eq!(browser.text("cell-title"), "None is chosen");

    let nodes = browser.accessible();
    let has = |role: &str, name: &str| {
        let found = nodes.iter().any(|(r, n)| r == role && n.starts_with(name));
        assert!(found, "no {role} '{name}' in {nodes:#?}");
    };
    for heading in [
        "The loop",
        "Connections",
        "One connection",
        "Reads and writes",
        "The turn",
        "Came and went",
    ] {
        has("heading", heading);
    }
    has("table", "All connections");
    has("columnheader", "short writes");
    has("rowheader", "4");
    has("table", "Writes by outcome");
    has(
        "rowheader",
        "short the peer does not read as fast as it is written to; the rest stays in its outbox",
    );
    has("image", "wait ");
    has("combobox", "Show");
    browser.value(
        "document.getElementById('show').value = 'partial'; \
         document.getElementById('show').dispatchEvent(new Event('input'))",
    );
    browser.wait_for("document.querySelectorAll('#rows .row').length === 2");
    assert_looks_well(&browser, "5");
    assert_clean(&browser, &central);

    central.running.signal(Signal::KILL).unwrap();
    browser.wait_for("document.getElementById('link').dataset.state === 'lost'");
    assert!(
        browser
            .text("lost")
            .starts_with("The central does not answer. What is shown is ")
    );
}

#[test]
fn a_peer_that_does_not_read_fills_its_outbox_and_each_short_write_flashes() {
    let central = Central::start(&[("SERVER_AGENCIES", "1")]);
    let mut agency = Peer::connect(central.lottery);
    for from in (0..WINNERS).step_by(500) {
        let bets: Vec<_> = (from..from + 500)
            .map(|n| bet(1, &(10_000_000 + n).to_string(), true))
            .collect();
        assert_eq!(agency.ask(&batch(&bets.join("|"))), "{result:success}");
    }
    assert_eq!(agency.ask(&finished(1)), "{result:success}");
    eventually("drawn", || central.standing()["state"] == "drawn");
    let Some(browser) = open(&central, 1200, 900, false) else {
        return;
    };
    browser.value(
        "window.seen = 0; \
         new MutationObserver(() => { seen += document.querySelectorAll('[data-flash=out], [data-flash=both]').length })\
         .observe(document.getElementById('cells'), { attributes: true, subtree: true })",
    );
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.set_tcp_mss(536).unwrap();
    socket.connect(&central.lottery.into()).unwrap();
    let mut slow = TcpStream::from(socket);
    // More lists than all buffers on the way could take, however the system makes them grow.
    slow.write_all(&encode(&winners(1)).0.repeat(40)).unwrap();
    browser.wait_for("seen > 0");
    browser.value("choose(1)");
    browser.wait_for("document.getElementById('cell-means').textContent.startsWith('open')");
    assert_eq!(fact(&browser, "waits for"), "the peer to read its replies");
    let fill = "parseFloat(document.querySelectorAll('.cell')[1].children[2].style.getPropertyValue('--fill'))";
    browser.wait_for(&format!("{fill} > 50"));
    // Whenever it reads a little, there is room for a little more: another short write.
    let before = browser.value("seen").as_u64().unwrap();
    let mut taken = vec![0; 60_000];
    slow.read_exact(&mut taken).unwrap();
    browser.wait_for(&format!("seen > {before}"));
    browser.value(
        "document.getElementById('show').value = 'slow'; \
         document.getElementById('show').dispatchEvent(new Event('input'))",
    );
    browser.wait_for("document.querySelectorAll('#rows .row').length === 1");
    assert_looks_well(&browser, "slow");
    assert_clean(&browser, &central);
}

#[test]
fn three_hundred_connections_are_elements_and_ten_thousand_are_a_canvas_of_which_each_can_be_chosen()
 {
    let central = Central::start(&[
        ("SERVER_IDLE_TIMEOUT", "1h"),
        ("SERVER_MAX_CONNECTIONS", "12000"),
    ]);
    let Some(browser) = open(&central, 1200, 900, false) else {
        return;
    };
    let mut peers = Vec::new();
    connect(&central, &mut peers, 300);
    browser.wait_for("document.querySelectorAll('.cell').length === 300");
    assert_eq!(count(&browser, ".cell[data-state=held]"), 30);
    assert_looks_well(&browser, "300");
    browser.look(1200, 900, false);

    let all = 10_000.min(room_for_connections().unwrap() * 9 / 10);
    connect(&central, &mut peers, all);
    browser.wait_for("!document.getElementById('map').hidden");
    let crowd = format!(
        "{0},{1:03} connections in {0},{1:03} slots",
        all / 1_000,
        all % 1_000
    );
    browser.wait_for(&format!(
        "document.getElementById('crowd').textContent.startsWith('{crowd}')"
    ));
    assert!(count(&browser, "#rows .row") < 60);
    assert_eq!(
        browser.value("document.getElementById('cells').hidden"),
        true
    );
    // The pointer chooses one far below, by its place.
    let place = browser.value(
        "(() => { const box = document.getElementById('map').getBoundingClientRect(); \
           scrollTo(0, 0); const top = document.getElementById('map').getBoundingClientRect(); \
           return [top.left + 3.5 * side, top.top + 20.5 * side, 20 * columns + 3] })()",
    );
    let number = |at: usize| place[at].as_f64().unwrap();
    browser.click(number(0), number(1));
    assert_eq!(browser.value("chosen"), place[2]);
    assert!(
        browser
            .text("cell-title")
            .starts_with(&format!("Slot {} · ", place[2]))
    );
    browser.press("End", "");
    let title = browser.text("cell-title");
    assert!(
        title.starts_with(&format!("Slot {} · ", all - 1)),
        "{title}"
    );
    assert_looks_well(&browser, "10000");
    assert_clean(&browser, &central);
}

/// Opens connections until there are `count`: most say nothing, each tenth holds a query.
fn connect(central: &Central, peers: &mut Vec<Peer>, count: usize) {
    while peers.len() < count {
        let mut peer = Peer::connect(central.lottery);
        if peers.len() % 10 == 9 {
            peer.send(&winners(1 + peers.len() as u32 % 5));
        }
        peers.push(peer);
        // No more than the backlog takes: one that is answered shows that all before it are accepted.
        if peers.len().is_multiple_of(500) || peers.len() == count {
            let mut check = TcpStream::connect(central.lottery).unwrap();
            check.write_all(b"\n").unwrap();
            check.read_to_end(&mut Vec::new()).unwrap();
        }
    }
}

/// An nginx that hands everything under `/lottery/` to a central; ended when it is dropped.
struct Proxy {
    nginx: std::process::Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// `None`, and a line that says so, where nginx is not installed.
    fn start(central: &Central) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{}}\n\
             http {{ access_log off; client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c;\n\
             uwsgi_temp_path d; scgi_temp_path e;\n\
             server {{ listen {address}; location /lottery/ {{ proxy_pass http://{}/; }} }} }}\n",
            central.http
        );
        fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        let started = ["nginx", "/usr/sbin/nginx"].iter().find_map(|program| {
            let mut command = Command::new(program);
            command
                .arg("-p")
                .arg(folder.path())
                .args(["-c", "nginx.conf", "-e", "stderr"]);
            command.stderr(Stdio::null()).spawn().ok()
        });
        let Some(nginx) = started else {
            let why = "no nginx is installed: its test is skipped";
            assert!(std::env::var_os(REQUIRED).is_none(), "{why}");
            eprintln!("{why}");
            return None;
        };
        eventually("nginx listens", || TcpStream::connect(address).is_ok());
        Some(Self {
            nginx,
            address,
            _folder: folder,
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

#[test]
fn both_pages_and_their_links_work_behind_a_proxy_under_a_path() {
    let central = Central::start(&[]);
    let Some(proxy) = Proxy::start(&central) else {
        return;
    };
    let own = format!("http://{}/lottery/", proxy.address);
    let Some(browser) = open_at(&own, 1200, 900, false) else {
        return;
    };
    let live = "document.getElementById('link')?.dataset.state === 'live'";
    for (heading, there) in [("The loop", "loop"), ("Lottery", "")] {
        browser.value("document.querySelector('nav a').click()");
        browser.wait_for(&format!(
            "document.querySelector('h1')?.textContent === '{heading}'"
        ));
        browser.wait_for(live);
        assert_eq!(browser.value("location.href"), format!("{own}{there}"));
    }
    assert_asks_only(&browser, &own);
}
