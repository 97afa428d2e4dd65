//! What a pool may ask of the local provider.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_scheduler::ids::NodeId;

/// A day: longer is a slip.
const BOOT_DELAY_MAX_S: f64 = 86_400.0;

/// The settings of a pool of local nodes, as JSON: `{"kind":"local"}` and what differs from nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalSettings {
    /// `local`.
    pub kind: LocalKind,
    /// Seconds from the order to the worker's start.
    #[serde(default)]
    pub boot_delay_s: f64,
    /// The part of the nodes that cannot be made, from 0 to 1; which ones, follows from `seed` and the node's number.
    #[serde(default)]
    pub boot_failure_rate: f64,
    /// So many nodes of the pool cannot be made, the first ones asked for since this controller started.
    #[serde(default)]
    pub boot_failures: u64,
    /// What `boot_failure_rate` is drawn with.
    #[serde(default)]
    pub seed: u64,
}

/// The provider's name in settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LocalKind {
    /// The only one.
    #[default]
    #[serde(rename = "local")]
    Local,
}

/// Settings that the local provider does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pool's provider settings are wrong: {0}")]
pub struct BadSettings(String);

impl Default for LocalSettings {
    fn default() -> Self {
        LocalSettings {
            kind: LocalKind::Local,
            boot_delay_s: 0.0,
            boot_failure_rate: 0.0,
            boot_failures: 0,
            seed: 0,
        }
    }
}

impl LocalSettings {
    /// Reads a pool's settings; no bytes at all are the defaults.
    ///
    /// # Errors
    ///
    /// No JSON, an unknown key, a wrong type, or a number out of its range.
    pub fn parse(json: &[u8]) -> Result<LocalSettings, BadSettings> {
        if json.is_empty() {
            return Ok(LocalSettings::default());
        }
        let settings: LocalSettings =
            serde_json::from_slice(json).map_err(|error| BadSettings(error.to_string()))?;
        let within = |what: &str, value: f64, most: f64| match (0.0..=most).contains(&value) {
            true => Ok(()),
            false => Err(BadSettings(format!("{what} is {value}, and must be from 0 to {most}"))),
        };
        within("boot_delay_s", settings.boot_delay_s, BOOT_DELAY_MAX_S)?;
        within("boot_failure_rate", settings.boot_failure_rate, 1.0)?;
        Ok(settings)
    }

    /// The settings as a pool keeps them.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and a name always make JSON")
    }

    /// From the order to the worker's start.
    pub(super) fn boot_delay(&self) -> Duration {
        Duration::from_secs_f64(self.boot_delay_s)
    }

    /// Whether a node is not to come up, if `before` nodes of its pool were asked for before it.
    pub(super) fn wants_failure(&self, node: NodeId, before: u64) -> bool {
        before < self.boot_failures || unit(self.seed, node.0) < self.boot_failure_rate
    }
}

/// A number from 0 up to 1 that follows from both: the finisher of SplitMix64.
fn unit(seed: u64, node: u64) -> f64 {
    let mix = |mut word: u64| {
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    let word = mix(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)).wrapping_add(node));
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        LocalSettings::parse(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn settings_are_read_and_written() {
        assert_eq!(LocalSettings::parse(b""), Ok(LocalSettings::default()));
        assert_eq!(LocalSettings::parse(br#"{"kind":"local"}"#), Ok(LocalSettings::default()));
        let json =
            br#"{"kind":"local","boot_delay_s":1.5,"boot_failure_rate":0.25,"boot_failures":2,"seed":7}"#;
        let settings = LocalSettings::parse(json).unwrap();
        assert_eq!(settings.boot_delay(), Duration::from_millis(1500));
        assert_eq!(LocalSettings::parse(&settings.to_json()), Ok(settings));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(
            refused(r#"{"kind":"local","boot_dely_s":1}"#)
                .contains("unknown field `boot_dely_s`, expected one of")
        );
        assert!(refused(r#"{"kind":"cloud"}"#).contains("unknown variant `cloud`, expected `local`"));
        assert!(refused("{}").contains("missing field `kind`"));
        assert!(refused("x").contains("expected value"));
        let range = refused(r#"{"kind":"local","boot_failure_rate":1.5}"#);
        assert!(range.ends_with("boot_failure_rate is 1.5, and must be from 0 to 1"), "{range}");
        assert!(refused(r#"{"kind":"local","boot_delay_s":-1}"#).contains("boot_delay_s is -1"));
    }

    #[test]
    fn failures_are_drawn_from_seed_and_node_alone() {
        let with = |rate, seed| LocalSettings { boot_failure_rate: rate, seed, ..LocalSettings::default() };
        let failing = |settings: &LocalSettings| -> Vec<u64> {
            (0..1000).filter(|node| settings.wants_failure(NodeId(*node), 9)).collect()
        };
        let some = failing(&with(0.3, 1));
        assert_eq!(some, failing(&with(0.3, 1)));
        assert_ne!(some, failing(&with(0.3, 2)));
        assert!((250..350).contains(&some.len()), "{}", some.len());
        assert_eq!(failing(&with(0.0, 1)).len(), 0);
        assert_eq!(failing(&with(1.0, 1)).len(), 1000);
        let first = LocalSettings { boot_failures: 2, ..LocalSettings::default() };
        assert_eq!([0, 1, 2].map(|before| first.wants_failure(NodeId(5), before)), [true, true, false]);
    }
}
