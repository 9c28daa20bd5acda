use std::f64::consts::{FRAC_PI_2, TAU};

use super::ground::{Ground, Surface};
use super::*;
use crate::Key;
use crate::image::Channels;

#[test]
fn a_car_drives_the_circle_of_its_steering() {
    let command = Command { steering: 0.3, speed: 5.0 };
    let radius = Car::WHEELBASE / 0.3f64.tan();
    let start = Car { x: 1.0, y: -2.0, heading: 0.4, speed: 5.0 };
    let center = [start.x - radius * 0.4f64.sin(), start.y + radius * 0.4f64.cos()];
    let steps = 100;
    let seconds = TAU * radius / 5.0 / f64::from(steps);
    let mut car = start;
    for step in 1..=steps {
        car = car.step(command, seconds);
        let distance = (car.x - center[0]).hypot(car.y - center[1]);
        assert!((distance - radius).abs() < 1e-9, "{distance} is not {radius}");
        let turned = 0.4 + TAU * f64::from(step) / f64::from(steps);
        assert!((car.heading - turned).abs() < 1e-9);
    }
    // Once around.
    assert!((car.x - start.x).hypot(car.y - start.y) < 1e-9);
}

#[test]
fn a_step_integrates_the_equations_of_motion() {
    // Classical Runge–Kutta of a thousand small steps, with speed that changes evenly.
    let start = Car { x: 0.0, y: 0.0, heading: -0.7, speed: 4.0 };
    for (steering, speed) in [(0.25, 4.0), (-0.5, 4.0), (0.0, 4.0), (1e-8, 4.0)] {
        let end = start.step(Command { steering, speed }, 0.8);
        let rate = |[_, _, heading]: [f64; 3]| {
            [4.0 * heading.cos(), 4.0 * heading.sin(), 4.0 * steering.tan() / Car::WHEELBASE]
        };
        let mut state = [0.0, 0.0, -0.7];
        let h = 0.8 / 1000.0;
        let moved = |state: [f64; 3], rate: [f64; 3], h: f64| std::array::from_fn(|i| state[i] + h * rate[i]);
        for _ in 0..1000 {
            let k1 = rate(state);
            let k2 = rate(moved(state, k1, h / 2.0));
            let k3 = rate(moved(state, k2, h / 2.0));
            let k4 = rate(moved(state, k3, h));
            state = std::array::from_fn(|i| state[i] + h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]));
        }
        let off = (end.x - state[0]).hypot(end.y - state[1]) + (end.heading - state[2]).abs();
        assert!(off < 1e-9, "{off} with steering {steering}");
    }
    let braking = start.step(Command { steering: 0.0, speed: 0.0 }, 0.1);
    assert!((braking.speed - 3.7).abs() < 1e-12, "3 m/s² for a tenth of a second");
    let stop = start.step(Command { steering: 9.0, speed: 4.0 }, 0.1);
    assert_eq!(stop, start.step(Command { steering: Car::MAX_STEERING, speed: 4.0 }, 0.1));
}

fn camera(pitch: f64) -> Camera {
    // 90° across 64 pixels: f = 32.
    CameraConfig { field_of_view: 90.0, pitch, ..CameraConfig::default() }.init().unwrap()
}

#[test]
fn points_are_projected_as_by_hand() {
    let level = camera(0.0);
    assert!((level.focal_length() - 32.0).abs() < 1e-12);
    // Level, 2 m up: 8 m ahead is 2/8 below the axis, a quarter of f; 4 m to the left of that is half an f left.
    let [u, v] = level.project([8.0, 4.0]).unwrap();
    assert!((u - (32.0 - 16.0)).abs() < 1e-12 && (v - (16.0 + 8.0)).abs() < 1e-12, "{u}, {v}");
    assert_eq!(level.ground([32.0, 16.0]), None, "the axis of a level camera is the horizon");
    // 45° down, the axis meets the ground as far ahead as the camera is high; straight below is 45° under the axis.
    let steep = camera(45.0);
    let [forward, left] = steep.ground([32.0, 16.0]).unwrap();
    assert!((forward - 2.0).abs() < 1e-12 && left.abs() < 1e-12);
    let [u, v] = steep.project([0.0, 0.0]).unwrap();
    assert!((u - 32.0).abs() < 1e-12 && (v - (16.0 + 32.0)).abs() < 1e-9, "{u}, {v}");
    assert_eq!(steep.project([-2.1, 0.0]), None, "behind the camera");
}

