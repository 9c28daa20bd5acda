//! Looking at, and changing, all weights of a module at once.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The float tensors of `module` by their id, without autodiff. Tensors are shared, not copied.
pub(crate) fn snapshot<M: Module>(module: &M) -> GradientsParams {
    // Burn's container of tensors by parameter, whatever they are.
    struct Collect(GradientsParams);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.register(param.id, param.val().inner());
        }
    }
    let mut collect = Collect(GradientsParams::new());
    module.visit(&mut collect);
    collect.0
}

/// A new value for each float tensor of a module.
pub(crate) trait Update {
    /// `value` is outside autodiff, and so is the answer.
    fn update<const D: usize>(&mut self, id: ParamId, value: Tensor<D>) -> Tensor<D>;
}

/// The module with every float tensor replaced. Ids, devices, and which tensors want gradients stay.
pub(crate) fn update<M: Module>(module: M, update: impl Update) -> M {
    module.map(&mut Mapper(update))
}

struct Mapper<U>(U);

impl<U: Update> ModuleMapper for Mapper<U> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let wants_gradient = tensor.is_require_grad();
        let strategy = tensor.gradient_checkpointing_strategy();
        let mut value = self.0.update(id, tensor.inner());
        // A strategy is there exactly when autodiff was on.
        if let Some(strategy) = strategy {
            value = Tensor::from_inner(value).with_gradient_checkpointing_strategy(strategy);
            value = value.set_require_grad(wants_gradient);
        }
        Param::from_mapped_value(id, value, mapper)
    }
}
