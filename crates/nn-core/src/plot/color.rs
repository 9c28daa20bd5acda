//! Colours that survive printing in grey and colour-blind eyes.

/// A colour, eight bits a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color(
    /// Red.
    pub u8,
    /// Green.
    pub u8,
    /// Blue.
    pub u8,
);

impl Color {
    /// Paper.
    pub const WHITE: Self = Self(255, 255, 255);
    /// Text and frames.
    pub const INK: Self = Self(0x22, 0x26, 0x2B);
    /// Secondary text: tick labels, captions.
    pub const MUTED: Self = Self(0x5C, 0x64, 0x6E);
    /// Grid lines.
    pub const FAINT: Self = Self(0xE3, 0xE6, 0xEA);
    /// Where there is no value: NaN cells.
    pub const MISSING: Self = Self(0xC9, 0xCD, 0xD2);
    /// What went right, in borders.
    pub const RIGHT: Self = Self(0x00, 0x8A, 0x66);
    /// What went wrong, in borders.
    pub const WRONG: Self = Self(0xD5, 0x5E, 0x00);

    /// The colour `part` of the way to `other`; 0 is `self`, 1 is `other`, values outside are clamped.
    #[must_use]
    pub fn towards(self, other: Self, part: f64) -> Self {
        let part = part.clamp(0.0, 1.0);
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// How bright the eye sees it, 0 (black) to 1 (white): the weights of ITU-R BT.601.
    pub fn brightness(self) -> f64 {
        (0.299 * f64::from(self.0) + 0.587 * f64::from(self.1) + 0.114 * f64::from(self.2)) / 255.0
    }

    /// Black or white, whichever reads better on this colour.
    #[must_use]
    pub fn readable(self) -> Self {
        if self.brightness() > 0.55 { Self::INK } else { Self::WHITE }
    }
}

/// The eight colours of series, in their order: those of M. Okabe and K. Ito's colour universal
/// design (<https://jfly.uni-koeln.de/color/>), with the yellow darkened and black greyed to carry thin lines on white.
pub const SERIES: [Color; 8] = [
    Color(0x00, 0x72, 0xB2), // blue
    Color(0xD5, 0x5E, 0x00), // vermillion
    Color(0x00, 0x9E, 0x73), // bluish green
    Color(0xCC, 0x79, 0xA7), // reddish purple
    Color(0xE6, 0x9F, 0x00), // orange
    Color(0x56, 0xB4, 0xE9), // sky blue
    Color(0x55, 0x5B, 0x66), // grey for black
    Color(0xA8, 0x98, 0x00), // yellow, darkened
];

/// A mapping from [0, 1] to colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ColorMap {
    /// Dark violet to yellow, perceptually uniform; for quantities without a middle.
    #[default]
    Viridis,
    /// White to deep blue: counts and shares, where nothing should look like nothing.
    Blues,
    /// Blue through white to vermillion: signed quantities, with 0.5 as zero.
    Diverging,
    /// Black to white.
    Grey,
}

/// Eleven samples of matplotlib's viridis (CC0), linearly joined; off by at most 3/255 between them.
const VIRIDIS: [Color; 11] = [
    Color(68, 1, 84),
    Color(72, 36, 117),
    Color(65, 68, 135),
    Color(53, 95, 141),
    Color(42, 120, 142),
    Color(33, 145, 140),
    Color(34, 168, 132),
    Color(68, 191, 112),
    Color(122, 209, 81),
    Color(189, 223, 38),
    Color(253, 231, 37),
];
const BLUES: [Color; 4] =
    [Color(255, 255, 255), Color(186, 214, 235), Color(72, 146, 197), Color(8, 64, 129)];
const DIVERGING: [Color; 5] = [
    Color(0x00, 0x45, 0x80),
    Color(0x5A, 0xA6, 0xD6),
    Color(0xF7, 0xF7, 0xF7),
    Color(0xE9, 0x94, 0x57),
    Color(0xA1, 0x3A, 0x00),
];
const GREY: [Color; 2] = [Color(0, 0, 0), Color(255, 255, 255)];

impl ColorMap {
    /// The colour of `value` in [0, 1]; values outside are clamped, NaN is [`Color::MISSING`].
    ///
    /// ```
    /// use fornax_nn_core::plot::{Color, ColorMap};
    ///
    /// assert_eq!(ColorMap::Blues.at(0.0), Color::WHITE);
    /// assert_eq!(ColorMap::Viridis.at(7.0), ColorMap::Viridis.at(1.0));
    /// assert_eq!(ColorMap::Viridis.at(f64::NAN), Color::MISSING);
    /// ```
    pub fn at(self, value: f64) -> Color {
        let stops: &[Color] = match self {
            Self::Viridis => &VIRIDIS,
            Self::Blues => &BLUES,
            Self::Diverging => &DIVERGING,
            Self::Grey => &GREY,
        };
        if value.is_nan() {
            return Color::MISSING;
        }
        let place = value.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let left = (place as usize).min(stops.len() - 2);
        stops[left].towards(stops[left + 1], place - left as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viridis_grows_brighter_all_the_way() {
        let brightness: Vec<f64> =
            (0..=100).map(|i| ColorMap::Viridis.at(f64::from(i) / 100.0).brightness()).collect();
        assert!(brightness.windows(2).all(|pair| pair[1] >= pair[0]), "{brightness:?}");
    }

    #[test]
    fn zero_of_the_diverging_map_is_nearly_white() {
        assert_eq!(ColorMap::Diverging.at(0.5), Color(0xF7, 0xF7, 0xF7));
    }

    #[test]
    fn text_is_dark_on_light_and_light_on_dark() {
        assert_eq!(Color::WHITE.readable(), Color::INK);
        assert_eq!(ColorMap::Blues.at(1.0).readable(), Color::WHITE);
    }
}
