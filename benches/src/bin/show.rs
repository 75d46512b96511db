//! A lottery to look at: a central with its pages, forty scripted peers at human speed, and one printed line a scene.
//!
//! `make show` runs it: three minutes, or until Ctrl-C. `TRACE=show.json` leaves a trace of the central's loop;
//! `SHOW_SECONDS=60` is a faster show. Ends with an error where a peer was not answered as it should be.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use benches::setting;
use benches::show::{LENGTH, Settings, Told, play};
use signal_hook::consts::{SIGINT, SIGTERM};

fn main() -> ExitCode {
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("the show was not played as it should be: {why}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result<(), String> {
    let length = Duration::try_from_secs_f64(setting("SHOW_SECONDS", LENGTH.as_secs_f64())?);
    let length = length.map_err(|e| format!("SHOW_SECONDS: {e}"))?;
    let trace = std::env::var_os("TRACE").filter(|path| !path.is_empty());
    let trace = trace.map(PathBuf::from);
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first one ends the show in order, a second one ends this program at once.
        let twice =
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stopped));
        let once = signal_hook::flag::register(signal, Arc::clone(&stopped));
        twice.and(once).map_err(|e| e.to_string())?;
    }
    let began = Instant::now();
    let line = |line: &str| println!("{:>4} s  {line}", began.elapsed().as_secs());
    let settings = Settings { length, trace };
    let played = play(
        &settings,
        || stopped.load(Ordering::Relaxed),
        |told| match told {
            Told::Opened(http) => {
                println!(
                    "open http://{http}/loop beside this list; http://{http}/ is the lottery\n"
                );
            }
            Told::Begins(scene) => line(&format!("{}: {}", scene.name, scene.line)),
            Told::Came(what) => line(what),
            Told::Stops => line(
                "SIGTERM while replies are owed: the central serves nothing more, sends what is owed for five seconds, \
                 and ends",
            ),
        },
    );
    played.map_err(|e| e.to_string())?;
    line("the central has ended in order");
    if let Some(trace) = settings.trace {
        println!(
            "\nopen {} at https://ui.perfetto.dev or chrome://tracing",
            trace.display()
        );
    }
    Ok(())
}
