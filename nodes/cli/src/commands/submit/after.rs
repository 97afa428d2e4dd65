//! A run that must end first, as it is typed: `RUN`, `RUN:failed`, `RUN:ended`.

use std::str::FromStr;
use tidegate_spec::{After, DependsOn};

/// One of `--after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AfterArg(pub(crate) After);

impl FromStr for AfterArg {
    type Err = String;

    fn from_str(text: &str) -> Result<AfterArg, String> {
        let (run, on) = match text.split_once(':') {
            None => (text, DependsOn::default()),
            Some((run, word)) => {
                let on = DependsOn::named(word).ok_or_else(|| {
                    format!("`{word}` is no way in which a run ends; use `completed`, `failed` or `ended`")
                })?;
                (run, on)
            }
        };
        match run {
            "" => Err("the name of the run is missing".to_owned()),
            run => Ok(AfterArg(After { run: run.to_owned(), on })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_typed_with_how_it_must_end() {
        let parsed = |text: &str| text.parse().map(|AfterArg(after)| (after.run, after.on));
        assert_eq!(parsed("a"), Ok(("a".to_owned(), DependsOn::Completed)));
        assert_eq!(parsed("a:failed"), Ok(("a".to_owned(), DependsOn::Failed)));
        assert_eq!(parsed("a:ended"), Ok(("a".to_owned(), DependsOn::Ended)));
        assert!(parsed("a:done").unwrap_err().contains("`failed`"));
        assert!(parsed(":ended").is_err());
    }
}
