//! The bodies that Azure ML's REST API takes.

mod job;
mod pool;

use serde_json::{Map, Value};

/// What can be said in Azure ML's REST API.
pub trait RestBody {
    /// The body of the request that creates it.
    fn rest_body(&self) -> Value;
}

/// The body of the REST request that creates a run or pool: what the Azure ML client would send for the same file.
///
/// References stay in their short form (`azureml:name:version`, a local path), since the ids that the service
/// gives to uploads are its own. Tidegate's own keys do not appear.
pub fn rest_body<T: RestBody + ?Sized>(document: &T) -> Value {
    document.rest_body()
}

impl RestBody for crate::Document {
    fn rest_body(&self) -> Value {
        match self {
            crate::Document::Command(job) => job.rest_body(),
            crate::Document::Pool(pool) => pool.rest_body(),
        }
    }
}

/// An object built key by key, without the keys that have no value.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn maybe(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Value {
        Value::Object(object.0)
    }
}
