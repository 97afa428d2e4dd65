//! The whole state as bytes, and as one number that replicas can compare.

use super::State;
use thiserror::Error;

/// First bytes of every image: what it is, and of which format.
const MAGIC: &[u8; 8] = b"TGSTATE1";

/// An image that cannot be read.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It is not one, or of a format that this release does not know.
    #[error("this is not a state image that this release can read")]
    Format,
    /// It is one, but broken.
    #[error("the state image is damaged: {0}")]
    Damaged(#[from] rmp_serde::decode::Error),
}

impl State {
    /// All of it as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut image = MAGIC.to_vec();
        // Writing to memory fails only for types that no format could hold; `State` has none.
        self.serialize_into(&mut image);
        image
    }

    fn serialize_into(&self, image: &mut Vec<u8>) {
        let mut serializer = rmp_serde::Serializer::new(image);
        serde::Serialize::serialize(self, &mut serializer).expect("every type of State can be encoded");
    }

    /// The state that `encode` wrote.
    pub fn decode(image: &[u8]) -> Result<State, ImageError> {
        let body = image.strip_prefix(MAGIC).ok_or(ImageError::Format)?;
        Ok(rmp_serde::from_slice(body)?)
    }

    /// FNV-1a over the image: equal states have equal hashes.
    pub fn hash(&self) -> u64 {
        self.encode().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}
