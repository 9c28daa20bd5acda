//! What walks through a module to find its weights, attach corrections and take them away.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};

use burn::module::{Flag, ModuleMapper, ModuleVisitor, Param, ParamId, Reparameterizer};
use burn::tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::{INSIDE, Method, Target};

/// Where a visitor stands, and whether that is within a reparameterization.
#[derive(Debug, Default)]
pub(super) struct Place {
    path: Vec<String>,
    inside: usize,
}

impl Place {
    pub(super) fn enter(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.inside += usize::from(container == INSIDE);
    }

    pub(super) fn exit(&mut self, container: &str) {
        self.path.pop();
        self.inside -= usize::from(container == INSIDE);
    }

    pub(super) fn path(&self) -> String {
        self.path.join(".")
    }

    pub(super) fn is_inside(&self) -> bool {
        self.inside > 0
    }
}

/// Collects what can be adapted, and where an adapter is already.
#[derive(Default)]
pub(super) struct Found {
    path: Vec<String>,
    containers: Vec<String>,
    pub(super) targets: Vec<Target>,
    pub(super) adapted: Option<String>,
}

impl ModuleVisitor for Found {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == INSIDE && self.adapted.is_none() {
            self.adapted = Some(self.path.join("."));
        }
        self.path.push(name.to_owned());
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (Some(container), Some(name)) = (self.containers.last(), self.path.last()) else { return };
        let embedding = container == "Struct:Embedding";
        let (outputs, inputs) = match container.as_str() {
            "Struct:Linear" | "Struct:Embedding" => (1, 0),
            "Struct:Conv1d" | "Struct:Conv2d" | "Struct:Conv3d" => (0, 1),
            _ => return,
        };
        if name == "weight" && D >= 2 {
            let shape = param.lazy_shape().as_slice().to_vec();
            self.targets.push(Target { path: self.path.join("."), shape, outputs, inputs, embedding });
        }
    }
}

/// Freezes what it gets and attaches the corrections.
pub(super) struct Attach<'a, A> {
    pub(super) method: &'a A,
    pub(super) targets: BTreeMap<String, Target>,
    pub(super) noise: ChaCha8Rng,
}

impl<A: Method> Reparameterizer for Attach<'_, A> {
    type Reparam = A::Layer;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<A::Layer>) {
        let param = param.set_require_grad(false);
        let layer = self
            .targets
            .get(path)
            .map(|target| self.method.layer(target, param.val().detach(), &mut self.noise));
        (param, layer)
    }
}

/// Switches the training of batch normalisations off: they then use the statistics they have.
#[derive(Default)]
pub(super) struct StopStatistics(Vec<bool>);

impl ModuleMapper for StopStatistics {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.0.push(container_type == "Struct:BatchNorm");
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.0.pop();
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        if self.0.last() == Some(&true) { flag.with_value(false) } else { flag }
    }
}

/// The stored values of every parameter, whatever is attached to it.
pub(super) struct Bases(pub(super) HashMap<ParamId, Box<dyn Any>>);

impl ModuleVisitor for Bases {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id, Box::new(param.base()));
    }
}

impl ModuleMapper for Bases {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let base = self.0.remove(&param.id).and_then(|base| base.downcast::<Tensor<D>>().ok());
        match base {
            Some(base) => param.map(|_| *base),
            None => param,
        }
    }
}

/// The tensors of all reparameterizations by path.
#[derive(Default)]
pub(super) struct Values {
    place: Place,
    pub(super) tensors: BTreeMap<String, TensorData>,
}

impl ModuleVisitor for Values {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.place.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.place.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.place.is_inside() {
            self.tensors.insert(self.place.path(), param.val().into_data());
        }
    }
}

/// Replaces them.
pub(super) struct Fill<'a> {
    pub(super) place: Place,
    pub(super) tensors: &'a BTreeMap<String, TensorData>,
}

impl ModuleMapper for Fill<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.place.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.place.exit(container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let data = self.place.is_inside().then(|| self.tensors.get(&self.place.path())).flatten();
        match data {
            Some(data) => param.map(|old| {
                let new = Tensor::<D>::from_data(data.clone(), (&old.device(), old.dtype()));
                new.set_require_grad(old.is_require_grad())
            }),
            None => param,
        }
    }
}
