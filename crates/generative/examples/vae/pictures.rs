//! What a run leaves for the eye.

use burn::tensor::{Device, Distribution, Int, Tensor};
use fornax_generative::latent::{interpolate, traverse};
use fornax_generative::vae::{Batch, Vae};
use fornax_nn_core::plot::{Color, Curves, Line, Panel, Plane, SERIES, Tile, Tiles};
use fornax_nn_core::train::Run;

use crate::Outcome;

/// Images in a row.
pub(crate) const ROW: usize = 10;

/// Draws `reconstructions.png`, `samples.png`, `map.png`, `traversals.png` and `curves.png` into the run directory.
pub(crate) fn draw(
    run: &mut Run,
    model: &Vae,
    unseen: &Batch,
    labels: &[usize],
    classes: usize,
) -> Outcome<()> {
    let conditional = classes > 0;
    let device = unseen.x.device();
    let (means, _) = model.encode(unseen); // [T, latent]
    let first = |x: &Tensor<2>| x.clone().narrow(0, 0, ROW);
    let told = unseen.y.as_ref().map(first);
    let rebuilt = model.sample(first(&means), told.as_ref());
    grid("Unseen, and rebuilt from z", &[&first(&unseen.x), &rebuilt])
        .save(run.path("reconstructions.png"))?;

    device.seed(run.seed());
    let latent = means.dims()[1];
    let z = Tensor::random([ROW * ROW, latent], Distribution::Normal(0.0, 1.0), &device);
    // Row by row the same points of the latent space if the class is told, a hundred points otherwise.
    let z = if conditional { first(&z).repeat_dim(0, ROW) } else { z };
    let rows = (0..ROW * ROW).map(|i| (i / ROW % classes.max(1)) as i64).collect::<Vec<_>>();
    let told = conditional.then(|| one_hot(&rows, classes, &device));
    grid("Samples: z drawn from the standard normal", &[&model.sample(z, told.as_ref())])
        .save(run.path("samples.png"))?;

    let points: Vec<f64> = means.to_data().iter::<f64>().collect();
    if latent == 2 {
        map(&points, labels).save(run.path("map.png"))?;
    } else {
        // With more units there is no map: a walk from one digit to another instead.
        let walk = interpolate(means.clone().narrow(0, 0, 1), means.clone().narrow(0, 1, 1), ROW);
        let told = unseen.y.as_ref().map(|y| y.clone().narrow(0, 0, 1).repeat_dim(0, ROW));
        grid("From one unseen image to another", &[&model.sample(walk, told.as_ref())])
            .save(run.path("map.png"))?;
    }

    let values: Vec<f64> = (0..ROW).map(|i| -2.25 + 0.5 * i as f64).collect();
    let origin = Tensor::zeros([1, latent], &device);
    let told = conditional.then(|| one_hot(&[(classes / 3) as i64; ROW], classes, &device));
    let rows: Vec<Tensor<2>> = (0..latent)
        .map(|unit| model.sample(traverse(origin.clone(), unit, &values), told.as_ref()))
        .collect();
    grid("One unit from −2.25 to 2.25 a row, the others 0", &rows.iter().collect::<Vec<_>>())
        .save(run.path("traversals.png"))?;

    let epochs = |history: Vec<(u64, f64)>| (1..).zip(history).map(|(i, (_, y))| (f64::from(i), y));
    let panel = Panel::new("Evidence lower bound")
        .x_label("epoch")
        .y_label("nats an image")
        .line(Line::new("training", epochs(run.history("train", "elbo")?)))
        .line(Line::new("test", epochs(run.history("test", "elbo")?)).mark_highest());
    Ok(Curves::new().panel(panel).save(run.path("curves.png"))?)
}

fn one_hot(labels: &[i64], classes: usize, device: &Device) -> Tensor<2> {
    Tensor::<1, Int>::from_data(labels, device).one_hot::<2>(classes).float()
}

/// Where the encoder puts unseen images, a colour for each class.
fn map(points: &[f64], labels: &[usize]) -> Plane {
    let range = points.iter().fold(1.0f64, |most, value| most.max(value.abs())) * 1.05;
    let colors = [&SERIES[..], &[Color(0x8C, 0x56, 0x4B), Color(0x9A, 0xCD, 0x32)]].concat();
    let plane = Plane::new((-range, range), (-range, range))
        .title("Means of q(z|x) of unseen images")
        .labels("z₁", "z₂");
    let classes = labels.iter().max().map_or(0, |most| most + 1);
    (0..classes).fold(plane, |plane, class| {
        let of = labels.iter().zip(points.chunks(2)).filter(|(label, _)| **label == class);
        plane.points(class.to_string(), of.map(|(_, p)| (p[0], p[1]))).color(colors[class % colors.len()])
    })
}

/// A row for each of `rows`, or as many as it takes.
pub(crate) fn grid(title: &str, rows: &[&Tensor<2>]) -> Tiles {
    let tiles = rows.iter().flat_map(|row| {
        let values: Vec<f32> = row.to_data().iter::<f32>().collect();
        let side = row.dims()[1].isqrt();
        values.chunks(side * side).map(|image| Tile::grey(image, [side, side])).collect::<Vec<_>>()
    });
    Tiles::new(ROW).title(title).tiles(tiles).side(48.0)
}
