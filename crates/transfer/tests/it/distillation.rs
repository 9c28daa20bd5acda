//! Soft targets and hints.

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Int, Tensor};
use fornax_cnn::classification::Batch;
use fornax_cnn::{Classifier, LeNetConfig};
use fornax_nn_core::check::{GradCheck, fill};
use fornax_transfer::distillation::{
    DistillationConfig, HintConfig, soft_target_loss, teacher_logits, train_step,
};

use crate::support_adaptation::{data, fixture, value};

#[test]
fn the_loss_is_pytorchs() {
    let config = DistillationConfig::new().with_temperature(3.0).with_alpha(0.7);
    let targets: Tensor<1, Int> = fill::targets("kd/labels", [6], 4, &Device::flex());
    let logits = |name| data::<2>(name, [6, 4]) * 3.0;
    let loss = config.loss(logits("kd/student"), logits("kd/teacher"), targets);
    fixture().check("distillation", &loss, 1e-12, 0.0).unwrap();
}

#[test]
fn agreement_costs_nothing_and_the_gradient_is_the_difference_of_beliefs() {
    let device = Device::flex().autodiff();
    let teacher = data::<2>("kd/teacher", [6, 4]);
    assert!(value(soft_target_loss(teacher.clone(), teacher, 2.0)).abs() < 1e-14);
    let inputs = [("student", fill::data("s", &[3, 4]))];
    let report = GradCheck::new()
        .function(&device, &inputs, |x| {
            let student = x.get::<2>("student");
            let teacher = Tensor::from_inner(data::<2>("t", [3, 4]));
            soft_target_loss(student * 2.0, teacher, 2.5)
        })
        .unwrap();
    assert_eq!(report.compared, 12);
}

#[test]
fn high_temperatures_keep_the_gradients_size() {
    // T² · KL tends to half the squared difference of centred logits over the classes.
    let (s, t) = (data::<2>("s", [5, 4]), data::<2>("t", [5, 4]));
    let difference = s.clone() - t.clone();
    let centred = difference.clone() - difference.mean_dim(1);
    let limit = value((centred.clone() * centred).sum()) / (2.0 * 4.0 * 5.0);
    let loss = value(soft_target_loss(s, t, 1e4));
    assert!((loss / limit - 1.0).abs() < 1e-3, "{loss} against {limit}");
}

#[test]
fn a_student_comes_to_agree_with_its_teacher_and_the_teacher_stays() {
    let device = Device::flex().autodiff();
    let config = LeNetConfig::digits().with_channels([4, 8]).with_hidden([16, 12]).with_dropout(0.0);
    let teacher = fill::fill(config.init(&device).unwrap()).valid();
    let mut student = config.init(&device).unwrap();
    let images = fill::input("images", [16, 1, 16, 16], &device);
    let logits = teacher_logits(&teacher, images.clone());
    let targets = logits.clone().argmax(1).squeeze_dim(1);
    let distillation = DistillationConfig::new().with_alpha(1.0);
    let mut optim = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..60 {
        let batch = Batch { images: images.clone(), targets: targets.clone() };
        let loss;
        (student, loss) =
            train_step(student, &mut optim, 1e-2, batch, logits.clone(), &distillation).unwrap();
        losses.push(loss);
    }
    assert!(losses[59] < 0.3 * losses[0], "{} to {}", losses[0], losses[59]);
    assert_eq!(teacher_logits(&teacher, images).to_data(), logits.to_data());
}

#[test]
fn hints_reach_the_student_and_not_the_teacher() {
    let device = Device::flex().autodiff();
    let (small, large) = (LeNetConfig::digits().with_channels([4, 6]), LeNetConfig::digits());
    let (student, teacher) = (small.init(&device).unwrap(), large.init(&device).unwrap());
    let config = HintConfig::last(&student, &teacher);
    assert_eq!((config.student, config.teacher), (6, 64));
    let hint = config.init(&device).unwrap();
    let maps = |name, channels| fill::input::<4>(name, [2, channels, 3, 3], &device).require_grad();
    let (from, to) = (maps("a", 6), maps("b", 64));
    let grads = hint.loss(from.clone(), to.clone()).backward();
    assert!(from.grad(&grads).is_some() && to.grad(&grads).is_none());
    assert!(HintConfig::new(0, 3).init(&device).is_err());
    assert!(DistillationConfig::new().with_alpha(1.5).validate().is_err());
    assert!(DistillationConfig::new().with_temperature(0.0).validate().is_err());
    assert_eq!(student.num_classes(), 10);
}

#[test]
#[should_panic(expected = "[6, 4] and of the teacher [5, 4]")]
fn other_shapes_are_refused() {
    soft_target_loss(data::<2>("s", [6, 4]), data::<2>("t", [5, 4]), 1.0);
}
