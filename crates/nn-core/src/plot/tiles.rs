//! Images in a grid.

use std::path::Path;

use super::axis::{LABEL_SIZE, TICK_SIZE, TITLE_SIZE};
use super::canvas::{Align, Canvas, Type};
use super::{Color, ColorMap, Picture, PlotError};

/// One image with its caption.
#[derive(Debug, Clone)]
pub struct Tile {
    size: [usize; 2],
    pixels: Pixels,
    caption: Vec<String>,
    border: Option<Color>,
}

#[derive(Debug, Clone)]
enum Pixels {
    /// Ready to draw; whatever was given, with the right length or not.
    Colors(Vec<Color>, usize),
    /// Values around zero, coloured with the largest magnitude of all such tiles.
    Signed(Vec<f32>),
}

impl Tile {
    fn new(size: [usize; 2], pixels: Pixels) -> Self {
        Self { size, pixels, caption: Vec::new(), border: None }
    }

    /// A grey image: `height · width` values row by row, 0 black to 1 white.
    pub fn grey(values: &[f32], [height, width]: [usize; 2]) -> Self {
        let colors = values.iter().map(|&value| ColorMap::Grey.at(f64::from(value))).collect();
        Self::new([height, width], Pixels::Colors(colors, values.len()))
    }

    /// A grey image of bytes, 0 black to 255 white.
    pub fn grey_bytes(values: &[u8], [height, width]: [usize; 2]) -> Self {
        let colors = values.iter().map(|&value| Color(value, value, value)).collect();
        Self::new([height, width], Pixels::Colors(colors, values.len()))
    }

    /// A colour image as tensors hold it: three planes of `height · width` values from 0 to 1, red first.
    pub fn rgb_planes(values: &[f32], [height, width]: [usize; 2]) -> Self {
        let plane = height * width;
        let at = |i: usize| values.get(i).map_or(f64::NAN, |&value| f64::from(value));
        let byte = |value: f64| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let color = |i| match [at(i), at(i + plane), at(i + 2 * plane)] {
            rgb if rgb.iter().any(|value| value.is_nan()) => Color::MISSING,
            [r, g, b] => Color(byte(r), byte(g), byte(b)),
        };
        let given = if values.len() == 3 * plane { plane } else { values.len() };
        Self::new([height, width], Pixels::Colors((0..plane.min(values.len())).map(color).collect(), given))
    }

    /// A colour image as files hold it: red, green and blue of each pixel in turn.
    pub fn rgb_bytes(values: &[u8], [height, width]: [usize; 2]) -> Self {
        let colors: Vec<Color> = values.chunks_exact(3).map(|p| Color(p[0], p[1], p[2])).collect();
        let given = if values.len().is_multiple_of(3) { colors.len() } else { values.len() };
        Self::new([height, width], Pixels::Colors(colors, given))
    }

    /// Weights, such as a filter's: zero is white, negative blue, positive vermillion. All signed tiles of a grid
    /// share their scale, so that weak filters look weak.
    pub fn signed(values: &[f32], [height, width]: [usize; 2]) -> Self {
        Self::new([height, width], Pixels::Signed(values.to_vec()))
    }

    /// Text under the image; a newline starts a second line.
    #[must_use]
    pub fn caption(mut self, text: impl AsRef<str>) -> Self {
        self.caption = text.as_ref().lines().map(str::to_owned).collect();
        self
    }

    /// A coloured border, such as [`Color::WRONG`].
    #[must_use]
    pub fn border(mut self, color: Color) -> Self {
        self.border = Some(color);
        self
    }

    fn check(&self, index: usize) -> Result<(), PlotError> {
        let [height, width] = self.size;
        let given = match &self.pixels {
            Pixels::Colors(_, given) => *given,
            Pixels::Signed(values) => values.len(),
        };
        if height == 0 || width == 0 || given != height * width {
            let reason = format!("{given} values or pixels do not fill {height} × {width}");
            return Err(PlotError::data(format!("tile {index}"), reason));
        }
        Ok(())
    }

    /// The signed tile's largest magnitude.
    fn reach(&self) -> f32 {
        match &self.pixels {
            Pixels::Colors(..) => 0.0,
            Pixels::Signed(values) => {
                values.iter().filter(|value| value.is_finite()).fold(0.0, |most, value| most.max(value.abs()))
            }
        }
    }

    fn color(&self, i: usize, reach: f32) -> Color {
        match &self.pixels {
            Pixels::Colors(colors, _) => colors.get(i).copied().unwrap_or(Color::MISSING),
            Pixels::Signed(values) => {
                let value = values.get(i).copied().unwrap_or(f32::NAN);
                ColorMap::Diverging.at(f64::from(0.5 + 0.5 * value / reach.max(f32::MIN_POSITIVE)))
            }
        }
    }
}

