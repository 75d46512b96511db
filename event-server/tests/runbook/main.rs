//! docs/runbook.md, played: each command that it has people type is typed as it stands there, and what it says that people see
//! is what they see.
//!
//! ```text
//! document  the runbook, read: sections, commands, what people see
//! scene     a section with its folder, its programs and its centrals
//! looking   how a lottery stands
//! trouble   what goes wrong
//! changes   what an operator changes
//! running   a central that is started, restarted, traced
//! ```
//!
//! What needs PostgreSQL or a file system of its own is skipped where there is none. What systemd, apt and other programs of
//! the system do is noted by stand-ins; `make test-packages` has the real ones.

#[path = "../common/mod.rs"]
mod common;

mod changes;
mod document;
mod looking;
mod running;
mod scene;
mod trouble;

use document::sections;
use scene::Scene;

/// Plays each section as a test of its own, and lists them.
macro_rules! scenes {
    ($($test:ident: $title:literal => $play:path;)*) => {
        $(
            #[test]
            fn $test() {
                $play(Scene::of($title));
            }
        )*

        /// The sections that are played.
        const PLAYED: &[&str] = &[$($title),*];
    };
}

scenes! {
    commands_run_as_the_user_of_the_package: "" => looking::as_the_user;
    how_the_lottery_stands: "How does the lottery stand?" => looking::standing;
    whether_what_is_stored_is_sound: "Is what is stored sound?" => looking::soundness;
    an_export: "Export" => looking::export;
    a_central_that_is_not_ready: "A central that is not ready" => looking::not_ready;
    a_start_that_is_refused: "When a start is refused" => trouble::refused_start;
    a_full_disk: "A full disk" => trouble::full_disk;
    a_database_that_is_gone: "The database is gone" => trouble::database_gone;
    a_lost_folder: "A lost folder" => trouble::lost_folder;
    a_certificate_that_ends: "A certificate ends" => trouble::certificate;
    an_agency_that_sends_nothing: "An agency that sends nothing" => looking::silent_agency;
    a_slow_central: "A slow central" => running::trace;
    a_wrong_file: "Reopening an agency" => changes::wrong_file;
    another_number_of_agencies: "How many agencies take part" => changes::number;
    a_backup_and_a_restore: "Backup" => changes::backup;
    moving_to_a_database_and_back: "From files to a database, and back" => changes::moving;
    the_next_lottery: "The next lottery" => changes::next_lottery;
    an_upgrade: "An upgrade" => running::upgrade;
    a_restart_that_refuses_nobody: "Restarting without refusing anybody" => running::handed_over;
    a_log_that_rotates: "Rotating the log" => running::rotation;
}

#[test]
fn each_section_with_a_command_is_played() {
    for section in sections() {
        let title = section.title.as_str();
        assert!(
            section.commands.is_empty() || PLAYED.contains(&title),
            "nobody plays '{title}', which has people type {:?}",
            section.commands
        );
    }
}

/// What every operator meets sooner or later.
const SITUATIONS: [&str; 8] = [
    "A full disk",
    "A lost folder",
    "Reopening an agency",
    "A certificate ends",
    "The database is gone",
    "From files to a database, and back",
    "The next lottery",
    "An upgrade",
];

#[test]
fn each_situation_says_what_one_sees_what_it_means_what_to_type_and_what_one_sees_then() {
    for title in SITUATIONS {
        let mut sections = sections().into_iter();
        let section = sections.find(|section| section.title == title);
        let parts = section.map(|section| section.parts).unwrap_or_default();
        for part in ["You see", "It means", "Type", "You see then"] {
            let has = parts.iter().any(|own| own == part);
            assert!(has, "'{title}' does not tell: {part}");
        }
    }
}
