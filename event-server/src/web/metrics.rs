//! The metrics, in the text formats of Prometheus.
//!
//! They are made from a copy of the loop's figures. Peers cannot add values to any label.

use std::fmt;

use frame::{ReadOutcome, WriteOutcome};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::process::Process;
use crate::observe::{Figures, Histogram, LotteryView, Phase, Stage};

/// The media type of the older format.
pub(super) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The media type of the newer format.
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Nanoseconds in a second.
const NANOSECONDS: f64 = 1e9;

/// The values that the metrics are made from.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) figures: Figures,
    pub(super) lottery: LotteryView,
    pub(super) name: String,
    pub(super) version: &'static str,
    pub(super) http_requests: u64,
}

impl Metrics {
    /// Returns the metrics in the older format.
    pub(super) fn text(self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = prometheus_text::encode(&mut out, &self.into_registry());
        out
    }

    /// Returns the metrics in the OpenMetrics format.
    pub(super) fn openmetrics(self) -> String {
        let mut out = String::new();
        let _ = text::encode(&mut out, &self.into_registry());
        out
    }

    fn into_registry(self) -> Registry {
        let mut registry = Registry::default();
        let own = registry.sub_registry_with_prefix("event_server");
        own.register_collector(Box::new(self));
        if let Some(process) = Process::read() {
            registry.register_collector(Box::new(process));
        }
        registry
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Encoder(encoder);
        let Self {
            figures, lottery, ..
        } = self;
        let counters = &figures.counters;
        let build = [("version", self.version), ("central", &self.name)];
        out.describe(
            "build",
            "The program's version, and this central's name",
            MetricType::Info,
        )?
        .encode_info(&build)?;

        let connections = figures.connections.iter().copied();
        out.gauges(
            "connections",
            "Connections of agencies, by what they do",
            "state",
            connections,
        )?;
        let mut requests = out.describe(
            "requests",
            "Requests that were judged, by what they ask for and whether it was granted",
            MetricType::Counter,
        )?;
        for (kind, accepted, refused) in counters.requests() {
            for (result, count) in [("accepted", accepted), ("refused", refused)] {
                count_of(
                    &mut requests,
                    &[("type", kind.name()), ("result", result)],
                    count,
                )?;
            }
        }
        out.counter(
            "bets_stored",
            "Bets that this central has stored durably",
            counters.bets_stored,
        )?;
        out.gauge(
            "held_queries",
            "Winners queries that wait for the draw",
            figures.held,
        )?;
        out.gauge(
            "buffered_bytes",
            "Memory of the buffers of all connections of agencies",
            figures.buffered,
        )?;
        out.gauge(
            "unsent_bytes",
            "Bytes of replies that agencies have not taken yet",
            figures.unsent,
        )?;

        out.gauges(
            "agencies",
            "Agencies that take part, by how far they are",
            "state",
            agencies(lottery),
        )?;
        let drawn = u64::from(lottery.stage == Stage::Drawn);
        out.gauge("draw_done", "Whether the winners are known: 1 or 0", drawn)?;

        let up = u64::from(figures.store_up);
        out.gauge("store_up", "Whether a bet could be stored now: 1 or 0", up)?;
        let mut certificate = out.describe(
            "certificate_expiry_seconds",
            "Seconds until the central's certificate ends, negative after it; no value without TLS",
            MetricType::Gauge,
        )?;
        if let Some(seconds) = figures.certificate_seconds {
            certificate.encode_gauge(&seconds)?;
        }
        out.counter(
            "store_reconnects",
            "How often the store could be reached again after it was lost",
            counters.store_reconnects,
        )?;
        out.histogram(
            "commit_duration_seconds",
            "How long it took to make a turn's requests durable",
            &counters.commit_duration,
            NANOSECONDS,
        )?;
        out.histogram(
            "commit_bets",
            "Bets in a commit",
            &counters.commit_bets,
            1.0,
        )?;
        out.histogram(
            "turn_duration_seconds",
            "How long a turn of the loop took",
            &counters.turn_duration,
            NANOSECONDS,
        )?;
        streams(&mut out, figures)?;
        turns(&mut out, figures)?;
        out.counter(
            "http_requests",
            "Requests to this HTTP port that were answered",
            self.http_requests,
        )
    }
}

