//! The invariants of docs/architecture.md, each a function over the files it speaks of.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

use crate::{examples, shell, source};

/// Crates that hold no architectures: what the page limit does not apply to.
const NOT_FAMILIES: [&str; 2] = ["nn-core", "prep"];
/// Families that may depend on other families, and on prep behind a feature.
const ON_TOP: [&str; 1] = ["transfer"];
/// Where library code may write to the terminal, and why.
const MAY_PRINT: [&str; 2] = [
    // draws the progress bar
    "crates/nn-core/src/train/console.rs",
    // a macro for tests, which says on the caller's behalf that a device was skipped
    "crates/nn-core/src/check/contract.rs",
];
/// Where a device is opened by the name a user typed.
const OPENS_DEVICES: &str = "crates/nn-core/src/device.rs";
const BACKENDS: [&str; 4] = ["flex", "ndarray", "wgpu", "wgpu-unfused"];
const PAGE_LINES: usize = 300;
const EXAMPLE_LINES: usize = 150;
const FIXTURE_BYTES: u64 = 8 << 20;

/// Something that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

fn finding(path: &str, line: usize, message: impl Into<String>) -> Finding {
    Finding { path: path.to_owned(), line, message: message.into() }
}

/// A file of the repository.
#[derive(Debug, Clone)]
struct File {
    /// Relative to the root, with forward slashes.
    path: String,
    text: String,
}

/// Checks everything and prints what it finds.
pub fn run(root: &Path) -> Result<bool, String> {
    let findings = check(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "tidy: {}",
        if findings.is_empty() { "clean".into() } else { format!("{} findings", findings.len()) }
    );
    Ok(findings.is_empty())
}

fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let sizes = tracked(root)?;
    let read = |wanted: &dyn Fn(&str) -> bool| -> Result<Vec<File>, String> {
        let paths = sizes.keys().filter(|path| wanted(path));
        paths
            .map(|path| {
                let text = fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
                Ok(File { path: path.clone(), text })
            })
            .collect()
    };
    let rust = read(&|path| path.ends_with(".rs"))?;
    let markdown = read(&|path| path.ends_with(".md"))?;
    let manifests = read(&|path| path.starts_with("crates/") && path.ends_with("/Cargo.toml"))?;
    let listed = examples::read(root)?;

    let mut findings = Vec::new();
    for manifest in &manifests {
        findings.extend(workspace_dependencies(manifest)?);
        findings.extend(no_backend_chosen(manifest)?);
    }
    for file in &rust {
        findings.extend(no_device_no_print(file));
        findings.extend(unsafe_is_confined(file));
        findings.extend(nothing_unfinished(file));
        findings.extend(page_length(file));
    }
    for file in &markdown {
        findings.extend(no_ignored_samples(file));
        findings.extend(links_lead_somewhere(file, &|path| root.join(path).exists()));
    }
    let catalogue = fs::read_to_string(root.join("docs/examples.md")).ok();
    let sources: Vec<&str> = rust.iter().map(|file| file.path.as_str()).collect();
    findings.extend(examples_are_listed(&listed, &sources, catalogue.as_deref()));
    findings.extend(fixtures_are_small(&sizes));
    findings.sort();
    Ok(findings)
}

/// Files git knows or would add, with their sizes.
fn tracked(root: &Path) -> Result<BTreeMap<String, u64>, String> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = shell::capture(&mut git).map_err(|error| format!("git: {error}"))?;
    if !listed.success {
        return Err("git ls-files failed: tidy needs a git checkout".to_owned());
    }
    let mut sizes = BTreeMap::new();
    for path in listed.output.split('\0').filter(|path| !path.is_empty()) {
        // A file deleted but not yet committed is listed and gone.
        if let Ok(metadata) = fs::metadata(root.join(path)) {
            sizes.insert(path.to_owned(), metadata.len());
        }
    }
    Ok(sizes)
}

/// The crate's folder name: `cnn` of `crates/cnn/src/lenet.rs`.
fn crate_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split('/').next()
}

fn is_library(path: &str) -> bool {
    path.starts_with("crates/") && path.contains("/src/") && !is_test_file(path)
}

/// A test module in its own file.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Lines of code outside comments, strings and tests, numbered from 1.
fn library_lines(text: &str) -> Vec<(usize, String)> {
    let code = source::code(text);
    if code.contains("#![cfg(test)]") {
        return Vec::new();
    }
    let tests = source::test_lines(&code);
    code.lines()
        .zip(tests)
        .enumerate()
        .filter(|(_, (_, is_test))| !is_test)
        .map(|(i, (line, _))| (i + 1, line.to_owned()))
        .collect()
}

