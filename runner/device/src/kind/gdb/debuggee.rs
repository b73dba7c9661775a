//! The handle of what runs behind a debugger: a process that was started for it, or a machine that nobody here sees.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::handle::{DeviceHandle, End};
use crate::process::Process;
use crate::watchdog::{Activity, Vitals};

/// How long a process may take to end when it has closed the connection.
const END_AFTER: Duration = Duration::from_secs(1);

/// How the connection ended, once it has: the wire notices, and the handle tells.
#[derive(Debug, Default)]
pub struct Loss(OnceLock<(Instant, String)>);

impl Loss {
    /// The connection has ended like that.
    pub fn tell(&self, how: String) {
        // The first end is the end.
        let _ = self.0.set((Instant::now(), how));
    }
}

/// The handle of what runs behind a debugger.
#[derive(Debug)]
pub struct Debuggee {
    process: Option<Process>,
    loss: Arc<Loss>,
}

impl Debuggee {
    /// The handle of what `process` runs, or of a machine elsewhere.
    pub fn new(process: Option<Process>, loss: Arc<Loss>) -> Self {
        Self { process, loss }
    }
}

impl DeviceHandle for Debuggee {
    fn ended(&mut self) -> Option<End> {
        let process = self.process.as_mut();
        let patience = if process.is_some() { END_AFTER } else { Duration::ZERO };
        if let Some(end) = process.and_then(DeviceHandle::ended) {
            return Some(end);
        }
        let (since, how) = self.loss.0.get()?;
        (since.elapsed() >= patience).then(|| End::Lost(how.clone()))
    }

    /// Of a machine elsewhere nothing is seen but that it is silent: it counts as idle.
    fn vitals(&mut self) -> Option<Vitals> {
        match &mut self.process {
            Some(process) => process.vitals(),
            None => Some(Vitals { cpu: Duration::ZERO, activity: Activity::Asleep }),
        }
    }

    fn end(&mut self) -> String {
        self.process.as_mut().map(DeviceHandle::end).unwrap_or_default()
    }
}
