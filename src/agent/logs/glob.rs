//! Patterns of paths with `*` and `?` in any part.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The paths that a pattern fits. A part without a wildcard is not looked for.
pub fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let Component::Normal(name) = part else {
            found = found.into_iter().map(|path| path.join(part)).collect();
            continue;
        };
        let name = name.to_string_lossy();
        if !name.contains(['*', '?']) {
            found = found.into_iter().map(|path| path.join(part)).collect();
            continue;
        }
        let inside = |folder: &PathBuf| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            let fitting = names.filter(|text| fits(&name, text));
            fitting.map(|text| folder.join(text)).collect::<Vec<_>>()
        };
        found = found.iter().flat_map(inside).collect();
    }
    found
}

/// The folder that all paths are in which a pattern fits.
pub fn fixed(pattern: &Path) -> &Path {
    let wild = |path: &Path| path.to_string_lossy().contains(['*', '?']);
    let mut ancestors = pattern.ancestors().skip(1);
    ancestors.find(|path| !wild(path)).unwrap_or(pattern)
}

/// Whether a name fits a pattern. A hidden file fits only a pattern that begins with a dot.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on when a star must take one letter more.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((after, from)) => {
                    *from += 1;
                    p = *after;
                    n = *from;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards_fit_within_a_part() {
        for (pattern, name) in [
            ("*.log", "a.log"),
            ("a?c", "abc"),
            ("*", "x"),
            ("a*b*c", "a12b3bc"),
            ("", ""),
            (".*", ".x"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.log", "a.log.1"),
            ("a?c", "ac"),
            ("*", ".hidden"),
            ("a*b", "acd"),
            ("", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn the_fixed_folder_has_no_wildcard() {
        for (pattern, folder) in [
            ("/var/log/syslog", "/var/log"),
            ("/var/log/*.log", "/var/log"),
            ("/a/b?/c/d", "/a"),
        ] {
            assert_eq!(fixed(Path::new(pattern)), Path::new(folder));
        }
    }

    #[test]
    fn every_part_may_have_them() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a1/x.log", "a2/y.log", "b/z.log"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut found = expand(&folder.path().join("a?/*.log"));
        found.sort();
        assert_eq!(
            found,
            [
                folder.path().join("a1/x.log"),
                folder.path().join("a2/y.log")
            ]
        );
        assert_eq!(expand(&folder.path().join("none/*")), Vec::<PathBuf>::new());
    }

    proptest! {
        #[test]
        fn a_pattern_of_a_name_fits_it(name in "[a-c]{0,8}", at in 0..9_usize) {
            let at = at.min(name.len());
            let pattern = format!("{}*", name.get(..at).unwrap());
            prop_assert!(fits(&pattern, &name));
        }
    }
}
