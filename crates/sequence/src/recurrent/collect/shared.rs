//! Products of one matrix with many.

use std::any::Any;
use std::fmt::{self, Debug, Formatter};
use std::mem::take;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata};
use burn::tensor::{PrimitiveConversionError, Slice, Tensor};

use fornax_nn_core::operation::{Recorded, record};

use super::{Places, alone, matrix, unstack};

/// Columns whose products make one: more of them are no faster, and what waits to be multiplied takes memory.
const COLUMNS: usize = 512;

/// Numbers that the products of a block of steps may have: half a megabyte, which stays in a core's cache.
const BLOCK: usize = 1 << 17;

/// The gradient of a weight as far as the products with it are through: `sum`, and of those that wait …
struct Waiting<B: Backend> {
    /// … their own gradients, side by side as many columns as `columns` says …
    grads: Vec<FloatTensor<B>>,
    /// … and what the weight was multiplied by.
    factors: Vec<FloatTensor<B>>,
    columns: usize,
    sum: Option<FloatTensor<B>>,
}

impl<B: Backend> Waiting<B> {
    fn reduce(&mut self) {
        self.columns = 0;
        let beside = |parts: &mut Vec<FloatTensor<B>>| B::float_cat(take(parts), 1);
        let (grads, factors) = (beside(&mut self.grads), beside(&mut self.factors));
        let product = B::float_matmul(grads, B::float_transpose(factors));
        self.sum = Some(match self.sum.take() {
            Some(sum) => B::float_add(sum, product),
            None => product,
        });
    }
}

/// [`Waiting`], held by the weight's node and by those of all products.
struct Uses<B: Backend>(Arc<Mutex<Waiting<B>>>);

impl<B: Backend> Uses<B> {
    fn new() -> Self {
        let waiting = Waiting { grads: Vec::new(), factors: Vec::new(), columns: 0, sum: None };
        Self(Arc::new(Mutex::new(waiting)))
    }

    /// After the backward pass of a product with `factor`.
    fn push(&self, grad: FloatTensor<B>, factor: FloatTensor<B>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.columns += grad.shape()[1];
        waiting.grads.push(grad);
        waiting.factors.push(factor);
        if waiting.columns >= COLUMNS {
            waiting.reduce();
        }
    }

    /// After that of all.
    fn sum(self) -> Option<FloatTensor<B>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.grads.is_empty() {
            waiting.reduce();
        }
        waiting.sum.take()
    }
}

impl<B: Backend> Clone for Uses<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> Debug for Uses<B> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Uses")
    }
}

/// A matrix, `[rows, columns]`, that every step multiplies by. Copies count as the same.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    weight: Tensor<2>,
    /// [`Uses`] of the backend if it records.
    uses: Option<Arc<dyn Any + Send + Sync>>,
}

impl Shared {
    pub(crate) fn new(weight: Tensor<2>) -> Self {
        recorded!(weight, |B, primitive| {
            let uses = Uses::<B>::new();
            let (value, node) = primitive.into_parts();
            let weight = record::<B, _, 1>(Sum, [node], uses.clone(), value);
            Self { weight: Tensor::from_primitive::<Autodiff<B>>(weight), uses: Some(Arc::new(uses)) }
        });
        Self { weight, uses: None }
    }

    /// The product with `x`, `[columns, any]`.
    pub(crate) fn times(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.alike(x);
        recorded!(x, |B, x| {
            let (weight, uses) = self.recorded::<B>(self.lifted().try_into_primitive::<Autodiff<B>>());
            Tensor::from_primitive::<Autodiff<B>>(product::<B>(weight, x, &uses))
        });
        self.weight.clone().matmul(x)
    }

