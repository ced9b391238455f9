//! The JSON of a rendered object, part of which may be made only when somebody looks at it.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, OnceLock},
};

use serde_json::{Value, map::Map};

/// A whole object as JSON. It derefs to the [`Value`].
#[derive(Clone)]
pub struct Body {
    /// The object, without the field that is made later.
    head: Value,
    later: Option<Later>,
}

#[derive(Clone)]
struct Later {
    field: &'static str,
    digest: String,
    make: Arc<dyn Fn() -> Value + Send + Sync>,
    whole: OnceLock<Value>,
}

impl Body {
    /// A body one field of which is made when it is looked at; `digest` stands for its content.
    pub fn with_later(
        head: Value,
        field: &'static str,
        digest: String,
        make: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Self {
        Self {
            head,
            later: Some(Later {
                field,
                digest,
                make: Arc::new(make),
                whole: OnceLock::new(),
            }),
        }
    }

    /// `metadata`, which is there without making anything.
    #[must_use]
    pub fn metadata(&self) -> &Value {
        self.head.get("metadata").unwrap_or(&Value::Null)
    }

    /// The fields of `metadata`, to change.
    pub fn metadata_mut(&mut self) -> Option<&mut Map<String, Value>> {
        if let Some(later) = &mut self.later {
            later.whole = OnceLock::new();
        }
        self.head.get_mut("metadata").and_then(Value::as_object_mut)
    }

    /// What a hash of the content is made from.
    #[must_use]
    pub fn seal(&self) -> String {
        let digest = self.later.as_ref().map(|later| later.digest.as_str());
        format!("{}{}", self.head, digest.unwrap_or_default())
    }

    /// The whole object, which is not kept.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.later {
            None => self.head.clone(),
            Some(later) => later.made(self.head.clone()),
        }
    }
}

impl Later {
    fn made(&self, mut head: Value) -> Value {
        if let Value::Object(fields) = &mut head {
            fields.insert(self.field.to_owned(), (self.make)());
        }
        head
    }
}

impl From<Value> for Body {
    fn from(head: Value) -> Self {
        Self { head, later: None }
    }
}

impl From<Body> for Value {
    fn from(body: Body) -> Self {
        match body.later {
            None => body.head,
            Some(later) => later.made(body.head),
        }
    }
}

impl Deref for Body {
    type Target = Value;

    fn deref(&self) -> &Value {
        match &self.later {
            None => &self.head,
            Some(later) => later.whole.get_or_init(|| later.made(self.head.clone())),
        }
    }
}

impl DerefMut for Body {
    fn deref_mut(&mut self) -> &mut Value {
        if let Some(later) = self.later.take() {
            let head = std::mem::take(&mut self.head);
            self.head = later.made(head);
        }
        &mut self.head
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl serde::Serialize for Body {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_made_later_is_there_for_whoever_looks() {
        let mut body = Body::with_later(
            json!({"metadata": {"name": "a"}}),
            "data",
            "d".into(),
            || json!({"k": "v"}),
        );
        assert_eq!(body.metadata()["name"], "a");
        assert_eq!(body["data"]["k"], "v");
        body.metadata_mut()
            .unwrap()
            .insert("uid".into(), json!("u"));
        assert_eq!(body["metadata"]["uid"], "u", "not what was made before");
        let same = Body::from(body.to_value());
        assert!(body == same);
        body["data"]["k"] = json!("w");
        assert_eq!(Value::from(body)["data"]["k"], "w");
    }
}