fn line_of(text: &str, needle: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(needle)).map_or(1, |i| i + 1)
}

/// Invariants 1 and 2: who may depend on whom.
fn workspace_dependencies(manifest: &File) -> Result<Vec<Finding>, String> {
    let table = parse(manifest)?;
    let Some(this) = crate_of(&manifest.path) else { return Ok(Vec::new()) };
    let mut findings = Vec::new();
    for (section, for_tests) in
        [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        for (dependency, value) in sections(&table, section).flat_map(Table::iter) {
            let Some(other) = dependency.strip_prefix("fornax-") else { continue };
            let optional = value.get("optional").and_then(Value::as_bool) == Some(true);
            let allowed = if NOT_FAMILIES.contains(&this) {
                // For tests and examples only: itself, to turn its own features on, and each the other.
                for_tests && NOT_FAMILIES.contains(&other)
            } else {
                other == "nn-core"
                    || (for_tests && other == "prep")
                    || (ON_TOP.contains(&this) && (!NOT_FAMILIES.contains(&other) || optional))
            };
            if !allowed {
                let message =
                    format!("fornax-{this} must not have {dependency} in [{section}] (invariants 1, 2)");
                findings.push(finding(&manifest.path, line_of(&manifest.text, dependency), message));
            }
        }
    }
    Ok(findings)
}

/// Invariant 3: a library picks no device and prints nothing.
fn no_device_no_print(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Which device this is depends on the features of whatever else is built: wrong in tests too.
    for (i, line) in source::code(&file.text).lines().enumerate() {
        if line.contains("Device::default(") {
            let message = "Device::default() depends on cargo features: name the device (invariant 3)";
            findings.push(finding(&file.path, i + 1, message));
        }
    }
    if !is_library(&file.path) {
        return findings;
    }
    let may_print = MAY_PRINT.contains(&file.path.as_str());
    for (line, code) in library_lines(&file.text) {
        for device in ["Device::flex(", "Device::ndarray(", "Device::wgpu("] {
            if code.contains(device) && file.path != OPENS_DEVICES {
                let message = format!("{device}…) in library code: take a &Device (invariant 3)");
                findings.push(finding(&file.path, line, message));
            }
        }
        for name in ["print!", "println!", "eprint!", "eprintln!", "dbg!"] {
            if !may_print && has_macro(&code, name) {
                let message = format!("{name} in library code (invariant 3)");
                findings.push(finding(&file.path, line, message));
            }
        }
    }
    findings
}

/// Whether `name` stands there as a whole word: `print!` is not in `eprint!`.
fn has_macro(code: &str, name: &str) -> bool {
    code.match_indices(name)
        .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

/// Invariant 4: `unsafe` only in kernels modules, each block under a `SAFETY` comment.
fn unsafe_is_confined(file: &File) -> Vec<Finding> {
    let code = source::code(&file.text);
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (i, line) in code.lines().enumerate() {
        if line.contains("allow(unsafe_code)") && !file.path.contains("kernels") {
            let message = "unsafe code allowed outside a kernels module (invariant 4)";
            findings.push(finding(&file.path, i + 1, message));
        }
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect::<Vec<_>>();
        if words.contains(&"unsafe") {
            let near = &lines[i.saturating_sub(4)..=i];
            if !near.iter().any(|line| line.contains("SAFETY:")) {
                let message = "unsafe without a SAFETY comment right above (invariant 4)";
                findings.push(finding(&file.path, i + 1, message));
            }
        }
    }
    findings
}

/// Invariant 5: cargo features choose the backend, dependencies do not.
fn no_backend_chosen(manifest: &File) -> Result<Vec<Finding>, String> {
    let table = parse(manifest)?;
    let mut findings = Vec::new();
    for section in sections(&table, "dependencies") {
        for (name, value) in section {
            let at = || line_of(&manifest.text, name);
            if BACKENDS.iter().any(|backend| *name == format!("burn-{backend}")) {
                let message = format!("{name} is a backend: forward a feature to burn (invariant 5)");
                findings.push(finding(&manifest.path, at(), message));
            }
            let features = value.get("features").and_then(Value::as_array).into_iter().flatten();
            for feature in features.filter_map(Value::as_str) {
                if (name == "burn" || name.starts_with("fornax-")) && BACKENDS.contains(&feature) {
                    let message = format!("{name} with backend {feature} in [dependencies] (invariant 5)");
                    findings.push(finding(&manifest.path, at(), message));
                }
            }
        }
    }
    let features = table.get("features").and_then(Value::as_table);
    for backend in BACKENDS {
        if !features.is_some_and(|features| features.contains_key(backend)) {
            let at = line_of(&manifest.text, "[features]");
            let message = format!("no feature {backend} that forwards to burn (invariant 5)");
            findings.push(finding(&manifest.path, at, message));
        }
    }
    Ok(findings)
}

/// Invariant 6: nothing ignored, nothing unfinished, no panic on what a user can cause.
fn nothing_unfinished(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let code = source::code(&file.text);
    for (i, line) in code.lines().enumerate() {
        let attribute = "#[ignore";
        if line.contains(attribute) {
            findings.push(finding(&file.path, i + 1, format!("{attribute}] (invariant 6)")));
        }
        for name in ["todo!", "unimplemented!"] {
            if has_macro(line, name) {
                findings.push(finding(&file.path, i + 1, format!("{name} (invariant 6)")));
            }
        }
    }
    if is_library(&file.path) {
        for (line, code) in library_lines(&file.text) {
            for call in [".unwrap()", ".expect(", ".unwrap_err()", ".expect_err("] {
                if code.contains(call) {
                    let message = format!("{call} in library code: return an error (invariant 6)");
                    findings.push(finding(&file.path, line, message));
                }
            }
        }
    }
    findings.extend(no_ignored_samples(file));
    findings
}

/// Invariant 6: samples in documentation are compiled.
fn no_ignored_samples(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, line) in file.text.lines().enumerate() {
        let text = line.trim_start().trim_start_matches(['/', '!']).trim_start();
        let is_doc = !file.path.ends_with(".rs") || line.trim_start().starts_with("//");
        if let Some(info) = text.strip_prefix("```")
            && is_doc
            && info.split([',', ' ']).any(|word| word == "ignore")
        {
            findings.push(finding(&file.path, i + 1, "a sample that is not compiled (invariant 6)"));
        }
    }
    findings
}