/// A grid of images, filled row by row: misread digits, filters, samples.
///
/// ```
/// use fornax_nn_core::plot::{Color, Tile, Tiles};
///
/// let seven = Tile::grey(&[0.0, 1.0, 0.5, 0.25], [2, 2]).caption("7 read as 1").border(Color::WRONG);
/// let picture = Tiles::new(4).title("Misread").tile(seven).draw()?;
/// assert!(picture.width() > 100);
/// # Ok::<(), fornax_nn_core::plot::PlotError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tiles {
    title: String,
    columns: usize,
    side: Option<f64>,
    tiles: Vec<Tile>,
    empty: String,
}

impl Tiles {
    /// An empty grid of `columns` columns.
    pub fn new(columns: usize) -> Self {
        Self { title: String::new(), columns, side: None, tiles: Vec::new(), empty: String::new() }
    }

    /// A heading.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a tile.
    #[must_use]
    pub fn tile(mut self, tile: Tile) -> Self {
        self.tiles.push(tile);
        self
    }

    /// Adds tiles.
    #[must_use]
    pub fn tiles(mut self, tiles: impl IntoIterator<Item = Tile>) -> Self {
        self.tiles.extend(tiles);
        self
    }

    /// The longer side of each image in points. Default: 72; pixels are never blurred, so sides are rounded to whole
    /// pixels of the image where that fits.
    #[must_use]
    pub fn side(mut self, points: f64) -> Self {
        self.side = Some(points);
        self
    }

    /// What to say when there are no tiles ("no mistakes"), instead of an error.
    #[must_use]
    pub fn when_empty(mut self, text: impl Into<String>) -> Self {
        self.empty = text.into();
        self
    }

    /// Draws the figure.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when there are no tiles or columns, or a tile's values do not fill its size.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        if self.columns == 0 {
            return Err(PlotError::data("tiles", "0 columns: expected one at least"));
        }
        for (i, tile) in self.tiles.iter().enumerate() {
            tile.check(i)?;
        }
        let title = Type::new(TITLE_SIZE, Color::INK).bold();
        let top = if self.title.is_empty() { 14.0 } else { 42.0 };
        if self.tiles.is_empty() {
            if self.empty.is_empty() {
                return Err(PlotError::data("tiles", "no tiles: expected one at least"));
            }
            let look = Type::new(LABEL_SIZE + 1.0, Color::MUTED);
            let width = title.width(&self.title).max(look.width(&self.empty)) + 28.0;
            let mut canvas = Canvas::new(width, top + 28.0)?;
            canvas.text((14.0, 20.0), &self.title, title);
            canvas.text((14.0, top + 8.0), &self.empty, look);
            return Ok(canvas.finish());
        }
        let side = self.side.unwrap_or(72.0);
        let look = Type::new(TICK_SIZE, Color::INK).align(Align::Center);
        let text = self.tiles.iter().flat_map(|tile| &tile.caption).map(|line| look.width(line));
        let largest = |pick: fn((f64, f64)) -> f64| {
            self.tiles.iter().map(|tile| pick(fit(tile.size, side))).fold(0.0, f64::max)
        };
        let (image_width, image_height) = (largest(|size| size.0), largest(|size| size.1));
        let width = text.fold(image_width, f64::max);
        let lines = self.tiles.iter().map(|tile| tile.caption.len()).max().unwrap_or(0) as f64;
        let (gap_x, gap_y) = (12.0, if lines > 0.0 { 12.0 } else { 10.0 });
        let height = image_height + if lines > 0.0 { 3.0 + 13.0 * lines } else { 0.0 };
        let columns = self.columns.min(self.tiles.len());
        let rows = self.tiles.len().div_ceil(columns);
        let page = (28.0 + columns as f64 * (width + gap_x) - gap_x).max(28.0 + title.width(&self.title));
        let mut canvas = Canvas::new(page, top + rows as f64 * (height + gap_y) - gap_y + 14.0)?;
        canvas.text((14.0, 20.0), &self.title, title);
        let reach = self.tiles.iter().map(Tile::reach).fold(0.0, f32::max);
        for (i, tile) in self.tiles.iter().enumerate() {
            let (w, h) = fit(tile.size, side);
            let cell_left = 14.0 + (i % columns) as f64 * (width + gap_x);
            let cell_top = top + (i / columns) as f64 * (height + gap_y);
            let left = (cell_left + (width - w) / 2.0).round();
            let image_top = (cell_top + (image_height - h) / 2.0).round();
            draw_image(&mut canvas, tile, [left, image_top, w, h], reach);
            let (thickness, color) = tile.border.map_or((0.5, Color::MISSING), |color| (2.0, color));
            canvas.frame([left, image_top, left + w, image_top + h], thickness, color);
            for (j, line) in tile.caption.iter().enumerate() {
                let y = cell_top + image_height + 10.0 + 13.0 * j as f64;
                canvas.text((cell_left + width / 2.0, y), line, look);
            }
        }
        Ok(canvas.finish())
    }

    /// Draws the figure into a PNG file.
    ///
    /// # Errors
    ///
    /// As [`draw`](Self::draw), naming `path`; or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        self.draw().map_err(|error| error.for_file(path))?.save(path)
    }
}

