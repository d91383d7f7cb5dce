//! The median of a few figures, and their spread. Pure.

/// The least, the median and the greatest; none without figures.
pub fn least_middle_greatest(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (least, greatest) = (*sorted.first()?, *sorted.last()?);
    let half = sorted.len() / 2;
    let middle = if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[half - 1], sorted[half])
    } else {
        sorted[half]
    };
    Some([least, middle, greatest])
}

/// The median; none without figures.
pub fn median(values: &[f64]) -> Option<f64> {
    least_middle_greatest(values).map(|[_, middle, _]| middle)
}
