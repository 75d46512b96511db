//! The program: reads arguments and configuration, runs a mode, and ends with its exit code.

mod command_line;
mod output;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use batch_client::agency::{self, Part};
use batch_client::config::{CheckConfig, Config, ConfigError, Origin, PREFIX, Settings, Trace};
use batch_client::error::{Error, USAGE};
use batch_client::progress::Progress;
use batch_client::single::{self, Bettor};
use batch_client::tls::Connector;
use batch_client::{check, report};
use command_line::{CommandLine, Mode};
use frame::log::{Level, Logger};
use frame::trace;

/// The exit code where the reader of standard output has closed it: 128 and the number of SIGPIPE.
const CLOSED_PIPE: u8 = 141;

fn main() -> ExitCode {
    let CommandLine { config, mode } = match command_line::parse(USAGE) {
        Ok(command_line) => command_line,
        Err(code) => return code.into(),
    };
    let file = config.as_deref();
    match &mode {
        Mode::Completions { shell } => {
            tool(|| command_line::print_completions(*shell).map_err(Error::Output))
        }
        Mode::Man { folder } => tool(|| {
            command_line::write_man_pages(folder).map_err(|error| {
                let path = folder.clone();
                Error::Write { path, error }
            })
        }),
        Mode::Config { .. } => tool(|| show_config(&settings(file, &mode)?)),
        Mode::Check { json, .. } => tool(|| check_file(&settings(file, &mode)?, *json)),
        Mode::Echo { .. } => serve(settings(file, &mode), false, |config, logger, progress| {
            single::echo(config, logger.clone(), progress)
        }),
        Mode::Bet { .. } => serve(settings(file, &mode), false, |config, logger, progress| {
            let bettor = Bettor::from_variables(|name| std::env::var(name).ok())?;
            single::bet(config, logger.clone(), progress, &bettor)
        }),
        Mode::Batch {
            json,
            from_row,
            no_wait,
            ..
        } => serve(settings(file, &mode), *json, |config, logger, progress| {
            let part = Part {
                from_row: *from_row,
                waits: !no_wait,
            };
            let (agency, json, end) = (config.agency, *json, before_result(logger, progress));
            agency::run(config, logger.clone(), progress, part, move |outcome| {
                end();
                output::print_outcome(agency, &outcome, json)
            })
        }),
        Mode::Winners { json, .. } => {
            serve(settings(file, &mode), *json, |config, logger, progress| {
                let (agency, json, end) = (config.agency, *json, before_result(logger, progress));
                agency::winners(config, logger.clone(), progress, move |winners| {
                    end();
                    output::print_winners(agency, &winners, json)
                })
            })
        }
    }
}

/// Returns what has to be done before a result is printed: it comes after the log, and on a terminal it replaces the bar.
fn before_result(logger: &Logger, progress: &Progress) -> impl FnOnce() + Send + 'static {
    let (logger, progress) = (logger.clone(), progress.clone());
    move || {
        progress.end();
        logger.finish();
    }
}

/// Reads every layer of the configuration.
fn settings(file: Option<&Path>, mode: &Mode) -> Result<Settings, Error> {
    let text = |raw: OsString| raw.to_string_lossy().into_owned();
    if !mode.is_utf8() {
        let origin = Origin::Flag("FILE".to_owned()).to_string();
        return Err(ConfigError::NotUtf8 { origin }.into());
    }
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let name = text(name);
        if value.to_str().is_none() && name.starts_with(PREFIX) {
            let origin = Origin::Variable(name).to_string();
            return Err(ConfigError::NotUtf8 { origin }.into());
        }
        variables.push((name, text(value)));
    }
    Ok(Settings::read(file, variables, mode.settings())?)
}

/// Runs a mode that talks to no server. Its log has warnings and errors alone, each written at once.
fn tool(run: impl FnOnce() -> Result<(), Error>) -> ExitCode {
    Logger::immediate(Level::Warning, io::stderr()).install();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed it, as `head` does: other programs end so, too.
        Err(Error::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => CLOSED_PIPE.into(),
        Err(error) => {
            report::failed(&error);
            error.exit_code().into()
        }
    }
}

fn show_config(settings: &Settings) -> Result<(), Error> {
    report_warnings(settings);
    output::print_config(settings).map_err(Error::Output)?;
    let config = Config::from_settings(settings)?;
    let connector = Connector::open(&config.server)?;
    match connector.and_then(|connector| connector.validity()) {
        Some(validity) => output::print_validity(validity).map_err(Error::Output),
        None => Ok(()),
    }
}

fn check_file(settings: &Settings, json: bool) -> Result<(), Error> {
    report_warnings(settings);
    // A check of the file needs no server: what is wrong with the other keys is not reported.
    let certificate = Config::from_settings(settings).ok().and_then(|config| {
        let connector = Connector::open(&config.server).ok()??;
        Some((config.server.tls?.cert, connector.validity()?))
    });
    let config = CheckConfig::from_settings(settings)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let result = check::run(&config, |found| {
        output::print_found(&mut out, &config.file, found, json)
    });
    if let Some((path, validity)) = certificate {
        output::print_certificate(&mut out, &path, validity, json).map_err(Error::Output)?;
    }
    out.flush().map_err(Error::Output)?;
    result
}

/// Runs a mode that talks to a server. With `json`, nothing is shown beside the log.
fn serve(
    settings: Result<Settings, Error>,
    json: bool,
    run: impl FnOnce(&Config, &Logger, &Progress) -> Result<(), Error>,
) -> ExitCode {
    let read = settings.and_then(|settings| Ok((Config::from_settings(&settings)?, settings)));
    let (config, settings) = match read {
        Ok(read) => read,
        Err(error) => {
            Logger::immediate(Level::Info, io::stderr()).install();
            report::failed(&error);
            return error.exit_code().into();
        }
    };
    let progress = Progress::on_terminal(json);
    let (level, sink) = (config.log_level, || progress.sink());
    let logger = Logger::background(level, config.log_format, sink, report::lines_lost);
    logger.install();
    report::config(&config);
    report_warnings(&settings);
    begin_trace(&config);
    let result = run(&config, &logger, &progress);
    progress.end();
    if let Some(path) = trace::end() {
        report::trace_ended(&path);
    }
    let code = match result {
        Ok(()) => {
            report::exit(config.agency);
            ExitCode::SUCCESS
        }
        Err(error) if error.is_stopped() => {
            report::undecided(&error);
            report::exit(config.agency);
            error.exit_code().into()
        }
        Err(error) => {
            report::failed(&error);
            error.exit_code().into()
        }
    };
    logger.finish();
    code
}

/// Begins the trace that the configuration asks for. Where that fails, a log line says so, and the bets are sent without it.
fn begin_trace(config: &Config) {
    if let Some(Trace { file, most }) = &config.trace {
        match trace::begin(file, *most, "batch-client") {
            Ok(()) => report::trace_begun(file),
            Err(e) => report::trace_failed(file, &e),
        }
    }
}

fn report_warnings(settings: &Settings) {
    for warning in settings.warnings() {
        report::config_warning(warning);
    }
}
