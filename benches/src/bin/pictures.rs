//! The pictures of the documents, made of a show: the pages in a headless Chromium, and the trace of the loop.
//!
//! `make pictures` runs it and replaces docs/pictures. Ends with an error where a scene does not look as it should, and
//! where all pictures together are larger than [`MOST`].

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use benches::show::{LENGTH, Settings, Told, play, trace};
use fixtures::browser::Browser;

/// The most bytes of all pictures together.
const MOST: u64 = 600 * 1024;

/// The picture of the trace.
const TRACE: &str = "trace";

/// The window, in CSS pixels.
const WINDOW: (u32, u32) = (1200, 860);

/// A picture of a scene.
struct Picture {
    /// The scene that it is of.
    scene: &'static str,
    /// Its file, without `.png`.
    name: &'static str,
    /// The page, below the address of the port.
    page: &'static str,
    /// The condition in the page that the picture waits for, as an expression of JavaScript.
    wait: &'static str,
    /// The elements of the page that it shows.
    part: &'static str,
}

/// Chooses the connection of an agency, again and again until there is one that meets the condition.
macro_rules! choose {
    ($agency:literal, $so:literal) => {
        concat!(
            "(() => { const c = connections.find((c) => c.agency === ",
            $agency,
            " && (",
            $so,
            ")); if (c) choose(c.slot); return !!c })()"
        )
    };
}

const PICTURES: [Picture; 7] = [
    Picture {
        scene: "byte by byte",
        name: "byte-by-byte",
        page: "loop",
        wait: choose!("25", "c.frame_had > 40 && flashes[c.slot] > 0"),
        part: "#connections, #cell",
    },
    Picture {
        scene: "a half-close",
        name: "held",
        page: "loop",
        wait: choose!("27", "c.state === 'held'"),
        part: "#connections, #cell",
    },
    Picture {
        scene: "a flood",
        name: "flood",
        page: "loop",
        wait: "choose(null), parseFloat(document.querySelector('#reads .rate b').textContent.replace(',', '')) > 50",
        part: "#turn > *",
    },
    Picture {
        scene: "a fenced connection",
        name: "lottery",
        page: "",
        wait: "document.querySelectorAll('.row[data-kind=sending]').length > 20",
        part: "header, #total, #draw",
    },
    Picture {
        scene: "the agencies finish",
        name: "waiting",
        page: "loop",
        wait: "connections.filter((c) => c.state === 'held').length > 12",
        part: "#connections",
    },
    Picture {
        scene: "reads slowly",
        name: "loop",
        page: "loop",
        wait: choose!("30", "c.write_short > 2 && flashes[c.slot] > 1"),
        part: "header, #connections, #cell",
    },
    Picture {
        scene: "reads slowly",
        name: "short-write",
        page: "loop",
        wait: "parseFloat(document.querySelectorAll('#writes .rate b')[1].textContent) > 0.5",
        part: "#calls",
    },
];

fn main() -> ExitCode {
    match pictures() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("the pictures were not made: {e}");
            ExitCode::FAILURE
        }
    }
}

/// What the show tells the camera.
enum Cue {
    Opened(SocketAddr),
    Begins(&'static str),
}

fn pictures() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    fs::create_dir_all(&folder)?;
    let browser = Browser::start().ok_or("no Chromium is installed")?;
    browser.look(WINDOW.0, WINDOW.1, false);
    let scratch = tempfile::tempdir()?;
    let recorded = scratch.path().join("show.json");
    let settings = Settings {
        length: LENGTH,
        trace: Some(recorded.clone()),
    };
    // The show ends once the last picture is taken.
    let done = AtomicBool::new(false);
    let (cues, heard) = channel();
    let played = thread::scope(|scope| {
        let show = scope.spawn(|| {
            // Where the camera has failed nobody listens, and the show ends soon.
            let cue = |cue| drop(cues.send(cue));
            let tell = |told: Told<'_>| match told {
                Told::Opened(http) => cue(Cue::Opened(http)),
                Told::Begins(scene) => cue(Cue::Begins(scene.name)),
                Told::Came(_) | Told::Stops => {}
            };
            play(&settings, || done.load(Ordering::Relaxed), tell)
        });
        let taken = take_all(&browser, &heard, &folder);
        done.store(true, Ordering::Relaxed);
        let played = show.join().map_err(|_| "the show failed")?;
        taken.and(played.map(drop).map_err(Into::into))
    });
    played?;
    let page = scratch.path().join("trace.html");
    fs::write(&page, trace::page(&recorded)?)?;
    browser.open(&format!("file://{}", page.display()));
    browser.wait_for("document.querySelectorAll('#trace rect').length > 0");
    keep(&folder, TRACE, &browser.screenshot(Some("#trace")))?;
    let names = PICTURES.iter().map(|picture| picture.name).chain([TRACE]);
    let sizes = names.map(|name| Ok(fs::metadata(file(&folder, name))?.len()));
    let size: u64 = sizes.sum::<std::io::Result<_>>()?;
    println!("{} KiB together", size.div_ceil(1024));
    match size <= MOST {
        true => Ok(()),
        false => Err(format!("the pictures may have {} KiB together", MOST / 1024).into()),
    }
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension("png")
}

fn keep(folder: &Path, name: &str, picture: &[u8]) -> std::io::Result<()> {
    println!("{}", file(folder, name).display());
    fs::write(file(folder, name), picture)
}

/// Takes each picture in its scene.
fn take_all(browser: &Browser, cues: &Receiver<Cue>, folder: &Path) -> Result<(), Box<dyn Error>> {
    let Cue::Opened(http) = cues.recv()? else {
        return Err("the show has no pages".into());
    };
    let mut at = "";
    let mut scene = "";
    for picture in &PICTURES {
        while scene != picture.scene {
            if let Cue::Begins(name) = cues.recv()? {
                scene = name;
            }
        }
        let url = format!("http://{http}/{}", picture.page);
        if at != picture.page || browser.value("location.href") != *url {
            browser.open(&url);
            at = picture.page;
            browser.wait_for("document.getElementById('link')?.dataset.state === 'live'");
        }
        browser.wait_for(picture.wait);
        keep(
            folder,
            picture.name,
            &browser.screenshot(Some(picture.part)),
        )?;
    }
    Ok(())
}
