//! Memory, CPU time and open files of the process, read when they are asked for, under the names that
//! Prometheus' own clients use. Linux has them in `/proc`; elsewhere there are no such metrics.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

/// Reads the metrics of this process.
#[derive(Debug)]
pub(super) struct Process {
    /// Unix time. `/proc` could tell only by the time of the boot, which a hardened unit hides.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "it is not shown")
    )]
    started_at: f64,
}

impl Process {
    /// The metrics of a process that starts now.
    pub(super) fn starting() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started_at: now.unwrap_or_default().as_secs_f64(),
        }
    }
}

impl Collector for Process {
    #[cfg(target_os = "linux")]
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        linux::encode(encoder, self.started_at)
    }

    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder) -> fmt::Result {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;

    use procfs::{WithCurrentSystemInfo, process::LimitValue};
    use prometheus_client::{
        encoding::{DescriptorEncoder, EncodeMetric},
        metrics::{counter::ConstCounter, gauge::ConstGauge},
    };

    use crate::metrics::list;

    /// What the process may not read about itself is left out; the rest is not lost with it.
    pub(super) fn encode(mut encoder: DescriptorEncoder, started_at: f64) -> fmt::Result {
        let start = ConstGauge::new(started_at);
        write(&mut encoder, "process_start_time_seconds", &start)?;
        let Ok(process) = procfs::process::Process::myself() else {
            return Ok(());
        };
        if let Ok(stat) = process.stat() {
            let ticks = (stat.utime + stat.stime) as f64;
            let cpu = ConstCounter::new(ticks / procfs::ticks_per_second() as f64);
            write(&mut encoder, "process_cpu_seconds_total", &cpu)?;
            let resident = ConstGauge::new(stat.rss_bytes().get() as f64);
            write(&mut encoder, "process_resident_memory_bytes", &resident)?;
        }
        if let Ok(open) = process.fd_count() {
            let open = ConstGauge::new(open as f64);
            write(&mut encoder, "process_open_fds", &open)?;
        }
        if let Ok(limits) = process.limits() {
            let most = match limits.max_open_files.soft_limit {
                LimitValue::Value(most) => most,
                LimitValue::Unlimited => u64::MAX,
            };
            let most = ConstGauge::new(most as f64);
            write(&mut encoder, "process_max_fds", &most)?;
        }
        Ok(())
    }

    fn write(
        encoder: &mut DescriptorEncoder,
        name: &str,
        metric: &impl EncodeMetric,
    ) -> fmt::Result {
        let entry = list::entry(name).ok_or(fmt::Error)?;
        let help = format!("{}.", entry.meaning);
        let unit = entry.unit();
        metric.encode(encoder.encode_descriptor(
            entry.stem(),
            &help,
            unit.as_ref(),
            metric.metric_type(),
        )?)
    }
}
