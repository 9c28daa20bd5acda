//! Numbers of channels, multiplied.

/// `channels` times `factor`, and no fewer than one.
pub(crate) fn scaled(channels: usize, factor: f64) -> usize {
    ((channels as f64 * factor).round() as usize).max(1)
}

/// `exact` as a multiple of eight, and no more than a tenth below it: the rule of the mobile networks.
pub(crate) fn multiple_of_eight(exact: f64) -> usize {
    let nearest = (((exact + 4.0) as usize) / 8 * 8).max(8);
    if (nearest as f64) < 0.9 * exact { nearest + 8 } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_multiples_of_eight_never_a_tenth_too_few() {
        for channels in 1..400 {
            for factor in [0.1, 0.35, 0.5, 0.75, 1.0, 1.4] {
                let exact = f64::from(channels) * factor;
                let rounded = multiple_of_eight(exact);
                assert!(rounded >= 8 && rounded.is_multiple_of(8));
                assert!(
                    rounded as f64 >= 0.9 * exact && (rounded as f64) < exact + 12.0,
                    "{channels} · {factor}"
                );
            }
        }
    }

    #[test]
    fn a_channel_is_always_left() {
        assert_eq!((scaled(64, 0.25), scaled(64, 1.0), scaled(3, 0.01)), (16, 64, 1));
    }
}
