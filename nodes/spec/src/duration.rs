//! Durations as ISO 8601 writes them.

/// Seconds as an ISO 8601 duration of days, hours, minutes and seconds: `PT15M`, `P1DT1H1M1S`, `PT0S`.
pub fn iso8601(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let parts = [(rest / 3_600, 'H'), (rest / 60 % 60, 'M'), (rest % 60, 'S')];
    let mut text = "P".to_owned();
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    if rest > 0 || days == 0 {
        text.push('T');
    }
    for (count, unit) in parts {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if seconds == 0 {
        text.push_str("0S");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_without_empty_parts() {
        for (seconds, text) in [
            (0, "PT0S"),
            (59, "PT59S"),
            (60, "PT1M"),
            (120, "PT2M"),
            (900, "PT15M"),
            (3_600, "PT1H"),
            (86_400, "P1D"),
            (90_061, "P1DT1H1M1S"),
            (604_800, "P7D"),
            (1_209_601, "P14DT1S"),
            (99_999_999_999, "P1157407DT9H46M39S"),
        ] {
            assert_eq!(iso8601(seconds), text);
        }
    }
}
