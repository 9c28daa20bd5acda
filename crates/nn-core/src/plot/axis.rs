//! Axes: from values to places, round ticks, and the frame around a plot.

use super::canvas::{Align, Canvas, Type};
use super::{Color, PlotError};

/// How values spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Equal differences are equal distances.
    #[default]
    Linear,
    /// Equal ratios are equal distances; values of zero and less have no place and are left out.
    Log,
}

/// An axis over a closed range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) scale: Scale,
}

/// A tick: where, and what it says; an empty label is a minor tick.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

impl Axis {
    /// The axis that holds every usable one of `values`, with `margin` of its length free at both ends.
    pub(crate) fn around(values: impl Iterator<Item = f64>, scale: Scale, margin: f64) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|&value| usable(value, scale)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            return None;
        }
        let axis = match scale {
            Scale::Linear if low == high => {
                let reach = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
                Self { low: low - reach, high: high + reach, scale }
            }
            Scale::Log if low == high => Self { low: low / 2.0, high: high * 2.0, scale },
            Scale::Linear => {
                // Half the width first: the width of a huge range may overflow.
                let extra = 2.0 * margin * (high / 2.0 - low / 2.0);
                Self { low: low - extra, high: high + extra, scale }
            }
            Scale::Log => {
                let extra = (high.ln() - low.ln()) * margin;
                Self { low: (low.ln() - extra).exp(), high: (high.ln() + extra).exp(), scale }
            }
        };
        let sane = axis.low.is_finite() && axis.high.is_finite() && axis.low < axis.high;
        (sane && (scale == Scale::Linear || axis.low > 0.0)).then_some(axis)
    }

    /// The given range, checked.
    pub(crate) fn fixed(range: (f64, f64), scale: Scale, name: &str) -> Result<Self, PlotError> {
        let (low, high) = range;
        let finite = low.is_finite() && high.is_finite() && (high - low).is_finite();
        if !finite || low >= high || (scale == Scale::Log && low <= 0.0) {
            let wanted = if scale == Scale::Log { "0 < low < high" } else { "low < high" };
            return Err(PlotError::data(name, format!("the range must have {wanted}, got {low} to {high}")));
        }
        Ok(Self { low, high, scale })
    }

    /// Where `value` lies: 0 at the low end, 1 at the high one; `None` without a place.
    pub(crate) fn part(&self, value: f64) -> Option<f64> {
        if !usable(value, self.scale) {
            return None;
        }
        let f = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.ln(),
        };
        Some((f(value) / 2.0 - f(self.low) / 2.0) / (f(self.high) / 2.0 - f(self.low) / 2.0))
    }

    /// About `count` ticks at round values.
    pub(crate) fn ticks(&self, count: usize) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => linear_ticks(self.low, self.high, count),
            Scale::Log => log_ticks(self.low, self.high, count),
        }
    }
}

fn usable(value: f64, scale: Scale) -> bool {
    value.is_finite() && (scale == Scale::Linear || value > 0.0)
}

fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let rough = (high - low) / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].map(|round| round * power).into_iter().find(|&s| s >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    if !step.is_finite() || step <= 0.0 || low + step == low {
        return [low, high].map(|value| Tick { value, label: number(value) }).into();
    }
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let most = (first as f64 * step).abs().max((last as f64 * step).abs());
    (first..=last.min(first.saturating_add(100)))
        .map(|i| {
            let value = i as f64 * step;
            let label = if (1e-3..1e6).contains(&most) { decimal(value, step) } else { number(value) };
            Tick { value, label }
        })
        .collect()
}

/// As many decimals as the step between ticks needs, thousands set apart by thin spaces.
fn decimal(value: f64, step: f64) -> String {
    let mut decimals = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
    // 0.25 needs one more than its first digit.
    let scaled = step * 10f64.powi(decimals as i32);
    if (scaled - scaled.round()).abs() > 1e-6 {
        decimals += 1;
    }
    let value = if value == 0.0 { 0.0 } else { value };
    grouped(&format!("{value:.decimals$}")).replace('-', "−")
}