/// Width and height in points of an image whose longer side is about `side`: whole half-points per pixel if it is small.
fn fit([height, width]: [usize; 2], side: f64) -> (f64, f64) {
    let longer = height.max(width) as f64;
    let exact = side / longer;
    let scale = if exact >= 0.5 { (exact * 2.0).round() / 2.0 } else { exact };
    (width as f64 * scale, height as f64 * scale)
}

fn draw_image(canvas: &mut Canvas, tile: &Tile, [left, top, w, h]: [f64; 4], reach: f32) {
    let [height, width] = tile.size;
    let shrunk = w < 0.5 * width as f64;
    // Smaller than it is: one sample per pixel of the page, else one rectangle per pixel of the image.
    let (columns, rows) = if shrunk { ((2.0 * w) as usize, (2.0 * h) as usize) } else { (width, height) };
    for row in 0..rows {
        for column in 0..columns {
            let color = tile.color((row * height / rows) * width + column * width / columns, reach);
            let edge =
                |i: usize, count: usize, start: f64, length: f64| start + length * i as f64 / count as f64;
            canvas.rect(
                edge(column, columns, left, w),
                edge(row, rows, top, h),
                edge(column + 1, columns, left, w),
                edge(row + 1, rows, top, h),
                color,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(picture: &Picture, color: Color) -> usize {
        picture.pixels().chunks_exact(3).filter(|p| Color(p[0], p[1], p[2]) == color).count()
    }

    #[test]
    fn every_pixel_of_an_image_is_a_square_of_its_colour() {
        let tile = Tile::rgb_planes(&[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0], [2, 2]);
        let picture = Tiles::new(1).tile(tile).side(20.0).draw().unwrap();
        for color in [Color(255, 0, 0), Color(0, 255, 0), Color(0, 0, 255), Color(0, 0, 0)] {
            assert_eq!(count(&picture, color), 400, "{color:?}");
        }
    }

    #[test]
    fn planes_and_interleaved_bytes_agree() {
        let planes = Tile::rgb_planes(&[1.0, 0.0, 0.2, 0.4, 0.6, 1.0], [1, 2]);
        let bytes = Tile::rgb_bytes(&[255, 51, 153, 0, 102, 255], [1, 2]);
        assert_eq!(Tiles::new(1).tile(planes).draw().unwrap(), Tiles::new(1).tile(bytes).draw().unwrap());
    }

    #[test]
    fn signed_tiles_share_their_scale() {
        let grid =
            Tiles::new(2).tile(Tile::signed(&[2.0], [1, 1])).tile(Tile::signed(&[-1.0], [1, 1])).side(10.0);
        let picture = grid.draw().unwrap();
        assert_eq!(count(&picture, ColorMap::Diverging.at(1.0)), 400);
        assert_eq!(count(&picture, ColorMap::Diverging.at(0.25)), 400);
    }

    #[test]
    fn a_border_has_its_colour() {
        let tile = Tile::grey(&[f32::NAN], [1, 1]).border(Color::WRONG);
        let picture = Tiles::new(1).tile(tile).side(10.0).draw().unwrap();
        // Two points around 10 × 10: 28² − 20² pixels.
        assert_eq!(count(&picture, Color::WRONG), 28 * 28 - 20 * 20);
        assert_eq!(count(&picture, Color::MISSING), 400);
    }

    #[test]
    fn tiles_that_do_not_fit_are_named() {
        let good = Tile::grey(&[0.0; 4], [2, 2]);
        for bad in [
            Tile::grey(&[0.0; 3], [2, 2]),
            Tile::rgb_planes(&[0.0; 11], [2, 2]),
            Tile::rgb_bytes(&[0; 13], [2, 2]),
            Tile::signed(&[], [0, 0]),
        ] {
            let error = Tiles::new(1).tile(good.clone()).tile(bad).draw().unwrap_err().to_string();
            assert!(error.starts_with("tile 1: "), "{error}");
        }
        assert!(Tiles::new(0).tile(good).draw().is_err());
        assert!(Tiles::new(1).draw().is_err());
        assert!(Tiles::new(1).when_empty("no mistakes").draw().is_ok());
    }
}
