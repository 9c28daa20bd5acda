//! What a unit of a feature map sees of the image, and how large the maps are: arithmetic on the windows alone.
//!
//! A convolution or pooling slides a *window* over its input. With kernel k, dilation d, stride s and padding p,
//! and K = d·(k − 1) + 1 pixels from the window's first to its last,
//!
//! ```text
//! size of the output      n′ = ⌊(n + 2p − K) / s⌋ + 1           ⌈…⌉ in ceiling mode, see below
//!
//! over layers l = 1..L, with the jump j₀ = 1 and the field r₀ = 1 of a pixel, and its start a₀ = 0:
//!
//! receptive field         r_l = r_{l−1} + (K_l − 1) · j_{l−1}
//! start of the first      a_l = a_{l−1} − p_l · j_{l−1}         negative: padding is seen
//! jump                    j_l = j_{l−1} · s_l                   pixels from one unit's field to the next one's
//! ```
//!
//! Unit i of a row sees the pixels a_L + i·j_L … a_L + i·j_L + r_L − 1, no other one. In ceiling mode a last window
//! that hangs over the edge is kept, unless it would begin in the padding behind the edge.
//!
//! A window must fit once. PyTorch's ceiling mode also takes a map smaller than its only window (a window of 3 on a map of
//! 2); here such an image is too small, in either mode, so that one rule says which images a network takes.
//!
//! What sees everything is left out: a [squeeze-and-excitation](crate::block::SqueezeExcitation) weighs channels by the
//! whole map, and the fields are then those of the path through the filters.
//!
//! The field grows by a constant with each layer, but by a *factor* with each stride: depth alone is a slow way to
//! see much of an image.
//!
//! Derivation: A. Araujo, W. Norris, J. Sim, *Computing receptive fields of convolutional neural networks*, Distill
//! 2019. <https://doi.org/10.23915/distill.00021>

/// A window that slides over a map, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Elements on a side.
    pub kernel: usize,
    /// Steps between two positions.
    pub stride: usize,
    /// Rows and columns added on each side.
    pub padding: usize,
    /// Distance of neighbouring elements.
    pub dilation: usize,
    /// Whether a last window that hangs over the edge is kept.
    pub ceil_mode: bool,
}

impl Window {
    /// An undilated window of a convolution or pooling.
    pub const fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel, stride, padding, dilation: 1, ceil_mode: false }
    }

    /// The same window, keeping the last position where it hangs over the edge.
    #[must_use]
    pub const fn ceil(mut self) -> Self {
        self.ceil_mode = true;
        self
    }

    /// Pixels from the first element to the last.
    pub const fn extent(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    /// Positions of the window along `size` elements, none when it does not fit once.
    pub fn output(&self, size: usize) -> Option<usize> {
        let room = (size + 2 * self.padding).checked_sub(self.extent())?;
        if !self.ceil_mode {
            return Some(room / self.stride + 1);
        }
        let positions = room.div_ceil(self.stride) + 1;
        let begins_behind_the_edge = (positions - 1) * self.stride >= size + self.padding;
        Some(positions - usize::from(begins_behind_the_edge))
    }
}

/// A map that [`forward_features`](crate::Backbone::forward_features) returns, and how it comes from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Channels of the map.
    pub channels: usize,
    /// Windows between the previous map (the image for the first) and this one, along the path that sees most.
    pub windows: Vec<Window>,
}

impl Stage {
    /// A map of `channels` behind `windows`.
    pub fn new(channels: usize, windows: Vec<Window>) -> Self {
        Self { channels, windows }
    }

    /// Product of the strides since the previous map.
    pub fn stride(&self) -> usize {
        self.windows.iter().map(|window| window.stride).product()
    }
}

/// The pixels that the units of a map see, along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceptiveField {
    /// Pixels seen by one unit.
    pub size: usize,
    /// Pixels from the field of a unit to that of its neighbour.
    pub jump: usize,
    /// First pixel of the field of unit 0; negative where it reaches into the padding.
    pub start: isize,
}

impl ReceptiveField {
    /// The pixels unit `index` sees along an axis of `size` pixels: first, and one past the last.
    pub fn of_unit(&self, index: usize, size: usize) -> (usize, usize) {
        let first = self.start + (index * self.jump) as isize;
        let end = first + self.size as isize;
        let inside = |pixel: isize| pixel.clamp(0, size as isize) as usize;
        (inside(first), inside(end))
    }
}