fn grouped(text: &str) -> String {
    let start = usize::from(text.starts_with('-'));
    let whole = text.find('.').unwrap_or(text.len());
    if whole - start < 5 {
        return text.to_owned();
    }
    let mut out = String::from(&text[..start]);
    for (i, digit) in text[start..whole].chars().enumerate() {
        if i > 0 && (whole - start - i).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out + &text[whole..]
}

fn log_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let decades = high.log10() - low.log10();
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let every = (decades / count.max(1) as f64).ceil().max(1.0) as i32;
    let labelled: &[u32] = if decades < 1.2 {
        &[1, 2, 3, 5, 7]
    } else if decades < 2.5 {
        &[1, 2, 5]
    } else {
        &[1]
    };
    let mut ticks = Vec::new();
    for exponent in first..=last {
        for digit in 1..10u32 {
            let value = f64::from(digit) * 10f64.powi(exponent);
            if value < low * (1.0 - 1e-9) || value > high * (1.0 + 1e-9) || (every > 1 && digit > 1) {
                continue;
            }
            let says = labelled.contains(&digit) && exponent.rem_euclid(every) == 0;
            let label = match says {
                false => String::new(),
                true if (-3..=4).contains(&exponent) && first >= -4 && last <= 5 => plain(value),
                true if digit == 1 => format!("10{}", superscript(exponent)),
                true => format!("{digit}·10{}", superscript(exponent)),
            };
            ticks.push(Tick { value, label });
        }
    }
    if !ticks.iter().any(|tick| !tick.label.is_empty()) {
        return [low, high].map(|value| Tick { value, label: number(value) }).into();
    }
    ticks
}

fn plain(value: f64) -> String {
    let decimals = (-value.log10().floor()).max(0.0) as usize;
    grouped(&format!("{value:.decimals$}"))
}

fn superscript(exponent: i32) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let sign = if exponent < 0 { "⁻" } else { "" };
    let digit = |c: char| c.to_digit(10).map_or(c, |digit| digits[digit as usize]);
    sign.chars().chain(exponent.unsigned_abs().to_string().chars().map(digit)).collect()
}

/// A number as a reader wants it: three or four significant digits, powers of ten where zeros would swarm.
///
/// ```
/// use fornax_nn_core::plot::number;
///
/// assert_eq!(number(0.98765), "0.9877");
/// assert_eq!(number(1234567.0), "1.235·10⁶");
/// assert_eq!(number(-2e-7), "−2·10⁻⁷");
/// ```
pub fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return format!("{value}");
    }
    let trim = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    let exponent =
        format!("{value:.3e}").rsplit_once('e').and_then(|(_, e)| e.parse::<i32>().ok()).unwrap_or(0);
    let text = if (-4..6).contains(&exponent) {
        let decimals = (3 - exponent).max(0) as usize;
        grouped(&trim(format!("{value:.decimals$}")))
    } else {
        let mantissa = trim(format!("{:.3}", value / 10f64.powi(exponent)));
        format!("{mantissa}·10{}", superscript(exponent))
    };
    text.replace('-', "−")
}

/// Size of tick labels in points.
pub(crate) const TICK_SIZE: f64 = 9.5;
/// Size of axis names in points.
pub(crate) const LABEL_SIZE: f64 = 10.5;
/// Size of titles in points.
pub(crate) const TITLE_SIZE: f64 = 13.0;

