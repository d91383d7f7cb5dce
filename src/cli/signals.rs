//! The signals that stop a command, and those that must not.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// The sender of a signal that stops the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopSignal {
    /// Ctrl-C: a person, who waits.
    Interrupt,
    /// SIGTERM or SIGHUP: a supervisor or a terminal that closes.
    Terminate,
}

/// Resolves at the first SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// The signals can't be caught.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let signal = first_stop_signal()?;
    Ok(async move {
        signal.await;
    })
}

/// Like [`stop_signal`], but says which signal it was.
pub(super) fn first_stop_signal() -> io::Result<impl Future<Output = StopSignal>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    ignore_user_signals()?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => StopSignal::Interrupt,
            _ = terminate.recv() => StopSignal::Terminate,
            _ = hangup.recv() => StopSignal::Terminate,
        }
    })
}

/// Keeps SIGUSR1 and SIGUSR2 from ending the process: tools send them to services that open their logs anew
/// and the like. A signal that is caught once need not be listened to.
fn ignore_user_signals() -> io::Result<()> {
    for kind in [SignalKind::user_defined1(), SignalKind::user_defined2()] {
        drop(signal(kind)?);
    }
    Ok(())
}
