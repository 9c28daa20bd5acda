//! Losses of bounding boxes that follow the measure boxes are judged by.
//!
//! A box is (x₁, y₁, x₂, y₂) with x₁ ≤ x₂ and y₁ ≤ y₂. Intersection over union of two boxes is
//! scale-free, but 0 with gradient 0 as soon as they do not touch. The others add a term that still
//! says which way to go:
//!
//! ```text
//! IoU   loss = 1 − |A∩B| / |A∪B|
//! GIoU  loss = 1 − IoU + (|C| − |A∪B|)/|C|          C: the smallest box around both
//! DIoU  loss = 1 − IoU + ρ²/c²                      ρ: distance of centres, c: diagonal of C
//! CIoU  loss = DIoU loss + α·v                      v = (4/π²)(atan(w_B/h_B) − atan(w_A/h_A))²
//!                                                   α = v/((1 − IoU) + v), held constant
//! ```
//!
//! ```text
//!   ┌───────┐ ┄┄┄┄┄ C        GIoU shrinks the empty part of C; when A lies inside B that part is
//!   │ A     │       ┆        empty and only IoU is left. DIoU pulls the centres together in any case.
//!   │   ┌───┼───┐   ┆        CIoU also matches the shape.
//!   └───┼───┘ B │   ┆
//!       └───────┘┄┄┄┘
//! ```
//!
//! Papers: GIoU, [Rezatofighi et al. 2019](https://arxiv.org/abs/1902.09630); DIoU and CIoU,
//! [Zheng et al. 2020](https://arxiv.org/abs/1911.08287). Fractions carry an ε of 1e-7 below the bar, as
//! torchvision's do, so that empty boxes give finite losses and gradients.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::same_shape;
use crate::{ConfigError, name};

/// Keeps an empty union, hull or side out of the denominator; torchvision's.
const EPSILON: f64 = 1e-7;

/// Which measure; formulas in the [page](self).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use fornax_nn_core::loss::BoxLoss;
///
/// let device = Device::flex();
/// // A unit square and its copy one and a half to the right: a hull of 2.5, of which 0.5 is empty.
/// let a = Tensor::<2>::from_data([[0.0, 0.0, 1.0, 1.0]], &device);
/// let b = Tensor::<2>::from_data([[1.5, 0.0, 2.5, 1.0]], &device);
/// let loss = BoxLoss::Giou.forward(a, b).into_scalar::<f32>();
/// assert!((loss - (1.0 + 0.5 / 2.5)).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum BoxLoss {
    /// Overlap alone.
    Iou,
    /// With the empty part of the hull.
    Giou,
    /// With the distance of centres.
    Diou,
    /// With distance and aspect ratio.
    Ciou,
}

const NAMES: [&str; 4] = ["iou", "giou", "diou", "ciou"];

/// The columns of `[boxes, 4]`.
fn corners(boxes: Tensor<2>) -> [Tensor<2>; 4] {
    let [_, columns] = boxes.dims();
    assert_eq!(columns, 4, "boxes must be [boxes, 4] as (x1, y1, x2, y2)");
    [0, 1, 2, 3].map(|i| boxes.clone().narrow(1, i, 1))
}

impl BoxLoss {
    /// The loss of each pair of boxes, in [0, 1] for IoU, [0, 2] for GIoU and DIoU.
    ///
    /// # Shapes
    ///
    /// - predicted, target: `[boxes, 4]` as (x₁, y₁, x₂, y₂)
    /// - output: `[boxes]`
    ///
    /// # Panics
    ///
    /// When the shapes differ or the boxes have not four columns.
    pub fn forward(self, predicted: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        same_shape(("predicted", &predicted), ("target", &target));
        let [ax1, ay1, ax2, ay2] = corners(predicted); // [N, 1] each
        let [bx1, by1, bx2, by2] = corners(target);
        let (aw, ah) = (ax2.clone() - ax1.clone(), ay2.clone() - ay1.clone());
        let (bw, bh) = (bx2.clone() - bx1.clone(), by2.clone() - by1.clone());

        let across = (ax2.clone().min_pair(bx2.clone()) - ax1.clone().max_pair(bx1.clone())).clamp_min(0.0);
        let down = (ay2.clone().min_pair(by2.clone()) - ay1.clone().max_pair(by1.clone())).clamp_min(0.0);
        let intersection = across * down;
        let union = aw.clone() * ah.clone() + bw.clone() * bh.clone() - intersection.clone();
        let iou = intersection / (union.clone() + EPSILON);
        let loss = -iou.clone() + 1.0;

        let hull_w = ax2.clone().max_pair(bx2.clone()) - ax1.clone().min_pair(bx1.clone());
        let hull_h = ay2.clone().max_pair(by2.clone()) - ay1.clone().min_pair(by1.clone());
        let distance = || {
            let dx = (ax1 + ax2 - bx1 - bx2) * 0.5;
            let dy = (ay1 + ay2 - by1 - by2) * 0.5;
            let diagonal = hull_w.clone().square() + hull_h.clone().square() + EPSILON;
            (dx.square() + dy.square()) / diagonal
        };
        let loss = match self {
            Self::Iou => loss,
            Self::Giou => {
                let hull = hull_w * hull_h;
                loss + (hull.clone() - union) / (hull + EPSILON)
            }
            Self::Diou => loss + distance(),
            Self::Ciou => {
                let angle = |w: Tensor<2>, h: Tensor<2>| (w / h.clamp_min(EPSILON)).atan();
                let v = (angle(bw, bh) - angle(aw, ah)).square() * (4.0 / (PI * PI));
                let alpha = (v.clone() / (-iou + 1.0 + v.clone() + EPSILON)).detach();
                loss + distance() + alpha * v
            }
        };
        loss.squeeze_dim(1)
    }
}

impl fmt::Display for BoxLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iou => "iou",
            Self::Giou => "giou",
            Self::Diou => "diou",
            Self::Ciou => "ciou",
        })
    }
}

impl FromStr for BoxLoss {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text.to_lowercase().as_str() {
            "iou" => Ok(Self::Iou),
            "giou" => Ok(Self::Giou),
            "diou" => Ok(Self::Diou),
            "ciou" => Ok(Self::Ciou),
            other => Err(name::unknown("box_loss", other, &NAMES)),
        }
    }
}

impl TryFrom<String> for BoxLoss {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl From<BoxLoss> for String {
    fn from(loss: BoxLoss) -> Self {
        loss.to_string()
    }
}
