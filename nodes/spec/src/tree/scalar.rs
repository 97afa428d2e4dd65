//! What a plain scalar means: YAML 1.1 as the Python client's loader reads it.
//!
//! The rules differ from YAML 1.2 where people trip: `yes`, `no`, `on` and `off` are booleans, `017` is
//! octal, `1:30` is sexagesimal, and `1e-3` (no point, or no sign in the exponent) is text.

use super::Value;

/// Resolves a plain scalar without a tag.
pub(crate) fn resolve(text: &str) -> Value {
    if let Some(value) = null(text).or_else(|| boolean(text).map(Value::Bool)) {
        return value;
    }
    match text.as_bytes()[0] {
        b'-' | b'+' | b'0'..=b'9' | b'.' => integer(text)
            .or_else(|| float(text).map(Value::Float))
            .unwrap_or_else(|| Value::Text(text.to_owned())),
        _ => Value::Text(text.to_owned()),
    }
}

/// `Value::Null` for the spellings of nothing; the empty scalar is one of them.
pub(crate) fn null(text: &str) -> Option<Value> {
    matches!(text, "" | "~" | "null" | "Null" | "NULL").then_some(Value::Null)
}

/// A boolean in the eleven spellings of YAML 1.1 that the loader knows (`y` and `n` are not among them).
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// An integer: binary, octal with a leading zero, hexadecimal, decimal or sexagesimal, with `_` anywhere.
///
/// A decimal one beyond 64 bits stays text with the same digits: nothing computes with it, and a literal
/// is handed on as text anyway.
pub(crate) fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = sign(text);
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let magnitude = if let Some(binary) = digits.strip_prefix("0b") {
        (!binary.is_empty() && binary.bytes().all(|b| matches!(b, b'0' | b'1' | b'_'))).then_some(())?;
        i128::from_str_radix(&plain[2..], 2)
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        (!hexadecimal.is_empty() && hexadecimal.bytes().all(|b| b == b'_' || b.is_ascii_hexdigit()))
            .then_some(())?;
        i128::from_str_radix(&plain[2..], 16)
    } else if digits.contains(':') {
        return sexagesimal_integer(digits).map(|n| Value::Int(if negative { -n } else { n }));
    } else if digits.starts_with('0') && digits.len() > 1 {
        digits.bytes().all(|b| matches!(b, b'0'..=b'7' | b'_')).then_some(())?;
        i128::from_str_radix(&plain, 8)
    } else {
        let decimal = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.bytes().all(|b| b == b'_' || b.is_ascii_digit());
        decimal.then_some(())?;
        match plain.parse::<i128>() {
            Ok(number) => Ok(number),
            Err(_) => return Some(Value::Text(format!("{}{plain}", if negative { "-" } else { "" }))),
        }
    }
    .ok()?;
    let number = if negative { -magnitude } else { magnitude };
    Some(match i64::try_from(number) {
        Ok(number) => Value::Int(number),
        Err(_) => Value::Text(number.to_string()),
    })
}

