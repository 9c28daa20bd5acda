//! Which axis of a weight counts the units it feeds.

/// The axis over which a weight's units (neurons, filters, tokens) are numbered.
///
/// All weights into one unit lie in the slice at one index of this axis, and "unit-wise" and
/// "filter-wise" norms are taken over every other axis. `None` for scalars and vectors (biases,
/// normalisation scales), which have no fan-in: their norm is that of the whole tensor.
///
/// `container` is what Burn's visitor calls the struct that holds the parameter, such as
/// `Struct:Linear`. It tells layouts apart that the rank alone does not: a linear layer stores
/// `[in, out]`, an embedding `[tokens, features]`, a convolution `[out, in, k…]` and a transposed
/// convolution `[in, out, k…]`. A matrix of an unknown struct is taken for a linear layer's.
pub(crate) fn unit_axis(container: &str, rank: usize) -> Option<usize> {
    let name = container.rsplit(':').next().unwrap_or(container);
    match rank {
        0 | 1 => None,
        _ if name.starts_with("ConvTranspose") => Some(1),
        2 if name.starts_with("Embedding") => Some(0),
        2 => Some(1),
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::nn::conv::{Conv2dConfig, ConvTranspose2dConfig};
    use burn::nn::{EmbeddingConfig, LinearConfig};
    use burn::tensor::{Device, Tensor};

    struct Units {
        container: Vec<String>,
        found: Vec<Option<usize>>,
    }

    impl ModuleVisitor for Units {
        fn enter_module(&mut self, _name: &str, container: &str) {
            self.container.push(container.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.container.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let axis = unit_axis(self.container.last().unwrap(), D);
            self.found.push(axis.map(|axis| param.lazy_shape()[axis]));
        }
    }

    fn units<M: Module>(model: &M) -> Vec<Option<usize>> {
        let mut visitor = Units { container: Vec::new(), found: Vec::new() };
        model.visit(&mut visitor);
        visitor.found
    }

    #[test]
    fn every_layer_numbers_its_outputs() {
        let device = Device::flex();
        assert_eq!(units(&LinearConfig::new(3, 5).init(&device)), [Some(5), None]);
        assert_eq!(units(&EmbeddingConfig::new(11, 7).init(&device)), [Some(11)]);
        assert_eq!(units(&Conv2dConfig::new([3, 8], [5, 5]).init(&device)), [Some(8), None]);
        assert_eq!(units(&ConvTranspose2dConfig::new([3, 8], [5, 5]).init(&device)), [Some(8), None]);
    }
}
