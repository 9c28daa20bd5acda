//! # Spaces
//!
//! What an environment shows and what it accepts, as data: an agent reads the two spaces and knows how wide its network
//! must be and what its last layer means.
//!
//! | space | an element | an observation of it | an action of it |
//! |---|---|---|---|
//! | [`Space::Discrete`] | one of n alternatives | one number, 0 to n − 1 | [`Action::Discrete`] |
//! | [`Space::Box`] | real numbers between bounds, in a shape | the numbers, row-major | [`Action::Continuous`] |
//! | [`Space::MultiDiscrete`] | several choices at once | a number for each | [`Action::MultiDiscrete`] |
//! | [`Space::Dict`] | named parts, such as a picture and a speed | the parts', one after the other | none: agents refuse it |
//!
//! Observations of every space are flat `f32` slices, so that a batch of them is one slice `[n, len]` and becomes one tensor.
//! Indices are exact in `f32` up to 2²⁴. A network wants a category as one-hot columns, not as a number: [`Space::encode`].

mod bounds;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::env::{Action, OwnedAction};
use crate::error::EnvError;
use crate::random::Pcg64;

/// A set of observations or actions; see the [module page](self).
///
/// ```
/// use fornax_rl::Space;
/// use fornax_rl::env::Action;
///
/// let torque = Space::interval(-2.0, 2.0, &[1]);
/// assert!(torque.contains(Action::Continuous(&[1.5])));
/// assert!(!torque.contains(Action::Continuous(&[2.5])));
/// assert_eq!(Space::Discrete(4).encoded_len(), 4);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Space {
    /// One of `n` alternatives, numbered from 0.
    Discrete(usize),
    /// Real numbers in a shape, each between its two bounds; a bound may be infinite (`null` in JSON).
    Box {
        /// Lowest values, row-major.
        #[serde(serialize_with = "bounds::write", deserialize_with = "bounds::read_low")]
        low: Vec<f32>,
        /// Highest values, row-major.
        #[serde(serialize_with = "bounds::write", deserialize_with = "bounds::read_high")]
        high: Vec<f32>,
        /// The shape, such as `[channels, height, width]`.
        shape: Vec<usize>,
    },
    /// One of `n[i]` alternatives for each i.
    MultiDiscrete(Vec<usize>),
    /// Named parts, each a space of its own, flat one after the other in this order.
    Dict(Vec<(String, Space)>),
}

impl Space {
    /// A box of shape `shape` with the same two bounds for every element.
    pub fn interval(low: f32, high: f32, shape: &[usize]) -> Self {
        let len = shape.iter().product();
        Self::Box { low: vec![low; len], high: vec![high; len], shape: shape.to_vec() }
    }

    /// A vector with bounds of its own for each element.
    pub fn vector(low: impl Into<Vec<f32>>, high: impl Into<Vec<f32>>) -> Self {
        let low = low.into();
        let shape = vec![low.len()];
        Self::Box { low, high: high.into(), shape }
    }

