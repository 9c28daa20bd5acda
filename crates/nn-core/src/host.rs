//! # Loops over memory of this process
//!
//! On flex a tensor is memory of this process, and what would be ten element-wise operations of the tensor library, each with a
//! pass over memory of its own, can be one loop. The functions here are written so that the compiler turns them into vector
//! instructions, which the standard library's `exp` and `tanh` do not allow:
//!
//! ```text
//! eˣ = 2ⁿ · eʳ       n = round(x / ln 2),   r = x − n ln 2,   |r| ≤ ln 2 / 2: a polynomial of degree 6
//! σ(x) = 1 / (1 + e⁻ˣ)
//! ```
//!
//! Within [`vectorised`] these are the widest the processor has. Who uses them asks [`is_host`] first and has the tensor library's
//! way for every other device.

use std::sync::OnceLock;

use burn::tensor::Device;

use crate::DeviceChoice;

/// A loop over numbers, for [`vectorised`].
pub use pulp::NullaryFnOnce as Loop;

/// Whether tensors of `device` are memory of this process that can be taken out without a copy: flex without autodiff.
pub fn is_host(device: &Device) -> bool {
    // Devices are equal whether or not they record.
    !device.is_autodiff() && is_flex(device)
}

/// Whether tensors of `device` are memory of this process, under autodiff or not.
pub fn is_flex(device: &Device) -> bool {
    static HOST: OnceLock<Option<Device>> = OnceLock::new();
    HOST.get_or_init(|| DeviceChoice::Flex.open().ok()).as_ref() == Some(device)
}

/// eˣ to a relative 3e-7 for |x| ≤ 87, beyond that its value there; NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// 1.5 · 2²³: added to a small number, it leaves the nearest whole one in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with so few bits that its product with n is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    // n, moved to where a float keeps its exponent.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    p * power
}

/// σ(x) = 1 / (1 + e⁻ˣ), exact to 2e-7.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh by the quotient of two polynomials in x², exact to 5e-7.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let x = x.clamp(-7.905_311, 7.905_311);
    let s = x * x;
    let p = -2.760_768_5e-16;
    let p = p * s + 2.000_188e-13;
    let p = p * s + -8.604_672e-11;
    let p = p * s + 5.122_297_1e-8;
    let p = p * s + 1.485_722_4e-5;
    let p = p * s + 6.372_619_3e-4;
    let p = p * s + 4.893_524_6e-3;
    let q = 1.198_258_4e-6;
    let q = q * s + 1.185_347e-4;
    let q = q * s + 2.268_434_6e-3;
    let q = q * s + 4.893_525e-3;
    // Rounding may leave the open interval; NaN stays NaN.
    (x * p / q).clamp(-1.0, 1.0)
}

/// [`tanh`] of each.
pub fn tanh_in_place(values: &mut [f32]) {
    struct Each<'a>(&'a mut [f32]);

    impl Loop for Each<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            for value in self.0 {
                *value = tanh(*value);
            }
        }
    }

    vectorised(Each(values));
}

/// Numbers added side by side.
const LANES: usize = 64;

/// Σ x, many sums side by side.
pub fn sum(values: &[f32]) -> f32 {
    struct Sum<'a>(&'a [f32]);

    impl Loop for Sum<'_> {
        type Output = f32;

        #[inline(always)]
        fn call(self) -> f32 {
            sum_of(self.0, |x| x)
        }
    }

    vectorised(Sum(values))
}

/// Σ f(x), many sums side by side, for a [`Loop`].
#[inline(always)]
pub fn sum_of(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum_of_products(values, values, |x, _| f(x))
}

/// Σ f(a, b) over the pairs of two equally long slices, many sums side by side, for a [`Loop`].
#[inline(always)]
pub fn sum_of_products(left: &[f32], right: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (left, right) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let rest = left.remainder().iter().zip(right.remainder());
    let rest: f32 = rest.map(|(a, b)| f(*a, *b)).sum();
    for (left, right) in left.zip(right) {
        for lane in 0..LANES {
            sums[lane] += f(left[lane], right[lane]);
        }
    }
    rest + sums.iter().sum::<f32>()
}

/// Runs a loop compiled for what this processor can do, AVX-512 for one, instead of for what all of its kind can. Only what is inlined
/// into [`Loop::call`] profits, which has to be `#[inline(always)]` itself; the results are the same.
pub fn vectorised<L: Loop>(run: L) -> L::Output {
    pulp::Arch::new().dispatch(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest distance from `truth` over [−20, 20].
    fn worst(found: impl Fn(f32) -> f32, truth: impl Fn(f64) -> f64, relative: bool) -> f64 {
        (-200_000..=200_000)
            .map(|i| i as f32 * 1e-4)
            .map(|x| {
                let expected = truth(f64::from(x));
                (f64::from(found(x)) - expected).abs() / if relative { expected } else { 1.0 }
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn they_are_what_they_are_called() {
        let of_exp = worst(exp, f64::exp, true);
        assert!(of_exp < 3e-7, "{of_exp}");
        let of_sigmoid = worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), false);
        assert!(of_sigmoid < 2e-7, "{of_sigmoid}");
        let of_tanh = worst(tanh, f64::tanh, false);
        assert!(of_tanh < 5e-7, "{of_tanh}");
    }

    #[test]
    fn the_ends_are_finite_and_nan_stays() {
        assert!(exp(f32::NAN).is_nan() && exp(1e9).is_finite() && exp(-1e9) > 0.0);
        assert!(sigmoid(f32::NAN).is_nan());
        assert_eq!((sigmoid(f32::INFINITY), exp(0.0), sigmoid(0.0)), (1.0, 1.0, 0.5));
        assert!(sigmoid(f32::NEG_INFINITY) < 1e-37);
        let mut special = [f32::NAN, f32::INFINITY, -0.0];
        tanh_in_place(&mut special);
        assert!(special[0].is_nan() && special[1] == 1.0 && special[2] == 0.0);
    }

    #[test]
    fn sums_leave_nothing_out() {
        for count in [0, 1, LANES, 3 * LANES + 5] {
            let values: Vec<f32> = (0..count).map(|i| i as f32).collect();
            let expected = (0..count).sum::<usize>() as f32;
            assert_eq!(sum(&values), expected);
            assert_eq!(sum_of_products(&values, &values, |a, b| 3.0 * a - b), 2.0 * expected);
        }
    }

    #[test]
    fn a_recording_device_is_flex_but_no_host() {
        let device = Device::flex();
        assert!(is_host(&device) && is_flex(&device));
        assert!(!is_host(&device.clone().autodiff()) && is_flex(&device.autodiff()));
    }
}
