//! `--model vq`: digits as 4 × 4 words of a codebook, then a prior over the words.

use burn::module::Module;
use burn::tensor::{Device, Distribution, Int, Tensor};
use fornax_generative::CodebookConfig;
use fornax_generative::codebook::perplexity;
use fornax_generative::evaluation::bits_per_dim;
use fornax_generative::pixel_cnn::{self, PixelCnn, PixelCnnConfig};
use fornax_generative::vq_vae::{self, VqVae, VqVaeConfig};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::plot::{Curves, Line, Panel};
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target};
use fornax_prep::image::ImageSet;
use serde_json::json;

use crate::pictures::{ROW, grid};
use crate::{Outcome, Settings};

/// Numbers in a vector of the codebook. Default: found on the embedded digits.
const DIMS: usize = 8;

pub(crate) fn train(args: RunArgs, settings: Settings) -> Outcome<()> {
    let device = args.device.open()?;
    let (set, split) = settings.source.load()?;
    let mut run = Run::open("vae", &args, &settings)?;

    let learning = device.clone().autodiff();
    let codebook = CodebookConfig::new(settings.codes, DIMS).with_seed(run.seed());
    let config = VqVaeConfig::new([settings.source.image_size; 2], codebook).with_seed(run.seed());
    let [height, width] = config.grid()?;
    let mut model = config.init(&learning)?;
    let mut prior = PixelCnnConfig::new(settings.codes).with_seed(run.seed()).init(&learning)?;
    let adam = AdamWConfig::new().with_weight_decay(settings.weight_decay);
    let (mut optim, mut prior_optim) = (adam.init()?, adam.init()?);
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
        prior = saved.module("prior", prior)?;
        prior_optim = saved.optimizer("prior_optimizer", prior_optim)?;
    }
    let steps = settings.epochs * split.train.len().div_ceil(settings.batch_size.max(1));
    let (rising, falling) = ((steps / 10).max(1), (steps - steps / 10).max(1));
    let schedule = ScheduleConfig::cosine(falling).with_warm_up(rising).init(settings.lr)?;
    // First the words, then, when they do not change any more, what follows what.
    for epoch in run.epochs(2 * settings.epochs) {
        for batch in run.batches(split.train.len(), settings.batch_size)? {
            let indices: Vec<usize> = batch.iter().map(|&i| split.train[i]).collect();
            let x = set.gather(&indices).to_tensor(&learning); // [B, 1, S, S]
            let step = run.progress().step as usize;
            if epoch < settings.epochs {
                let outcome = vq_vae::train_step(model, &mut optim, schedule.lr(step), x);
                let (trained, loss) = run.guard(outcome)?;
                model = trained;
                run.step([("loss", loss)])?;
            } else {
                let codes = model.encode(x); // [B, h, w]
                let outcome =
                    pixel_cnn::train_step(prior, &mut prior_optim, schedule.lr(step - steps), codes);
                let (trained, loss) = run.guard(outcome)?;
                prior = trained;
                run.step([("prior_loss", loss)])?;
            }
            run.checkpoint_if_due(|s| {
                let s = s.module("model", &model)?.optimizer("optimizer", &optim)?;
                s.module("prior", &prior)?.optimizer("prior_optimizer", &prior_optim)
            })?;
        }
        let judged = judge(&model.valid(), &prior.valid(), &set, &split.test, &device);
        let figures = [("mse", judged.mse), ("perplexity", judged.perplexity), ("prior", judged.prior_bits)];
        run.log("test", figures)?;
        run.finish_epoch(|s| {
            let s = s.module("model", &model)?.optimizer("optimizer", &optim)?;
            s.module("prior", &prior)?.optimizer("prior_optimizer", &prior_optim)
        })?;
    }

    let (model, prior) = (model.valid(), prior.valid());
    let Judged { mse, perplexity, prior_bits } = judge(&model, &prior, &set, &split.test, &device);
    let uniform_bits = (height * width) as f64 * (settings.codes as f64).log2();
    draw(&mut run, &model, &prior, &set.gather(&split.test).to_tensor(&device), [height, width])?;
    let least = if args.quick { 1.0 } else { 0.5 * settings.codes as f64 };
    run.check("perplexity", perplexity, Target::at_least(least));
    let most = if args.quick { f64::INFINITY } else { 0.75 * uniform_bits };
    run.check("bits of a code under the prior", prior_bits, Target::at_most(most));
    let sentence = format!(
        "{} words of {} rebuild an unseen image with a mean squared error of {mse:.4}; the prior writes them in {prior_bits:.1} bits, not {uniform_bits:.0}: {}",
        height * width,
        settings.codes,
        run.path("samples.png").display()
    );
    let figures = json!({
        "test_mse": mse, "perplexity": perplexity, "prior_bits": prior_bits, "uniform_bits": uniform_bits,
    });
    Ok(run.finish(model.num_params() + prior.num_params(), figures, sentence)?)
}

