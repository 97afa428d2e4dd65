//! The bodies that were sent or fetched lately, read once each.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tidegate_scheduler::ids::ContentId;
use tidegate_store::Digest;

use super::Job;

/// How many bytes of bodies are remembered, as they came.
const KEPT_BYTES: usize = 32 << 20;

/// A job, or why there is none in the body.
pub(crate) type Reading = Arc<Result<Job, String>>;

/// A bounded cache; what is not in it is fetched again.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    by_id: HashMap<ContentId, (Reading, usize)>,
    oldest: VecDeque<ContentId>,
    bytes: usize,
}

impl Bodies {
    /// Takes a body in. One whose content is not what its name says is dropped, and so fetched when it is needed.
    pub(crate) fn put(&mut self, id: ContentId, body: &[u8]) {
        if self.by_id.contains_key(&id) {
            return;
        }
        if Digest::of(body).as_bytes() != &id.0 {
            return tracing::error!(body = %id, "a controller has sent a body under another one's name: dropped");
        }
        self.by_id.insert(id, (Arc::new(Job::read(body)), body.len()));
        self.oldest.push_back(id);
        self.bytes += body.len();
        while self.bytes > KEPT_BYTES && self.oldest.len() > 1 {
            let Some(oldest) = self.oldest.pop_front() else { break };
            self.bytes -= self.by_id.remove(&oldest).map_or(0, |(_, bytes)| bytes);
        }
    }

    /// A body that is remembered.
    pub(crate) fn get(&self, id: &ContentId) -> Option<Reading> {
        self.by_id.get(id).map(|(reading, _)| reading.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(command: &str) -> (ContentId, Vec<u8>) {
        let body = format!(r#"{{"command":"{command}","environment":"azureml:e:1"}}"#).into_bytes();
        (ContentId(*Digest::of(&body).as_bytes()), body)
    }

    #[test]
    fn a_body_is_read_once_and_checked_against_its_name() {
        let mut bodies = Bodies::default();
        let (id, bytes) = body("true");
        bodies.put(id, &bytes);
        bodies.put(id, &bytes);
        assert_eq!(bodies.get(&id).unwrap().as_ref().as_ref().unwrap().spec.command, "true");
        let (other, _) = body("false");
        bodies.put(other, &bytes);
        assert!(bodies.get(&other).is_none());
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let mut bodies = Bodies::default();
        let ids: Vec<ContentId> = (0..3)
            .map(|number| {
                let (id, bytes) = body(&format!("{number}{}", "x".repeat(KEPT_BYTES / 2)));
                bodies.put(id, &bytes);
                id
            })
            .collect();
        assert!(bodies.get(&ids[0]).is_none());
        assert!(bodies.get(&ids[2]).is_some());
        assert!(bodies.bytes <= KEPT_BYTES);
    }
}