    /// The products with each of `x`, `[any, columns, any]`, from the first to the last or the other way round: as many in one
    /// call as fit [`BLOCK`] numbers, when the first of them is asked for.
    pub(crate) fn times_each(&self, x: Tensor<3>, backwards: bool) -> Box<dyn Iterator<Item = Tensor<2>>> {
        let x = self.alike(x);
        let ([count, _, columns], [rows, _]) = (x.dims(), self.weight.dims());
        let size = (BLOCK / (rows * columns).max(1)).clamp(1, count.max(1));
        let mut blocks: Vec<_> =
            (0..count).step_by(size).map(|start| start..count.min(start + size)).collect();
        if backwards {
            blocks.reverse();
        }
        let blocks = blocks.into_iter();
        let order = move |mut block: Vec<Tensor<2>>| {
            if backwards {
                block.reverse();
            }
            block
        };
        recorded!(x, |B, x| {
            let (weight, uses) = self.recorded::<B>(self.lifted().try_into_primitive::<Autodiff<B>>());
            let inputs = Each::<B>::new(weight, x, uses);
            let tensors =
                move |block: Vec<Recorded<B>>| block.into_iter().map(Tensor::from_primitive::<Autodiff<B>>);
            Box::new(blocks.flat_map(move |block| order(tensors(inputs.products(block)).collect())))
        });
        let weight = self.weight.clone().unsqueeze::<3>();
        let product =
            move |block: Range<usize>| weight.clone().matmul(x.clone().narrow(0, block.start, block.len()));
        Box::new(blocks.flat_map(move |block| order(unstack(product(block)))))
    }

    /// Inputs that nobody records, as constants if the weight is recorded: its node has to hear of every product.
    fn alike<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.uses.is_some() && !x.device().is_autodiff() { Tensor::from_inner(x) } else { x }
    }

    /// The weight for inputs that are recorded, as a constant if it is not.
    fn lifted(&self) -> Tensor<2> {
        let weight = self.weight.clone();
        if weight.device().is_autodiff() { weight } else { Tensor::from_inner(weight) }
    }

    fn recorded<B: Backend>(
        &self,
        weight: Result<Recorded<B>, PrimitiveConversionError>,
    ) -> (Recorded<B>, Uses<B>) {
        let uses = self.uses.as_ref().and_then(|uses| uses.downcast_ref::<Uses<B>>());
        let weight = weight.unwrap_or_else(|error| panic!("a weight beside its inputs: {error:?}"));
        (weight, uses.cloned().unwrap_or_else(Uses::new))
    }
}

fn product<B: Backend>(weight: Recorded<B>, x: Recorded<B>, uses: &Uses<B>) -> Recorded<B> {
    let ((weight, of_weight), (x, of_x)) = (weight.into_parts(), x.into_parts());
    let value = B::float_matmul(weight.clone(), x.clone());
    record::<B, _, 2>(Product, [of_weight, of_x], (uses.clone(), weight, x), value)
}

/// A weight and what each step multiplies it by.
struct Each<B: Backend> {
    weight: Recorded<B>,
    /// The value of [`Inputs`]: all x.
    inputs: Recorded<B>,
    uses: Uses<B>,
    places: Places<B>,
}

impl<B: Backend> Each<B> {
    fn new(weight: Recorded<B>, x: Recorded<B>, uses: Uses<B>) -> Self {
        let (x, of_x) = x.into_parts();
        let places = Places::<B>::new();
        let state = (places.clone(), weight.primitive().clone(), x.shape()[0]);
        let inputs = record::<B, _, 1>(Inputs, [of_x], state, x);
        Self { weight, inputs, uses, places }
    }

    /// With the inputs of some steps.
    fn products(&self, steps: Range<usize>) -> Vec<Recorded<B>> {
        let x = self.inputs.primitive();
        let slices = [Slice::from(steps.clone()), Slice::full(), Slice::full()];
        let values = B::float_slice(x.clone(), &slices);
        let values = B::float_matmul(alone::<B>(self.weight.primitive().clone()), values);
        let one = |(place, at): (usize, usize)| {
            let value = matrix::<B>(values.clone(), place);
            let state = (self.uses.clone(), matrix::<B>(x.clone(), at), self.places.clone(), at);
            record::<B, _, 2>(One, [self.weight.node(), self.inputs.node()], state, value)
        };
        steps.enumerate().map(one).collect()
    }
}

/// The node of W·x.
#[derive(Debug)]
struct Product;

