//! What the model looks at, and what temperature does to its next letter.

use std::path::Path;

use fornax_nn_core::plot::{Curves, Line, Matrix, Panel};
use fornax_prep::text::Tokenizer;
use fornax_sequence::generate::{Autoregressive, logits};
use fornax_sequence::gpt::Gpt;
use fornax_sequence::tokens::to_tensor;

use super::Outcome;
use super::corpus::Corpus;

/// Letters in the map.
const SHOWN: usize = 32;

/// The map of the head that is farthest from looking at the letter before, over the first letters of `text`.
pub(crate) fn attention(model: &Gpt, tokenizer: &Tokenizer, text: &str, path: &Path) -> Outcome<()> {
    let letters: Vec<char> = text.chars().take(SHOWN.min(model.config.context)).collect();
    let tokens = tokenizer.encode(&letters.iter().collect::<String>())?;
    let n = tokens.len();
    let maps = model.attention_maps(to_tensor(&[&tokens], &model.tokens.weight.device()));
    let heads = maps.iter().enumerate().flat_map(|(layer, map)| {
        let values: Vec<f64> = map.to_data().iter::<f64>().collect();
        let heads = values.chunks_exact(n * n).map(<[f64]>::to_vec).collect::<Vec<_>>();
        heads.into_iter().enumerate().map(move |(head, map)| (layer, head, map))
    });
    let distance = |map: &[f64]| -> f64 {
        (0..n * n).map(|i| map[i] * (i / n - (i % n).min(i / n)) as f64).sum::<f64>() / n as f64
    };
    let farthest = heads.max_by(|a, b| distance(&a.2).total_cmp(&distance(&b.2)));
    let Some((layer, head, map)) = farthest else { return Err("a model without heads".into()) };
    let rows: Vec<Vec<f64>> = map.chunks_exact(n).map(<[f64]>::to_vec).collect();
    let names =
        || letters.iter().map(|&letter| if letter.is_whitespace() { '_' } else { letter }.to_string());
    Matrix::heat_map(&rows)
        .title(format!("Layer {}, head {}: where each letter looks", layer + 1, head + 1))
        .x_label("letter looked at")
        .y_label("letter that looks")
        .row_names(names())
        .column_names(names())
        .bar_label("weight")
        .save(path)?;
    Ok(())
}

/// The distribution of the next letter by rank, at three temperatures and behind two cuts.
pub(crate) fn next_token(model: &Gpt, corpus: &Corpus, path: &Path) -> Outcome<()> {
    let text = &corpus.validation[..model.config.context / 2];
    let answer = model.advance(&[text.to_vec()], &mut model.begin(&[0]));
    let answer: Vec<f32> = answer.into_data().iter::<f32>().collect();
    let line = |name: &str, change: &dyn Fn(&mut [f32])| {
        let mut changed = answer.clone();
        change(&mut changed);
        let mut p = logits::softmax(&changed);
        p.sort_by(|a, b| b.total_cmp(a));
        Line::new(name, p.into_iter().take(20).enumerate().map(|(rank, p)| ((rank + 1) as f64, p)))
    };
    let panel = |title: &str| Panel::new(title).x_label("rank of the letter").y_label("probability");
    let temperatures = panel("Temperature")
        .line(line("T = 0.5", &|l| logits::temperature(l, 0.5)))
        .line(line("T = 1", &|_| ()))
        .line(line("T = 1.5", &|l| logits::temperature(l, 1.5)));
    let cuts = panel("Cutting the tail")
        .line(line("all", &|_| ()).dashed())
        .line(line("top-k 5", &|l| logits::top_k(l, 5)))
        .line(line("top-p 0.9", &|l| logits::top_p(l, 0.9)))
        .line(line("min-p 0.1", &|l| logits::min_p(l, 0.1)));
    Curves::new().panel(temperatures).panel(cuts).columns(2).save(path)?;
    Ok(())
}