/// Figures on unseen images.
struct Judged {
    mse: f64,
    /// Codes in use.
    perplexity: f64,
    /// Of an image's indices.
    prior_bits: f64,
}

fn judge(model: &VqVae, prior: &PixelCnn, set: &ImageSet, unseen: &[usize], device: &Device) -> Judged {
    let x = set.gather(unseen).to_tensor(device);
    let codes = model.encode(x.clone());
    let words: Vec<usize> = codes.to_data().iter::<i64>().map(|code| code as usize).collect();
    Judged {
        mse: (model.forward(x.clone()).reconstruction - x).square().mean().into_scalar::<f64>(),
        perplexity: perplexity(&words, prior.levels()),
        prior_bits: bits_per_dim(-prior.log_prob(codes).mean().into_scalar::<f64>(), 1),
    }
}

/// Draws `reconstructions.png`, `samples.png`, `map.png` and `curves.png` into the run directory.
fn draw(
    run: &mut Run,
    model: &VqVae,
    prior: &PixelCnn,
    unseen: &Tensor<4>,
    [height, width]: [usize; 2],
) -> Outcome<()> {
    let device = unseen.device();
    let flat = |x: Tensor<4>| x.flatten::<2>(1, 3);
    let first = unseen.clone().narrow(0, 0, ROW.min(unseen.dims()[0]));
    let rebuilt = model.forward(first.clone()).reconstruction;
    grid("Unseen images, and rebuilt from words", &[&flat(first), &flat(rebuilt)])
        .save(run.path("reconstructions.png"))?;
    device.seed(run.seed());
    let uniform = Tensor::random([ROW * ROW, height, width], Distribution::Default, &device);
    let drawn = flat(model.decode(prior.sample(uniform.clone())));
    grid("Samples: words drawn from the prior, one after another", &[&drawn])
        .save(run.path("samples.png"))?;
    // What the prior is good for: the same uniform numbers as words, each on its own.
    let most = prior.levels() as f64;
    let words: Tensor<3, Int> = (uniform * most).floor().int();
    grid("Words drawn evenly, without a prior", &[&flat(model.decode(words))]).save(run.path("map.png"))?;

    let epochs = |history: Vec<(u64, f64)>| (1..).zip(history).map(|(i, (_, y))| (f64::from(i), y));
    let panel = |title, unit: &str, history| {
        Panel::new(title).x_label("epoch").y_label(unit.to_owned()).line(Line::new("test", epochs(history)))
    };
    let error = panel("Reconstruction", "mean squared error", run.history("test", "mse")?).log_y();
    let used = panel("Codes in use", "perplexity", run.history("test", "perplexity")?);
    let bits = panel("The prior", "bits an image", run.history("test", "prior")?);
    Ok(Curves::new().panel(error).panel(used).panel(bits).save(run.path("curves.png"))?)
}
