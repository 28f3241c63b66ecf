//! Finds what somebody may have meant.

/// The name nearest to `written`, if one is near enough: letter case aside, at most a third of it differs.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let most = (lower.chars().count() / 3).clamp(1, 4);
    names
        .into_iter()
        .filter(|name| name.len().abs_diff(lower.len()) <= most)
        .map(|name| (distance(&lower, &name.to_lowercase(), most), name))
        .filter(|(far, _)| *far <= most)
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// How many letters must be added, left out, replaced or swapped with their neighbour; `most + 1` if more than `most`.
fn distance(a: &str, b: &str, most: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most || a.len() > 200 {
        return most + 1;
    }
    let width = b.len() + 1;
    let mut rows = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[(i - 1) * width + j] + 1)
                    .min(rows[i * width + j - 1] + 1)
                    .min(rows[(i - 1) * width + j - 1] + changed);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len() * width + b.len()].min(most + 1)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names() {
        let names = ["memory.size", "cpu.count", "cpu.arch", "spot"];
        assert_eq!(nearest("memory.sizes", names), Some("memory.size"));
        assert_eq!(nearest("CPU.count", names), Some("cpu.count"));
        assert_eq!(nearest("cpu.cuont", names), Some("cpu.count"));
        assert_eq!(nearest("psot", names), Some("spot"));
        assert_eq!(nearest("whatever", names), None);
    }
}
