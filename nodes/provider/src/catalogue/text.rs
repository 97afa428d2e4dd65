//! The catalogue's own format, described at the top of `catalogue/azure.txt`.

use tidegate_scheduler::resources::{Resources, VmSize};

use super::Entry;

const PREFIX: &str = "Standard_";

/// Each size of a text, or what is wrong with its line.
pub(super) fn parse(text: &str) -> impl Iterator<Item = Result<Entry, String>> {
    let mut family = None;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            family = Some(name.to_owned());
            return None;
        }
        let parsed = family.as_deref().ok_or("a size before the first [family]".to_owned());
        let parsed = parsed.and_then(|family| size(family, line));
        Some(parsed.map_err(|error| format!("line {}: {error}: {line}", number + 1)))
    })
}

fn size(family: &str, line: &str) -> Result<Entry, String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (facts, gpus) = fields.split_at_checked(4).ok_or("needs a size, vCPUs, GiB and a price")?;
    let &[name, vcpu, memory, price] = facts else {
        return Err("needs a size, vCPUs, GiB and a price".to_owned());
    };
    let (gpus, gpu_model) = match gpus {
        [] => (0, None),
        [count, model] => (number(count, "GPUs")?, Some((*model).to_owned())),
        _ => return Err("GPUs are a number and a model".to_owned()),
    };
    let size = VmSize {
        name: format!("{PREFIX}{name}"),
        family: family.to_owned(),
        capacity: Resources {
            vcpu: number(vcpu, "vCPUs")?,
            memory_mib: number::<u64>(memory, "GiB")? * 1024,
            gpu_milli: gpus * 1000,
        },
        hourly_price_micros: if price == "-" { 0 } else { micros(price)? },
    };
    Ok(Entry { size, gpu_model })
}

fn number<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number of {what}"))
}

/// A decimal in millionths, exactly.
fn micros(text: &str) -> Result<u64, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if part.len() > 6 {
        return Err(format!("the price {text} has more than six decimals"));
    }
    let whole: u64 = number(whole, "the price")?;
    let part: u64 = number(&format!("{part:0<6}"), "the price")?;
    Ok(whole * 1_000_000 + part)
}
