//! # Groups of layers, from the image to the answer
//!
//! Freezing, unfreezing by and by and learning rates by depth all need the same thing: the parameters in groups, in the order in which
//! the signal passes them.
//!
//! ```text
//! image ──▶ ▏ group 0: stem ▏ ──▶ ▏ group 1 ▏ ──▶ … ──▶ ▏ last map's ▏ ──▶ ▏ last group: head ▏ ──▶ logits
//!             edges, colours        textures              parts of things      the classes
//!             ◀──────────── transfers to nearly anything ────────────▶         ◀── the old task's ──▶
//! ```
//!
//! [`Groups::by_stages`] takes no list of names: it asks the network. A parameter belongs to the first of the maps of
//! [`Backbone::forward_features`] that it has a part in, which is the first through which a gradient reaches it; what no map depends
//! on is the head. [`Groups::by_prefix`] takes names, for models that are no backbones.

mod listed;

use std::collections::BTreeMap;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamGroup};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use fornax_cnn::Backbone;
use fornax_cnn::geometry::smallest_side;

pub(crate) use listed::{Listed, is_statistic};

/// Parameters in groups, from the image to the answer.
///
/// A group is a list of paths, so it stays right when a head is replaced by one of other classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    /// Of parameters, running statistics and flags.
    paths: Vec<String>,
}

/// Parameters that are in no group or in two, or a group without any.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A group has no parameters.
    #[error("group {name:?} has no parameters: none begins with {}", prefixes.join(" or "))]
    Empty {
        /// The group.
        name: String,
        /// What it asked for.
        prefixes: Vec<String>,
    },
    /// No group has the parameter.
    #[error("parameter {parameter} is in no group")]
    Unassigned {
        /// Its path.
        parameter: String,
    },
    /// Two groups have the parameter.
    #[error("parameter {parameter} is in groups {first:?} and {second:?}")]
    Twice {
        /// Its path.
        parameter: String,
        /// The group that is named first.
        first: String,
        /// The other.
        second: String,
    },
    /// There are not as many groups.
    #[error("{asked} of {groups} groups")]
    TooMany {
        /// The number asked for.
        asked: usize,
        /// How many there are.
        groups: usize,
    },
}

impl Groups {
    /// A group for each stage of a backbone that has parameters, and one for the head.
    ///
    /// The network is run forwards and backwards once a stage, on one black image of the smallest size it takes; a LeNet, which takes
    /// one size only, on that. Nothing of `model` changes, whichever device it is on, and whatever of it is frozen.
    pub fn by_stages<B: Backbone>(model: &B) -> Self {
        // A copy with statistics of its own in which everything asks for a gradient and nothing is random.
        let copy = model.valid().train().map(&mut Probe);
        let stages = copy.stages();
        let side = smallest_side(&stages);
        let channels = copy.in_channels();
        let size = match copy.check_images([1, channels, side, side]) {
            Err(fornax_cnn::ImageError::Size { expected, .. }) => expected,
            _ => [side, side],
        };
        let device = Listed::of(&copy).device;
        let mut assigned: BTreeMap<String, usize> = BTreeMap::new();
        for stage in 0..stages.len() {
            let Some(device) = &device else { break };
            let image = Tensor::zeros([1, channels, size[0], size[1]], device);
            let map = copy.forward_features(image).swap_remove(stage);
            let gradients = GradientsParams::from_grads(map.sum().backward(), &copy);
            let mut reached = Reached { path: Vec::new(), gradients: &gradients, found: Vec::new() };
            copy.visit(&mut reached);
            for path in reached.found {
                assigned.entry(path).or_insert(stage);
            }
        }
        let name =
            |stage: usize| if stage == stages.len() { "head".to_owned() } else { format!("stage {stage}") };
        let head = stages.len();
        Self::assemble(model, (0..=head).map(name).collect(), |path| {
            Some(*assigned.get(path).unwrap_or(&head))
        })
        .without_empty()
    }