impl<B: Backend> Backward<B, 2> for Product {
    /// For the weight, and what it was multiplied by; the weight.
    type State = (Uses<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (uses, weight, x) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let [of_weight, of_x] = ops.parents;
        if let Some(of_x) = of_x {
            let value = B::float_matmul(B::float_transpose(weight), grad.clone());
            grads.register::<B>(of_x.id, value);
        }
        if of_weight.is_some() {
            uses.push(grad, x);
        }
    }
}

/// The node of one of all W·x_t. Its parents are the weight and the inputs.
#[derive(Debug)]
struct One;

impl<B: Backend> Backward<B, 2> for One {
    /// For the weight, and what it was multiplied by; for the inputs, and which it was.
    type State = (Uses<B>, FloatTensor<B>, Places<B>, usize);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (uses, x, places, at) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let [of_weight, of_inputs] = ops.parents;
        if of_inputs.is_some() {
            places.push(at, grad.clone());
        }
        if of_weight.is_some() {
            uses.push(grad, x);
        }
    }
}

/// The node of all x, before those of the products.
#[derive(Debug)]
struct Inputs;

impl<B: Backend> Backward<B, 1> for Inputs {
    /// What they leave; the weight; how many they are.
    type State = (Places<B>, FloatTensor<B>, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (places, weight, count) = ops.state;
        let ([Some(parent)], Some(each)) = (ops.parents, places.take(count)) else { return };
        let each = B::float_cat(each.into_iter().map(alone::<B>).collect(), 0);
        let value = B::float_matmul(alone::<B>(B::float_transpose(weight)), each);
        grads.register::<B>(parent.id, value);
    }
}

/// The node of the weight, before those of its products.
#[derive(Debug)]
struct Sum;

impl<B: Backend> Backward<B, 1> for Sum {
    type State = Uses<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        if let ([Some(parent)], Some(sum)) = (ops.parents, ops.state.sum()) {
            grads.register::<B>(parent.id, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, TensorData, Tolerance};

    use super::*;

    fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::random(shape, Distribution::Default, device).require_grad()
    }

