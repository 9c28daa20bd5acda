//! Sizes of a convolution, and which numbers meet in it.

use std::ops::Range;

/// Numbers that a block's columns may have: a quarter of a megabyte, which stays in a core's cache.
const BLOCK: usize = 1 << 16;

/// Columns that a product should have: fewer do not keep the processor busy.
const COLUMNS: usize = 192;

/// A convolution from `[batch, input…]` to `[batch, output…]`, each side channels, height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) batch: usize,
    pub(super) groups: usize,
    pub(super) input: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Rows above and columns left of the image.
    pub(super) padding: [usize; 2],
}

impl Geometry {
    /// Numbers in an image.
    pub(super) fn image(&self) -> usize {
        self.input.iter().product()
    }

    /// Numbers in what an image becomes.
    pub(super) fn result(&self) -> usize {
        self.output.iter().product()
    }

    /// Positions of the filter on an image.
    pub(super) fn positions(&self) -> usize {
        self.output[1] * self.output[2]
    }

    /// Numbers that meet a filter at a position: channels of a group times the area of the filter.
    pub(super) fn patch(&self) -> usize {
        self.channels() * self.area()
    }

    /// Input channels of a group.
    pub(super) fn channels(&self) -> usize {
        self.input[0] / self.groups
    }

    /// Which they are.
    pub(super) fn channels_of(&self, group: usize) -> Range<usize> {
        group * self.channels()..(group + 1) * self.channels()
    }

    /// Output channels of a group.
    pub(super) fn filters(&self) -> usize {
        self.output[0] / self.groups
    }

    /// Numbers of a filter in a channel.
    pub(super) fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Every channel has its own filter and no other.
    pub(super) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.channels() == 1 && self.filters() == 1
    }

    /// A filter of one number at every place: the columns are the image.
    pub(super) fn is_pointwise(&self) -> bool {
        self.area() == 1
            && self.stride == [1, 1]
            && self.padding == [0, 0]
            && self.output[1..] == self.input[1..]
    }

    /// Images whose columns are multiplied at once: one, unless its map is so small that products would be.
    pub(super) fn images(&self) -> usize {
        if self.positions() >= COLUMNS || self.batch == 1 {
            return 1;
        }
        let most = (BLOCK / (self.patch() * self.positions()).max(1)).max(COLUMNS.div_ceil(self.positions()));
        // An even number of blocks, of about equal size.
        let blocks = self.batch.div_ceil(most).next_multiple_of(2).min(self.batch);
        self.batch.div_ceil(blocks)
    }

    /// Rows of results whose columns are multiplied at once, in turns over `images` images.
    pub(super) fn blocks(&self, images: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = images * self.output[1];
        let size = match images {
            1 => (BLOCK / (self.patch() * self.output[2]).max(1)).max(COLUMNS.div_ceil(self.output[2])),
            _ => rows,
        };
        let count = rows.div_ceil(size.clamp(1, rows.max(1)));
        let size = rows.div_ceil(count.max(1)).max(1);
        (0..rows).step_by(size).map(move |start| start..rows.min(start + size))
    }

    /// The row of the image that row `u` of the filter meets at row `at` of the result, if there is one.
    #[inline(always)]
    pub(super) fn row(&self, at: usize, u: usize) -> Option<usize> {
        let row = (at * self.stride[0] + u * self.dilation[0]).checked_sub(self.padding[0])?;
        (row < self.input[1]).then_some(row)
    }

    /// The columns of the result at which column `v` of the filter meets the image, and the image's column at the first of them.
    #[inline(always)]
    pub(super) fn columns(&self, v: usize) -> (Range<usize>, usize) {
        let ([_, _, width], stride, offset) = (self.input, self.stride[1], v * self.dilation[1]);
        let first = self.padding[1].saturating_sub(offset).div_ceil(stride).min(self.output[2]);
        let end = (width + self.padding[1]).saturating_sub(offset).div_ceil(stride).min(self.output[2]);
        (first..end.max(first), (first * stride + offset).saturating_sub(self.padding[1]).min(width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(batch: usize, channels: usize, side: usize) -> Geometry {
        Geometry {
            batch,
            groups: 1,
            input: [channels, side, side],
            output: [channels, side, side],
            kernel: [3, 3],
            stride: [1, 1],
            dilation: [1, 1],
            padding: [1, 1],
        }
    }

    #[test]
    fn small_maps_share_a_product_and_large_ones_are_cut() {
        assert_eq!(sized(32, 512, 4).images(), 8);
        assert_eq!(sized(32, 64, 32).images(), 1);
        assert_eq!(sized(1, 512, 4).images(), 1);
        for (geometry, images) in [(sized(8, 16, 64), 1), (sized(32, 512, 4), 8), (sized(2, 512, 1), 1)] {
            let blocks: Vec<_> = geometry.blocks(images).collect();
            let covered: Vec<usize> = blocks.iter().cloned().flatten().collect();
            assert_eq!(covered, (0..images * geometry.output[1]).collect::<Vec<_>>());
        }
        assert!(sized(8, 16, 64).blocks(1).count() > 4);
    }

    #[test]
    fn a_filter_meets_what_is_there() {
        let wide = Geometry { stride: [2, 2], dilation: [2, 3], padding: [2, 3], ..sized(1, 1, 7) };
        for at in 0..7 {
            for u in 0..3 {
                let place = (at * 2 + u * 2) as i64 - 2;
                assert_eq!(wide.row(at, u), (0..7).contains(&place).then_some(place as usize));
                let (columns, first) = wide.columns(u);
                let place = (at * 2 + u * 3) as i64 - 3;
                assert_eq!(columns.contains(&at), (0..7).contains(&place), "{at} {u}");
                if columns.contains(&at) {
                    assert_eq!(place as usize, first + 2 * (at - columns.start));
                }
            }
        }
    }
}