    /// A group for each name with the parameters whose paths begin with one of its prefixes, whole segments of them.
    ///
    /// # Errors
    ///
    /// [`GroupError`] when a group is empty, or a parameter in none or in two.
    pub fn by_prefix<M: Module>(model: &M, groups: &[(&str, &[&str])]) -> Result<Self, GroupError> {
        let has = |prefixes: &[&str], path: &str| {
            prefixes.iter().any(|prefix| {
                path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        for path in &Listed::of(model).parameters {
            let mut found = groups.iter().filter(|(_, prefixes)| has(prefixes, path));
            match (found.next(), found.next()) {
                (None, _) => return Err(GroupError::Unassigned { parameter: path.clone() }),
                (Some((first, _)), Some((second, _))) => {
                    let (first, second) = ((*first).to_owned(), (*second).to_owned());
                    return Err(GroupError::Twice { parameter: path.clone(), first, second });
                }
                _ => {}
            }
        }
        let names = groups.iter().map(|(name, _)| (*name).to_owned()).collect();
        let found =
            Self::assemble(model, names, |path| groups.iter().position(|(_, prefixes)| has(prefixes, path)));
        let parameters = Listed::of(model).parameters;
        for (group, (name, prefixes)) in found.groups.iter().zip(groups) {
            if !group.paths.iter().any(|path| parameters.contains(path)) {
                let prefixes = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
                return Err(GroupError::Empty { name: (*name).to_owned(), prefixes });
            }
        }
        Ok(found)
    }

    /// Parameters as `group` says; what is no parameter (running statistics, flags) goes with its module, a module without parameters
    /// with what was declared before it.
    fn assemble<M: Module>(model: &M, names: Vec<String>, group: impl Fn(&str) -> Option<usize>) -> Self {
        let mut groups: Vec<Group> =
            names.into_iter().map(|name| Group { name, paths: Vec::new() }).collect();
        let listed = Listed::of(model);
        let parent =
            |path: &str| path.rsplit_once('.').map_or(String::new(), |(parent, _)| parent.to_owned());
        let modules: BTreeMap<String, usize> =
            listed.parameters.iter().filter_map(|path| Some((parent(path), group(path)?))).collect();
        let mut current = 0;
        for path in listed.all {
            let own = if listed.parameters.contains(&path) { group(&path) } else { None };
            current = own.or_else(|| modules.get(&parent(&path)).copied()).unwrap_or(current);
            if let Some(group) = groups.get_mut(current) {
                group.paths.push(path);
            }
        }
        Self { groups }
    }

    fn without_empty(mut self) -> Self {
        self.groups.retain(|group| !group.paths.is_empty());
        self
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none, which only a model without parameters has.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Their names, from the image on.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }

    /// Paths of the parameters, running statistics and flags of a group.
    ///
    /// # Panics
    ///
    /// If there is no group `index`.
    pub fn paths(&self, index: usize) -> &[String] {
        &self.groups[index].paths
    }

    /// The group that has the parameter.
    pub fn of(&self, path: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.paths.iter().any(|known| known == path))
    }

    /// The same group as Burn's optimisers, schedulers and `freeze_group` take it.
    ///
    /// # Panics
    ///
    /// If there is no group `index`.
    pub fn param_group(&self, index: usize) -> ParamGroup {
        ParamGroup::from_paths(self.groups[index].paths.clone())
    }

    pub(crate) fn check(&self, asked: usize) -> Result<(), GroupError> {
        if asked > self.len() { Err(GroupError::TooMany { asked, groups: self.len() }) } else { Ok(()) }
    }
}

/// Every parameter asks for a gradient, every flag is off.
struct Probe;

impl ModuleMapper for Probe {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.set_require_grad(true)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(false)
    }
}

/// Parameters that a gradient reached.
struct Reached<'a> {
    path: Vec<String>,
    gradients: &'a GradientsParams,
    found: Vec<String>,
}

impl ModuleVisitor for Reached<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.gradients.get::<D>(param.id).is_some() {
            self.found.push(self.path.join("."));
        }
    }
}
