//! A film of a drive, and how driving improved from round to round.

use std::time::Duration;

use burn::tensor::Device;
use fornax_cnn::ResNet;
use fornax_cnn::navigation::Navigator;
use fornax_nn_core::plot::{Animation, Curves, Line, Panel, Tile, Tiles};
use fornax_nn_core::train::Run;
use fornax_prep::Key;
use fornax_prep::worlds::driving::{CameraConfig, Car, Episode, Turn};

use crate::driver::drive;
use crate::driving::{Outcome, SIZE, Series, World, from_units, heat_map};

/// Draws `curves.png`.
pub(crate) fn curves(run: &mut Run) -> Outcome<()> {
    let rounds = |history: Vec<(u64, f64)>, scale: f64| {
        history.into_iter().enumerate().map(move |(i, (_, y))| (i as f64, scale * y)).collect::<Vec<_>>()
    };
    let success = rounds(run.history("validation", "success_rate")?, 100.0);
    let error = rounds(run.history("validation", "lane_error")?, 1.0);
    let success = Panel::new("Roads driven to the end")
        .x_label("round of data aggregation")
        .y_label("of validation roads (%)")
        .y_range(0.0, 105.0)
        .line(Line::new("network", success));
    let error = Panel::new("Distance from the middle of the lane")
        .x_label("round of data aggregation")
        .y_label("mean (m)")
        .line(Line::new("network", error));
    Ok(Curves::new().panel(success).panel(error).save(run.path("curves.png"))?)
}

/// Draws `drive.gif`: from above, through the camera, and the predicted distribution.
pub(crate) fn film(
    run: &Run,
    model: &Navigator<ResNet>,
    world: &World,
    road: usize,
    device: &Device,
) -> Outcome<()> {
    const EVERY: u64 = 4;
    const SIDE: usize = 96;
    let camera = CameraConfig { noise: 0.0, ..CameraConfig::default() }.init()?;
    let mut animation = Animation::new(Duration::from_millis(160));
    let mut trace = Vec::new();
    drive(model, world, (Series::Unseen, road..road + 1), device, |_, episode, density| {
        let car = episode.car();
        trace.push([car.x, car.y]);
        if episode.steps() % EVERY != 0 {
            return Ok(());
        }
        let view = camera.view(episode.road(), &car, Key::new(0));
        let view: Vec<f32> = view.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let command = density.modes().first().map(|mode| from_units(&mode.command));
        let said = command
            .map_or(String::new(), |c| format!("{:+.0}°, {:.1} m/s", c.steering.to_degrees(), c.speed));
        let goal = match episode.goal() {
            Turn::Left => "goal: left",
            Turn::Straight => "goal: straight",
            Turn::Right => "goal: right",
        };
        let tiles = Tiles::new(3)
            .side(SIDE as f64)
            .tile(Tile::rgb_bytes(&from_above(episode, &trace, SIDE), [SIDE, SIDE]).caption(goal))
            .tile(Tile::rgb_planes(&view, SIZE).caption("camera"))
            .tile(heat_map(density, 32).caption(said));
        Ok(animation.push(&tiles.draw()?)?)
    })?;
    Ok(animation.save(run.path("drive.gif"))?)
}

/// The surroundings of the car, north up, with its trace in yellow and itself in red.
fn from_above(episode: &Episode, trace: &[[f64; 2]], side: usize) -> Vec<u8> {
    const METERS: f64 = 48.0;
    let Car { x, y, heading, .. } = episode.car();
    let mut image = episode.road().above([x, y], METERS, side);
    let pixel = METERS / side as f64;
    let (sin, cos) = heading.sin_cos();
    for i in 0..side * side {
        let east = ((i % side) as f64 + 0.5) * pixel - 0.5 * METERS;
        let north = 0.5 * METERS - ((i / side) as f64 + 0.5) * pixel;
        let (forward, left) = (east * cos + north * sin, north * cos - east * sin);
        let on_trace = |[a, b]: &[f64; 2]| (x + east - a).abs().max((y + north - b).abs()) < 0.6 * pixel;
        let color = if (-0.7..3.3).contains(&forward) && left.abs() < 0.9 {
            [213, 94, 0]
        } else if trace.iter().any(on_trace) {
            [240, 228, 66]
        } else {
            continue;
        };
        image[3 * i..3 * i + 3].copy_from_slice(&color);
    }
    image
}