/// Invariant 7: a page of an architecture and an example stay readable in one sitting.
fn page_length(file: &File) -> Vec<Finding> {
    let Some(this) = crate_of(&file.path) else { return Vec::new() };
    let (what, limit) = if file.path.contains("/examples/") {
        ("an example", EXAMPLE_LINES)
    } else if is_library(&file.path) && !NOT_FAMILIES.contains(&this) && !file.path.ends_with("/lib.rs") {
        ("an architecture's page", PAGE_LINES)
    } else {
        return Vec::new();
    };
    let lines = library_lines(&file.text).len();
    if lines <= limit {
        return Vec::new();
    }
    vec![finding(&file.path, limit, format!("{what} of {lines} lines, at most {limit} (invariant 7)"))]
}

/// Invariant 8: examples have metadata, and the catalogue is what it generates.
fn examples_are_listed(
    listed: &[examples::Listed],
    sources: &[&str],
    catalogue: Option<&str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in sources {
        // examples/<name>.rs or examples/<name>/main.rs; other files there are modules.
        let parts: Vec<&str> = path.split('/').collect();
        let is_example =
            matches!(parts[..], ["crates", _, "examples", _] | ["crates", _, "examples", _, "main.rs"]);
        if is_example && !listed.iter().any(|listed| listed.source == *path) {
            let message =
                "no [[package.metadata.fornax.examples]] entry in the crate's manifest (invariant 8)";
            findings.push(finding(path, 1, message));
        }
    }
    if catalogue != Some(examples::page(listed).as_str()) {
        let state = if catalogue.is_some() { "stale" } else { "missing" };
        let message = format!("{state}: run `cargo xtask examples` (invariant 8)");
        findings.push(finding("docs/examples.md", 1, message));
    }
    findings
}

/// Invariant 9: the repository stays quick to clone.
fn fixtures_are_small(sizes: &BTreeMap<String, u64>) -> Vec<Finding> {
    let fixtures = sizes.iter().filter(|(path, _)| {
        path.split('/').any(|part| matches!(part, "tests" | "fixtures" | "golden")) && !path.ends_with(".rs")
    });
    let total: u64 = fixtures.clone().map(|(_, size)| size).sum();
    let Some((largest, _)) = fixtures.max_by_key(|(_, size)| **size) else { return Vec::new() };
    if total <= FIXTURE_BYTES {
        return Vec::new();
    }
    let message = format!("the largest of {total} bytes of fixtures, at most {FIXTURE_BYTES} (invariant 9)");
    vec![finding(largest, 1, message)]
}

/// Invariant 10: a link to a file of the repository, `[text](path)` or `![text](path)`, leads to one.
fn links_lead_somewhere(file: &File, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let folder = file.path.rfind('/').map_or("", |end| &file.path[..=end]);
    let mut findings = Vec::new();
    for (i, line) in file.text.lines().enumerate() {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains(':') && !exists(&format!("{folder}{path}")) {
                findings.push(finding(&file.path, i + 1, format!("{path} does not exist (invariant 10)")));
            }
        }
    }
    findings
}

