//! Medians and tails.

/// The value below which `share` per cent of the values lie, by nearest rank. Sorts them.
pub fn percentile(values: &mut [f64], share: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * share).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest() {
        let mut values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|share| percentile(&mut values, share)), [100.0, 198.0, 200.0]);
        assert_eq!(percentile(&mut [7.0], 1), 7.0);
    }
}
