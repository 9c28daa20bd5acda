//! COCO's twelve figures against pycocotools, over the same scenes in closed form: `xtask/reference/parity/coco.py` draws
//! them on the other side, `cargo xtask parity coco` makes the fixture again.

use fornax_cnn::detection::coco::{Evaluator, Found, Truth};
use fornax_nn_core::check::{Fixture, compare, fill};

/// How a case is drawn.
struct Case {
    name: &'static str,
    images: usize,
    classes: usize,
    /// Things and detections of an image at most.
    most: [usize; 2],
    /// Different scores.
    levels: i64,
    /// One thing in so many is a crowd; none for 0.
    crowd: i64,
}

const CASES: [Case; 7] = [
    Case { name: "mixed", images: 24, classes: 4, most: [8, 14], levels: 1000, crowd: 9 },
    Case { name: "ties", images: 16, classes: 2, most: [6, 10], levels: 3, crowd: 0 },
    Case { name: "crowds", images: 12, classes: 2, most: [6, 20], levels: 50, crowd: 2 },
    Case { name: "sparse", images: 30, classes: 6, most: [1, 2], levels: 10, crowd: 0 },
    Case { name: "most", images: 3, classes: 1, most: [90, 400], levels: 200, crowd: 11 },
    Case { name: "alone", images: 4, classes: 2, most: [3, 0], levels: 10, crowd: 0 },
    Case { name: "nothing", images: 4, classes: 2, most: [0, 5], levels: 10, crowd: 0 },
];

fn number(name: &str, most: usize) -> usize {
    fill::classes(name, 1, most + 1)[0] as usize
}

fn rows(name: &str, count: usize) -> Vec<[i64; 8]> {
    fill::classes(name, count * 8, 1 << 16).as_chunks::<8>().0.to_vec()
}

fn quarters(value: i64) -> f64 {
    value as f64 / 4.0
}

fn corners([x, y, w, h]: [f64; 4]) -> [f64; 4] {
    [x, y, x + w, y + h]
}

impl Case {
    fn scene(&self, image: usize) -> (Vec<Truth>, Vec<Found>) {
        let (name, classes) = (self.name, self.classes as i64);
        let mut things = Vec::new();
        for r in
            rows(&format!("{name} {image} thing"), number(&format!("{name} {image} things"), self.most[0]))
        {
            let span = [80, 300, 1000][r[6] as usize % 3];
            let (w, h) = (8.0 + quarters(r[2] % span), 8.0 + quarters(r[3] % span));
            let bounds = [quarters(r[0] % 1600), quarters(r[1] % 1600), w, h];
            let area = w * h * (0.5 + 0.25 * (r[5] % 3) as f64);
            let truth = Truth::new(corners(bounds), (r[4] % classes) as usize).with_area(area);
            let is_crowd = self.crowd > 0 && r[7] % self.crowd == 0;
            things.push((bounds, if is_crowd { truth.as_crowd() } else { truth }));
        }
        let mut found = Vec::new();
        for r in
            rows(&format!("{name} {image} detection"), number(&format!("{name} {image} found"), self.most[1]))
        {
            let score = (r[7] % self.levels + 1) as f64 / (self.levels + 1) as f64;
            let any = (r[6] / 8 % classes) as usize;
            let (bounds, class) = if !things.is_empty() && r[0] % 4 != 0 {
                let (bounds, truth) = &things[r[1] as usize % things.len()];
                let moved = std::array::from_fn(|i| bounds[i] + quarters(r[2 + i] % 33 - 16));
                (moved, if r[6] % 8 != 0 { truth.class } else { any })
            } else {
                let size = [4.0 + quarters(r[4] % 400), 4.0 + quarters(r[5] % 400)];
                ([quarters(r[2] % 1600), quarters(r[3] % 1600), size[0], size[1]], any)
            };
            found.push(Found { bounds: corners(bounds), class, score });
        }
        (things.into_iter().map(|(_, truth)| truth).collect(), found)
    }
}

#[test]
fn the_twelve_figures_are_pycocotools() {
    let fixture = Fixture::parse(include_str!("../fixtures/coco.json")).unwrap();
    for case in CASES {
        let (mut evaluator, mut counts) = (Evaluator::new(), [0.0; 3]);
        for image in 0..case.images {
            let (truth, found) = case.scene(image);
            counts[0] += truth.len() as f64;
            counts[1] += truth.iter().filter(|truth| truth.crowd).count() as f64;
            counts[2] += found.len() as f64;
            evaluator.add(&found, &truth);
        }
        fixture.check(&format!("{}.counts", case.name), &counts, 0.0, 0.0).unwrap();
        let s = evaluator.summary();
        let precision = [s.ap, s.ap50, s.ap75, s.ap_small, s.ap_medium, s.ap_large];
        let recall = [s.ar1, s.ar10, s.ar100, s.ar_small, s.ar_medium, s.ar_large];
        let figures: Vec<f64> = [precision, recall].concat().iter().map(|f| f.unwrap_or(-1.0)).collect();
        let expected = &fixture.entry(&format!("{}.stats", case.name)).unwrap().values;
        compare(&figures, expected, 0.0, 1e-9).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
}

#[test]
fn classes_average_to_the_whole() {
    let mut evaluator = Evaluator::new();
    for image in 0..CASES[0].images {
        let (truth, found) = CASES[0].scene(image);
        evaluator.add(&found, &truth);
    }
    let by_class = evaluator.ap_by_class();
    let mean = by_class.iter().map(|(_, ap)| ap).sum::<f64>() / by_class.len() as f64;
    assert!(by_class.len() == 4 && (mean - evaluator.summary().ap.unwrap()).abs() < 1e-12);
}
