//! The environment that a command needs: a reference, or one described on the spot.

use std::path::Path;

use indexmap::IndexMap;
use serde::{Serialize, Serializer};

use super::labels;
use super::output::read_version;
use crate::data_path::DataPath;
use crate::error::{Problem, SpecError};
use crate::fields::{Field, Shape};
use crate::source::Source;
use crate::tree::{Value, parse_yaml};

/// The environment that a command needs. In JSON a reference is a string, a description a map.
///
/// A file reference (`file:./env.yml`) is read at once and becomes the description that the file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum EnvironmentRef {
    /// `azureml:name`, `azureml:name:version`, `azureml:name@label`, `azureml://registries/...` or a resource id.
    Reference(String),
    /// A description.
    Inline(Box<InlineEnvironment>),
}

/// An environment that is described on the spot. It has an image or a build, not both.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct InlineEnvironment {
    /// A name; it plays no part in what the environment is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A version; it plays no part in what the environment is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub tags: IndexMap<String, Option<String>>,
    /// A container image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A container image to be built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// A conda environment on top of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conda_file: Option<CondaFile>,
    /// `linux` or `windows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    /// The datastore that local files are uploaded to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datastore: Option<String>,
    /// Routes of a scoring server; a run does not use them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_config: Option<serde_json::Value>,
    /// When the service forgets the environment; a run does not use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_delete_setting: Option<serde_json::Value>,
}

/// What an image is built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Build {
    /// The folder with the Dockerfile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<DataPath>,
    /// The Dockerfile in it; `Dockerfile` when the file does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile_path: Option<String>,
}

/// A conda environment: a file, or its content.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CondaFile {
    /// Where the file is.
    Path(DataPath),
    /// What the file would hold.
    Inline(serde_json::Map<String, serde_json::Value>),
}

pub(crate) const SHAPE: Shape = Shape {
    known: &[
        "$schema",
        "name",
        "version",
        "description",
        "tags",
        "image",
        "build",
        "conda_file",
        "os_type",
        "datastore",
        "inference_config",
        "auto_delete_setting",
    ],
    read_only: &["id", "creation_context", "latest_version", "intellectual_property"],
};
pub(crate) const BUILD: Shape = Shape { known: &["path", "dockerfile_path"], read_only: &[] };
pub(crate) const ROUTES: Shape =
    Shape { known: &["liveness_route", "scoring_route", "readiness_route"], read_only: &[] };
pub(crate) const ROUTE: Shape = Shape { known: &["port", "path"], read_only: &[] };

const FORMS: &str = "a map, or a reference such as `azureml:name:version`, `azureml:name@label`, \
                     `azureml://registries/...` or `file:./environment.yml`";

impl EnvironmentRef {
    pub(crate) fn read(field: &Field<'_>, folder: Option<&Path>) -> Result<EnvironmentRef, SpecError> {
        let written = match &field.node.value {
            Value::Map(_) => {
                return InlineEnvironment::read(field, Path::new("")).map(EnvironmentRef::inline);
            }
            Value::Text(written) => written,
            _ => return Err(field.wrong_type(FORMS)),
        };
        if let Some(path) = written.strip_prefix("file:") {
            return read_file(field, Path::new(path), folder).map(EnvironmentRef::inline);
        }
        if written.strip_prefix("azureml:").is_some_and(|rest| !rest.is_empty()) {
            return Ok(EnvironmentRef::Reference(written.clone()));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@');
        let nearest =
            (!written.is_empty() && written.chars().all(word)).then(|| format!("azureml:{written}"));
        let found = field.node.value.describe();
        Err(field.error(Problem::Invalid { expected: FORMS.to_owned(), found, nearest }))
    }

    fn inline(environment: InlineEnvironment) -> EnvironmentRef {
        EnvironmentRef::Inline(Box::new(environment))
    }

    /// The strings under which a table may know the environment, the most particular first.
    ///
    /// For a reference: as written, then `name:version` or `name@label`, then `name`. For an image: with its
    /// tag, then without, each as written and without `docker.io/` and `library/`. Then an inline
    /// environment's own name, and `conda:NAME` for the name in an inline conda file.
    pub fn lookup_keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        match self {
            EnvironmentRef::Reference(written) => {
                keys.push(written.clone());
                let (name, version) = split_reference(written);
                keys.extend(version.map(|version| format!("{name}{version}")));
                keys.push(name.to_owned());
            }
            EnvironmentRef::Inline(environment) => {
                let InlineEnvironment { name, version, image, conda_file, .. } = environment.as_ref();
                for image in image.iter().flat_map(|image| [image.as_str(), untagged(image)]) {
                    let short = image.strip_prefix("docker.io/").unwrap_or(image);
                    let short = short.strip_prefix("library/").unwrap_or(short);
                    keys.extend([image.to_owned(), short.to_owned()]);
                }
                if let Some(name) = name {
                    keys.extend(version.as_ref().map(|version| format!("{name}:{version}")));
                    keys.push(name.clone());
                }
                if let Some(CondaFile::Inline(conda)) = conda_file
                    && let Some(name) = conda.get("name").and_then(|name| name.as_str())
                {
                    keys.push(format!("conda:{name}"));
                }
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        keys
    }
}

impl Serialize for EnvironmentRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            EnvironmentRef::Reference(written) => serializer.serialize_str(written),
            EnvironmentRef::Inline(environment) => environment.serialize(serializer),
        }
    }
}