/// A rectangle of the page with an axis along its foot and one up its left side.
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl Frame {
    /// Where a point of the plot lies on the page.
    pub(crate) fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let across = self.left + self.x.part(x)? * (self.right - self.left);
        let down = self.bottom - self.y.part(y)? * (self.bottom - self.top);
        // Far outside is as good as at the horizon, and keeps the rasteriser's numbers small.
        Some((across.clamp(-1e5, 1e5), down.clamp(-1e5, 1e5)))
    }

    pub(crate) fn area(&self) -> [f64; 4] {
        [self.left, self.top, self.right, self.bottom]
    }

    /// The places and labels along one axis, as many as fit.
    fn x_ticks(&self) -> Vec<Tick> {
        let mut count = ((self.right - self.left) / 55.0).max(2.0) as usize;
        let look = Type::new(TICK_SIZE, Color::MUTED);
        loop {
            let ticks = self.x.ticks(count);
            let mut edge = f64::NEG_INFINITY;
            let fits = ticks.iter().filter(|tick| !tick.label.is_empty()).all(|tick| {
                let middle = self.left + self.x.part(tick.value).unwrap_or(0.0) * (self.right - self.left);
                let half = look.width(&tick.label) / 2.0;
                let free = middle - half > edge + 4.0;
                edge = middle + half;
                free
            });
            if fits || count <= 1 {
                return ticks;
            }
            count -= 1;
        }
    }

    fn y_ticks(&self) -> Vec<Tick> {
        self.y.ticks(((self.bottom - self.top) / 38.0).max(2.0) as usize)
    }

    /// Width of the widest label up the side, to know how much room to leave.
    pub(crate) fn y_label_width(y: &Axis, height: f64) -> f64 {
        let look = Type::new(TICK_SIZE, Color::MUTED);
        let ticks = y.ticks((height / 38.0).max(2.0) as usize);
        ticks.iter().map(|tick| look.width(&tick.label)).fold(0.0, f64::max)
    }

    /// Draws grid, axes and labels; `grid` is off where a field fills the frame.
    pub(crate) fn draw(&self, canvas: &mut Canvas, x_name: &str, y_name: &str, grid: bool) {
        let look = Type::new(TICK_SIZE, Color::MUTED);
        let hair = 0.5;
        for tick in self.x_ticks() {
            let Some((x, _)) = self.place(tick.value, self.y.low) else { continue };
            let major = !tick.label.is_empty();
            if grid && major {
                canvas.rect(x - hair, self.top, x + hair, self.bottom, Color::FAINT);
            }
            let length = if major { 4.0 } else { 2.5 };
            canvas.rect(x - hair, self.bottom, x + hair, self.bottom + length, Color::MUTED);
            canvas.text((x, self.bottom + 12.0), &tick.label, look.align(Align::Center));
        }
        let mut widest = 0f64;
        for tick in self.y_ticks() {
            let Some((_, y)) = self.place(self.x.low, tick.value) else { continue };
            let major = !tick.label.is_empty();
            if grid && major {
                canvas.rect(self.left, y - hair, self.right, y + hair, Color::FAINT);
            }
            let length = if major { 4.0 } else { 2.5 };
            canvas.rect(self.left - length, y - hair, self.left, y + hair, Color::MUTED);
            canvas.text((self.left - 7.0, y), &tick.label, look.align(Align::Right));
            widest = widest.max(look.width(&tick.label));
        }
        canvas.rect(self.left - 1.0, self.top, self.left, self.bottom, Color::MUTED);
        canvas.rect(self.left - 1.0, self.bottom, self.right, self.bottom + 1.0, Color::MUTED);
        let name = Type::new(LABEL_SIZE, Color::INK).align(Align::Center);
        canvas.text(((self.left + self.right) / 2.0, self.bottom + 29.0), x_name, name);
        let middle = (self.top + self.bottom) / 2.0;
        canvas.text((self.left - 7.0 - widest - 12.0, middle), y_name, name.upwards());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, scale: Scale, count: usize) -> Vec<String> {
        let ticks = Axis { low, high, scale }.ticks(count);
        ticks.into_iter().map(|tick| tick.label).filter(|label| !label.is_empty()).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(0.0, 1.0, Scale::Linear, 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-3.0, 11.0, Scale::Linear, 4), ["0", "5", "10"]);
        assert_eq!(labels(0.9, 1.0, Scale::Linear, 4), ["0.900", "0.925", "0.950", "0.975", "1.000"]);
        assert_eq!(labels(0.0, 20_000.0, Scale::Linear, 2), ["0", "10\u{a0}000", "20\u{a0}000"]);
    }

    #[test]
    fn ticks_of_a_log_axis_are_powers_or_their_simple_multiples() {
        assert_eq!(labels(1e-8, 1.0, Scale::Log, 4), ["10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]);
        assert_eq!(labels(0.02, 1.5, Scale::Log, 5), ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
    }

    #[test]
    fn every_axis_has_two_labels_at_least() {
        for (low, high) in [(1.0, 1.0 + 1e-15), (1e300, 1.7e308), (-1e-300, 1e-300), (4.1, 4.2)] {
            assert!(labels(low, high, Scale::Linear, 5).len() >= 2, "{low} to {high}");
        }
        for (low, high) in [(4.1, 4.2), (1e-300, 1e300), (9.0, 11.0)] {
            assert!(!labels(low, high, Scale::Log, 5).is_empty(), "{low} to {high}");
        }
    }

    #[test]
    fn the_ends_of_an_axis_are_its_extremes() {
        let axis = Axis::around([3.0, f64::NAN, 7.0, f64::INFINITY].into_iter(), Scale::Linear, 0.0).unwrap();
        assert_eq!((axis.part(3.0), axis.part(5.0), axis.part(7.0)), (Some(0.0), Some(0.5), Some(1.0)));
        let axis = Axis::around([1.0, 100.0, -5.0].into_iter(), Scale::Log, 0.0).unwrap();
        assert!((axis.part(10.0).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(axis.part(0.0), None);
    }

    #[test]
    fn nothing_usable_is_no_axis() {
        assert!(Axis::around([f64::NAN].into_iter(), Scale::Linear, 0.1).is_none());
        assert!(Axis::around([-1.0, 0.0].into_iter(), Scale::Log, 0.1).is_none());
    }
}
