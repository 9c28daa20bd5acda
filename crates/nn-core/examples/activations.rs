//! Draws every activation with its derivative and where it saturates, and what is left of a gradient that
//! has come down through many of them.

use std::error::Error;
use std::process::ExitCode;

use burn::tensor::{Device, Tensor, TensorData};
use clap::Parser;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::plot::{Color, Curves, Line, Panel};
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use serde::Serialize;
use serde_json::json;

/// Draw all activations and their derivatives on one page
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// Points on each curve; the default misses the kinks at 0, 1 and 3, where a derivative is a matter of taste
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(2..))]
    points: u32,
    /// Curves go from minus this to this
    #[arg(long, default_value_t = 6.0)]
    range: f64,
    /// A unit counts as saturated where the derivative is at most this
    #[arg(long, default_value_t = 0.005)]
    epsilon: f64,
    /// Layers a gradient comes down through in the last panel
    #[arg(long, default_value_t = 20)]
    layers: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| draw(args))
}

fn draw(Args { run: args, mut settings }: Args) -> Result<(), Box<dyn Error>> {
    if args.quick {
        settings.points = settings.points.min(100);
    }
    let device = args.device.open()?.autodiff();
    let mut run = Run::open("activations", &args, &settings)?;
    let mut figure =
        Curves::new().title("Activations and their derivatives").columns(5).panel_size(300.0, 230.0);
    let mut worst = 0f64;
    for activation in Activation::ALL {
        let curve = Curve::of(activation, &settings, &device);
        worst = worst.max(curve.error);
        figure = figure.panel(curve.panel(activation, &settings));
    }

    let kinds = [Activation::Sigmoid, Activation::Tanh, Activation::Silu, Activation::Relu];
    let mut panel = Panel::new("gradient below L layers, x = 1").x_label("L").log_y();
    let left = kinds.map(|kind| gradient_below(kind, settings.layers, &device));
    for kind in kinds {
        let points = (0..=settings.layers).map(|l| (l as f64, gradient_below(kind, l, &device)));
        panel = panel.line(Line::new(kind.name(), points));
    }
    let picture = run.path("activations.png");
    figure.panel(panel).save(&picture)?;

    run.check("derivative_error", worst, Target::at_most(1e-5));
    let [sigmoid, tanh, silu, relu] = left;
    let summary = json!({
        "activations": Activation::ALL.len(), "derivative_error": worst,
        "gradient_sigmoid": sigmoid, "gradient_tanh": tanh, "gradient_silu": silu, "gradient_relu": relu,
    });
    let (layers, picture) = (settings.layers, picture.display());
    let sentence = format!(
        "Below {layers} sigmoids {sigmoid:.0e} of a gradient is left, below ReLUs {relu}: see {picture}."
    );
    run.finish(0, summary, sentence)?;
    Ok(())
}

/// One activation over the range of inputs.
struct Curve {
    x: Vec<f64>,
    value: Vec<f64>,
    derivative: Vec<f64>,
    /// Largest difference between the derivative by hand and by autodiff.
    error: f64,
}

impl Curve {
    /// Where one input decides, f over it; softmax beside two logits of 0, gates beside a 1.
    fn of(activation: Activation, settings: &Settings, device: &Device) -> Self {
        let (others, column): (&[f64], usize) = match activation {
            Activation::Softmax => (&[0.0, 0.0], 0),
            Activation::SwiGlu => (&[1.0], 0),
            Activation::Glu => (&[1.0], 1),
            _ => (&[], 0),
        };
        let last = f64::from(settings.points - 1);
        let x: Vec<f64> =
            (0..settings.points).map(|i| settings.range * (2.0 * f64::from(i) / last - 1.0)).collect();
        let shape = [x.len(), others.len() + 1];
        let row = |x: &f64| [&others[..column], &[*x], &others[column..]].concat();
        let rows: Vec<f64> = x.iter().flat_map(row).collect();
        let input =
            Tensor::<2>::from_data(TensorData::new(rows, shape).convert::<f32>(), device).require_grad();

        let output = activation.apply(input.clone()); // [points, outputs]
        let first = output.clone().narrow(1, 0, 1); // [points, 1]
        let upstream = output.zeros_like().slice_fill([0..shape[0], 0..1], 1.0);
        let by_hand = activation.backward(input.clone(), upstream).narrow(1, column, 1);
        let gradients = first.clone().sum().backward();
        let numbers = |x: Tensor<2>| x.into_data().iter::<f64>().collect::<Vec<_>>();
        let derivative = numbers(by_hand);
        let auto = input.grad(&gradients).map(|gradient| numbers(gradient.narrow(1, column, 1)));
        let error = auto.iter().flatten().zip(&derivative).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        Self { x, value: numbers(first), derivative, error }
    }

    fn panel(&self, activation: Activation, settings: &Settings) -> Panel {
        let line = |name: &str, y: &[f64]| Line::new(name, self.x.iter().copied().zip(y.iter().copied()));
        let mut panel = Panel::new(activation.to_string())
            .y_range(-2.0, 3.0)
            .line(line("f", &self.value))
            .line(line("f′", &self.derivative));
        if let Some(alive) = activation.saturation(settings.epsilon) {
            for x in [alive.low, alive.high].into_iter().filter(|x| x.abs() < settings.range) {
                let name = if x == alive.low { "saturates" } else { "" };
                panel = panel.line(Line::new(name, [(x, -2.0), (x, 3.0)]).color(Color::INK).dashed());
            }
        }
        panel
    }
}

/// ∂f(f(…f(x)))/∂x through `layers` of them at x = 1.
fn gradient_below(activation: Activation, layers: usize, device: &Device) -> f64 {
    let x = Tensor::<1>::ones([1], device).require_grad();
    let top = (0..layers).fold(x.clone() * 1.0, |x, _| activation.apply(x));
    let gradients = top.backward();
    x.grad(&gradients).map_or(f64::NAN, |gradient| gradient.into_scalar::<f64>())
}
