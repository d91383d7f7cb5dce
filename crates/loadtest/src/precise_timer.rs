//! A timer that is exact to a few microseconds. tokio's own wakes up to a millisecond late,
//! and in an open loop that would count as latency of the server.

use std::{io, time::Instant};

#[cfg(target_os = "linux")]
pub use linux::PreciseTimer;
#[cfg(not(target_os = "linux"))]
pub use other::PreciseTimer;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsFd, AsRawFd, RawFd};

    use nix::sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    };
    use tokio::io::unix::AsyncFd;

    use super::{Instant, io};

    struct Descriptor(TimerFd);

    impl AsRawFd for Descriptor {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    /// A timer of the kernel.
    pub struct PreciseTimer(AsyncFd<Descriptor>);

    impl PreciseTimer {
        ///
        /// # Errors
        /// The process has no descriptors left.
        #[expect(
            deprecated,
            reason = "the caller that takes a raw descriptor must be sure that it stays open; the timer \
                      owns its own. The successor is the same, marked unsafe, which we forbid"
        )]
        pub fn new() -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            Ok(Self(AsyncFd::new(Descriptor(timer))?))
        }

        /// Returns at the moment, or at once if it has passed. May be dropped and called again.
        ///
        /// # Errors
        /// The kernel refuses the timer.
        pub async fn wait_until(&self, moment: Instant) -> io::Result<()> {
            let wait = moment.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Ok(());
            }
            // Setting it forgets an expiration that was not read.
            let expiration = Expiration::OneShot(TimeSpec::from(wait));
            let timer = &self.0.get_ref().0;
            timer.set(expiration, TimerSetTimeFlags::empty())?;
            loop {
                let mut ready = self.0.readable().await?;
                if let Ok(expired) = ready.try_io(|it| Ok(it.get_ref().0.wait()?)) {
                    return expired;
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use super::{Instant, io};

    /// tokio's timer: there is none better.
    #[derive(Debug)]
    pub struct PreciseTimer;

    impl PreciseTimer {
        ///
        /// # Errors
        /// Never.
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// Returns at the moment, or up to a millisecond later.
        ///
        /// # Errors
        /// Never.
        pub async fn wait_until(&self, moment: Instant) -> io::Result<()> {
            tokio::time::sleep_until(moment.into()).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_never_returns_early_and_can_be_used_again() {
        let timer = PreciseTimer::new().unwrap();
        for ms in [3, 0, 2] {
            let moment = Instant::now() + Duration::from_millis(ms);
            timer.wait_until(moment).await.unwrap();
            assert!(Instant::now() >= moment);
        }
    }
}