fn parse(manifest: &File) -> Result<Table, String> {
    toml::from_str(&manifest.text).map_err(|error| format!("{}: {error}", manifest.path))
}

/// The dependency section called `name`, on its own and under every `[target.…]`.
fn sections<'a>(table: &'a Table, name: &'a str) -> impl Iterator<Item = &'a Table> {
    let targets =
        table.get("target").and_then(Value::as_table).into_iter().flat_map(|targets| targets.values());
    let everywhere = std::iter::once(table).chain(targets.filter_map(Value::as_table));
    everywhere.filter_map(move |place| place.get(name).and_then(Value::as_table))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn shown(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_core_depends_on_no_family_and_families_not_on_each_other() {
        let core = file("crates/nn-core/Cargo.toml", "[dependencies]\nburn = \"1\"\nfornax-cnn = \"1\"\n");
        let found = shown(&workspace_dependencies(&core).unwrap());
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/nn-core/Cargo.toml:3: fornax-nn-core must not have fornax-cnn"));

        let family = "[dependencies]\nfornax-nn-core = \"1\"\n[dev-dependencies]\nfornax-prep = \"1\"\n";
        assert!(workspace_dependencies(&file("crates/cnn/Cargo.toml", family)).unwrap().is_empty());
        let mixed = "[dependencies]\nfornax-prep = \"1\"\n[dev-dependencies]\nfornax-cnn = \"1\"\n";
        assert_eq!(workspace_dependencies(&file("crates/rl/Cargo.toml", mixed)).unwrap().len(), 2);

        let top =
            "[dependencies]\nfornax-cnn = \"1\"\n[target.'cfg(unix)'.dependencies]\nfornax-prep = \"1\"\n";
        let found = workspace_dependencies(&file("crates/transfer/Cargo.toml", top)).unwrap();
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [4]);
        let feature = "[dependencies]\nfornax-prep = { version = \"1\", optional = true }\n";
        assert!(workspace_dependencies(&file("crates/transfer/Cargo.toml", feature)).unwrap().is_empty());
        assert_eq!(workspace_dependencies(&file("crates/rl/Cargo.toml", feature)).unwrap().len(), 1);
    }

    #[test]
    fn library_code_that_picks_a_device_or_prints_is_found() {
        let text = "//! println!\nfn a() {\n    println!(\"x\");\n    let d = Device::flex();\n}\n#[cfg(test)]\nmod tests {\n    fn b() { println!(\"x\"); Device::flex(); }\n}\n";
        let found = no_device_no_print(&file("crates/cnn/src/a.rs", text));
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [3, 4]);
        assert!(no_device_no_print(&file("crates/cnn/examples/a.rs", text)).is_empty());
        let default = text.replace("flex", "default");
        assert_eq!(no_device_no_print(&file("crates/cnn/tests/it/a.rs", &default)).len(), 2);
        assert_eq!(no_device_no_print(&file(MAY_PRINT[0], text)).len(), 1);
    }

    #[test]
    fn unsafe_needs_a_kernels_module_and_a_safety_comment() {
        let bare = "fn a() {\n    unsafe { b() }\n}\n";
        assert_eq!(unsafe_is_confined(&file("crates/cnn/src/a.rs", bare)).len(), 1);
        let argued = "#![allow(unsafe_code)]\n// SAFETY: b has no preconditions.\nlet x = unsafe { b() };\n";
        assert!(unsafe_is_confined(&file("crates/cnn/src/kernels.rs", argued)).is_empty());
        assert_eq!(unsafe_is_confined(&file("crates/cnn/src/a.rs", argued)).len(), 1);
        assert!(unsafe_is_confined(&file("a.rs", "// unsafe\n#![deny(unsafe_code)]\n")).is_empty());
    }

    #[test]
    fn a_backend_in_the_dependencies_is_found() {
        let features = "[features]\nflex = []\nndarray = []\nwgpu = []\nwgpu-unfused = []\n";
        let clean =
            format!("{features}[dependencies]\nburn = {{ version = \"1\", features = [\"simd\"] }}\n");
        assert!(no_backend_chosen(&file("crates/cnn/Cargo.toml", &clean)).unwrap().is_empty());
        let chosen = clean.replace("simd", "wgpu") + "burn-flex = \"1\"\n";
        assert_eq!(no_backend_chosen(&file("crates/cnn/Cargo.toml", &chosen)).unwrap().len(), 2);
        let bare = "[features]\nflex = []\n";
        assert_eq!(no_backend_chosen(&file("crates/cnn/Cargo.toml", bare)).unwrap().len(), 3);
    }

    #[test]
    fn unfinished_code_is_found_and_unwrap_only_in_libraries() {
        let text = "fn a() { todo!() }\nfn b() { c.unwrap(); d.unwrap_or(1); }\n/// ```\n/// x.unwrap();\n/// ```\n#[cfg(test)]\nmod tests {\n    #[ignore]\n    fn e() { f.unwrap() }\n}\n";
        let lines = |path| nothing_unfinished(&file(path, text)).iter().map(|f| f.line).collect::<Vec<_>>();
        assert_eq!(lines("crates/cnn/src/a.rs"), [1, 8, 2]);
        assert_eq!(lines("crates/cnn/tests/it/a.rs"), [1, 8]);
        assert_eq!(lines("crates/cnn/src/a/tests.rs"), [1, 8]);
    }

    #[test]
    fn samples_that_are_not_compiled_are_found() {
        let text = "//! ```rust,ignore\n//! ```\n/// ```text\n/// ```\nlet ignore = \"```ignore\";\n";
        assert_eq!(shown(&no_ignored_samples(&file("a.rs", text))).len(), 1);
        assert_eq!(no_ignored_samples(&file("a.md", "```rust,ignore\n```\n")).len(), 1);
    }

    #[test]
    fn long_pages_and_examples_are_found_and_tests_do_not_count() {
        let page = "let a = 1;\n".repeat(300) + "#[cfg(test)]\nmod tests {\n}\n";
        assert!(page_length(&file("crates/cnn/src/lenet.rs", &page)).is_empty());
        assert_eq!(page_length(&file("crates/cnn/src/lenet.rs", &("x\n".to_owned() + &page))).len(), 1);
        assert!(page_length(&file("crates/nn-core/src/long.rs", &"x\n".repeat(900))).is_empty());
        assert_eq!(page_length(&file("crates/cnn/examples/a.rs", &"x\n".repeat(151))).len(), 1);
    }

    #[test]
    fn examples_without_metadata_and_a_stale_catalogue_are_found() {
        let manifest = "[package]\nname = \"fornax-cnn\"\n[[package.metadata.fornax.examples]]\nname = \"a\"\nshows = \"\"\nseconds = 1\nfigure = \"\"\npicture = \"\"\n";
        let listed = examples::parse("crates/cnn", manifest).unwrap();
        let page = examples::page(&listed);
        let sources = ["crates/cnn/examples/a.rs", "crates/cnn/examples/a/parts.rs"];
        assert!(examples_are_listed(&listed, &sources, Some(&page)).is_empty());
        let folder = ["crates/cnn/examples/c/main.rs"];
        assert_eq!(examples_are_listed(&listed, &folder, Some(&page)).len(), 1);
        let found = shown(&examples_are_listed(&listed, &["crates/cnn/examples/b.rs"], None));
        assert!(found[0].starts_with("crates/cnn/examples/b.rs:1: no [[package"), "{found:?}");
        assert!(found[1].starts_with("docs/examples.md:1: missing"), "{found:?}");
        assert!(shown(&examples_are_listed(&listed, &[], Some("old")))[0].contains("stale"));
    }

    #[test]
    fn fixtures_over_the_limit_are_found() {
        let sizes = |bytes| {
            BTreeMap::from([
                ("crates/cnn/tests/fixtures/a.json".to_owned(), bytes),
                ("crates/cnn/tests/it/big.rs".to_owned(), FIXTURE_BYTES),
                ("crates/prep/data/digits.bin".to_owned(), FIXTURE_BYTES),
            ])
        };
        assert!(fixtures_are_small(&sizes(FIXTURE_BYTES)).is_empty());
        assert_eq!(fixtures_are_small(&sizes(FIXTURE_BYTES + 1)).len(), 1);
    }

    #[test]
    fn a_link_to_a_file_that_is_not_there_is_found() {
        let text = "[a](b.md) ![p](../q.png)\n[far](https://x.y/z.md) [here](#top)\n[gone](c.md#d) f[0](1)\n";
        let exists = |path: &str| ["docs/b.md", "docs/../q.png", "docs/1"].contains(&path);
        let found = shown(&links_lead_somewhere(&file("docs/a.md", text), &exists));
        assert_eq!(found, ["docs/a.md:3: c.md does not exist (invariant 10)"]);
        assert!(links_lead_somewhere(&file("README.md", "[a](docs/b.md)"), &exists).is_empty());
    }
}
