//! What a dense detector says at every place: its losses, and the boxes it means.

use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{Int, Tensor, TensorData};
use fornax_nn_core::loss::FocalConfig;

use super::assign::{Location, assign, centerness, distances};
use super::fcos::FcosConfig;
use super::{Detection, Object, batched_nms};

/// What every place of every level says, the finest level first, row by row.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// `[batch, places, num_classes]`, unnormalised
    pub logits: Tensor<3>,
    /// Distances l, t, r, b in pixels: `[batch, places, 4]`, positive
    pub distances: Tensor<3>,
    /// `[batch, places]`, unnormalised
    pub centerness: Tensor<2>,
    /// Where the places are.
    pub locations: Vec<Location>,
}

/// The three parts of the loss, each a single number.
#[derive(Debug, Clone)]
pub struct Losses {
    /// Focal loss of all places and classes.
    pub classification: Tensor<1>,
    /// Box loss of the places with a thing.
    pub regression: Tensor<1>,
    /// Cross-entropy of the centre-ness of those places.
    pub centerness: Tensor<1>,
}

impl Losses {
    /// Their sum.
    pub fn total(self) -> Tensor<1> {
        self.classification + self.regression + self.centerness
    }
}

impl Outputs {
    /// The losses against what is there.
    ///
    /// # Panics
    ///
    /// When there is not a list of objects for each image, or a class is not below `num_classes`;
    /// [`Batch::new`](super::Batch::new) checks both.
    pub fn loss(&self, config: &FcosConfig, objects: &[Vec<Object>]) -> Losses {
        let [batch, places, classes] = self.logits.dims();
        assert!(objects.len() == batch, "{} lists of objects, expected {batch}", objects.len());
        let (device, dtype) = (self.logits.device(), self.logits.dtype());
        let mut one_hot = vec![0f32; batch * places * classes];
        // The place of each thing among all of the batch, box and centre-ness to be told there, and where it is.
        let (mut at, mut boxes, mut centers, mut points) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (image, objects) in objects.iter().enumerate() {
            let assigned = assign(&self.locations, objects, config.center_radius);
            for (place, object) in assigned.into_iter().enumerate().filter_map(|(i, o)| Some((i, o?))) {
                let (location, Object { bounds, class }) = (&self.locations[place], objects[object]);
                assert!(class < classes, "class {class}, expected one below {classes}");
                let row = image * places + place;
                one_hot[row * classes + class] = 1.0;
                at.push(row as i64);
                boxes.extend(bounds);
                centers.push(centerness(distances(location, bounds)));
                points.extend([location.x, location.y]);
            }
        }
        let found = at.len();
        let share = 1.0 / found.max(1) as f64;
        let targets = TensorData::new(one_hot, [batch, places, classes]);
        let targets = Tensor::<3>::from_data(targets, (&device, dtype));
        let focal = FocalConfig::retina_net().init();
        let classification = match focal {
            Ok(focal) => focal.binary(self.logits.clone(), targets).sum() * share,
            Err(_) => unreachable!("the paper's γ and α are in range"),
        };
        if found == 0 {
            let nothing = || Tensor::zeros([1], (&device, dtype));
            return Losses { classification, regression: nothing(), centerness: nothing() };
        }
        let at = Tensor::<1, Int>::from_data(TensorData::new(at, [found]), &device);
        let floats = |values: Vec<f32>, columns| {
            Tensor::<2>::from_data(TensorData::new(values, [found, columns]), (&device, dtype))
        };
        let edges = self.distances.clone().reshape([batch * places, 4]).select(0, at.clone()); // [F, 4]
        let predicted = corners(floats(points, 2), edges);
        let regression = config.box_loss.forward(predicted, floats(boxes, 4)).sum() * share;
        let logits = self.centerness.clone().reshape([batch * places]).select(0, at); // [F]
        let wanted = floats(centers, 1).squeeze_dim::<1>(1);
        let yes = wanted.clone() * log_sigmoid(logits.clone());
        let no = (-wanted + 1.0) * log_sigmoid(-logits);
        Losses { classification, regression, centerness: -(yes + no).sum() * share }
    }

    /// Boxes of all images of `[height, width]`: scored, suppressed by class, the surest first.
    pub fn decode(&self, config: &FcosConfig, [height, width]: [usize; 2]) -> Vec<Vec<Detection>> {
        let [batch, places, classes] = self.logits.dims();
        let center = sigmoid(self.centerness.clone()).unsqueeze_dim::<3>(2); // [B, N, 1]
        let values = |tensor: Tensor<3>| tensor.into_data().iter::<f32>().collect::<Vec<f32>>();
        let scores = values((sigmoid(self.logits.clone()) * center).sqrt());
        let edges = values(self.distances.clone());
        let levels = self.locations.last().map_or(0, |location| location.level + 1);
        let of_image = |image: usize| {
            let mut candidates: Vec<Detection> = Vec::new();
            for level in 0..levels {
                let places_of = (0..places).filter(|&place| self.locations[place].level == level);
                let mut surest: Vec<(f32, usize, usize)> = places_of
                    .flat_map(|place| (0..classes).map(move |class| (place, class)))
                    .map(|(place, class)| (scores[(image * places + place) * classes + class], place, class))
                    .filter(|&(score, ..)| score > config.min_score as f32)
                    .collect();
                surest.sort_by(|a, b| b.0.total_cmp(&a.0));
                surest.truncate(config.candidates);
                candidates.extend(surest.into_iter().map(|(score, place, class)| {
                    let (Location { x, y, .. }, row) = (self.locations[place], (image * places + place) * 4);
                    let inside = |value: f32, most: usize| value.clamp(0.0, most as f32);
                    let [l, t, r, b] = [0, 1, 2, 3].map(|edge| edges[row + edge]);
                    let bounds = [inside(x - l, width), inside(y - t, height)];
                    let bounds = [bounds[0], bounds[1], inside(x + r, width), inside(y + b, height)];
                    Detection { bounds, class, score }
                }));
            }
            let boxes: Vec<[f32; 4]> = candidates.iter().map(|one| one.bounds).collect();
            let scores: Vec<f32> = candidates.iter().map(|one| one.score).collect();
            let classes: Vec<usize> = candidates.iter().map(|one| one.class).collect();
            let kept = batched_nms(&boxes, &scores, &classes, config.nms_iou as f32);
            kept.into_iter().take(config.max_detections).map(|i| candidates[i]).collect()
        };
        (0..batch).map(of_image).collect()
    }
}

/// Boxes around points, `[n, 2]`, from their distances to the edges, `[n, 4]`.
fn corners(points: Tensor<2>, edges: Tensor<2>) -> Tensor<2> {
    let low = points.clone() - edges.clone().narrow(1, 0, 2);
    Tensor::cat(vec![low, points + edges.narrow(1, 2, 2)], 1)
}
