//! A browser shows the live page.

use std::fs::File;
use std::process::Stdio;

use fixtures::Spec;
use fixtures::browser::Browser;
use fixtures::programs::{self, Running, Signal};

use crate::central::Central;
use crate::common::{Peer, batch, bet, finished};

/// A page of a central, in a window of this size.
fn open(central: &Central, width: u32, height: u32, dark: bool) -> Option<Browser> {
    open_at(&format!("http://{}/", central.http), width, height, dark)
}

/// The page at this address, once it has heard of its central.
pub fn open_at(url: &str, width: u32, height: u32, dark: bool) -> Option<Browser> {
    let browser = Browser::start()?;
    browser.look(width, height, dark);
    browser.open(url);
    browser.wait_for("document.getElementById('link')?.dataset.state === 'live'");
    Some(browser)
}

/// Nothing was asked of anybody else, and no script failed.
fn assert_clean(browser: &Browser, central: &Central) {
    assert_asks_only(browser, &format!("http://{}/", central.http));
}

/// Nothing was asked of any other address than those that begin so, and no script failed.
pub fn assert_asks_only(browser: &Browser, own: &str) {
    let (requests, errors) = browser.requests_and_errors();
    let own = |url: &&String| url.starts_with(own) || url.starts_with("data:");
    assert!(!requests.is_empty());
    assert_eq!(requests.iter().find(|url| !own(url)), None);
    assert_eq!(errors, [""; 0]);
}

/// Nothing is wider than the window.
pub fn assert_fits(browser: &Browser) {
    // A canvas follows the window's new width a frame later.
    browser.wait_for("document.documentElement.scrollWidth <= innerWidth");
}

/// Every text stands out from what is behind it: at least 4.5 to 1, large text 3 to 1 (WCAG 2, 1.4.3).
pub fn assert_contrast(browser: &Browser) {
    let weak = browser.value(
        r#"(() => {
          const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
          const light = ([r, g, b]) => {
            const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            return 0.2126 * x + 0.7152 * y + 0.0722 * z;
          };
          const behind = (element) => {
            for (; element; element = element.parentElement) {
              const colour = parts(getComputedStyle(element).backgroundColor);
              if (colour.length === 3 || colour[3] === 1) return colour;
            }
            return [255, 255, 255];
          };
          const weak = [];
          for (const element of document.querySelectorAll("body *")) {
            const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
            if (!own || !element.checkVisibility() || element.closest("script, noscript")) continue;
            const style = getComputedStyle(element);
            const [a, b] = [light(parts(style.color)), light(behind(element))].sort((x, y) => y - x);
            const size = parseFloat(style.fontSize);
            const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
            const contrast = (a + 0.05) / (b + 0.05);
            if (contrast < (large ? 3 : 4.5)) weak.push(`${element.textContent.trim().slice(0, 30)}: ${contrast.toFixed(2)}`);
          }
          return weak;
        })()"#,
    );
    assert_eq!(weak, serde_json::json!([]));
}

#[test]
fn numbers_move_the_draw_appears_and_a_lost_central_is_told() {
    let central = Central::start(&[("SERVER_NAME", "central-1")]);
    let Some(browser) = open(&central, 1920, 1080, false) else {
        return;
    };
    assert_eq!(browser.text("bets"), "0");
    assert_eq!(browser.text("stage"), "Waiting for 5 agencies");
    browser.picture("1-empty");

    // Three agencies send by hand, so that the page can be looked at in between.
    let mut peers: Vec<Peer> = (1..=3).map(|_| Peer::connect(central.lottery)).collect();
    for (total, counts) in [
        ("4,800", [2_600, 1_400, 800]),
        ("12,000", [4_000, 2_000, 1_200]),
    ] {
        for (number, (peer, count)) in (1..).zip(peers.iter_mut().zip(counts)) {
            send(peer, number, count);
        }
        browser.wait_for(&format!(
            "document.getElementById('bets').textContent === '{total}'"
        ));
        let sending = "document.querySelectorAll('.row[data-kind=sending]').length";
        assert_eq!(browser.value(sending), 3);
    }
    assert_eq!(browser.text("sending"), "3");
    assert_contrast(&browser);
    browser.picture("2-sending");
    for (number, peer) in (1..).zip(&mut peers) {
        assert_eq!(peer.ask(&finished(number)), "{result:success}");
    }
    browser.wait_for("document.getElementById('stage').textContent === 'Waiting for 2 agencies'");
    assert_eq!(browser.text("detail"), "Not finished: 4, 5.");
    assert_eq!(
        browser.value("document.querySelectorAll('.row[data-kind=finished]').length"),
        3
    );
    assert!(
        browser.text("news").contains("finished"),
        "{}",
        browser.text("news")
    );
    assert_contrast(&browser);
    browser.picture("3-waiting");

    let clients: Vec<Running> = [4, 5]
        .into_iter()
        .map(|number| {
            let file = central.folder().join(format!("agency-{number}.csv"));
            let spec = Spec::new(number, 3_000, number as usize).unwrap();
            spec.write_to(File::create(&file).unwrap()).unwrap();
            let client = programs::agency(number as u32, &file, central.lottery, central.folder());
            Running::start(client.unwrap().stdout(Stdio::null())).unwrap()
        })
        .collect();
    browser.wait_for("document.getElementById('stage').textContent === 'Drawn'");
    browser.wait_for("document.getElementById('bets').textContent === '18,000'");
    assert!(
        browser.text("number").ends_with("7574"),
        "{}",
        browser.text("number")
    );
    assert_eq!(browser.text("detail"), "9 bets have won, at 2 agencies.");
    let won = "[...document.querySelectorAll('.row .won')].map((cell) => cell.textContent).join()";
    let expected = "0 winners,0 winners,0 winners,4 winners,5 winners";
    assert_eq!(browser.value(won), expected);
    assert_contrast(&browser);
    assert_fits(&browser);
    browser.picture("4-drawn");
    browser.look(1920, 1080, true);
    assert_contrast(&browser);
    browser.picture("5-drawn-dark");
    browser.look(360, 740, false);
    browser.wait_for("innerWidth === 360");
    assert_fits(&browser);
    browser.picture("6-drawn-narrow");
    browser.look(1920, 1080, false);
    assert_clean(&browser, &central);

    central.running.signal(Signal::KILL).unwrap();
    browser.wait_for("document.getElementById('link').dataset.state === 'lost'");
    assert!(
        browser
            .text("lost")
            .starts_with("The central does not answer. What is shown is ")
    );
    assert_eq!(browser.text("news"), "The central does not answer.");
    assert_contrast(&browser);
    browser.picture("7-lost");
    for client in clients {
        let (status, log) = client.wait().unwrap();
        assert!(status.success(), "{log}");
    }
}