#[test]
fn ground_and_image_are_inverse() {
    for pitch in [0.0, 15.0, 40.0] {
        let camera = camera(pitch);
        for place in [[3.0, 0.5], [6.0, -4.0], [25.0, 9.0]] {
            let back = camera.ground(camera.project(place).unwrap()).unwrap();
            assert!((back[0] - place[0]).abs() < 1e-9 && (back[1] - place[1]).abs() < 1e-9, "{back:?}");
        }
    }
}

#[test]
fn the_ground_shows_lanes_and_lines() {
    let straight: Vec<[f64; 2]> = (0..=40).map(|i| [f64::from(i), 0.0]).collect();
    let ground = Ground::new(&[&straight]);
    // Dashes are painted for the first half of every six metres.
    assert_eq!(ground.surface(7.5, 0.0), Surface::Paint);
    assert_eq!(ground.surface(10.5, 0.0), Surface::Asphalt);
    for side in [-1.0, 1.0] {
        assert_eq!(ground.surface(20.0, side * 1.6), Surface::Asphalt);
        assert_eq!(ground.surface(20.0, side * (LANE - 0.25)), Surface::Paint);
        assert_eq!(ground.surface(20.0, side * (LANE + 0.1)), Surface::Grass);
    }
    assert_eq!(ground.surface(-300.0, 0.0), Surface::Grass);
}

#[test]
fn the_camera_sees_the_lines_where_they_are_projected() {
    let road = RoadConfig { forks: 0 }.init().unwrap().sample(Key::new(3), 0);
    let config =
        CameraConfig { size: [128, 256], channels: Channels::Grey, noise: 0.0, ..Default::default() };
    let camera = config.init().unwrap();
    let car = Episode::new(&road).car();
    let image = camera.view(&road, &car, Key::new(0));
    let at = |[u, v]: [f64; 2]| image[(v as usize) * 256 + u as usize];
    // From the middle of the right lane: asphalt ahead, the edge of the road 1.35 m to the right, grass behind it.
    let seen = |left: f64| at(camera.project([3.0, left]).unwrap());
    let (asphalt, line, grass) = (seen(0.0), seen(-(0.5 * LANE - 0.25)), seen(-3.0));
    assert!(line > asphalt && line > grass, "{asphalt} {line} {grass}");
    let look = road.look;
    let grey = |[r, g, b]: [f32; 3]| (255.0 * (0.299 * r + 0.587 * g + 0.114 * b)).round() as u8;
    assert_eq!(at([128.5, 0.5]), grey(look.sky));
    assert_ne!(asphalt, grass);
}

#[test]
fn the_expert_arrives_on_every_road() {
    let roads = RoadConfig::default().init().unwrap();
    let mut turns = [0; 3];
    for index in 0..300 {
        let road = roads.sample(Key::new(4), index);
        let mut episode = Episode::new(&road);
        while episode.status() == Status::Driving {
            episode.step(episode.expert()).unwrap();
        }
        assert_eq!(episode.status(), Status::Arrived, "road {index} at {} m", episode.along());
        assert!(episode.mean_lane_error() < 0.2, "road {index}: {}", episode.mean_lane_error());
        assert_eq!(episode.progress(), 1.0);
        road.forks().iter().for_each(|fork| turns[fork.turn.index()] += 1);
    }
    // Each way a third of 600 times: deviation 11.5.
    assert!(turns.iter().all(|count: &i32| (count - 200).abs() < 58), "{turns:?}");
}

