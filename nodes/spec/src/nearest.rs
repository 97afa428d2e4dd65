//! "Did you mean": the known name that looks most like an unknown one.

/// The candidate nearest to a name, when one is near enough to be what was meant.
///
/// Case, `-` and `_` do not count as differences; of equally near candidates the first wins.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = plain(name);
    if wanted.is_empty() || wanted.len() > 100 {
        return None;
    }
    let scored = candidates.into_iter().map(|candidate| {
        let known = plain(candidate);
        let distance = strsim::damerau_levenshtein(&wanted, &known);
        // A third of the letters may be wrong; a name that was cut short or drawn out is near as well.
        let cut = wanted.len() >= 4
            && (known.starts_with(&wanted) || wanted.starts_with(&known) && known.len() >= 4);
        let near = distance <= wanted.chars().count().max(known.chars().count()).div_ceil(3) || cut;
        (near, distance, candidate)
    });
    scored
        .filter(|(near, ..)| *near)
        .min_by_key(|(_, distance, _)| *distance)
        .map(|(.., candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["environment", "environment_variables", "experiment_name", "inputs", "code"];
        assert_eq!(nearest("enviroment", known), Some("environment"));
        assert_eq!(nearest("environmentVariables", known), Some("environment_variables"));
        assert_eq!(nearest("experiment-name", known), Some("experiment_name"));
        assert_eq!(nearest("input", known), Some("inputs"));
        assert_eq!(nearest("ocde", known), Some("code"));
        assert_eq!(nearest("wholly_other", known), None);
        assert_eq!(nearest("", known), None);
    }
}
