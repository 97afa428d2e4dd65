//! Tables, spans and amounts for people.

use comfy_table::{ContentArrangement, Table};
use std::time::{SystemTime, UNIX_EPOCH};
use tidegate_gateway::api::{ElementCounts, Timestamp};

/// Rows under headings, without lines: what can be read, cut and grepped.
pub(crate) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Names and values below each other; those without a value are left out.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let pairs: Vec<(&str, String)> = pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
        .collect();
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let line = |(name, value): &(&str, String)| {
        format!("{name:width$}{}", value.replace('\n', &format!("\n{:width$}", "")))
    };
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Seconds as people say them: two units at most.
pub(crate) fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..10 => format!("{:.1}s", seconds.max(0.0)),
        10..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// The span from one moment to another, or until now.
pub(crate) fn between(from: Option<&Timestamp>, to: Option<&Timestamp>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as u64);
    let micros = |moment: &Timestamp| moment.micros();
    match (from.and_then(micros), to.map_or(Some(now), micros)) {
        (Some(from), Some(to)) => span(to.saturating_sub(from) as f64 / 1e6),
        _ => "-".to_owned(),
    }
}

/// How many elements of an array are over; nothing for a run that is no array.
pub(crate) fn elements(count: u32, elements: &ElementCounts) -> String {
    if count == 1 {
        return "-".to_owned();
    }
    let over = elements.completed + elements.failed + elements.canceled;
    match elements.failed {
        0 => format!("{over}/{count}"),
        failed => format!("{over}/{count} ({failed} failed)"),
    }
}

/// MiB as people say them.
pub(crate) fn mib(mib: u64) -> String {
    if mib >= 1024 && mib.is_multiple_of(512) {
        format!("{} GiB", mib as f64 / 1024.0)
    } else {
        format!("{mib} MiB")
    }
}

/// Bytes as people say them.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_said_as_people_do() {
        let spans = [0.25, 9.94, 10.0, 59.9, 61.0, 3660.0, 90_000.0, -1.0].map(span);
        assert_eq!(spans, ["0.2s", "9.9s", "10s", "59s", "1m01s", "1h01m", "1d01h", "0.0s"]);
        assert_eq!(
            [0, 1023, 1024, 1_500_000, 3 << 40].map(size),
            ["0 B", "1023 B", "1.0 KiB", "1.4 MiB", "3.0 TiB"]
        );
        assert_eq!([512, 1536, 14_336, 1025].map(mib), ["512 MiB", "1.5 GiB", "14 GiB", "1025 MiB"]);
        let moment = |text: &str| Timestamp(text.to_owned());
        let (from, to) = (moment("2030-01-01T00:00:00.000Z"), moment("2030-01-01T00:01:30.000Z"));
        assert_eq!(between(Some(&from), Some(&to)), "1m30s");
        assert_eq!(between(None, Some(&to)), "-");
    }

    #[test]
    fn tables_are_plain_columns() {
        let rows = [["a", "Running"], ["longer_name", "-"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            table(["NAME", "STATE"], rows),
            "NAME         STATE\na            Running\nlonger_name  -"
        );
        let empty: [[String; 2]; 0] = [];
        assert_eq!(table(["NAME", "STATE"], empty), "NAME  STATE");
        assert_eq!(
            pairs([("a", Some("1".into())), ("long", Some("2\n3".into())), ("b", None)]),
            "a     1\nlong  2\n      3"
        );
    }
}
