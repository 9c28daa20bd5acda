//! An agent's state, part by part.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AgentError;

/// Named pieces of bytes: what [`Agent::save`](super::Agent::save) returns. Write them where you like; in the training kit each is
/// a part of the snapshot (`snapshot.bytes(name, bytes)`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts(pub BTreeMap<String, Vec<u8>>);

impl Parts {
    /// Adds a network.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when Burn cannot encode it.
    pub fn put_module<M: Module>(&mut self, part: &str, module: &M) -> Result<(), AgentError> {
        let bytes = module.clone().into_record().into_bytes().map_err(|e| state(part, &e))?;
        self.0.insert(part.to_owned(), bytes.to_vec());
        Ok(())
    }

    /// Adds an optimiser's state, in an order that does not depend on a hash.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when Burn cannot encode it.
    pub fn put_optimizer(&mut self, part: &str, optim: &ModuleOptimizer) -> Result<(), AgentError> {
        let bytes = optim.into_bytes().map_err(|e| state(part, &e))?;
        let sorted = OptimizerRecord::from_bytes(bytes).and_then(|record| record.into_bytes());
        self.0.insert(part.to_owned(), sorted.map_err(|e| state(part, &e))?.to_vec());
        Ok(())
    }

    /// Adds data. JSON has no NaN and no infinity: none may be in it.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when serde cannot write it.
    pub fn put_json<T: Serialize>(&mut self, part: &str, value: &T) -> Result<(), AgentError> {
        self.0.insert(part.to_owned(), serde_json::to_vec(value).map_err(|e| state(part, &e))?);
        Ok(())
    }

    /// `module` with the saved weights.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] naming the weight that is missing or of another shape.
    pub fn module<M: Module>(&self, part: &str, module: M) -> Result<M, AgentError> {
        let record = ModuleRecord::from_bytes(self.burn(part)?).map_err(|e| state(part, &e))?;
        module.try_load_record(record).map_err(|e| state(part, &e))
    }

    /// `optim` with the saved state. Load the network it belongs to as well.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when the part is missing, or holds another optimiser's state (which Burn alone would drop in
    /// silence).
    pub fn optimizer(&self, part: &str, optim: ModuleOptimizer) -> Result<ModuleOptimizer, AgentError> {
        let record = OptimizerRecord::from_bytes(self.burn(part)?).map_err(|e| state(part, &e))?;
        let optim = optim.load_record(record);
        let mut again = Self::default();
        again.put_optimizer(part, &optim)?;
        if again.0.get(part) == self.0.get(part) {
            Ok(optim)
        } else {
            Err(state(part, &"it is the state of another optimiser"))
        }
    }

    /// Data that [`put_json`](Self::put_json) wrote.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when it is missing or of another type.
    pub fn json<T: DeserializeOwned>(&self, part: &str) -> Result<T, AgentError> {
        serde_json::from_slice(self.bytes(part)?).map_err(|e| state(part, &e))
    }

    /// A part as it is.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when there is none of this name.
    pub fn bytes(&self, part: &str) -> Result<&[u8], AgentError> {
        let known = || self.0.keys().cloned().collect::<Vec<_>>().join(", ");
        self.0
            .get(part)
            .map(Vec::as_slice)
            .ok_or_else(|| state(part, &format!("missing (there are: {})", known())))
    }

    /// All parts in one piece.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, bytes) in &self.0 {
            for piece in [name.as_bytes(), bytes] {
                out.extend((piece.len() as u64).to_le_bytes());
                out.extend(piece);
            }
        }
        out
    }

    /// What [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when `bytes` end in the middle of a part or a name is no text.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AgentError> {
        let mut rest = bytes;
        let mut piece = || -> Option<&[u8]> {
            let (len, after) = rest.split_first_chunk::<8>()?;
            let (piece, after) = after.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
            rest = after;
            Some(piece)
        };
        let mut parts = Self::default();
        let mut read = 0;
        while read < bytes.len() {
            let (Some(name), Some(content)) = (piece(), piece()) else {
                return Err(state("(all)", &format!("{} bytes end in the middle of a part", bytes.len())));
            };
            read += 16 + name.len() + content.len();
            let name = std::str::from_utf8(name).map_err(|e| state("(all)", &e))?;
            parts.0.insert(name.to_owned(), content.to_vec());
        }
        Ok(parts)
    }

    fn burn(&self, part: &str) -> Result<Bytes, AgentError> {
        Ok(Bytes::from_bytes_vec(self.bytes(part)?.to_vec()))
    }
}

pub(crate) fn state(part: &str, reason: &dyn std::fmt::Display) -> AgentError {
    AgentError::State { part: part.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_comes_apart_again() {
        let mut parts = Parts::default();
        parts.put_json("numbers", &[1.5, -2.0]).unwrap();
        parts.0.insert("empty".to_owned(), Vec::new());
        let bytes = parts.to_bytes();
        let back = Parts::from_bytes(&bytes).unwrap();
        assert_eq!(back, parts);
        assert_eq!(back.json::<[f64; 2]>("numbers").unwrap(), [1.5, -2.0]);
        assert!(back.json::<String>("numbers").is_err());
        assert!(back.bytes("weights").unwrap_err().to_string().contains("there are: empty, numbers"));
        for end in 1..bytes.len() {
            // Cut at a boundary there is less in it; anywhere else it is an error, never a panic.
            assert!(
                Parts::from_bytes(&bytes[..end]).is_err()
                    || Parts::from_bytes(&bytes[..end]).unwrap() != parts
            );
        }
        assert!(Parts::from_bytes(&[255; 24]).is_err());
    }
}
