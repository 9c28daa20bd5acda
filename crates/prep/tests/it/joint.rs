//! Boxes, masks and keypoints follow the image, whatever is done to it.

use fornax_prep::Key;
use fornax_prep::image::transform::*;
use fornax_prep::image::{BoundingBox, Channels, Image, Keypoint, Mask, Object, Sample, Transform};
use proptest::prelude::*;

/// A black image with a white rectangle, a mask of class 1 where it is white, its box, and its corners and middle
/// as keypoints.
fn scene(size @ [height, width]: [usize; 2], [left, top, right, bottom]: [usize; 4]) -> Sample {
    let inside = |index: usize| {
        let (row, column) = (index / width, index % width);
        (top..bottom).contains(&row) && (left..right).contains(&column)
    };
    let pixels = (0..height * width).map(|index| if inside(index) { 255 } else { 0 }).collect();
    let classes = (0..height * width).map(|index| u8::from(inside(index))).collect();
    let corners = [left, top, right, bottom].map(|side| side as f32);
    let [x0, y0, x1, y1] = corners;
    let points = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [(x0 + x1) / 2.0, (y0 + y1) / 2.0]];
    let keypoints = points.map(|[x, y]| Keypoint { x, y, visible: true }).to_vec();
    let object = Object { keypoints, ..Object::new(BoundingBox::from_corners(corners), 3) };
    Sample::new(Image::new(pixels, size, Channels::Grey).unwrap())
        .with_objects(vec![object])
        .with_mask(Mask::new(classes, size).unwrap())
        .unwrap()
}

/// The smallest box around class 1.
fn box_of(mask: &Mask) -> Option<[f32; 4]> {
    let [_, width] = mask.size();
    let places = mask.classes().iter().enumerate().filter(|&(_, &class)| class == 1);
    let mut bounds: Option<[usize; 4]> = None;
    for (index, _) in places {
        let (row, column) = (index / width, index % width);
        let [x0, y0, x1, y1] = bounds.unwrap_or([column, row, column + 1, row + 1]);
        bounds = Some([x0.min(column), y0.min(row), x1.max(column + 1), y1.max(row + 1)]);
    }
    bounds.map(|corners| corners.map(|side| side as f32))
}

/// The box is the mask's, to so many pixels on each side; no mask without a box.
fn assert_box_is_mask(sample: &Sample, tolerance: f32, what: &str) -> Result<(), TestCaseError> {
    let mask = box_of(sample.mask.as_ref().unwrap());
    let bounds = sample.objects.first().map(|object| object.bounds.corners());
    match (mask, bounds) {
        (Some(mask), Some(bounds)) => {
            // How far the mask sticks out of its box, and how far it stays behind.
            let beyond = [bounds[0] - mask[0], bounds[1] - mask[1], mask[2] - bounds[2], mask[3] - bounds[3]];
            let most = beyond.into_iter().fold(f32::MIN, f32::max);
            prop_assert!(most <= tolerance.min(1.0), "{what}: mask {mask:?} outside of box {bounds:?}");
            // A turned rectangle that the frame cuts may end in a needle without a pixel's centre.
            let is_whole = sample.objects[0].keypoints.iter().all(|point| point.visible);
            if is_whole || tolerance < 2.0 {
                let least = beyond.into_iter().fold(f32::MAX, f32::min);
                prop_assert!(least >= -tolerance, "{what}: mask {mask:?}, box {bounds:?}");
            }
        }
        // What is too small to be kept as an object may leave a few pixels, and a sliver may leave none.
        (Some([x0, y0, x1, y1]), None) => {
            prop_assert!(
                x1 - x0 <= tolerance + 1.0 || y1 - y0 <= tolerance + 1.0,
                "{what}: mask without box"
            );
        }
        (None, Some([x0, y0, x1, y1])) => {
            prop_assert!(
                x1 - x0 <= tolerance + 1.0 || y1 - y0 <= tolerance + 1.0,
                "{what}: box without mask"
            );
        }
        (None, None) => {}
    }
    Ok(())
}