#[test]
fn the_expert_comes_back_from_a_push() {
    let roads = RoadConfig::default().init().unwrap();
    let mut furthest = 0.0f64;
    for index in 0..50 {
        let (road, key) = (roads.sample(Key::new(5), index), Key::new(6).fold(index));
        let mut episode = Episode::new(&road);
        while episode.status() == Status::Driving {
            let Command { steering, speed } = episode.expert();
            episode.step(Command { steering: steering + disturbance(key, episode.steps()), speed }).unwrap();
            furthest = furthest.max(episode.lane_error().abs());
        }
        assert_eq!(episode.status(), Status::Arrived, "road {index}");
    }
    assert!(furthest > 0.4, "pushed by no more than {furthest} m");
}

#[test]
fn a_driver_without_eyes_leaves_the_road_and_one_that_stands_is_stopped() {
    let roads = RoadConfig::default().init().unwrap();
    let drive = |index, command| {
        let road = roads.sample(Key::new(7), index);
        let mut episode = Episode::new(&road);
        while episode.status() == Status::Driving {
            episode.step(command).unwrap();
        }
        let status = episode.status();
        assert_eq!(episode.step(command).unwrap(), status, "an ended drive stays as it is");
        status
    };
    let arrived = (0..50).filter(|&i| drive(i, Command { steering: 0.0, speed: 5.0 }) == Status::Arrived);
    assert_eq!(arrived.count(), 0);
    assert_eq!(drive(0, Command { steering: 0.0, speed: 0.0 }), Status::TimedOut);
}

#[test]
fn the_wrong_way_at_a_fork_is_off_the_road() {
    let roads = RoadConfig { forks: 1 }.init().unwrap();
    let forked = |i| roads.sample(Key::new(8), i);
    // The expert as far as the fork, then the wheels turned the other way.
    let index = (0..).find(|&i| {
        let road = forked(i);
        let fork = &road.forks()[0];
        fork.turn == Turn::Left && fork.options.contains(&Turn::Right)
    });
    let road = forked(index.unwrap());
    let fork = road.forks()[0].at;
    let mut episode = Episode::new(&road);
    while episode.status() == Status::Driving {
        let expert = episode.expert();
        let there = episode.along() >= fork;
        episode.step(if there { Command { steering: -0.25, ..expert } } else { expert }).unwrap();
    }
    assert_eq!(episode.status(), Status::LeftRoad);
    assert!(episode.along() < fork + 15.0);
}

#[test]
fn goals_are_given_around_forks_and_only_there() {
    let road = RoadConfig::default().init().unwrap().sample(Key::new(9), 4);
    let mut episode = Episode::new(&road);
    let mut asked = vec![false; road.forks().len()];
    while episode.status() == Status::Driving {
        let here = episode.along();
        let near = road.forks().iter().position(|fork| here > fork.at - 15.0 && here < fork.at + 10.0);
        let expected = near.map_or(Turn::Straight, |i| road.forks()[i].turn);
        assert_eq!(episode.goal(), expected, "{here}");
        if episode.at_fork() {
            asked[near.unwrap()] = true;
        }
        episode.step(episode.expert()).unwrap();
    }
    assert!(asked.iter().all(|asked| *asked), "every fork is met");
}

#[test]
fn everything_follows_from_the_key() {
    let roads = RoadConfig::default().init().unwrap();
    let camera = CameraConfig::default().init().unwrap();
    let film = |seed: u64| {
        let road = roads.sample(Key::new(seed), 2);
        let mut episode = Episode::new(&road);
        let mut film = Vec::new();
        while episode.status() == Status::Driving {
            film.push(camera.view(&road, &episode.car(), Key::new(seed).fold(episode.steps())));
            let Command { steering, speed } = episode.expert();
            let pushed = steering + disturbance(Key::new(seed), episode.steps());
            episode.step(Command { steering: pushed, speed }).unwrap();
        }
        film
    };
    assert_eq!(film(10), film(10));
    assert_ne!(film(10), film(11));
}

