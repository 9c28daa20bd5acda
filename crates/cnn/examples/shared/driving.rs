//! What two examples share: frames recorded while driving, and the network that looks at them.

mod heat;

use burn::tensor::{Device, Tensor, TensorData};
use fornax_cnn::ResNetConfig;
use fornax_prep::Key;
use fornax_prep::image::Channels;
use fornax_prep::worlds::driving::{
    Camera, CameraConfig, Car, Command, Episode, Road, RoadConfig, Roads, Status, disturbance,
};

pub(crate) use heat::heat_map;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Middle and unit of steering (rad) and speed (m/s): commands are predicted in these.
const MIDDLE: [f64; 2] = [0.0, 5.5];
const UNIT: [f64; 2] = [0.12, 1.5];

/// A command as the network has it.
pub(crate) fn to_units(command: Command) -> [f32; 2] {
    let scaled = |value: f64, i: usize| ((value - MIDDLE[i]) / UNIT[i]) as f32;
    [scaled(command.steering, 0), scaled(command.speed, 1)]
}

/// And back.
pub(crate) fn from_units(command: &[f64]) -> Command {
    let value = |i: usize| MIDDLE[i] + UNIT[i] * command.get(i).copied().unwrap_or(0.0);
    Command { steering: value(0), speed: value(1) }
}

/// Roads to learn on, or the unseen ones: two series that have no road in common.
#[derive(Clone, Copy)]
pub(crate) enum Series {
    Learn,
    Unseen,
}

/// Roads, and the camera that looks at them.
pub(crate) struct World {
    pub(crate) roads: Roads,
    pub(crate) camera: Camera,
    seed: u64,
}

impl World {
    /// Grey images of 32 × 64.
    pub(crate) fn new(seed: u64) -> Outcome<Self> {
        let camera = CameraConfig { channels: Channels::Grey, ..CameraConfig::default() }.init()?;
        Ok(Self { roads: RoadConfig::default().init()?, camera, seed })
    }

    fn key(&self, series: Series) -> Key {
        Key::new(self.seed).fold(series as u64)
    }

    pub(crate) fn road(&self, series: Series, index: usize) -> Road {
        self.roads.sample(self.key(series), index as u64)
    }

    /// What the camera of a car on road `index` sees at a step.
    pub(crate) fn view(&self, series: Series, index: usize, road: &Road, car: &Car, step: u64) -> Vec<u8> {
        self.camera.view(road, car, self.key(series).fold(u64::MAX - index as u64).fold(step))
    }

    /// Frames of the expert on some roads, with pushes on the steering that are not recorded.
    pub(crate) fn record(&self, series: Series, roads: std::ops::Range<usize>) -> Outcome<Frames> {
        let mut frames = Frames::default();
        for index in roads {
            let road = self.road(series, index);
            let key = self.key(series).fold(1 << 32).fold(index as u64);
            let mut episode = Episode::new(&road);
            while episode.status() == Status::Driving {
                let expert = episode.expert();
                let view = self.view(series, index, &road, &episode.car(), episode.steps());
                frames.add(view, to_units(expert), episode.goal().index(), episode.at_fork());
                let steering = expert.steering + disturbance(key, episode.steps());
                episode.step(Command { steering, ..expert })?;
            }
        }
        Ok(frames)
    }
}

/// Images with what the expert would do there.
#[derive(Default)]
pub(crate) struct Frames {
    pixels: Vec<u8>,
    pub(crate) commands: Vec<[f32; 2]>,
    pub(crate) goals: Vec<usize>,
    /// Whether the command depends on the goal while the image does not.
    pub(crate) at_fork: Vec<bool>,
}

/// Height and width of the images.
pub(crate) const SIZE: [usize; 2] = [32, 64];
const AREA: usize = SIZE[0] * SIZE[1];

impl Frames {
    pub(crate) fn len(&self) -> usize {
        self.goals.len()
    }

    /// Adds what is seen and what the expert would do.
    pub(crate) fn add(&mut self, view: Vec<u8>, command: [f32; 2], goal: usize, at_fork: bool) {
        self.pixels.extend(view);
        self.commands.push(command);
        self.goals.push(goal);
        self.at_fork.push(at_fork);
    }

    pub(crate) fn pixels(&self, index: usize) -> &[u8] {
        &self.pixels[index * AREA..(index + 1) * AREA]
    }

    /// Some frames: `[batch, 1, 32, 64]`.
    pub(crate) fn images(&self, indices: &[usize], device: &Device) -> Tensor<4> {
        images(indices.iter().map(|&index| self.pixels(index)), device)
    }

    /// The expert's commands: `[batch, columns]`, steering first.
    pub(crate) fn commands(&self, indices: &[usize], columns: usize, device: &Device) -> Tensor<2> {
        let values: Vec<f32> = indices.iter().flat_map(|&i| self.commands[i][..columns].to_vec()).collect();
        Tensor::from_data(TensorData::new(values, [indices.len(), columns]), device)
    }
}

/// Views as the network takes them: brightness around zero.
pub(crate) fn images<'a>(views: impl Iterator<Item = &'a [u8]>, device: &Device) -> Tensor<4> {
    let pixels: Vec<f32> = views.flatten().map(|&byte| (f32::from(byte) / 255.0 - 0.45) / 0.2).collect();
    let batch = pixels.len() / AREA;
    Tensor::from_data(TensorData::new(pixels, [batch, 1, SIZE[0], SIZE[1]]), device)
}

/// A residual network of one block a stage.
pub(crate) fn backbone() -> ResNetConfig {
    ResNetConfig { blocks: [1; 4], ..ResNetConfig::resnet18() }
        .with_channels([8, 16, 32, 48])
        .with_in_channels(1)
        .with_num_classes(1)
}