/// Writes what the streams of connections did.
fn streams(out: &mut Encoder<'_>, figures: &Figures) -> fmt::Result {
    let Figures {
        calls, counters, ..
    } = figures;
    out.counters(
        "reads",
        "Reads from connections of agencies, by what they came to",
        "result",
        ReadOutcome::ALL
            .map(ReadOutcome::name)
            .into_iter()
            .zip(calls.reads),
    )?;
    out.counters(
        "writes",
        "Writes to connections of agencies, by what they came to",
        "result",
        WriteOutcome::ALL
            .map(WriteOutcome::name)
            .into_iter()
            .zip(calls.writes),
    )?;
    out.counter(
        "received_bytes",
        "Bytes that were read from connections of agencies",
        calls.received,
    )?;
    out.counter(
        "sent_bytes",
        "Bytes that were written to connections of agencies",
        calls.sent,
    )?;
    out.counter(
        "accepted",
        "Connections of agencies that were accepted",
        figures.accepted,
    )?;
    out.counters(
        "closed",
        "Connections of agencies that were closed, by why",
        "reason",
        counters
            .closed()
            .map(|(reason, count)| (reason.name(), count)),
    )?;
    out.gauge(
        "partial_frames",
        "Connections of agencies in the middle of a frame",
        figures.partial_frames,
    )
}

/// Writes what the loop did.
fn turns(out: &mut Encoder<'_>, figures: &Figures) -> fmt::Result {
    let counters = &figures.counters;
    out.counter(
        "polls",
        "How often the loop asked for events",
        counters.polls,
    )?;
    out.counter("events", "Events that the loop got", counters.events)?;
    out.histogram(
        "served_connections",
        "Connections of agencies that a turn of the loop served",
        &counters.served,
        1.0,
    )?;
    let mut seconds = out.describe(
        "turn_seconds",
        "Time of the turns of the loop, by what was done in it",
        MetricType::Counter,
    )?;
    for (phase, time) in Phase::ALL.iter().zip(figures.phases) {
        seconds
            .encode_family(&[("phase", phase.name())])?
            .encode_counter::<NoLabelSet, _, u64>(&time.as_secs_f64(), None)?;
    }
    Ok(())
}

/// Returns how many agencies are in each state.
fn agencies(lottery: &LotteryView) -> [(&'static str, u64); 3] {
    let (mut silent, mut sending, mut finished) = (0, 0, 0);
    for view in &lottery.agencies {
        *match (view.finished, view.bets) {
            (true, _) => &mut finished,
            (false, 0) => &mut silent,
            (false, _) => &mut sending,
        } += 1;
    }
    [
        ("silent", silent),
        ("sending", sending),
        ("finished", finished),
    ]
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Encoder(encoder);
        out.seconds(
            "process_cpu_seconds",
            "Time on a processor",
            MetricType::Counter,
            self.cpu,
        )?;
        out.seconds(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970",
            MetricType::Gauge,
            self.started,
        )?;
        out.gauge(
            "process_resident_memory_bytes",
            "Memory in use",
            self.resident,
        )?;
        out.gauge(
            "process_virtual_memory_bytes",
            "Memory that is mapped",
            self.virtual_memory,
        )?;
        out.gauge("process_open_fds", "File descriptors in use", self.open_fds)?;
        out.gauge(
            "process_max_fds",
            "File descriptors that may be in use",
            self.max_fds,
        )
    }
}

/// Writes whole metrics.
struct Encoder<'e>(DescriptorEncoder<'e>);

impl Encoder<'_> {
    fn describe<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        metric_type: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, metric_type)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut encoder = self.describe(name, help, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.describe(name, help, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    fn seconds(
        &mut self,
        name: &str,
        help: &str,
        metric_type: MetricType,
        value: f64,
    ) -> fmt::Result {
        let mut encoder = self.describe(name, help, metric_type)?;
        match metric_type {
            MetricType::Counter => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None),
            _ => encoder.encode_gauge(&value),
        }
    }

    /// Writes a counter for each value of a label.
    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.describe(name, help, MetricType::Counter)?;
        for (value, count) in values {
            count_of(&mut encoder, &[(label, value)], count)?;
        }
        Ok(())
    }

    /// Writes a gauge for each value of a label.
    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.describe(name, help, MetricType::Gauge)?;
        for (value, count) in values {
            encoder
                .encode_family(&[(label, value)])?
                .encode_gauge(&count)?;
        }
        Ok(())
    }

    /// Writes a histogram. `unit`: how many of its values' unit make one of the metric's.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        histogram: &Histogram,
        unit: f64,
    ) -> fmt::Result {
        let upper = |bound: Option<u64>| bound.map_or(f64::INFINITY, |bound| bound as f64 / unit);
        let buckets = histogram
            .buckets()
            .map(|(bound, count)| (upper(bound), count));
        let buckets: Vec<(f64, u64)> = buckets.collect();
        let (sum, count) = (histogram.sum() as f64 / unit, histogram.count());
        let mut encoder = self.describe(name, help, MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

fn count_of(
    encoder: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    count: u64,
) -> fmt::Result {
    encoder
        .encode_family(labels)?
        .encode_counter::<NoLabelSet, _, u64>(&count, None)
}
