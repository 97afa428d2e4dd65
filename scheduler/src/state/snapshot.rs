//! The whole state as bytes, and as one number that replicas can compare.

use super::State;
use crate::version::{self, Unsupported};
use thiserror::Error;

/// First bytes of every image: what it is, and of which format.
const MAGIC: &[u8; 8] = b"TGSTATE1";

/// An image that cannot be read.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It is not one, or of a format that this release does not know.
    #[error("this is not a state image that this release can read")]
    Format,
    /// It is one of a later release.
    #[error(transparent)]
    Version(Unsupported),
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
        rmp_serde::from_slice(body).map_err(|error| match version_of(body) {
            Some(version) if version > version::NEWEST => {
                ImageError::Version(Unsupported { version, supports: version::NEWEST })
            }
            _ => ImageError::Damaged(error),
        })
    }

    /// FNV-1a over the image: equal states have equal hashes.
    pub fn hash(&self) -> u64 {
        self.encode().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

/// The machine version of a state of any release: it comes first in all of them.
fn version_of(body: &[u8]) -> Option<u32> {
    const ARRAY: u8 = 0xdc;
    let (head, rest) = body.split_first_chunk::<3>()?;
    (head[0] == ARRAY).then(|| rmp_serde::from_slice(rest).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_a_later_release_is_told_from_a_broken_one() {
        let state = State { version: 7, ..State::new() };
        let image = state.encode();
        assert_eq!(State::decode(&image).ok(), Some(state), "one that can be read is read");
        // A later release would have another format behind the version.
        let mut later = image.clone();
        later.truncate(MAGIC.len() + 5);
        let told = State::decode(&later).expect_err("not all of it is there");
        assert!(matches!(told, ImageError::Version(Unsupported { version: 7, .. })), "{told}");
        assert!(told.to_string().contains("machine version 7"), "{told}");
        let broken = State::new().encode();
        let told = State::decode(&broken[..broken.len() / 2]).expect_err("half of it");
        assert!(matches!(told, ImageError::Damaged(_)), "{told}");
    }
}
