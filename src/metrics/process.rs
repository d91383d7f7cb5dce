//! Memory, CPU time and open files of the process, read when they are asked for, under the names that
//! Prometheus' own clients use. Linux has them in `/proc`; elsewhere there are no such metrics.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

/// Reads the metrics of this process.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    #[cfg(target_os = "linux")]
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        linux::encode(encoder)
    }

    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder) -> fmt::Result {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;

    use procfs::{ProcResult, WithCurrentSystemInfo, process::LimitValue};
    use prometheus_client::{
        encoding::{DescriptorEncoder, EncodeMetric},
        metrics::{counter::ConstCounter, gauge::ConstGauge},
    };

    use crate::metrics::list;

    struct Readings {
        cpu_seconds: f64,
        open_fds: u64,
        max_fds: u64,
        resident_bytes: u64,
        started_at: f64,
    }

    pub(super) fn encode(mut encoder: DescriptorEncoder) -> fmt::Result {
        // A process that may not read about itself has no such metrics; the others are not lost with them.
        let Ok(readings) = read() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(readings.cpu_seconds);
        write(&mut encoder, "process_cpu_seconds_total", &cpu)?;
        let mut gauge = |name, value: f64| write(&mut encoder, name, &ConstGauge::new(value));
        gauge("process_open_fds", readings.open_fds as f64)?;
        gauge("process_max_fds", readings.max_fds as f64)?;
        gauge(
            "process_resident_memory_bytes",
            readings.resident_bytes as f64,
        )?;
        gauge("process_start_time_seconds", readings.started_at)
    }

    fn read() -> ProcResult<Readings> {
        let process = procfs::process::Process::myself()?;
        let stat = process.stat()?;
        let ticks_per_second = procfs::ticks_per_second() as f64;
        let booted_at = procfs::boot_time_secs()? as f64;
        let open_fds = process.fd_count()? as u64;
        Ok(Readings {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks_per_second,
            open_fds,
            max_fds: match process.limits()?.max_open_files.soft_limit {
                LimitValue::Value(most) => most,
                LimitValue::Unlimited => u64::MAX,
            },
            resident_bytes: stat.rss_bytes().get(),
            started_at: booted_at + stat.starttime as f64 / ticks_per_second,
        })
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
