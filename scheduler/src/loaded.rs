//! A state with its index, as a snapshot gives it: making one takes long, and may be done on any thread.

use crate::index::Index;
use crate::state::State;
use crate::state::snapshot::ImageError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A state with its index.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub(crate) state: State,
    pub(crate) index: Index,
}

impl Loaded {
    /// With the index made for it.
    pub fn of(state: State) -> Loaded {
        Loaded { index: Index::of(&state), state }
    }

    /// From the bytes that [`State::encode`] made.
    pub fn decode(image: &[u8]) -> Result<Loaded, ImageError> {
        State::decode(image).map(Loaded::of)
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }
}

impl Serialize for Loaded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.state.encode())
    }
}

impl<'de> Deserialize<'de> for Loaded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Loaded, D::Error> {
        let image: Vec<u8> = serde_bytes::deserialize(deserializer)?;
        Loaded::decode(&image).map_err(serde::de::Error::custom)
    }
}
