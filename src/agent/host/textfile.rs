//! `node_textfile_*` and the families that others put into files `*.prom`: batch jobs, scripts.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::prom_text::{self, Family};
use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;
use crate::api::agent_config::TextfileConfig;

/// The largest file that is read: a mistake in a script must not fill the memory.
const MOST_BYTES: u64 = 4 << 20;
/// The most files of all folders together.
const MOST_FILES: usize = 1000;

/// What others put into files.
#[derive(Debug)]
pub struct Textfile {
    directories: Vec<String>,
    /// What was wrong at the last gather, so that the log tells changes only.
    told: Mutex<BTreeMap<String, String>>,
}

impl Textfile {
    /// Reads the folders that the configuration names.
    pub fn new(config: &TextfileConfig) -> Self {
        Self {
            directories: config.directories.clone(),
            told: Mutex::default(),
        }
    }

    /// Logs what is wrong since this gather, and what no longer is.
    fn tell(&self, bad: BTreeMap<String, String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (file, problem) in &bad {
            if told.get(file) != Some(problem) {
                tracing::warn!(file, problem, "a textfile is left out");
            }
        }
        for file in told.keys().filter(|file| !bad.contains_key(*file)) {
            tracing::info!(file, "the textfile is right again");
        }
        *told = bad;
    }
}

impl Collector for Textfile {
    fn name(&self) -> &'static str {
        "textfile"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let mut all = Gathered::default();
        for directory in &self.directories {
            all.directory(roots, directory);
        }
        let bad = all.write(out);
        let help = "1 if there was an error opening or reading a file, 0 otherwise";
        out.gauge("node_textfile_scrape_error", help)
            .sample(&[], f64::from(!bad.is_empty()));
        let help = "Files and folders of the textfile collector that are left out; the log names \
                    each with the reason.";
        out.gauge("masthead_agent_textfile_bad_files", help)
            .sample(&[], bad.len() as f64);
        self.tell(bad);
        Ok(())
    }
}

#[derive(Default)]
struct Gathered {
    families: BTreeMap<String, Merged>,
    series: HashSet<String>,
    modified: Vec<(String, f64)>,
    files: usize,
    bad: BTreeMap<String, String>,
}

/// A family of one or more files.
struct Merged {
    first: Family,
    files: Vec<String>,
}

impl Gathered {
    fn directory(&mut self, roots: &Roots, directory: &str) {
        let entries = match std::fs::read_dir(roots.in_rootfs(directory)) {
            Ok(entries) => entries,
            Err(error) => {
                self.bad.insert(directory.to_owned(), error.to_string());
                return;
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "prom")
        });
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Under the host's name for it, whatever this process calls it.
            let file = format!("{}/{name}", directory.trim_end_matches('/'));
            self.files += 1;
            if self.files > MOST_FILES {
                self.bad
                    .insert(file, format!("more than {MOST_FILES} files"));
                continue;
            }
            let taken = read(&path).and_then(|(text, modified)| {
                self.take(prom_text::parse(&text)?, &file)?;
                self.modified.push((file.clone(), modified));
                Ok(())
            });
            if let Err(problem) = taken {
                self.bad.insert(file, problem);
            }
        }
    }

    /// Takes a file's families, or none of them.
    fn take(&mut self, families: Vec<Family>, file: &str) -> Result<(), String> {
        let mut own = HashSet::new();
        for family in &families {
            let name = &family.name;
            if let Some(Merged { first, .. }) = self.families.get(name) {
                if first.kind != family.kind {
                    return Err(format!("{name} has another type in another file"));
                }
                if family.help.is_some() && first.help.is_some() && first.help != family.help {
                    return Err(format!("{name} has another help in another file"));
                }
            }
            for (series, _) in &family.samples {
                if self.series.contains(series) || !own.insert(series) {
                    return Err(format!("{series} is told twice"));
                }
            }
        }
        for mut family in families {
            self.series
                .extend(family.samples.iter().map(|(series, _)| series.clone()));
            let files = vec![file.to_owned()];
            if let Some(merged) = self.families.get_mut(&family.name) {
                merged.first.samples.append(&mut family.samples);
                merged.first.help = merged.first.help.take().or(family.help);
                merged.files.extend(files);
            } else {
                let first = family;
                self.families
                    .insert(first.name.clone(), Merged { first, files });
            }
        }
        Ok(())
    }

    /// Writes the families; returns what is wrong.
    fn write(mut self, out: &mut Exposition) -> BTreeMap<String, String> {
        for (name, Merged { first, files }) in self.families {
            let told = || format!("Metric read from {}", files.join(", "));
            let help = first.help.unwrap_or_else(told);
            let mut family = out.family(&name, &help, first.kind);
            for (_, line) in &first.samples {
                family.line(line);
            }
        }
        let help = "Unixtime mtime of textfiles successfully read.";
        let mut family = out.gauge("node_textfile_mtime_seconds", help);
        self.modified.sort_by(|a, b| a.0.cmp(&b.0));
        for (file, modified) in &self.modified {
            family.sample(&[("file", file)], *modified);
        }
        self.bad
    }
}

/// A file's text, and when it was last changed, in whole seconds as in `node_exporter`.
fn read(path: &Path) -> Result<(String, f64), String> {
    use std::io::Read;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    let told = |error: std::io::Error| error.to_string();
    // Non-blocking, so that a pipe under that name keeps nobody waiting.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).custom_flags(nonblocking).open(path);
    let file = file.map_err(told)?;
    let metadata = file.metadata().map_err(told)?;
    if !metadata.is_file() {
        return Err("not a file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("larger than {MOST_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    Ok((text, metadata.mtime() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::exposition::merge;

    fn gather(folder: &Path, directories: &[&str]) -> String {
        let roots = Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            rootfs: folder.into(),
        };
        let textfile = Textfile::new(&TextfileConfig {
            directories: directories.iter().map(|&name| name.to_owned()).collect(),
        });
        let mut out = Exposition::default();
        textfile.collect(&roots, &mut out).unwrap();
        merge([&out])
    }

    #[test]
    fn bad_files_are_left_out_whole_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("a.prom", b"a_total 1\n");
        write("twice.prom", b"b 1\na_total 2\n");
        write("bytes.prom", b"c{x=\"\xff\"} 1\n");
        write(
            "large.prom",
            &vec![b'#'; usize::try_from(MOST_BYTES).unwrap() + 1],
        );
        write("type.prom", b"# TYPE a_total counter\na_total{x=\"1\"} 1\n");
        std::fs::create_dir(folder.path().join("folder.prom")).unwrap();
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            folder.path().join("pipe.prom"),
            rustix::fs::Mode::RUSR,
        )
        .unwrap();
        let text = gather(folder.path(), &["/", "/none"]);
        assert!(
            text.contains("# HELP a_total Metric read from /a.prom\n"),
            "{text}"
        );
        assert!(text.contains("\na_total 1\n"), "{text}");
        assert!(!text.contains("\nb 1\n"), "{text}");
        assert!(text.contains("\nnode_textfile_scrape_error 1\n"), "{text}");
        assert!(
            text.contains("masthead_agent_textfile_bad_files 7\n"),
            "{text}"
        );
        assert_eq!(
            text.matches("node_textfile_mtime_seconds{").count(),
            1,
            "{text}"
        );
    }

    #[test]
    fn without_folders_nothing_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let text = gather(folder.path(), &[]);
        assert!(text.contains("\nnode_textfile_scrape_error 0\n"), "{text}");
    }
}
