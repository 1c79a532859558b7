//! Medians and percentiles: the only figures that are reported.

/// The value below which this share of all values lies (nearest rank). None: there are no values.
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank of a list that fits into memory"
    )]
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

/// The value in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        for (values, middle) in [(vec![], None), (vec![3.0], Some(3.0)), (vec![9.0, 1.0, 5.0], Some(5.0))] {
            assert_eq!(median(&values), middle);
        }
    }

    #[test]
    fn a_percentile_is_the_value_of_its_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        for (share, value) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert_eq!(percentile(&values, share), Some(value), "{share}");
        }
    }
}