/// A float: digits with a point and perhaps a signed exponent, or infinity, or not-a-number.
pub(crate) fn float(text: &str) -> Option<f64> {
    let (negative, body) = sign(text);
    let signed = |value: f64| if negative { -value } else { value };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(signed(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if body == text => return Some(f64::NAN),
        _ => {}
    }
    if body.contains(':') {
        return sexagesimal_float(body).map(signed);
    }
    let (whole, rest) = body.split_once('.')?;
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b == b'_' || b.is_ascii_digit());
    // Without digits before the point there is no sign, and the fraction starts with a digit.
    let shape = if whole.is_empty() {
        body == text && fraction.starts_with(|c: char| c.is_ascii_digit()) && digits(fraction)
    } else {
        whole.starts_with(|c: char| c.is_ascii_digit()) && digits(whole) && digits(fraction)
    };
    let scaled = exponent.is_none_or(|e| {
        e.len() > 1 && e.starts_with(['+', '-']) && e[1..].bytes().all(|b| b.is_ascii_digit())
    });
    if !shape || !scaled {
        return None;
    }
    let plain: String = body.chars().filter(|c| *c != '_').collect();
    plain.parse::<f64>().ok().map(signed)
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// `190:20:30` is base 60; the first part starts with 1 to 9, the others are below 60.
fn sexagesimal_integer(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    let starts = first.starts_with(|c: char| ('1'..='9').contains(&c));
    if !starts || !first.bytes().all(|b| b == b'_' || b.is_ascii_digit()) {
        return None;
    }
    let mut total: i64 = first.replace('_', "").parse().ok()?;
    for part in parts {
        total = total.checked_mul(60)?.checked_add(below_sixty(part)?)?;
    }
    Some(total)
}

fn sexagesimal_float(text: &str) -> Option<f64> {
    let (whole, fraction) = text.rsplit_once('.')?;
    if !fraction.bytes().all(|b| b == b'_' || b.is_ascii_digit()) {
        return None;
    }
    let mut parts = whole.split(':');
    let first = parts.next()?;
    if !first.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut total: f64 = first.replace('_', "").parse().ok()?;
    for part in parts {
        total = total * 60.0 + below_sixty(part)? as f64;
    }
    let fraction: f64 = format!("0.{}", fraction.replace('_', "")).parse().ok()?;
    Some(total + fraction)
}

fn below_sixty(part: &str) -> Option<i64> {
    let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let value: i64 = digits.then(|| part.parse().ok())??;
    (value < 60).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_yaml_1_1() {
        for (text, number) in [
            ("1", 1),
            ("+1", 1),
            ("-1", -1),
            ("0", 0),
            ("-0", 0),
            ("00", 0),
            ("017", 15),
            ("0x10", 16),
            ("0x_F", 15),
            ("0b11", 3),
            ("0b1_0", 2),
            ("1_000", 1000),
            ("1__0", 10),
            ("1:30", 90),
            ("190:20:30", 685_230),
        ] {
            assert_eq!(resolve(text), Value::Int(number), "{text}");
        }
        for (text, number) in [
            ("0.1", 0.1),
            ("1.", 1.0),
            (".5", 0.5),
            ("+1.5", 1.5),
            ("1.0e-3", 0.001),
            ("1.0E+3", 1000.0),
            (".1e+3", 100.0),
            ("1_0.5", 10.5),
            ("1:30.5", 90.5),
            ("-.inf", f64::NEG_INFINITY),
        ] {
            assert_eq!(resolve(text), Value::Float(number), "{text}");
        }
    }

    #[test]
    fn what_looks_like_a_number_elsewhere_is_text() {
        for text in [
            "1e-3",
            "1e20",
            "1e+3",
            "1.5e3",
            "0o17",
            "08",
            "_1",
            "-.5",
            "+.5",
            "0xG",
            "0x",
            "0b",
            "0.1.2",
            "1,000",
            "y",
            "n",
            "Infinity",
            "nan",
            "=",
            "2020-01-01",
            "1:90",
            "-",
            "+",
            ".",
            "--1",
            "é",
        ] {
            assert_eq!(resolve(text), Value::Text(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn numbers_beyond_64_bits_keep_their_digits() {
        let digits = "123456789012345678901234567890";
        assert_eq!(resolve(digits), Value::Text(digits.to_owned()));
        let longer = "9".repeat(60);
        assert_eq!(resolve(&format!("-{longer}")), Value::Text(format!("-{longer}")));
    }

    #[test]
    fn booleans_and_nothing() {
        for text in ["yes", "On", "TRUE"] {
            assert_eq!(resolve(text), Value::Bool(true));
        }
        for text in ["no", "off", "False"] {
            assert_eq!(resolve(text), Value::Bool(false));
        }
        for text in ["", "~", "null", "NULL"] {
            assert_eq!(resolve(text), Value::Null);
        }
    }
}