    /// Named parts.
    ///
    /// ```
    /// use fornax_rl::Space;
    ///
    /// let parts = [("image", Space::interval(0.0, 1.0, &[1, 8, 8])), ("gear", Space::Discrete(5))];
    /// let space = Space::dict(parts);
    /// assert_eq!((space.len(), space.encoded_len()), (64 + 1, 64 + 5));
    /// ```
    pub fn dict<'a>(parts: impl IntoIterator<Item = (&'a str, Space)>) -> Self {
        Self::Dict(parts.into_iter().map(|(name, space)| (name.to_owned(), space)).collect())
    }

    /// The spaces that a flat observation is made of, in order: itself, or the parts of a [`Dict`](Self::Dict) and of those in it.
    pub fn leaves(&self) -> Vec<&Space> {
        match self {
            Self::Dict(parts) => parts.iter().flat_map(|(_, space)| space.leaves()).collect(),
            leaf => vec![leaf],
        }
    }

    /// Checks that the space has an element and does not contradict itself.
    ///
    /// # Errors
    ///
    /// [`EnvError::InvalidSpace`].
    pub fn validate(&self) -> Result<(), EnvError> {
        let bad = |reason: String| Err(EnvError::InvalidSpace(reason));
        match self {
            Self::Discrete(0) => bad("Discrete(0) contains nothing".into()),
            Self::MultiDiscrete(n) if n.is_empty() => bad("MultiDiscrete without a choice".into()),
            Self::MultiDiscrete(n) if n.contains(&0) => bad(format!("MultiDiscrete({n:?}) contains nothing")),
            Self::Discrete(n) if *n > 1 << 24 => {
                bad(format!("Discrete({n}): indices above 2^24 are not exact in f32"))
            }
            Self::Box { low, high, shape } => {
                let len = shape.iter().try_fold(1_usize, |len, &side| len.checked_mul(side));
                if len != Some(low.len()) || low.len() != high.len() || low.is_empty() {
                    let (low, high) = (low.len(), high.len());
                    return bad(format!(
                        "{low} low and {high} high bounds do not fill a box of shape {shape:?}"
                    ));
                }
                match low.iter().zip(high).position(|(low, high)| low > high || low.is_nan() || high.is_nan())
                {
                    Some(i) => bad(format!("element {i} lies between {} and {}", low[i], high[i])),
                    None => Ok(()),
                }
            }
            Self::Dict(parts) if parts.is_empty() => bad("Dict without a part".into()),
            Self::Dict(parts) => parts.iter().enumerate().try_for_each(|(i, (name, space))| {
                if parts[..i].iter().any(|(other, _)| other == name) {
                    return bad(format!("Dict has two parts called {name:?}"));
                }
                let named = |error| EnvError::InvalidSpace(format!("part {name:?}: {error}"));
                space.validate().map_err(named)
            }),
            _ => Ok(()),
        }
    }

    /// How many `f32` an observation takes, or how many numbers an action has.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        match self {
            Self::Discrete(_) => 1,
            Self::Box { low, .. } => low.len(),
            Self::MultiDiscrete(n) => n.len(),
            Self::Dict(parts) => parts.iter().map(|(_, space)| space.len()).sum(),
        }
    }

    /// The shape of an element: of a box its own, of choices their number, of named parts that of the flat whole.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Discrete(_) => vec![1],
            Self::Box { shape, .. } => shape.clone(),
            Self::MultiDiscrete(n) => vec![n.len()],
            Self::Dict(_) => vec![self.len()],
        }
    }

    /// Whether `action` is an element.
    pub fn contains(&self, action: Action<'_>) -> bool {
        match (self, action) {
            (Self::Discrete(n), Action::Discrete(choice)) => choice < *n,
            (Self::Box { .. } | Self::Dict(_), Action::Continuous(values)) => {
                self.contains_observation(values)
            }
            (Self::MultiDiscrete(n), Action::MultiDiscrete(choices)) => {
                n.len() == choices.len() && n.iter().zip(choices).all(|(n, choice)| choice < n)
            }
            _ => false,
        }
    }

    /// Whether the flat `observation` is an element; NaN never is.
    pub fn contains_observation(&self, observation: &[f32]) -> bool {
        let index = |value: f32, n: usize| value >= 0.0 && value.fract() == 0.0 && (value as usize) < n;
        observation.len() == self.len()
            && match self {
                Self::Discrete(n) => index(observation[0], *n),
                Self::MultiDiscrete(n) => observation.iter().zip(n).all(|(&value, &n)| index(value, n)),
                Self::Box { low, high, .. } => {
                    observation.iter().zip(low.iter().zip(high)).all(|(x, (low, high))| low <= x && x <= high)
                }
                Self::Dict(parts) => {
                    let mut rest = observation;
                    parts.iter().all(|(_, space)| {
                        let (part, others) = rest.split_at(space.len());
                        rest = others;
                        space.contains_observation(part)
                    })
                }
            }
    }

    /// A uniform element. Where a bound is infinite: one above (below) the other bound by an exponential draw of mean 1,
    /// or normal when both are, as Gymnasium samples. Named parts come as the flat numbers of an observation.
    pub fn sample(&self, rng: &mut Pcg64) -> OwnedAction {
        match self {
            Self::Discrete(n) => OwnedAction::Discrete(rng.below(*n as u64) as usize),
            Self::MultiDiscrete(n) => {
                OwnedAction::MultiDiscrete(n.iter().map(|&n| rng.below(n as u64) as usize).collect())
            }
            Self::Box { low, high, .. } => {
                let draw = |(&low, &high): (&f32, &f32)| match (low.is_finite(), high.is_finite()) {
                    (true, true) => (rng.uniform(f64::from(low), f64::from(high)) as f32).clamp(low, high),
                    (true, false) => low + rng.exponential() as f32,
                    (false, true) => high - rng.exponential() as f32,
                    (false, false) => rng.normal() as f32,
                };
                OwnedAction::Continuous(low.iter().zip(high).map(draw).collect())
            }
            Self::Dict(parts) => {
                let mut flat = Vec::with_capacity(self.len());
                for (_, space) in parts {
                    match space.sample(rng) {
                        OwnedAction::Discrete(choice) => flat.push(choice as f32),
                        OwnedAction::MultiDiscrete(choices) => flat.extend(choices.iter().map(|&c| c as f32)),
                        OwnedAction::Continuous(values) => flat.extend(values),
                    }
                }
                OwnedAction::Continuous(flat)
            }
        }
    }

    /// Columns of the network input made by [`encode`](Self::encode): a box's elements, a column for each alternative.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Discrete(n) => *n,
            Self::Box { low, .. } => low.len(),
            Self::MultiDiscrete(n) => n.iter().sum(),
            Self::Dict(parts) => parts.iter().map(|(_, space)| space.encoded_len()).sum(),
        }
    }

    /// Writes an observation as a network wants it: a box as it is, every choice as one-hot columns.
    ///
    /// # Shapes
    ///
    /// - observation: `[len]`
    /// - columns: `[encoded_len]`
    ///
    /// # Panics
    ///
    /// When a length is another, or a choice is none of the space's.
    pub fn encode(&self, observation: &[f32], columns: &mut [f32]) {
        let expected = (self.len(), self.encoded_len());
        let found = (observation.len(), columns.len());
        assert!(found == expected, "observation and columns have lengths {found:?}, expected {expected:?}");
        match self {
            Self::Box { .. } => columns.copy_from_slice(observation),
            Self::Discrete(n) => one_hot(observation[0], *n, columns),
            Self::MultiDiscrete(n) => {
                let mut rest = columns;
                for (&value, &n) in observation.iter().zip(n) {
                    let (columns, others) = rest.split_at_mut(n);
                    one_hot(value, n, columns);
                    rest = others;
                }
            }
            Self::Dict(parts) => {
                let (mut observation, mut columns) = (observation, columns);
                for (_, space) in parts {
                    let (part, others) = observation.split_at(space.len());
                    let (its, rest) = columns.split_at_mut(space.encoded_len());
                    space.encode(part, its);
                    (observation, columns) = (others, rest);
                }
            }
        }
    }
}