    fn assert_equal<const D: usize>(found: Option<Tensor<D>>, expected: Option<Tensor<D>>) {
        let (Some(found), Some(expected)) = (found, expected) else { panic!("a gradient is missing") };
        found.into_data().assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-5));
    }

    /// All products, in the order of the inputs.
    fn times_each(weight: &Tensor<2>, x: &Tensor<3>, backwards: bool) -> Vec<Tensor<2>> {
        let mut products: Vec<_> = Shared::new(weight.clone()).times_each(x.clone(), backwards).collect();
        if backwards {
            products.reverse();
        }
        products
    }

    #[test]
    fn products_over_time_have_the_values_and_gradients_of_single_ones() {
        let device = Device::flex().autodiff();
        let [of_input, of_state] = [random([3, 2], &device), random([3, 3], &device)];
        let (x, start) = (random([4, 2, 5], &device), random([3, 5], &device));
        let unrolled = |inputs: Vec<Tensor<2>>, times: &dyn Fn(Tensor<2>) -> Tensor<2>| {
            let step = |state: Tensor<2>, input: Tensor<2>| (times(state) + input.square()).tanh();
            let state = inputs.into_iter().fold(start.clone(), step);
            let grads = state.clone().square().sum().backward();
            let weights = [&of_input, &of_state, &start].map(|tensor| tensor.grad(&grads));
            (state, weights, x.grad(&grads))
        };
        for backwards in [false, true] {
            let shared = Shared::new(of_state.clone());
            let found = unrolled(times_each(&of_input, &x, backwards), &|h| shared.times(h));
            let single = (0..4).map(|t| of_input.clone().matmul(x.clone().narrow(0, t, 1).squeeze_dim(0)));
            let expected = unrolled(single.collect(), &|h| of_state.clone().matmul(h));
            assert_equal(Some(found.0), Some(expected.0));
            found.1.into_iter().zip(expected.1).for_each(|(found, expected)| assert_equal(found, expected));
            assert_equal(found.2, expected.2);
        }
    }

    #[test]
    fn blocks_and_sums_that_are_not_full_are_no_different() {
        let device = Device::flex().autodiff();
        // Four steps a block; one sum of 512 columns and one of 384.
        let (weight, x) = (random([256, 1], &device), random([7, 1, 128], &device));
        let steps = BLOCK / (256 * 128);
        assert!(7 % steps > 0 && 7 * 128 % COLUMNS > 0);
        let loss = |products: Vec<Tensor<2>>| Tensor::cat(products, 1).powi_scalar(2).mean();
        for backwards in [false, true] {
            let grads = loss(times_each(&weight, &x, backwards)).backward();
            let single = (0..7).map(|t| weight.clone().matmul(x.clone().narrow(0, t, 1).squeeze_dim(0)));
            let expected = loss(single.collect()).backward();
            assert_equal(weight.grad(&grads), weight.grad(&expected));
            assert_equal(x.grad(&grads), x.grad(&expected));
        }
    }

    #[test]
    fn a_product_nobody_uses_has_no_gradient() {
        let device = Device::flex().autodiff();
        let weight = Tensor::<2>::from_data([[0.5]], &device);
        let x = random([3, 1, 1], &device);
        let products = times_each(&weight, &x, false);
        let grads = (products[0].clone() + products[2].clone().mul_scalar(3.0)).sum().backward();
        let expected = Tensor::from_data([[[0.5]], [[0.0]], [[1.5]]], &Device::flex());
        assert_equal(x.grad(&grads), Some(expected));
    }

    #[test]
    fn a_frozen_weight_or_input_has_none() {
        let device = Device::flex().autodiff();
        let (frozen, x) = (Tensor::<2>::ones([2, 2], &device), random([3, 2, 1], &device));
        let shared = Shared::new(frozen.clone());
        let products = shared.times_each(x.clone(), false).map(|y| shared.times(y)).collect();
        let grads = Tensor::cat(products, 1).sum().backward();
        assert!(frozen.grad(&grads).is_none() && x.grad(&grads).is_some());
        let weight = random([2, 2], &device);
        let product = times_each(&weight, &Tensor::ones([1, 2, 1], &device), false).remove(0);
        assert!(weight.grad(&product.sum().backward()).is_some());
    }

    #[test]
    fn recorded_inputs_of_a_plain_weight_and_plain_inputs_of_a_recorded_one_have_gradients() {
        let device = Device::flex().autodiff();
        let (weight, x) = (random([2, 2], &device), random([3, 2, 1], &device));
        let sum = |weight: Tensor<2>, x: Tensor<3>| {
            let shared = Shared::new(weight);
            let once: Vec<_> = shared.times_each(x.clone(), false).collect();
            let twice = once.into_iter().map(|y| y + shared.times(x.clone().narrow(0, 0, 1).squeeze_dim(0)));
            Tensor::cat(twice.collect(), 1).square().sum()
        };
        let both = sum(weight.clone(), x.clone()).backward();
        let of_weight = sum(weight.clone(), x.clone().inner()).backward();
        assert_equal(weight.grad(&of_weight), weight.grad(&both));
        let of_x = sum(weight.clone().inner(), x.clone()).backward();
        assert_equal(x.grad(&of_x), x.grad(&both));
    }

    #[test]
    fn without_recording_and_with_checkpointing_the_tensor_library_does_it() {
        for device in [Device::flex(), Device::flex().autodiff().gradient_checkpointing()] {
            let mut weight = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device);
            if device.is_autodiff() {
                weight = weight.require_grad();
            }
            let x = Tensor::<3>::from_data([[[1.0], [0.0]], [[0.0], [1.0]]], &device);
            let shared = Shared::new(weight.clone());
            let products = shared.times_each(x, false).map(|y| shared.times(y)).collect();
            let all = Tensor::cat(products, 1);
            all.to_data().assert_eq(&TensorData::from([[7.0_f32, 10.0], [15.0, 22.0]]), true);
            if device.is_autodiff() {
                assert!(weight.grad(&all.sum().backward()).is_some());
            }
        }
    }
}
