//! SIGINT and SIGTERM as a flag that the loop looks at between steps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Error;

fn stop() -> &'static Arc<AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    STOP.get_or_init(Arc::default)
}

/// Lets Ctrl-C and SIGTERM finish the step instead of killing the process; a second one ends it at
/// once with exit code 130. `cli::main` calls it; libraries do not.
///
/// # Errors
///
/// [`Error::Io`] when the system refuses the handler.
pub fn install() -> Result<(), Error> {
    for signal in [SIGINT, SIGTERM] {
        // The order matters: at the first signal the flag is still down when the shutdown looks.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(stop()))
            .and_then(|_| flag::register(signal, Arc::clone(stop())))
            .map_err(Error::io("(signals)".as_ref(), "install the handler"))?;
    }
    Ok(())
}

/// Whether a stop was asked for.
pub fn interrupted() -> bool {
    stop().load(Ordering::SeqCst)
}

/// Asks for a stop as SIGINT would, for programs that have another way to be told.
pub fn interrupt() {
    stop().store(true, Ordering::SeqCst);
}
