//! The frame around an example's `main`.

use std::error::Error as StdError;
use std::process::ExitCode;

use super::{Error, console, signal};

/// Parses the command line, installs the signal handlers, runs `body`, and turns its outcome into an exit
/// code: 0 done, 1 an error (said on stderr with its causes), 2 a wrong command line, 3 a documented target
/// missed under `--check`, 130 interrupted.
///
/// ```no_run
/// use clap::Parser;
/// use fornax_nn_core::train::{Error, RunArgs, cli};
///
/// /// Trains on the embedded digits
/// #[derive(Parser)]
/// struct Args {
///     /// Passes over the data
///     #[arg(long, default_value_t = 30)]
///     epochs: usize,
///     #[command(flatten)]
///     run: RunArgs,
/// }
///
/// fn main() -> std::process::ExitCode {
///     cli::main(|args: Args| -> Result<(), Error> {
///         let device = args.run.device.open()?.autodiff();
///         // …
///         Ok(())
///     })
/// }
/// ```
pub fn main<A, E>(body: impl FnOnce(A) -> Result<(), E>) -> ExitCode
where
    A: clap::Parser,
    E: Into<Box<dyn StdError>>,
{
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Nothing is left to tell it to if the terminal is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome = signal::install().map_err(Box::from).and_then(|()| body(args).map_err(Into::into));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::report(error.as_ref());
            ExitCode::from(exit_code(error.as_ref()))
        }
    }
}

/// The code of the first error of this kit among the causes.
fn exit_code(error: &(dyn StdError + 'static)) -> u8 {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return error.exit_code();
        }
        next = error.source();
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::RunArgs;
    use clap::Parser;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        run: RunArgs,
    }

    #[test]
    fn no_flag_is_needed() {
        assert_eq!(Args::try_parse_from(["example"]).unwrap().run, RunArgs::default());
    }

    #[test]
    fn every_flag_is_understood_and_a_wrong_device_says_what_there_is() {
        let flags = ["example", "--device", "wgpu:1", "--seed", "7", "--out", "d", "--resume", "--quick"];
        let run = Args::try_parse_from(flags).unwrap().run;
        assert_eq!((run.seed, run.resume, run.quick, run.check), (7, true, true, false));
        assert_eq!(run.device.to_string(), "wgpu:1");
        let error = Args::try_parse_from(["example", "--device", "cuda"]).err().unwrap();
        assert!(error.to_string().contains("expected flex, ndarray, wgpu"), "{error}");
        assert!(Args::try_parse_from(["example", "--resume", "--force"]).is_err());
    }

    #[test]
    fn exit_codes_are_found_behind_other_errors() {
        #[derive(Debug, thiserror::Error)]
        #[error("the example failed")]
        struct Wrapped(#[source] Error);
        let missed = Wrapped(Error::TargetMissed { missed: vec!["accuracy".to_owned()] });
        assert_eq!(exit_code(&missed), 3);
        assert_eq!(exit_code(&Wrapped(Error::NotRestored)), 1);
        assert_eq!(exit_code(&std::fmt::Error), 1);
    }
}
