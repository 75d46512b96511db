//! Figures of this process, as every program gives them to Prometheus. They are read from /proc, which only Linux has.

use std::fs;

/// Figures of this process.
#[derive(Debug)]
pub(super) struct Process {
    /// Processor time, in seconds.
    pub(super) cpu: f64,
    /// When it began, in seconds since 1970 (UTC).
    pub(super) started: f64,
    /// Bytes of memory in use.
    pub(super) resident: u64,
    /// Bytes of memory that are mapped.
    pub(super) virtual_memory: u64,
    pub(super) open_fds: u64,
    pub(super) max_fds: u64,
}

impl Process {
    /// Reads them; `None` if the system does not tell them.
    pub(super) fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The program's name stands in parentheses, and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // proc_pid_stat(5) counts fields from 1; the first one here is number 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let booted = fs::read_to_string("/proc/stat").ok()?;
        let booted = booted
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?;
        let booted: f64 = booted.trim().parse().ok()?;
        Some(Self {
            cpu: (field(14)? + field(15)?) as f64 / ticks,
            started: booted + field(22)? as f64 / ticks,
            virtual_memory: field(23)?,
            resident: field(24)? * rustix::param::page_size() as u64,
            open_fds: open_fds()?,
            max_fds: max_fds()?,
        })
    }
}

fn open_fds() -> Option<u64> {
    // Since Linux 6.2 the size of this folder is the number of descriptors; counting them takes longer.
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    if size > 0 {
        return Some(size);
    }
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

fn max_fds() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        limit => limit.parse().ok(),
    }
}
