//! Initial weights that follow from a seed alone.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use fornax_nn_core::init::{Fans, Init};

/// Draws every tensor of rank two or more anew from a normal distribution; `std` is told its path and fans and gives the deviation.
/// Biases become 0; scales stay what they are.
pub(crate) fn normal<M: Module>(model: M, seed: u64, std: impl Fn(&str, Fans) -> f64) -> M {
    model.map(&mut Draw { seed, path: Vec::new(), std })
}

fn zeros<const D: usize>(old: &Tensor<D>) -> Tensor<D> {
    old.zeros_like().detach().set_require_grad(old.is_require_grad())
}

struct Draw<F> {
    seed: u64,
    path: Vec<String>,
    std: F,
}

impl<F: Fn(&str, Fans) -> f64> ModuleMapper for Draw<F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D < 2 {
            let bias = self.path.last().is_some_and(|name| name == "bias");
            return if bias { param.map(|old| zeros(&old)) } else { param };
        }
        let shape = param.lazy_shape().as_slice().to_vec();
        let fans = match *shape.as_slice() {
            [inputs, outputs] => Fans::linear([inputs, outputs]),
            _ => Fans {
                fan_in: shape[1..].iter().product(),
                fan_out: shape[0] * shape[2..].iter().product::<usize>(),
            },
        };
        let gain = (self.std)(&self.path.join("."), fans);
        self.seed = self.seed.wrapping_add(1);
        let seed = self.seed;
        param.map(|old| {
            let new = Init::HeNormal { gain }.tensor(
                old.dims(),
                Fans { fan_in: 1, fan_out: 1 },
                seed,
                &old.device(),
            );
            new.set_require_grad(old.is_require_grad())
        })
    }
}
