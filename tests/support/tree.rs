//! Folders of many small files, kept in one file.

use std::path::Path;

/// Unpacks lines `path = content` and `path -> target` into a folder; in the content `\n` is a
/// line feed and `\\` a backslash.
pub fn unpack(tree: &str, folder: &Path) {
    for line in tree.lines().filter(|line| !line.starts_with('#')) {
        let (path, rest) = line.split_once(' ').unwrap();
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Some(target) = rest.strip_prefix("-> ") {
            std::os::unix::fs::symlink(target, path).unwrap();
            continue;
        }
        let content = rest.strip_prefix("= ").unwrap();
        let mut plain = String::new();
        let mut characters = content.chars();
        while let Some(character) = characters.next() {
            plain.push(match character {
                '\\' => match characters.next().unwrap() {
                    'n' => '\n',
                    other => other,
                },
                other => other,
            });
        }
        std::fs::write(path, plain).unwrap();
    }
}