#[test]
fn roads_keep_clear_of_themselves() {
    let roads = RoadConfig { forks: 4 }.init().unwrap();
    for index in 0..20 {
        let road = roads.sample(Key::new(12), index);
        assert_eq!(road.forks().len(), 4);
        let lane = road.lane();
        for i in 0..lane.len() {
            for j in 0..i.saturating_sub(100) {
                let distance = (lane[i][0] - lane[j][0]).hypot(lane[i][1] - lane[j][1]);
                assert!(distance > 2.0 * LANE, "road {index}: {distance} m between {i} and {j}");
            }
        }
        // No bend is sharper than the car can turn.
        let sharpest = road.curvatures().iter().fold(0.0f64, |most, curvature| most.max(curvature.abs()));
        assert!(sharpest <= 1.0 / 8.0 && sharpest < Car::MAX_STEERING.tan() / Car::WHEELBASE);
    }
}

#[test]
fn a_push_is_a_triangle_a_second_long() {
    let key = Key::new(13);
    let pushes: Vec<f64> = (0..3000).map(|step| disturbance(key, step)).collect();
    for period in pushes.chunks(30) {
        let pushed = period.iter().filter(|push| **push != 0.0).count();
        assert!(pushed <= 10, "{period:?}");
        assert!(period.iter().all(|push| push.abs() < 0.3));
        assert!(period.iter().all(|push| push * period.iter().sum::<f64>() >= 0.0), "one direction");
    }
    let mean = pushes.iter().sum::<f64>() / 3000.0;
    // A push has area 5 · size, size of deviation 0.3/√3: a hundred of them over 3,000 steps.
    assert!(mean.abs() < 5.0 * 5.0 * 0.3 / 3f64.sqrt() * 10.0 / 3000.0, "{mean}");
}

#[test]
fn what_cannot_be_used_is_named() {
    let camera = CameraConfig::default();
    let errors = [
        RoadConfig { forks: 5 }.init().err().unwrap(),
        CameraConfig { size: [0, 64], ..camera }.init().err().unwrap(),
        CameraConfig { field_of_view: 180.0, ..camera }.init().err().unwrap(),
        CameraConfig { pitch: f64::NAN, ..camera }.init().err().unwrap(),
        CameraConfig { height: -1.0, ..camera }.init().err().unwrap(),
        CameraConfig { noise: 2.0, ..camera }.init().err().unwrap(),
    ];
    for (error, field) in errors.iter().zip(["forks", "size", "field_of_view", "pitch", "height", "noise"]) {
        assert!(error.to_string().contains(field), "{error}");
    }
    let road = RoadConfig::default().init().unwrap().sample(Key::new(1), 0);
    let mut episode = Episode::new(&road);
    for (command, name) in [
        (Command { steering: f64::NAN, speed: 1.0 }, "steering"),
        (Command { steering: 0.0, speed: f64::INFINITY }, "speed"),
    ] {
        assert!(episode.step(command).unwrap_err().to_string().contains(name));
        assert_eq!(episode.steps(), 0);
    }
}

#[test]
fn a_left_turn_is_to_the_left() {
    let roads = RoadConfig { forks: 1 }.init().unwrap();
    for index in 0..40 {
        let road = roads.sample(Key::new(14), index);
        let fork = &road.forks()[0];
        let at = (fork.at / STEP) as usize;
        let turned = road.headings()[at + 20] - road.headings()[at];
        let expected = [turned > 0.5 && turned < FRAC_PI_2, turned.abs() < 0.3, turned < -0.5];
        assert!(expected[fork.turn.index()], "road {index} turns {turned} for {:?}", fork.turn);
    }
}
