//! What depends on the version of a component: one table.

use crate::resolve::model::Version;

/// Something that a component knows from some version on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Prometheus reads its retention from the file, where a reload changes it. Before 3.11.0 the
    /// file's time was multiplied by a million (prometheus#18200), so the flags are used.
    PrometheusRetentionInFile,
    /// Grafana deletes provisioned data sources that left the file.
    GrafanaPrune,
}

impl Feature {
    /// The first version that has it.
    const fn since(self) -> (u32, u32, u32) {
        match self {
            Self::PrometheusRetentionInFile => (3, 11, 0),
            Self::GrafanaPrune => (11, 1, 0),
        }
    }

    /// Whether a version of the feature's component has it.
    #[must_use]
    pub fn is_in(self, version: &Version) -> bool {
        let (major, minor, patch) = self.since();
        version.at_least(major, minor, patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_in_its_first_version_and_all_later_ones() {
        let has = |text| {
            Version::parse(text).map(|version| Feature::PrometheusRetentionInFile.is_in(&version))
        };
        assert_eq!(has("3.10.9"), Some(false));
        assert_eq!(has("3.11.0"), Some(true));
        assert_eq!(has("3.11.0-rc.1"), Some(true));
        assert_eq!(has("4.0.0"), Some(true));
    }
}
