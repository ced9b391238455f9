//! Secrets and `ConfigMaps` that objects refer to, copied into the component's own Secret.
//!
//! Whoever may read the stack's namespace reads the copies. So what is in another namespace is
//! copied only if its owner says so by an annotation, or if it is public by its nature: an
//! authority's certificates.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};

use super::{
    objects::{Content, Foreign, Place, SHARED_WITH},
    spec::{KeyRef, SecretOrConfigMap},
};
use crate::resolve::{
    http::holds_certificate,
    model::{SecretValue, jobs::File},
    problem::Problem,
};

/// The most bytes of all copies of a stack: they share one Secret, which holds 1 MiB at most.
const BYTES: usize = 512 << 10;

/// What a value is used as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A password, a token.
    Text,
    /// Certificates of authorities.
    Authority,
    /// A certificate that is shown.
    Certificate,
    /// Its key.
    Key,
}

/// Copies, and what they are copies of.
pub struct Copies<'a> {
    /// The namespace of the stack.
    stack_namespace: &'a str,
    /// What there is; none: only find out what is referred to.
    contents: Option<&'a BTreeMap<Place, Content>>,
    /// All that was asked for.
    wanted: BTreeSet<Place>,
    files: BTreeMap<String, SecretValue>,
    bytes: usize,
}

impl<'a> Copies<'a> {
    /// No copies yet.
    pub fn new(stack_namespace: &'a str, contents: Option<&'a BTreeMap<Place, Content>>) -> Self {
        Self {
            stack_namespace,
            contents,
            wanted: BTreeSet::new(),
            files: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// What was asked for.
    pub fn into_wanted(self) -> BTreeSet<Place> {
        self.wanted
    }

    /// The value of a copy.
    pub fn value(&self, file: &str) -> &[u8] {
        self.files.get(file).map_or(&[], |value| &value.0)
    }

    /// The copies by file name.
    pub fn into_files(self) -> BTreeMap<String, SecretValue> {
        self.files
    }

    /// Copies a key of a Secret of the object's namespace; none if it is optional and not there.
    pub fn secret(
        &mut self,
        object: &Foreign,
        field: &str,
        key: &KeyRef,
        use_: Use,
    ) -> Result<Option<File>, Problem> {
        self.key(object, field, true, key, use_)
    }

    /// Copies a key of a Secret or a `ConfigMap`.
    pub fn either(
        &mut self,
        object: &Foreign,
        field: &str,
        key: &SecretOrConfigMap,
        use_: Use,
    ) -> Result<Option<File>, Problem> {
        match (&key.secret, &key.config_map) {
            (Some(_), Some(_)) => Err(Problem::new(field, "secret or configMap, not both")),
            (Some(key), None) => self.key(object, &format!("{field}.secret"), true, key, use_),
            (None, Some(key)) => self.key(object, &format!("{field}.configMap"), false, key, use_),
            (None, None) => Ok(None),
        }
    }

    fn key(
        &mut self,
        object: &Foreign,
        field: &str,
        secret: bool,
        key: &KeyRef,
        use_: Use,
    ) -> Result<Option<File>, Problem> {
        if key.name.is_empty() && key.key.is_empty() {
            return Ok(None);
        }
        if key.name.is_empty() {
            return Err(Problem::new(format!("{field}.name"), "is empty"));
        }
        if !is_name(&key.name) {
            let message = format!("{:?} is no name of an object", key.name);
            return Err(Problem::new(format!("{field}.name"), message));
        }
        let place = Place {
            secret,
            namespace: object.namespace.clone(),
            name: key.name.clone(),
        };
        self.wanted.insert(place.clone());
        let file = file_name(&place, &key.key);
        let Some(contents) = self.contents else {
            return Ok(Some(File::Secret(file)));
        };
        let what = format!(
            "{} {}/{}",
            if secret { "Secret" } else { "ConfigMap" },
            place.namespace,
            place.name
        );
        let content = contents.get(&place);
        let value = content.and_then(|content| content.data.get(&key.key));
        let (Some(content), Some(value)) = (content, value) else {
            if key.optional == Some(true) {
                return Ok(None);
            }
            let message = match content {
                None => format!("there is no {what}"),
                Some(_) => format!("the {what} has no key {:?}", key.key),
            };
            return Err(Problem::new(field, message));
        };
        if !self.may_read(object, content, &value.0, use_) {
            let message = format!(
                "the {what} is in another namespace than the stack, whose users could read the copy: annotate it with {SHARED_WITH}: {:?} if they may",
                self.stack_namespace
            );
            return Err(Problem::new(field, message));
        }
        if let Some(wrong) = wrong(&value.0, use_) {
            let message = format!("the key {:?} of the {what} {wrong}", key.key);
            return Err(Problem::new(field, message));
        }
        if !self.files.contains_key(&file) {
            if self.bytes + value.0.len() > BYTES {
                let message = format!("no room: {BYTES} bytes of secrets at most for one stack");
                return Err(Problem::new(field, message));
            }
            self.bytes += value.0.len();
            self.files.insert(file.clone(), value.clone());
        }
        Ok(Some(File::Secret(file)))
    }

    fn may_read(&self, object: &Foreign, content: &Content, value: &[u8], use_: Use) -> bool {
        object.namespace == self.stack_namespace
            || content
                .shared_with
                .iter()
                .any(|it| it == self.stack_namespace)
            || use_ == Use::Authority && is_public(value)
    }
}

/// Whether objects may have the name: it becomes a part of an address.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 253
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| plain(byte) || byte == b'-' || byte == b'.')
}

