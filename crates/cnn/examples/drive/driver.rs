//! The network at the wheel, of many cars at once.

use burn::tensor::Device;
use fornax_cnn::ResNet;
use fornax_cnn::control::Density;
use fornax_cnn::navigation::Navigator;
use fornax_prep::worlds::driving::{Car, Episode, Road, Status};
use serde::{Deserialize, Serialize};

use crate::driving::{Frames, Outcome, Series, World, from_units, images};

/// Where the network has been: enough to see again what it saw.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Visit {
    road: usize,
    step: u64,
    car: Car,
    goal: usize,
    command: [f32; 2],
}

impl Frames {
    /// Adds what the expert would have done at these places.
    pub(crate) fn extend(&mut self, world: &World, visits: &[Visit]) {
        let mut road: Option<(usize, Road)> = None;
        for visit in visits {
            let known = road.take().filter(|(index, _)| *index == visit.road);
            let (index, now) = known.unwrap_or_else(|| (visit.road, world.road(Series::Learn, visit.road)));
            let view = world.view(Series::Learn, index, &now, &visit.car, visit.step);
            self.add(view, visit.command, visit.goal, false);
            road = Some((index, now));
        }
    }
}

/// How a drive ended.
pub(crate) struct Drive {
    pub(crate) status: Status,
    pub(crate) lane_error: f64,
    pub(crate) progress: f64,
}

/// Drives some roads side by side until every drive has ended, and shows `watch` every step with what was predicted.
pub(crate) fn drive(
    model: &Navigator<ResNet>,
    world: &World,
    (series, indices): (Series, std::ops::Range<usize>),
    device: &Device,
    mut watch: impl FnMut(usize, &Episode, &Density) -> Outcome<()>,
) -> Outcome<Vec<Drive>> {
    let roads: Vec<Road> = indices.clone().map(|index| world.road(series, index)).collect();
    let mut episodes: Vec<Episode> = roads.iter().map(Episode::new).collect();
    loop {
        let on_the_way: Vec<usize> =
            (0..episodes.len()).filter(|&i| episodes[i].status() == Status::Driving).collect();
        if on_the_way.is_empty() {
            break;
        }
        let views: Vec<Vec<u8>> = on_the_way
            .iter()
            .map(|&i| {
                let episode = &episodes[i];
                world.view(series, indices.start + i, &roads[i], &episode.car(), episode.steps())
            })
            .collect();
        let goals: Vec<usize> = on_the_way.iter().map(|&i| episodes[i].goal().index()).collect();
        let mixture = model.forward(images(views.iter().map(Vec::as_slice), device), &goals);
        for (&i, density) in on_the_way.iter().zip(mixture.densities()) {
            watch(indices.start + i, &episodes[i], &density)?;
            let command = density.modes().first().map_or([0.0; 2].into(), |mode| mode.command.clone());
            episodes[i].step(from_units(&command))?;
        }
    }
    let ended = |episode: Episode| Drive {
        status: episode.status(),
        lane_error: episode.mean_lane_error(),
        progress: episode.progress(),
    };
    Ok(episodes.into_iter().map(ended).collect())
}

/// Lets the network drive, and notes what the expert would have done at every step (DAgger).
pub(crate) fn visit(
    model: &Navigator<ResNet>,
    world: &World,
    roads: std::ops::Range<usize>,
    device: &Device,
) -> Outcome<(Vec<Visit>, Vec<Drive>)> {
    let mut visits = Vec::new();
    let drives = drive(model, world, (Series::Learn, roads), device, |road, episode, _| {
        let command = crate::driving::to_units(episode.expert());
        let (step, car, goal) = (episode.steps(), episode.car(), episode.goal().index());
        visits.push(Visit { road, step, car, goal, command });
        Ok(())
    })?;
    visits.sort_by_key(|visit| (visit.road, visit.step));
    Ok((visits, drives))
}

/// Share of drives that arrived, mean lane error of all in metres, and mean share of the way.
pub(crate) fn score(drives: &[Drive]) -> [f64; 3] {
    let mean = |of: fn(&Drive) -> f64| drives.iter().map(of).sum::<f64>() / drives.len() as f64;
    [
        mean(|drive| f64::from(u8::from(drive.status == Status::Arrived))),
        mean(|drive| drive.lane_error),
        mean(|drive| drive.progress),
    ]
}