fn one_hot(value: f32, n: usize, columns: &mut [f32]) {
    assert!(value >= 0.0 && (value as usize) < n, "{value} is none of {n} alternatives");
    columns.fill(0.0);
    columns[value as usize] = 1.0;
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete(n) => write!(f, "Discrete({n})"),
            Self::MultiDiscrete(n) => write!(f, "MultiDiscrete({n:?})"),
            Self::Dict(parts) => {
                let parts: Vec<String> =
                    parts.iter().map(|(name, space)| format!("{name}: {space}")).collect();
                write!(f, "Dict({})", parts.join(", "))
            }
            Self::Box { low, high, shape } => {
                let uniform = |bounds: &[f32]| bounds.iter().all(|bound| Some(bound) == bounds.first());
                match (low.first(), high.first()) {
                    (Some(l), Some(h)) if uniform(low) && uniform(high) => {
                        write!(f, "Box({l}, {h}, {shape:?})")
                    }
                    _ if low.len() <= 8 => write!(f, "Box({low:?}, {high:?}, {shape:?})"),
                    _ => write!(f, "Box(various bounds, {shape:?})"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Space {
        let inner =
            Space::dict([("choices", Space::MultiDiscrete(vec![2, 3])), ("gear", Space::Discrete(4))]);
        Space::dict([("speed", Space::interval(-1.0, 1.0, &[2])), ("levers", inner)])
    }

    fn spaces() -> [Space; 5] {
        [
            parts(),
            Space::Discrete(3),
            Space::MultiDiscrete(vec![2, 5]),
            Space::interval(-2.0, 2.0, &[1, 2]),
            Space::vector([f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY], [f32::INFINITY, f32::INFINITY, 1.0]),
        ]
    }

    #[test]
    fn samples_are_elements_and_reach_every_alternative() {
        let mut rng = Pcg64::new(0);
        for space in spaces() {
            space.validate().unwrap();
            for _ in 0..500 {
                assert!(space.contains(space.sample(&mut rng).borrow()), "{space}");
            }
        }
        let mut seen = [0; 3];
        for _ in 0..3_000 {
            if let OwnedAction::Discrete(choice) = Space::Discrete(3).sample(&mut rng) {
                seen[choice] += 1;
            }
        }
        // Binomial(3000, 1/3): deviation 26.
        assert!(seen.iter().all(|count: &i32| (count - 1_000).abs() < 130), "{seen:?}");
    }

    #[test]
    fn json_round_trip_is_the_identity_with_infinite_bounds() {
        for space in spaces() {
            let text = serde_json::to_string(&space).unwrap();
            assert_eq!(serde_json::from_str::<Space>(&text).unwrap(), space, "{text}");
        }
    }

    #[test]
    fn spaces_that_contain_nothing_are_refused() {
        let cases = [
            (Space::Discrete(0), "Discrete(0)"),
            (Space::Discrete(1 << 25), "2^24"),
            (Space::MultiDiscrete(vec![]), "without a choice"),
            (Space::MultiDiscrete(vec![3, 0]), "contains nothing"),
            (Space::vector([0.0, 2.0], [1.0, 1.0]), "element 1 lies between 2 and 1"),
            (Space::vector([f32::NAN], [1.0]), "element 0"),
            (Space::vector([0.0], [1.0, 2.0]), "1 low and 2 high"),
            (Space::interval(0.0, 1.0, &[0]), "do not fill"),
            (Space::Dict(vec![]), "without a part"),
            (Space::dict([("a", Space::Discrete(2)), ("a", Space::Discrete(3))]), "two parts called \"a\""),
            (Space::dict([("a", Space::dict([("b", Space::Discrete(0))]))]), "part \"a\": "),
        ];
        for (space, expected) in cases {
            let error = space.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn choices_become_one_hot_columns() {
        let mut columns = [9.0; 7];
        Space::MultiDiscrete(vec![2, 5]).encode(&[1.0, 3.0], &mut columns);
        assert_eq!(columns, [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let mut same = [0.0; 2];
        Space::interval(-1.0, 1.0, &[2]).encode(&[0.5, -0.5], &mut same);
        assert_eq!(same, [0.5, -0.5]);
    }

    #[test]
    fn named_parts_stand_one_after_the_other() {
        let space = parts();
        assert_eq!(
            space.to_string(),
            "Dict(speed: Box(-1, 1, [2]), levers: Dict(choices: MultiDiscrete([2, 3]), gear: Discrete(4)))"
        );
        assert_eq!((space.len(), space.encoded_len(), space.leaves().len()), (5, 11, 3));
        let mut columns = [9.0; 11];
        space.encode(&[0.5, -0.5, 1.0, 0.0, 3.0], &mut columns);
        assert_eq!(columns, [0.5, -0.5, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert!(space.contains_observation(&[0.5, -0.5, 1.0, 0.0, 3.0]));
        for wrong in [[1.5, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 4.0]] {
            assert!(!space.contains_observation(&wrong), "{wrong:?}");
        }
    }

    #[test]
    fn nothing_outside_is_contained() {
        let torque = Space::interval(-2.0, 2.0, &[1]);
        assert!(!torque.contains(Action::Continuous(&[f32::NAN])));
        assert!(!torque.contains(Action::Continuous(&[0.0, 0.0])));
        assert!(!torque.contains(Action::Discrete(0)));
        assert!(!Space::Discrete(2).contains(Action::Discrete(2)));
        assert!(!Space::Discrete(2).contains_observation(&[0.5]));
        assert!(!Space::MultiDiscrete(vec![2, 2]).contains(Action::MultiDiscrete(&[0, 2])));
    }
}