/// Every geometric transformation, and how far a mask's pixels may lie from the exact box: half a pixel on either
/// side of an axis-parallel edge; where corners are turned, the last pixel's centre may miss the corner.
fn geometric(size: [usize; 2], amount: f32) -> Vec<(Step, f32)> {
    let [height, width] = size;
    let part = |side: usize| (side as f32 * (0.3 + 0.6 * amount)) as usize + 1;
    let warp = |sampling| Warp { sampling, ..Warp::default() };
    vec![
        (Resize::to(part(height), part(width) * 2).into(), 1.0),
        (Resize::shorter(part(height)).with_filter(Filter::Lanczos).into(), 1.0),
        (CenterCrop::new(part(height), part(width)).into(), 1e-3),
        (RandomCrop::new(part(height).min(height), part(width).min(width)).into(), 1e-3),
        (RandomResizedCrop::new(48, 56).with_scale(0.2, 1.0).into(), 1.0),
        (Pad { sides: [3, 0, 7, 11], mode: PadMode::Constant, fill: Fill::default() }.into(), 1e-3),
        (HorizontalFlip::always().into(), 1e-3),
        (VerticalFlip::always().into(), 1e-3),
        (Rotation::up_to(180.0).into(), 2.0),
        (Rotation::up_to(45.0).with_expand().into(), 2.0),
        (
            Affine::default()
                .with_rotation(30.0)
                .with_translation(0.3, 0.3)
                .with_scale(0.7, 1.4)
                .with_warp(warp(Sampling::Bilinear))
                .into(),
            2.0,
        ),
        (Affine::default().with_shear(20.0).into(), 2.5),
        (Perspective::always(0.5).into(), 3.5),
    ]
}

