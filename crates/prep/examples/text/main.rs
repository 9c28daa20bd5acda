//! Learns a byte-level BPE from a text, shows how it cuts, and measures compression and speed.

mod corpus;
mod picture;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::text::{Tokenizer, TokenizerConfig};
use serde::Serialize;
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Learn how to cut text into tokens, and see what it is cut into
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// A text file of your own, plain or gzip, in UTF-8; without one, the documentation of this crate
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Tokens to learn, the 256 bytes and one special token included
    #[arg(long, default_value_t = 4096)]
    vocab_size: usize,
    /// Lines cut at a time, on all cores
    #[arg(long, default_value_t = 256)]
    batch_size: usize,
    /// Bytes cut to measure the speed; the text is cut as often as that takes
    #[arg(long, default_value_t = 8_000_000)]
    bytes: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| tokenise(args))
}

fn tokenise(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.bytes = settings.bytes.min(500_000);
    }
    let lines = corpus::load(settings.data.as_deref())?;
    let mut run = Run::open("text", &args, &settings)?;

    // Every tenth line is held out: compression of what was learnt by heart says nothing.
    let (seen, unseen): (Vec<_>, Vec<_>) = lines.iter().enumerate().partition(|(i, _)| i % 10 != 9);
    let [seen, unseen] =
        [seen, unseen].map(|part| part.into_iter().map(|(_, line)| line).collect::<Vec<_>>());
    let started = Instant::now();
    let bpe = TokenizerConfig::bpe(settings.vocab_size).train(&seen)?;
    let learning = started.elapsed().as_secs_f64();
    bpe.save(&run.path("tokenizer.json"))?;
    let characters = TokenizerConfig::characters().train(&seen)?;
    let words = TokenizerConfig::words(settings.vocab_size).train(&seen)?;

    let compression = |tokenizer: &Tokenizer| bytes_per_token(tokenizer, &unseen);
    let (of_bpe, of_characters, of_words) =
        (compression(&bpe)?, compression(&characters)?, compression(&words)?);
    let foreign = bytes_per_token(&bpe, &corpus::FOREIGN)?;
    let mut exact = true;
    for line in &lines {
        exact &= bpe.decode_all(&bpe.encode(line)?)? == *line;
    }

    let (mut tokens, mut bytes, mut busy) = (0usize, 0usize, 0.0);
    let size: usize = lines.iter().map(String::len).sum();
    let rounds = settings.bytes.div_ceil(size.max(1)).max(1);
    for _ in run.epochs(1) {
        for batch in run.batches(lines.len() * rounds, settings.batch_size)? {
            let batch: Vec<&str> = batch.iter().map(|&i| lines[i % lines.len()].as_str()).collect();
            let started = Instant::now();
            let cut = bpe.encode_batch(&batch)?;
            busy += started.elapsed().as_secs_f64();
            bytes += batch.iter().map(|line| line.len()).sum::<usize>();
            tokens += cut.iter().map(Vec::len).sum::<usize>();
            run.step([("tokens_per_second", tokens as f64 / busy)])?;
        }
    }
    let speed = tokens as f64 / busy;

    let sample = picture::sample(&unseen);
    picture::show(&bpe, &sample)?;
    let notes = [
        format!(
            "{of_bpe:.2} bytes a token on unseen lines, {} tokens learnt in {learning:.1} s",
            bpe.vocab_size()
        ),
        format!(
            "characters {of_characters:.2}, words {of_words:.2} (and {:.0} % of them unknown); on Russian text {foreign:.2}",
            100.0 * unknown_share(&words, &unseen)?
        ),
    ];
    let file = run.path("tokens.png");
    picture::draw(&bpe, &sample, &notes)?.save(&file)?;

    run.check("round_trip", f64::from(exact), Target::at_least(1.0));
    if settings.data.is_none() {
        run.check("bytes_per_token", of_bpe, Target::at_least(3.0));
    }
    let summary = json!({
        "bytes_per_token": of_bpe, "bytes_per_token_characters": of_characters, "bytes_per_token_words": of_words,
        "bytes_per_token_foreign": foreign, "unknown_words": unknown_share(&words, &unseen)?, "vocab_size": bpe.vocab_size(),
        "round_trip": exact, "training_seconds": learning, "training_bytes": seen.iter().map(|line| line.len()).sum::<usize>(),
        "tokens": tokens, "tokens_per_second": speed, "megabytes_per_second": bytes as f64 / busy / 1e6,
    });
    let sentence = format!(
        "{of_bpe:.2} bytes a token ({of_characters:.2} for characters), {:.1} million tokens a second: {}",
        speed / 1e6,
        file.display()
    );
    Ok(run.finish(0, summary, sentence)?)
}

/// Bytes of all lines over their tokens.
fn bytes_per_token<S: AsRef<str> + Sync>(tokenizer: &Tokenizer, lines: &[S]) -> Outcome<f64> {
    let tokens: usize = tokenizer.encode_batch(lines)?.iter().map(Vec::len).sum();
    Ok(lines.iter().map(|line| line.as_ref().len()).sum::<usize>() as f64 / tokens.max(1) as f64)
}

/// The share of tokens that say only that something was there.
fn unknown_share<S: AsRef<str> + Sync>(tokenizer: &Tokenizer, lines: &[S]) -> Outcome<f64> {
    let tokens = tokenizer.encode_batch(lines)?.concat();
    let unknown = tokens.iter().filter(|&&id| Some(id) == tokenizer.token_to_id("<unk>")).count();
    Ok(unknown as f64 / tokens.len().max(1) as f64)
}
