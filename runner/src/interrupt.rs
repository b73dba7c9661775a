//! Signals that ask the program to stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Exit;
use crate::failure::Failure;

/// A flag that SIGINT (Ctrl-C), SIGTERM and SIGHUP set. A second signal ends the program on the spot; its
/// emulators end with it.
///
/// # Errors
/// When signals can't be waited for.
pub fn on_signals() -> Result<Arc<AtomicBool>, Failure> {
    registered()
        .map_err(|error| Failure::new(Exit::Bug, format!("signals can't be waited for: {error}")))
}

fn registered() -> io::Result<Arc<AtomicBool>> {
    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order: at the first signal the flag is not set yet when it is looked at.
        let code = Exit::Interrupted.code().into();
        flag::register_conditional_shutdown(signal, code, Arc::clone(&interrupt))?;
        flag::register(signal, Arc::clone(&interrupt))?;
    }
    Ok(interrupt)
}