/// A reference's name, and its `:version` or `@label`.
fn split_reference(written: &str) -> (&str, Option<String>) {
    if written.contains('/') {
        // `.../environments/NAME/versions/V` or `.../environments/NAME/labels/L`.
        let mut parts = written.split('/').skip_while(|part| *part != "environments").skip(1);
        let name = parts.next().unwrap_or(written);
        return match (parts.next(), parts.next()) {
            (Some("versions"), Some(version)) => (name, Some(format!(":{version}"))),
            (Some("labels"), Some(label)) => (name, Some(format!("@{label}"))),
            _ => (name, None),
        };
    }
    let bare = written.strip_prefix("azureml:").unwrap_or(written);
    match bare.find([':', '@']) {
        Some(at) => (&bare[..at], Some(bare[at..].to_owned())),
        None => (bare, None),
    }
}

/// An image without tag and digest; the colon of a registry's port is not a tag's.
fn untagged(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// Reads the file behind `file:`; its relative paths become relative to the job's folder.
fn read_file(field: &Field<'_>, path: &Path, folder: Option<&Path>) -> Result<InlineEnvironment, SpecError> {
    let Some(folder) = folder else {
        return Err(field.invalid("an environment without a reference to a file (a body has no folder)"));
    };
    let source = Source::read(&folder.join(path)).map_err(|error| {
        let what = format!("the environment's file `{}` {}", path.display(), error.problem());
        field.error(Problem::LocalPath { what })
    })?;
    let tree = parse_yaml(&source)?;
    InlineEnvironment::read(&Field::root(&tree, &source), path.parent().unwrap_or(Path::new("")))
}

impl InlineEnvironment {
    /// Reads a description whose relative paths start in `folder`.
    fn read(field: &Field<'_>, folder: &Path) -> Result<InlineEnvironment, SpecError> {
        let fields = field.shaped(&SHAPE)?;
        let local = |written: &str| DataPath::parse(written).rebased(folder);
        let build = |field: &Field<'_>| {
            let fields = field.shaped(&BUILD)?;
            let path = fields.text("path")?.map(|written| local(&written));
            Ok(Build { path, dockerfile_path: fields.text("dockerfile_path")? })
        };
        let conda_file = |field: &Field<'_>| match (&field.node.value, field.node.to_json()) {
            (Value::Text(written), _) => Ok(CondaFile::Path(local(written))),
            (_, serde_json::Value::Object(content)) => Ok(CondaFile::Inline(content)),
            _ => Err(field.wrong_type("the path of a conda file, or its content")),
        };
        let system = |field: &Field<'_>| {
            field.choice(&[("linux", "linux"), ("windows", "windows")], str::to_lowercase).map(str::to_owned)
        };
        let environment = InlineEnvironment {
            name: fields.text("name")?,
            version: fields.read("version", read_version)?,
            description: fields.text("description")?,
            tags: fields.read("tags", labels)?.unwrap_or_default(),
            image: fields.text("image")?,
            build: fields.read("build", build)?,
            conda_file: fields.read("conda_file", conda_file)?,
            os_type: fields.read("os_type", system)?,
            datastore: fields.text("datastore")?,
            inference_config: fields.read("inference_config", routes)?,
            auto_delete_setting: fields.read("auto_delete_setting", |field| Ok(field.node.to_json()))?,
        };
        match (&environment.image, &environment.build) {
            (None, None) => Err(field.contradiction("an environment needs an `image` or a `build`")),
            (Some(_), Some(_)) => {
                Err(field.contradiction("an environment has an `image` or a `build`, not both"))
            }
            _ => Ok(environment),
        }
    }
}

fn routes(field: &Field<'_>) -> Result<serde_json::Value, SpecError> {
    let fields = field.shaped(&ROUTES)?;
    for key in ROUTES.known {
        let route = fields.need(key)?.shaped(&ROUTE)?;
        route.need("port")?.whole(0, 65_535)?;
        route.need("path")?.text()?;
    }
    Ok(field.node.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(written: &str) -> Vec<String> {
        EnvironmentRef::Reference(written.to_owned()).lookup_keys()
    }

    fn image_keys(image: &str) -> Vec<String> {
        let environment = InlineEnvironment { image: Some(image.to_owned()), ..InlineEnvironment::default() };
        EnvironmentRef::inline(environment).lookup_keys()
    }

    #[test]
    fn a_reference_is_known_by_its_parts() {
        assert_eq!(keys("azureml:sk@latest"), ["azureml:sk@latest", "sk@latest", "sk"]);
        assert_eq!(keys("azureml:sk:12"), ["azureml:sk:12", "sk:12", "sk"]);
        assert_eq!(keys("azureml:sk"), ["azureml:sk", "sk"]);
        let registry = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest";
        assert_eq!(keys(registry), [registry, "sklearn-1.5@latest", "sklearn-1.5"]);
        let resource = "azureml:/subscriptions/s/workspaces/w/environments/e/versions/1";
        assert_eq!(keys(resource), [resource, "e:1", "e"]);
    }

    #[test]
    fn an_image_is_known_with_and_without_its_tag() {
        let expected = ["library/python:latest", "python:latest", "library/python", "python"];
        assert_eq!(image_keys("library/python:latest"), expected);
        assert_eq!(image_keys("host:5000/x"), ["host:5000/x"]);
        assert_eq!(image_keys("host:5000/x:1@sha256:ab"), ["host:5000/x:1@sha256:ab", "host:5000/x"]);
    }
}