/// Sends `count` bets of an agency, none of which wins.
fn send(peer: &mut Peer, number: u32, count: usize) {
    for _ in 0..count / 50 {
        let bets = vec![bet(number, "1", false); 50].join("|");
        assert_eq!(peer.ask(&batch(&bets)), "{result:success}");
    }
}

#[test]
fn a_screen_reader_and_a_keyboard_find_everything() {
    let central = Central::start(&[("SERVER_AGENCIES", "100")]);
    let Some(browser) = open(&central, 1280, 900, false) else {
        return;
    };
    browser.wait_for("document.querySelectorAll('.row').length > 5");
    let nodes = browser.accessible();
    let has = |role: &str, name: &str| {
        let found = nodes.iter().any(|(r, n)| r == role && n.starts_with(name));
        assert!(found, "no {role} '{name}' in {nodes:#?}");
    };
    for heading in ["Lottery", "Bets stored", "The draw", "Agencies"] {
        has("heading", heading);
    }
    has("main", "");
    has("image", "Total of bets, and bets a second");
    has("image", "0 agencies have finished");
    has("table", "Agencies");
    has("rowheader", "Agency 1");
    has("searchbox", "Find");
    has("combobox", "Show");
    has("combobox", "Order");
    for (role, name) in &nodes {
        let named = ["image", "searchbox", "combobox", "table", "heading"].contains(&&**role);
        assert!(!named || !name.is_empty(), "{role} without a name");
    }
    // In the order of the page: the link to the other one, the tools, then the list.
    let mut order = Vec::new();
    for _ in 0..5 {
        browser.press("Tab", "");
        order.push(browser.value("document.activeElement.id"));
        assert_ne!(
            browser.value("getComputedStyle(document.activeElement).outlineStyle"),
            "none"
        );
    }
    assert_eq!(order, ["", "find", "show", "order", "list"]);
    browser.value("document.getElementById('find').focus()");
    for digit in ["4", "2"] {
        browser.press(digit, digit);
    }
    browser.wait_for("document.querySelectorAll('.row').length === 1");
    assert_eq!(
        browser.value("document.querySelector('.row .id').textContent"),
        "Agency 42"
    );
    assert_clean(&browser, &central);
}

#[test]
fn five_thousand_agencies_are_a_map_and_a_list_of_which_only_the_part_in_sight_exists() {
    let central = Central::start(&[("SERVER_AGENCIES", "5000")]);
    for agency in (1..=5_000).step_by(3) {
        let mut peer = Peer::connect(central.lottery);
        let bets = vec![bet(agency, "1", false); 1 + agency as usize % 40].join("|");
        assert_eq!(peer.ask(&batch(&bets)), "{result:success}");
        if agency % 2 == 0 {
            assert_eq!(peer.ask(&finished(agency)), "{result:success}");
        }
    }
    let Some(browser) = open(&central, 1920, 1080, true) else {
        return;
    };
    browser.wait_for("document.getElementById('silent').textContent === '3,333'");
    assert_eq!(browser.text("finished"), "833");
    let few = "document.querySelectorAll('.row').length < 60";
    browser.wait_for(few);
    browser.picture("8-many-dark");
    browser.value("document.getElementById('list').scrollTop = 1e9");
    browser.wait_for(
        "[...document.querySelectorAll('.row .id')].at(-1).textContent === 'Agency 5000'",
    );
    browser.wait_for(few);
    browser.value(
        "document.getElementById('show').value = 'finished'; \
         document.getElementById('show').dispatchEvent(new Event('input'))",
    );
    browser.wait_for("document.getElementById('list').getAttribute('aria-rowcount') === '833'");
    assert_contrast(&browser);
    browser.look(360, 740, false);
    browser.wait_for("innerWidth === 360 && document.querySelectorAll('.row').length > 3");
    assert_fits(&browser);
    browser.picture("9-many-narrow");
    assert_clean(&browser, &central);
}
