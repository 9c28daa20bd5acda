//! Writing on from a prompt, with every way of choosing.

use std::io::Write;

use fornax_prep::text::Tokenizer;
use fornax_sequence::generate::{
    Autoregressive, BeamConfig, GenerateConfig, TextStream, beam_search, stream,
};

use super::Outcome;

/// How tokens are chosen.
#[derive(clap::Args)]
pub(crate) struct Sampling {
    /// What to write on from
    #[arg(long, default_value = "A network")]
    prompt: String,
    /// New tokens at most
    #[arg(long, default_value_t = 400)]
    max_tokens: usize,
    /// What logits are divided by; 0 takes the likeliest token
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Keep the K likeliest tokens
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Keep the likeliest tokens that together reach P
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Keep tokens at least P times as likely as the likeliest
    #[arg(long, value_name = "P")]
    min_p: Option<f64>,
    /// Keep the most typical tokens that together reach P
    #[arg(long, value_name = "P")]
    typical_p: Option<f64>,
    /// Make tokens less likely that are there already
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f64,
    /// No sequence of N tokens twice
    #[arg(long, value_name = "N")]
    no_repeat_ngram: Option<usize>,
    /// End before this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Search with N beams instead of sampling
    #[arg(long, value_name = "N")]
    beams: Option<usize>,
    /// Exponent of the length by which beams are judged
    #[arg(long, default_value_t = 1.0)]
    length_penalty: f64,
}

/// The prompt and what follows, on stdout as it comes if `shown`.
pub(crate) fn write<M: Autoregressive>(
    model: &M,
    tokenizer: &Tokenizer,
    sampling: &Sampling,
    seed: u64,
    shown: bool,
) -> Outcome<String> {
    let mut text = sampling.prompt.clone();
    let mut say = |new: &str| -> std::io::Result<()> {
        text += new;
        if shown {
            let mut out = std::io::stdout();
            write!(out, "{new}")?;
            out.flush()?;
        }
        Ok(())
    };
    if shown {
        print(&sampling.prompt)?;
    }
    let prompt = tokenizer.encode_bare(&sampling.prompt)?;
    if let Some(beams) = sampling.beams {
        let config = BeamConfig::new(beams)
            .with_max_tokens(sampling.max_tokens)
            .with_length_penalty(sampling.length_penalty)
            .with_no_repeat_ngram(sampling.no_repeat_ngram);
        let best = beam_search(model, &prompt, &config)?;
        say(&tokenizer.decode(&best[0].tokens)?)?;
    } else {
        let config = GenerateConfig::new()
            .with_max_tokens(sampling.max_tokens)
            .with_temperature(sampling.temperature)
            .with_top_k(sampling.top_k)
            .with_top_p(sampling.top_p)
            .with_min_p(sampling.min_p)
            .with_typical_p(sampling.typical_p)
            .with_repetition_penalty(sampling.repetition_penalty)
            .with_no_repeat_ngram(sampling.no_repeat_ngram);
        let mut pieces = TextStream::new(|ids: &[u32]| tokenizer.decode(ids), sampling.stop.clone());
        for token in stream(model, &prompt, &config, seed)? {
            say(&pieces.push(token?)?)?;
            if pieces.has_stopped() {
                break;
            }
        }
        say(&pieces.finish()?)?;
    }
    if shown {
        print("\n")?;
    }
    Ok(text)
}

fn print(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}
