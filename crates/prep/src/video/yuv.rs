//! From luma and chroma to red, green and blue.
//!
//! Films store brightness (Y) at full resolution and two colour differences (U, V), usually at half, since the eye sees
//! little detail in colour. Back, with the weights of the standard (luma = Kr R + Kg G + Kb B):
//!
//! ```text
//! R = Y + 2 (1 − Kr) V          BT.601: Kr = 0.299,  Kb = 0.114     (standard definition, most files without a word)
//! B = Y + 2 (1 − Kb) U          BT.709: Kr = 0.2126, Kb = 0.0722    (high definition)
//! G = (Y − Kr R − Kb B) / Kg
//! ```
//!
//! In the *limited* range Y runs from 16 to 235 and U, V from 16 to 240 around 128; in the *full* range from 0 to 255.
//! A colour sample covers its whole block of pixels (no interpolation), as fast players have it.

/// How numbers mean colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Colors {
    pub(crate) bt709: bool,
    pub(crate) full_range: bool,
}

/// Planes of a frame, each with the bytes from one row to the next.
pub(crate) struct Planes<'a> {
    pub(crate) y: (&'a [u8], usize),
    pub(crate) u: (&'a [u8], usize),
    pub(crate) v: (&'a [u8], usize),
    /// How many pixels share a colour sample, to the right and down, as a power of two.
    pub(crate) shift: [u32; 2],
}

const BITS: u32 = 16;

/// A conversion in integers of 16 fractional bits: the same on every machine.
struct Factors {
    y_zero: i32,
    y: i32,
    rv: i32,
    gu: i32,
    gv: i32,
    bu: i32,
}

impl Factors {
    fn of(Colors { bt709, full_range }: Colors) -> Self {
        let (kr, kb) = if bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let kg = 1.0 - kr - kb;
        let (y_zero, y, c) = if full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |value: f64| (value * f64::from(1 << BITS)).round() as i32;
        let (rv, bu) = (2.0 * (1.0 - kr) * c, 2.0 * (1.0 - kb) * c);
        Self {
            y_zero,
            y: fixed(y),
            rv: fixed(rv),
            gu: fixed(kb / kg * bu),
            gv: fixed(kr / kg * rv),
            bu: fixed(bu),
        }
    }

    fn rgb(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let y = (i32::from(y) - self.y_zero) * self.y + (1 << (BITS - 1));
        let [u, v] = [u, v].map(|c| i32::from(c) - 128);
        [y + self.rv * v, y - self.gu * u - self.gv * v, y + self.bu * u]
            .map(|value| (value >> BITS).clamp(0, 255) as u8)
    }
}

/// Pixels as red, green, blue, row after row; planes are as long as size and steps say.
pub(crate) fn to_rgb(planes: &Planes<'_>, [height, width]: [usize; 2], colors: Colors) -> Vec<u8> {
    let factors = Factors::of(colors);
    let mut pixels = Vec::with_capacity(height * width * 3);
    let [right, down] = planes.shift;
    for row in 0..height {
        let y = &planes.y.0[row * planes.y.1..][..width];
        let chroma = |(plane, step): (&'_ [u8], usize)| (row >> down) * step..plane.len();
        let u = &planes.u.0[chroma(planes.u)];
        let v = &planes.v.0[chroma(planes.v)];
        for (column, &y) in y.iter().enumerate() {
            pixels.extend(factors.rgb(y, u[column >> right], v[column >> right]));
        }
    }
    pixels
}

/// Grey from luma alone.
pub(crate) fn to_grey(luma: &mut [u8], colors: Colors) {
    if !colors.full_range {
        let factors = Factors::of(colors);
        for value in luma {
            *value = factors.rgb(*value, 128, 128)[0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_of_the_standards_come_out() {
        // Published 8-bit values of the 75 % and 100 % bars: white, black, and pure red of each standard.
        let limited = Factors::of(Colors::default());
        assert_eq!(limited.rgb(16, 128, 128), [0, 0, 0]);
        assert_eq!(limited.rgb(235, 128, 128), [255, 255, 255]);
        let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(&a, b)| a.abs_diff(b) <= 2);
        assert!(near(limited.rgb(81, 90, 240), [255, 0, 0]));
        assert!(near(limited.rgb(145, 54, 34), [0, 255, 0]));
        assert!(near(limited.rgb(41, 240, 110), [0, 0, 255]));
        let hd = Factors::of(Colors { bt709: true, full_range: false });
        assert!(near(hd.rgb(63, 102, 240), [255, 0, 0]));
        assert!(near(hd.rgb(173, 42, 26), [0, 255, 0]));
        let full = Factors::of(Colors { bt709: false, full_range: true });
        assert!((0..=255).all(|y| full.rgb(y, 128, 128) == [y; 3]));
    }

    #[test]
    fn the_inverse_of_the_forward_matrix_is_what_is_applied() {
        // Forward by the definition, in floating point; back by the integers: within rounding of three bytes.
        for bt709 in [false, true] {
            for full_range in [false, true] {
                let (kr, kb) = if bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
                let factors = Factors::of(Colors { bt709, full_range });
                for rgb in [[255.0, 128.0, 0.0], [12.0, 200.0, 77.0], [90.0, 91.0, 250.0]] {
                    let [r, g, b]: [f64; 3] = rgb;
                    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
                    let (u, v) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
                    let (zero, y_scale, c) =
                        if full_range { (0.0, 1.0, 1.0) } else { (16.0, 219.0 / 255.0, 224.0 / 255.0) };
                    let byte = |value: f64| value.round().clamp(0.0, 255.0) as u8;
                    let back =
                        factors.rgb(byte(y * y_scale + zero), byte(u * c + 128.0), byte(v * c + 128.0));
                    for (back, value) in back.iter().zip(rgb) {
                        assert!((f64::from(*back) - value).abs() <= 2.5, "{back:?} {rgb:?}");
                    }
                }
            }
        }
    }
}