fn rectangles() -> impl Strategy<Value = ([usize; 2], [usize; 4])> {
    (24usize..60, 24usize..60).prop_flat_map(|(height, width)| {
        let corner = (0..width - 12, 0..height - 12);
        (Just([height, width]), corner).prop_flat_map(|(size @ [height, width], (left, top))| {
            (Just(size), (left + 8..=width, top + 8..=height))
                .prop_map(move |(size, (right, bottom))| (size, [left, top, right, bottom]))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_box_of_the_moved_mask_is_the_moved_box((size, rectangle) in rectangles(), amount in 0f32..1.0, seed: u64) {
        for (step, tolerance) in geometric(size, amount) {
            let moved = step.apply(scene(size, rectangle), Key::new(seed)).unwrap();
            let what = format!("{step:?}");
            prop_assert_eq!(moved.mask.as_ref().unwrap().size(), moved.image.size(), "{}", what);
            assert_box_is_mask(&moved, tolerance, &what)?;
        }
    }

    #[test]
    fn boxes_stay_inside_the_frame_and_keypoints_in_their_box((size, rectangle) in rectangles(), amount in 0f32..1.0, seed: u64) {
        for (step, _) in geometric(size, amount) {
            let moved = step.apply(scene(size, rectangle), Key::new(seed)).unwrap();
            let [height, width] = moved.image.size().map(|side| side as f32);
            for object in &moved.objects {
                let [x0, y0, x1, y1] = object.bounds.corners();
                prop_assert!(0.0 <= x0 && x0 <= x1 && x1 <= width && 0.0 <= y0 && y0 <= y1 && y1 <= height);
                prop_assert_eq!((object.class, object.keypoints.len()), (3, 5));
                for point in object.keypoints.iter().filter(|point| point.visible) {
                    let near = 1e-3;
                    prop_assert!(point.x >= x0 - near && point.x <= x1 + near, "{step:?}: {point:?} {object:?}");
                    prop_assert!(point.y >= y0 - near && point.y <= y1 + near, "{step:?}: {point:?} {object:?}");
                }
            }
        }
    }

    #[test]
    fn a_box_that_is_not_cut_changes_its_area_by_the_scale((size, rectangle) in rectangles(), factor in 1usize..4) {
        let area = |sample: &Sample| sample.objects[0].bounds.area();
        let old = scene(size, rectangle);
        let before = area(&old);
        let resized = Resize::to(size[0] * factor, size[1]).apply(old.clone(), Key::new(0)).unwrap();
        prop_assert!((area(&resized) / before - factor as f32).abs() < 1e-4);
        for step in [Step::from(HorizontalFlip::always()), VerticalFlip::always().into(), Pad::all(factor).into()] {
            prop_assert!((area(&step.apply(old.clone(), Key::new(0)).unwrap()) - before).abs() < 1e-2);
        }
        // Turned by α, a box of w × h needs (w cos α + h sin α)(w sin α + h cos α).
        let turned = Rotation::by(30.0).with_expand().apply(old.clone(), Key::new(0)).unwrap();
        let [w, h] = [old.objects[0].bounds.width(), old.objects[0].bounds.height()];
        let (sin, cos) = 30f32.to_radians().sin_cos();
        let expected = (w * cos + h * sin) * (w * sin + h * cos);
        prop_assert!((area(&turned) / expected - 1.0).abs() < 1e-3, "{} for {expected}", area(&turned));
    }

    #[test]
    fn the_same_key_gives_the_same_bytes_and_another_does_not((size, rectangle) in rectangles(), seed: u64) {
        let mut steps: Vec<Step> = geometric(size, 0.5).into_iter().map(|(step, _)| step).collect();
        steps.extend([
            ColorJitter::new(0.4, 0.4, 0.4, 0.2).into(),
            Grayscale::default().into(),
            GaussianBlur::new(5).into(),
            GaussianNoise::default().into(),
            RandomErasing::default().into(),
            RandAugment::default().into(),
        ]);
        for step in &steps {
            let once = step.apply(scene(size, rectangle), Key::new(seed)).unwrap();
            prop_assert_eq!(&once, &step.apply(scene(size, rectangle), Key::new(seed)).unwrap(), "{:?}", step);
        }
        // As a pipeline of random steps, stored and read again.
        let random = Compose { steps: vec![RandomResizedCrop::new(32, 32).into(), GaussianNoise::default().into()] };
        let stored: Compose = serde_json::from_str(&serde_json::to_string(&random).unwrap()).unwrap();
        let once = random.apply(scene(size, rectangle), Key::new(seed)).unwrap();
        prop_assert_eq!(&once, &stored.apply(scene(size, rectangle), Key::new(seed)).unwrap());
        prop_assert_ne!(&once, &stored.apply(scene(size, rectangle), Key::new(seed ^ 1)).unwrap());
    }
}

#[test]
fn rand_augment_moves_boxes_with_the_image() {
    let mut moved = 0;
    for index in 0..300 {
        let old = scene([40, 50], [10, 10, 30, 26]);
        let new = RandAugment::default().apply(old.clone(), Key::new(8).fold(index)).unwrap();
        assert_box_is_mask(&new, 2.5, "RandAugment").unwrap();
        moved += usize::from(new.objects != old.objects);
    }
    // Five of fourteen changes move: 1 − (9/14)² = 0.59 of the samples.
    assert!((140..210).contains(&moved), "{moved}");
}

#[test]
fn pixels_masks_and_labels_of_colour_changes_stay() {
    let old = scene([30, 30], [5, 5, 20, 20]).with_label(4);
    for step in [
        Step::from(ColorJitter::new(0.5, 0.5, 0.5, 0.1)),
        GaussianBlur::new(3).into(),
        GaussianNoise::new(0.2).into(),
        RandomErasing { p: 1.0, value: Erased::Noise, ..RandomErasing::default() }.into(),
    ] {
        let new = step.apply(old.clone(), Key::new(1)).unwrap();
        assert_eq!((&new.objects, &new.mask, new.label), (&old.objects, &old.mask, Some(4)), "{step:?}");
        assert_ne!(new.image, old.image, "{step:?}");
    }
}