/// A name that no other copy has, and that says nothing.
fn file_name(place: &Place, key: &str) -> String {
    let kind = if place.secret { "secret" } else { "map" };
    // None of the names holds a slash.
    let digest = Sha256::digest(format!("{kind}/{}/{}/{key}", place.namespace, place.name));
    let mut name = "monitor-".to_owned();
    for byte in digest.iter().take(12) {
        // Writing to a string cannot fail.
        let _written = write!(name, "{byte:02x}");
    }
    name
}

/// What is wrong with a value, without a word of it.
fn wrong(value: &[u8], use_: Use) -> Option<&'static str> {
    match use_ {
        _ if value.is_empty() => Some("is empty"),
        Use::Text => None,
        Use::Authority if holds_certificate(value) => None,
        Use::Certificate if CertificateDer::from_pem_slice(value).is_ok() => None,
        Use::Key if PrivateKeyDer::from_pem_slice(value).is_ok() => None,
        Use::Authority | Use::Certificate => {
            Some("holds no certificate: PEM, starting with -----BEGIN CERTIFICATE-----")
        }
        Use::Key => Some("holds no key: PEM, such as -----BEGIN PRIVATE KEY-----"),
    }
}

/// Whether there is nothing but certificates in it.
fn is_public(value: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    let mut inside = false;
    text.lines().map(str::trim).all(|line| {
        match line {
            "-----BEGIN CERTIFICATE-----" if !inside => inside = true,
            "-----END CERTIFICATE-----" if inside => inside = false,
            _ => return inside && !line.starts_with('-') || line.is_empty(),
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::objects::Kind, *};

    const AUTHORITY: &str = include_str!("../../../tests/fixtures/authority.pem");

    fn monitor(namespace: &str) -> Foreign {
        Foreign {
            kind: Kind::ServiceMonitor,
            api_version: "monitoring.coreos.com/v1".into(),
            namespace: namespace.into(),
            name: "m".into(),
            uid: "u".into(),
            generation: Some(1),
            labels: BTreeMap::new(),
            spec: json!({}),
        }
    }

    /// What copying the key `k` of a Secret in `namespace` says to a stack in `monitoring`.
    fn said(namespace: &str, value: &str, shared_with: &[&str], use_: Use) -> String {
        let place = Place {
            secret: true,
            namespace: namespace.into(),
            name: "s".into(),
        };
        let content = Content {
            data: [("k".to_owned(), SecretValue(value.into()))].into(),
            shared_with: shared_with.iter().map(ToString::to_string).collect(),
        };
        let contents = [(place, content)].into();
        let mut copies = Copies::new("monitoring", Some(&contents));
        let key = KeyRef {
            name: "s".into(),
            key: "k".into(),
            optional: None,
        };
        match copies.secret(&monitor(namespace), "spec.x", &key, use_) {
            Ok(_) => {
                assert_eq!(copies.into_files().len(), 1);
                String::new()
            }
            Err(problem) => problem.to_string(),
        }
    }

    #[test]
    fn another_namespaces_secret_is_copied_only_if_its_owner_says_so() {
        assert_eq!(said("monitoring", "t", &[], Use::Text), "");
        assert_eq!(said("shop", "t", &["monitoring"], Use::Text), "");
        let refused = said("shop", "t", &["elsewhere"], Use::Text);
        assert!(
            refused.contains("masthead.dev/shared-with: \"monitoring\""),
            "{refused}"
        );
        assert_eq!(said("shop", AUTHORITY, &[], Use::Authority), "");
        let with_more = format!("{AUTHORITY}\npassword: x\n");
        assert_ne!(said("shop", &with_more, &[], Use::Authority), "");
    }

    #[test]
    fn what_prometheus_could_not_load_is_refused_without_a_word_of_it() {
        for use_ in [Use::Authority, Use::Certificate, Use::Key] {
            let refused = said("monitoring", "hunter2", &[], use_);
            assert!(
                refused.contains("holds no") && !refused.contains("hunter2"),
                "{refused}"
            );
        }
        assert!(said("monitoring", "", &[], Use::Text).contains("is empty"));
    }
}