/// The receptive field of a unit of each map.
///
/// ```
/// use fornax_cnn::ResNetConfig;
/// use fornax_cnn::geometry::receptive_fields;
///
/// // A unit of the last map of ResNet-18 sees more than the 224 pixels it is given.
/// let fields = receptive_fields(&ResNetConfig::resnet18().stages());
/// assert_eq!(fields.last().map(|field| field.size), Some(435));
/// ```
pub fn receptive_fields(stages: &[Stage]) -> Vec<ReceptiveField> {
    let mut field = ReceptiveField { size: 1, jump: 1, start: 0 };
    let mut fields = Vec::with_capacity(stages.len());
    for stage in stages {
        for window in &stage.windows {
            field.size += (window.extent() - 1) * field.jump;
            field.start -= (window.padding * field.jump) as isize;
            field.jump *= window.stride;
        }
        fields.push(field);
    }
    fields
}

/// Side of each map for an image of side `size`, or none when a window does not fit.
pub fn map_sizes(stages: &[Stage], size: usize) -> Option<Vec<usize>> {
    let mut size = size;
    let mut sizes = Vec::with_capacity(stages.len());
    for stage in stages {
        for window in &stage.windows {
            size = window.output(size).filter(|&size| size > 0)?;
        }
        sizes.push(size);
    }
    Some(sizes)
}

/// The smallest side of an image for which every window fits.
pub fn smallest_side(stages: &[Stage]) -> usize {
    // Backwards, a map of n needs (n − 1)·s + K − 2p of its input: less in ceiling mode, so search from below.
    (1..).find(|&side| map_sizes(stages, side).is_some()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The positions of a window, counted by laying it down one step after the other.
    fn counted(window: Window, size: usize) -> usize {
        let (padding, end) = (window.padding as isize, (size + window.padding) as isize);
        let mut first = -padding;
        let mut count = 0;
        loop {
            let last = first + window.extent() as isize - 1;
            let fits = last < end;
            // One position may hang over: behind one that fits and leaves something unseen, and not beginning behind the
            // map.
            let previous_ends = last + 1 - window.stride as isize;
            let hangs_over = window.ceil_mode && count > 0 && previous_ends < end && first < size as isize;
            if !(fits || hangs_over) {
                return count;
            }
            count += 1;
            if !fits {
                return count;
            }
            first += window.stride as isize;
        }
    }

    #[test]
    fn output_sizes_are_those_of_counting_positions() {
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (7, 2, 3), (2, 2, 0), (3, 2, 0), (11, 4, 2)] {
            for ceil_mode in [false, true] {
                for dilation in [1, 2] {
                    let window = Window { kernel, stride, padding, dilation, ceil_mode };
                    for size in 1..40 {
                        let counted = counted(window, size);
                        let expected = (counted > 0).then_some(counted);
                        assert_eq!(window.output(size), expected, "{window:?} on {size}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_window_must_fit_once_even_in_ceiling_mode() {
        // PyTorch gives one position for the first.
        assert_eq!(Window::new(3, 2, 0).ceil().output(2), None);
        assert_eq!(Window::new(3, 2, 0).ceil().output(3), Some(1));
        assert_eq!(Window::new(3, 2, 0).ceil().output(4), Some(2));
        assert_eq!(Window::new(3, 2, 0).output(4), Some(1));
    }

    #[test]
    fn two_small_filters_see_what_a_large_one_sees() {
        let three = Stage::new(8, vec![Window::new(3, 1, 1); 2]);
        let five = Stage::new(8, vec![Window::new(5, 1, 2)]);
        assert_eq!(receptive_fields(&[three]), receptive_fields(&[five]));
    }

    #[test]
    fn a_field_is_cut_off_at_the_image() {
        let field = ReceptiveField { size: 7, jump: 2, start: -3 };
        assert_eq!(field.of_unit(0, 10), (0, 4));
        assert_eq!(field.of_unit(2, 10), (1, 8));
        assert_eq!(field.of_unit(4, 10), (5, 10));
    }

    #[test]
    fn the_smallest_image_fits_and_a_smaller_one_does_not() {
        let stages = [Stage::new(1, vec![Window::new(11, 4, 2), Window::new(3, 2, 0), Window::new(3, 2, 0)])];
        let side = smallest_side(&stages);
        assert!(map_sizes(&stages, side).is_some());
        assert_eq!(map_sizes(&stages, side - 1), None);
        assert_eq!(side, 31);
    }
}
