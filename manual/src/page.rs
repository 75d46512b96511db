//! Manual pages.
//!
//! What a definition says after its help becomes sections: lines after `Example:` or `Examples:` are shown as they are,
//! other paragraphs are notes. What `Exit codes:` sums up is a section of its own already.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::definition::shown;

/// A section of every page: a title, and what each of its terms means.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// In capitals.
    pub title: &'a str,
    /// Terms with their meanings.
    pub terms: &'a [(&'a str, &'a str)],
}

/// Writes a page for the program and one for each of its commands into a folder, which has to exist.
///
/// # Errors
/// A page cannot be written.
pub fn write_pages(
    definition: &Command,
    sections: &[Section<'_>],
    folder: &Path,
) -> io::Result<()> {
    let mut definition = shown(definition);
    definition.build();
    for command in definition.get_subcommands() {
        write_page(command, sections, folder)?;
    }
    write_page(&definition, sections, folder)
}

fn write_page(command: &Command, sections: &[Section<'_>], folder: &Path) -> io::Result<()> {
    let page = Man::new(command.clone());
    let mut out = BufWriter::new(File::create(folder.join(page.get_filename()))?);
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut out)?;
    }
    let mut roff = Roff::new();
    let behind = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    add_behind(&mut roff, &behind);
    sections
        .iter()
        .for_each(|section| add_section(&mut roff, section));
    roff.to_writer(&mut out)?;
    if command.get_version().is_some() {
        page.render_version_section(&mut out)?;
    }
    out.flush()
}

/// Adds what a definition says after its help.
fn add_behind(roff: &mut Roff, text: &str) {
    let paragraphs = text
        .split("\n\n")
        .filter(|text| !text.starts_with("Exit codes:"));
    let is_example = |text: &&str| text.starts_with("Example");
    let (examples, notes): (Vec<_>, Vec<_>) = paragraphs.partition(is_example);
    for text in examples {
        roff.control("SH", ["EXAMPLES"]);
        // As they are: a command that is wrapped cannot be copied.
        roff.control("nf", []);
        for line in text.lines().skip(1) {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []);
    }
    for (index, text) in notes
        .into_iter()
        .filter(|text| !text.is_empty())
        .enumerate()
    {
        let (macro_name, title) = if index == 0 {
            ("SH", vec!["NOTES"])
        } else {
            ("PP", vec![])
        };
        roff.control(macro_name, title);
        roff.text([roman(text.replace('\n', " "))]);
    }
}

fn add_section(roff: &mut Roff, section: &Section<'_>) {
    roff.control("SH", [section.title]);
    for (term, meaning) in section.terms {
        roff.control("TP", []);
        roff.text([roman(*term)]);
        roff.text([roman(*meaning)]);
    }
}
