//! A literal value of an input or an environment variable, and its text in a command.

use serde::{Deserialize, Serialize};

use crate::error::SpecError;
use crate::fields::Field;
use crate::tree::Value;

/// A value that is given in the file itself.
///
/// In JSON it is the bare value. Its text, [`Literal::to_text`], is what a command sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    /// `true` or `false`; as text `True` or `False`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; as text in Python's spelling, such as `0.1`, `1.0` or `1e-05`.
    Float(f64),
    /// Text, verbatim.
    Text(String),
}

impl Literal {
    pub(crate) fn read(field: &Field<'_>) -> Result<Literal, SpecError> {
        match &field.node.value {
            Value::Bool(value) => Ok(Literal::Bool(*value)),
            Value::Int(value) => Ok(Literal::Int(*value)),
            Value::Float(value) if value.is_finite() => Ok(Literal::Float(*value)),
            Value::Float(_) => Err(field.invalid("a finite number")),
            Value::Text(text) => Ok(Literal::Text(text.clone())),
            _ => Err(field.wrong_type("text, a number or a boolean")),
        }
    }

    /// The value as text, spelled as the Azure ML client spells it: by Python's `str()`.
    pub fn to_text(&self) -> String {
        match self {
            Literal::Bool(true) => "True".to_owned(),
            Literal::Bool(false) => "False".to_owned(),
            Literal::Int(number) => number.to_string(),
            Literal::Float(number) => python_float(*number),
            Literal::Text(text) => text.clone(),
        }
    }
}

/// A float as Python prints it: the shortest digits that read back the same, with an exponent of at least
/// two digits below 1e-4 and from 1e16, else with a point.
fn python_float(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "nan"
        } else if number > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let plain = number.to_string();
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_spelled_as_python_does() {
        for (number, text) in [
            (0.1, "0.1"),
            (1.0, "1.0"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e5, "100000.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (1e17, "1e+17"),
            (1e300, "1e+300"),
            (-0.0, "-0.0"),
            (0.123_456_789_012_345_68, "0.12345678901234568"),
            (123_456.789, "123456.789"),
            (1.25e-7, "1.25e-07"),
        ] {
            assert_eq!(Literal::Float(number).to_text(), text);
        }
    }

    #[test]
    fn json_keeps_the_type() {
        for (json, literal) in [
            ("1", Literal::Int(1)),
            ("1.0", Literal::Float(1.0)),
            ("true", Literal::Bool(true)),
            ("\"1\"", Literal::Text("1".to_owned())),
        ] {
            assert_eq!(serde_json::from_str::<Literal>(json).unwrap(), literal);
            assert_eq!(serde_json::to_string(&literal).unwrap(), json);
        }
    }
}
