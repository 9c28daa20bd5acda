//! What a parameter is called in torchvision.

/// The name torchvision gives the parameter at `path` in one of this crate's models.
///
/// Fields carry torchvision's names. Where Rust cannot have one (`0` is no field, a list of layers cannot be spread
/// over numbered fields), two rules lead there:
///
/// 1. the segment `sequential` and the names of enum variants, which begin with a capital, are left out;
/// 2. item i of `denseblocks`, `denselayers` or `transitions` is `denseblock{i+1}` and so on.
///
/// ```
/// use fornax_cnn::torchvision_name;
///
/// assert_eq!(torchvision_name("layer1.0.Basic.conv1.weight"), "layer1.0.conv1.weight");
/// assert_eq!(torchvision_name("features.0.sequential.1.weight"), "features.0.1.weight");
/// assert_eq!(torchvision_name("features.denseblocks.2.norm1.bias"), "features.denseblock3.norm1.bias");
/// ```
pub fn torchvision_name(path: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut segments = path.split('.').peekable();
    while let Some(segment) = segments.next() {
        let index = segments.peek().and_then(|next| next.parse::<usize>().ok());
        match (segment, index) {
            ("sequential", _) => {}
            ("denseblocks" | "denselayers" | "transitions", Some(index)) => {
                names.push(format!("{}{}", segment.trim_end_matches('s'), index + 1));
                segments.next();
            }
            _ if segment.starts_with(char::is_uppercase) => {}
            _ => names.push(segment.to_owned()),
        }
    }
    names.join(".")
}
