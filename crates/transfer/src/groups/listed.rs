//! What a module is made of.

use burn::module::{Flag, Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

/// What a module consists of, in its order.
#[derive(Default)]
pub(crate) struct Listed {
    path: Vec<String>,
    containers: Vec<String>,
    /// Parameters, running statistics and flags.
    pub(crate) all: Vec<String>,
    /// Parameters alone.
    pub(crate) parameters: Vec<String>,
    /// Of the first of them.
    pub(super) device: Option<Device>,
}

impl Listed {
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let mut listed = Self::default();
        model.visit(&mut listed);
        listed
    }
}

/// Whether a leaf of a module is a running statistic: it is handed out as a parameter, and is none.
pub(crate) fn is_statistic(container: Option<&String>, leaf: Option<&String>) -> bool {
    container.is_some_and(|container| container.ends_with("BatchNorm"))
        && leaf.is_some_and(|leaf| leaf.starts_with("running_"))
}

impl ModuleVisitor for Listed {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if !is_statistic(self.containers.last(), self.path.last()) {
            self.device.get_or_insert_with(|| param.lazy_device());
            self.parameters.push(path.clone());
        }
        self.all.push(path);
    }

    fn visit_flag(&mut self, _flag: &Param<Flag>) {
        self.all.push(self.path.join("."));
    }
}
