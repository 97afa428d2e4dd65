//! Names for runs that were given none: easy to say, hard to meet twice.

const ADJECTIVES: [&str; 64] = [
    "amber", "ample", "autumn", "blithe", "bold", "brave", "bright", "brisk", "calm", "clear", "clever",
    "cool", "coral", "cosy", "crisp", "curious", "deep", "eager", "early", "fair", "fleet", "fond", "free",
    "fresh", "gentle", "glad", "golden", "grand", "green", "happy", "honest", "jolly", "keen", "kind",
    "light", "lively", "lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "noble", "patient",
    "plain", "plucky", "proud", "quick", "quiet", "ready", "rosy", "salty", "serene", "shiny", "silver",
    "smooth", "snug", "steady", "sunny", "swift", "tidy", "warm", "witty",
];

const NOUNS: [&str; 64] = [
    "anchor", "bay", "beach", "beacon", "boat", "brook", "buoy", "canal", "cape", "channel", "clam", "cliff",
    "cloud", "coast", "cockle", "compass", "coral", "cove", "crab", "crane", "creek", "current", "delta",
    "dock", "dolphin", "dune", "estuary", "ferry", "fjord", "foam", "gate", "gull", "harbour", "heron",
    "inlet", "island", "jetty", "kelp", "lagoon", "lantern", "lock", "marina", "mussel", "oar", "otter",
    "pearl", "pebble", "pelican", "pier", "pilot", "plover", "reef", "river", "sail", "seal", "shell",
    "shoal", "shore", "spray", "starfish", "tern", "tide", "wave", "wharf",
];

const LETTERS: &[u8; 31] = b"0123456789abcdfghjkmnpqrstvwxyz";

/// A name such as `brisk_pelican_0f3k9tq2vx`: 61 bits of chance, hardly a vowel to spell words with.
pub fn friendly_name() -> String {
    name_of(&rand::random())
}

/// The name that follows from these bytes.
pub(crate) fn name_of(seed: &[u8; 32]) -> String {
    let (first, second) = (usize::from(seed[0]), usize::from(seed[1]));
    let (adjective, noun) = (ADJECTIVES[first % ADJECTIVES.len()], NOUNS[second % NOUNS.len()]);
    // Two bytes a letter, so that hardly one is likelier than another.
    let letters = seed[2..22].chunks_exact(2).map(|two| usize::from(two[0]) << 8 | usize::from(two[1]));
    let suffix: String = letters.map(|number| char::from(LETTERS[number % LETTERS.len()])).collect();
    format!("{adjective}_{noun}_{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_everywhere_and_differ() {
        let names: std::collections::HashSet<String> = (0..10_000).map(|_| friendly_name()).collect();
        assert_eq!(names.len(), 10_000);
        for name in names {
            assert!(
                name.len() <= 40
                    && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            );
        }
    }
}
