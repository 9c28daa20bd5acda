//! Measures of similarity against numpy, and what must not change them.

use burn::tensor::{DType, Device, Tensor, TensorData};
use fornax_nn_core::check::Values;
use fornax_transfer::similarity::{SimilarityError, leep, linear_cka, log_me};

use crate::support_adaptation::{data, fixture, labels};

fn logme_features() -> (Tensor<2>, Vec<usize>) {
    let labels = labels("logme/labels", 40, 3);
    let mut values = data::<2>("logme/x", [40, 6]).values();
    for (row, &label) in values.chunks_mut(6).zip(&labels) {
        row[0] += label as f64;
        row[1] -= if label == 2 { 0.7 } else { 0.0 };
    }
    (Tensor::from_data(TensorData::new(values, [40, 6]), (&Device::flex(), DType::F64)), labels)
}

fn beliefs() -> Tensor<2> {
    burn::tensor::activation::softmax(data::<2>("leep/z", [20, 4]) * 2.0, 1)
}

#[test]
fn the_measures_are_the_references() {
    let cka = linear_cka(data("cka/x", [12, 5]), data("cka/y", [12, 3])).unwrap();
    fixture().check("cka", &[cka], 1e-10, 0.0).unwrap();
    let (features, labels) = logme_features();
    fixture().check("logme", &[log_me(features, &labels).unwrap()], 1e-9, 0.0).unwrap();
    let of = crate::support_adaptation::labels("leep/labels", 20, 3);
    fixture().check("leep", &[leep(beliefs(), &of).unwrap()], 1e-10, 0.0).unwrap();
}

#[test]
fn cka_ignores_rotation_scale_and_shift() {
    let x = data::<2>("cka/x", [12, 2]);
    let (sin, cos) = 0.7f64.sin_cos();
    let turn = Tensor::<2>::from_data([[cos, -sin], [sin, cos]], (&Device::flex(), DType::F64));
    let turned = x.clone().matmul(turn) * 3.0 + 5.0;
    assert!((linear_cka(x.clone(), turned).unwrap() - 1.0).abs() < 1e-12);
    let other = linear_cka(x.clone(), data("cka/y", [12, 3])).unwrap();
    assert!((other - linear_cka(data("cka/y", [12, 3]), x).unwrap()).abs() < 1e-14);
    assert!((0.0..0.9).contains(&other));
}

#[test]
fn labels_that_follow_from_the_features_score_higher() {
    let (features, labels) = logme_features();
    let mut shuffled = labels.clone();
    shuffled.rotate_left(13);
    assert!(log_me(features.clone(), &labels).unwrap() > log_me(features.clone(), &shuffled).unwrap());
    // More features than samples.
    let wide = data::<2>("wide", [6, 9]);
    assert!(log_me(wide, &[0, 1, 0, 1, 1, 0]).unwrap().is_finite());

    // What the classes are called does not matter, nor that numbers between them stand for none.
    let renamed: Vec<usize> = labels.iter().map(|label| 5 + 2 * label).collect();
    assert_eq!(log_me(features.clone(), &renamed), log_me(features, &labels));

    // A source that knows the label is best, one that says the same of all is as good as the labels' entropy.
    let of = crate::support_adaptation::labels("leep/labels", 20, 3);
    let sure: Vec<f64> =
        of.iter().flat_map(|&label| (0..3).map(move |c| f64::from(u8::from(c == label)))).collect();
    let sure = Tensor::<2>::from_data(TensorData::new(sure, [20, 3]), (&Device::flex(), DType::F64));
    assert!(leep(sure, &of).unwrap().abs() < 1e-12);
    let blind = Tensor::<2>::ones([20, 2], (&Device::flex(), DType::F64)) / 2.0;
    let entropy: f64 = (0..3)
        .map(|c| of.iter().filter(|&&label| label == c).count() as f64 / 20.0)
        .map(|p| p * p.ln())
        .sum();
    assert!((leep(blind, &of).unwrap() - entropy).abs() < 1e-12);
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let x = || data::<2>("x", [4, 2]);
    assert_eq!(linear_cka(x(), data("y", [5, 2])), Err(SimilarityError::Rows { left: 4, right: 5 }));
    assert_eq!(linear_cka(x().narrow(0, 0, 1), x().narrow(0, 0, 1)), Err(SimilarityError::Few(1)));
    assert_eq!(linear_cka(x(), x().zeros_like()), Err(SimilarityError::Constant));
    assert_eq!(log_me(x(), &[0, 1]), Err(SimilarityError::Rows { left: 4, right: 2 }));
    let nan = x() * Tensor::<2>::from_data([[1.0], [1.0], [f64::NAN], [1.0]], (&Device::flex(), DType::F64));
    assert!(matches!(log_me(nan, &[0, 1, 0, 1]), Err(SimilarityError::Value { row: 2, .. })));
    assert_eq!(log_me(x().zeros_like(), &[0, 1, 0, 1]), Err(SimilarityError::Constant));
    assert!(matches!(leep(x(), &[0, 1, 0, 1]), Err(SimilarityError::Value { .. })));
}
