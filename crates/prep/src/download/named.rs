//! Data sets by name.
//!
//! Addresses are those torchvision fetches from; sizes and SHA-256 those that TensorFlow Datasets publishes for the same files
//! (`url_checksums/mnist.txt`, `fashion_mnist.txt` and `cifar10.txt` of its repository).

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Downloader, Remote};
use crate::{Error, archive};

/// A data set that can be fetched by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataSet {
    /// 70,000 handwritten digits of 28 × 28, an IDX pair to train on and one to test on; 11.6 MB. Y. LeCun, C. Cortes,
    /// C. Burges, <http://yann.lecun.com/exdb/mnist/>.
    Mnist,
    /// 70,000 articles of clothing in MNIST's format; 30.9 MB. H. Xiao, K. Rasul, R. Vollgraf, 2017,
    /// <https://arxiv.org/abs/1708.07747>, licensed under MIT.
    FashionMnist,
    /// 60,000 colour photographs of 32 × 32 in ten classes, in CIFAR's binary format; 170 MB. A. Krizhevsky, 2009,
    /// <https://www.cs.toronto.edu/~kriz/cifar.html>.
    Cifar10,
}

/// A data set on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The folder that holds the files.
    pub folder: PathBuf,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// Name, size and digest of a file.
type Row = (&'static str, u64, &'static str);

const MNIST: [Row; 4] = [
    (
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
];

const FASHION_MNIST: [Row; 4] = [
    (
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    ("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
];

const CIFAR10: [Row; 1] = [(
    "cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)];

impl DataSet {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mnist, Self::FashionMnist, Self::Cifar10];

    /// `mnist`, `fashion-mnist` or `cifar10`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
        }
    }

    /// Its files as they are published.
    pub fn remotes(self) -> Vec<Remote> {
        let (rows, folders): (&[Row], &[&str]) = match self {
            Self::Mnist => (
                &MNIST,
                &[
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                ],
            ),
            Self::FashionMnist => {
                (&FASHION_MNIST, &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"])
            }
            Self::Cifar10 => (&CIFAR10, &["https://www.cs.toronto.edu/~kriz/"]),
        };
        let remote = |&(name, bytes, sha256): &Row| Remote {
            name: name.to_owned(),
            urls: folders.iter().map(|folder| format!("{folder}{name}")).collect(),
            bytes,
            sha256: sha256.to_owned(),
        };
        rows.iter().map(remote).collect()
    }
}

impl FromStr for DataSet {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|set| set.name() == name);
        found.ok_or_else(|| {
            Error::argument("name", "mnist, fashion-mnist or cifar10", format_args!("{name:?}"))
        })
    }
}

impl Downloader {
    /// A data set in a folder of the cache that has its name; CIFAR-10 unpacked.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch) and [`archive::extract`].
    pub fn data_set(&self, set: DataSet) -> Result<Fetched, Error> {
        self.fetch_all(set.name(), &set.remotes())
    }

    /// Files into a folder of the cache; an archive among them is unpacked beside itself, into a folder of its name without the
    /// ending, whose files then count in its place.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch) and [`archive::extract`].
    pub fn fetch_all(&self, name: &str, remotes: &[Remote]) -> Result<Fetched, Error> {
        let mut folder = self.cache.join(name);
        let within = Self { cache: folder.clone(), ..self.clone() };
        let mut files = Vec::new();
        for remote in remotes {
            let Some(stem) = [".tar.gz", ".tar", ".zip"].iter().find_map(|end| remote.name.strip_suffix(end))
            else {
                files.push(within.fetch(remote)?);
                continue;
            };
            let target = within.cache.join(stem);
            // Unpacked all or not at all: what is there is whole.
            if !target.is_dir() {
                archive::extract(&within.fetch(remote)?, &target, &self.limits)?;
            }
            let mut found = listed(&target)?;
            files.append(&mut found);
            folder = target;
        }
        // An archive of one folder, as CIFAR's: that folder.
        if let Some(parent) = files.first().and_then(|file| file.parent())
            && files.iter().all(|file| file.parent() == Some(parent))
        {
            folder = parent.to_owned();
        }
        Ok(Fetched { folder, files })
    }
}

/// All files below a folder, in the order of their paths.
fn listed(folder: &std::path::Path) -> Result<Vec<PathBuf>, Error> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| Error::file(&folder, error))? {
            let path = entry.map_err(|error| Error::file(&folder, error))?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}
