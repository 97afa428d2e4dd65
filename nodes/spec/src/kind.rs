//! What kind of document a file is: by its `$schema`, its `type` and its keys.

use crate::error::{Problem, SpecError};
use crate::fields::Field;
use crate::tree::Value;

/// The kind of a command job.
pub(crate) const COMMAND_JOB: &str = "job.command";
/// The kind of a pool.
pub(crate) const POOL: &str = "compute.amlcompute";

/// Schema names in lower case without their extension.
const SCHEMAS: [(&str, &str); 45] = [
    ("commandjob", COMMAND_JOB),
    ("pipelinejob", "job.pipeline"),
    ("sweepjob", "job.sweep"),
    ("automljob", "job.automl"),
    ("sparkjob", "job.spark"),
    ("paralleljob", "job.parallel"),
    ("importjob", "job.import"),
    ("finetuningjob", "job.finetuning"),
    ("distillationjob", "job.distillation"),
    ("commandcomponent", "component.command"),
    ("pipelinecomponent", "component.pipeline"),
    ("sparkcomponent", "component.spark"),
    ("parallelcomponent", "component.parallel"),
    ("importcomponent", "component.import"),
    ("automlcomponent", "component.automl"),
    ("amlcompute", POOL),
    ("computeinstance", "compute.instance"),
    ("kubernetescompute", "compute.kubernetes"),
    ("synapsesparkcompute", "compute.synapsespark"),
    ("vmcompute", "compute.vm"),
    ("virtualmachinecompute", "compute.vm"),
    ("environment", "environment"),
    ("data", "data"),
    ("dataimport", "data-import"),
    ("datastore", "datastore"),
    ("model", "model"),
    ("modelversionpackage", "model-package"),
    ("modelpackage", "model-package"),
    ("connection", "connection"),
    ("workspaceconnection", "connection"),
    ("workspace", "workspace"),
    ("registry", "registry"),
    ("featureset", "feature-set"),
    ("featurestoreentity", "feature-store-entity"),
    ("featurestore", "feature-store"),
    ("index", "index"),
    ("schedule", "schedule"),
    ("managedonlineendpoint", "endpoint.online"),
    ("kubernetesonlineendpoint", "endpoint.kubernetes"),
    ("batchendpoint", "endpoint.batch"),
    ("managedonlinedeployment", "deployment.online"),
    ("kubernetesonlinedeployment", "deployment.kubernetes"),
    ("batchdeployment", "deployment.batch"),
    ("modelbatchdeployment", "deployment.batch-model"),
    ("pipelinecomponentbatchdeployment", "deployment.batch-pipeline"),
];

/// The values of `type` that tell a kind by themselves.
const TYPES: [(&str, &str); 41] = [
    ("command", COMMAND_JOB),
    ("pipeline", "job.pipeline"),
    ("sweep", "job.sweep"),
    ("automl", "job.automl"),
    ("spark", "job.spark"),
    ("parallel", "job.parallel"),
    ("import", "job.import"),
    ("finetuning", "job.finetuning"),
    ("fine_tuning", "job.finetuning"),
    ("distillation", "job.distillation"),
    ("amlcompute", POOL),
    ("computeinstance", "compute.instance"),
    ("kubernetes", "compute.kubernetes"),
    ("synapsespark", "compute.synapsespark"),
    ("virtualmachine", "compute.vm"),
    ("uri_file", "data.uri_file"),
    ("uri_folder", "data.uri_folder"),
    ("mltable", "data.mltable"),
    ("custom_model", "model"),
    ("mlflow_model", "model"),
    ("triton_model", "model"),
    ("azure_blob", "datastore"),
    ("azure_file", "datastore"),
    ("azure_data_lake_gen1", "datastore"),
    ("azure_data_lake_gen2", "datastore"),
    ("one_lake", "datastore"),
    ("hdfs", "datastore"),
    ("container_registry", "connection"),
    ("git", "connection"),
    ("python_feed", "connection"),
    ("s3", "connection"),
    ("snowflake", "connection"),
    ("azure_sql_db", "connection"),
    ("azure_synapse_analytics", "connection"),
    ("azure_open_ai", "connection"),
    ("azure_ai_services", "connection"),
    ("azure_content_safety", "connection"),
    ("api_key", "connection"),
    ("custom", "connection"),
    ("serverless", "connection"),
    ("open_ai", "connection"),
];

/// Keys that tell a kind when there is neither `$schema` nor `type`, in the order in which they are tried.
const KEYS: [(&str, &str); 10] = [
    ("command", COMMAND_JOB),
    ("jobs", "job.pipeline"),
    ("create_job", "schedule"),
    ("create_monitor", "schedule.monitor"),
    ("image", "environment"),
    ("conda_file", "environment"),
    ("auth_mode", "endpoint.online"),
    ("endpoint_name", "deployment.online"),
    // A job without its command: told so is better than told nothing.
    ("environment", COMMAND_JOB),
    ("code", COMMAND_JOB),
];

/// Keys that a component has and a job has not.
const COMPONENT_KEYS: [&str; 3] = ["version", "is_deterministic", "additional_includes"];

/// The kind's name, and the field that decided it. `type` decides among jobs, as it does for the real client;
/// `$schema` decides the rest.
pub(crate) fn of<'a>(root: &Field<'a>) -> Result<(String, Field<'a>), SpecError> {
    let entries = match &root.node.value {
        Value::Map(_) => root.entries()?,
        _ => return Err(root.wrong_type("a map of keys, as a job or pool file has")),
    };
    let find = |key: &str| {
        let field = entries.iter().find(|(name, _)| *name == key).map(|(_, field)| field)?;
        match &field.node.value {
            Value::Text(text) => Some((text.trim(), field.clone())),
            _ => None,
        }
    };
    let has = |key: &str| entries.iter().any(|(name, _)| *name == key);
    let written = find("type");
    let by_type =
        written.clone().and_then(|(word, field)| Some((lookup(&TYPES, &word.to_lowercase())?, field)));
    let by_schema =
        find("$schema").and_then(|(url, field)| Some((lookup(&SCHEMAS, &schema_name(url))?, field)));
    let (kind, field) = match (by_schema, by_type) {
        (Some(("schedule", field)), _) if has("create_monitor") => ("schedule.monitor", field),
        (Some(("schedule", field)), _) if has("import_data") => ("schedule.import", field),
        (Some((schema, _)), Some((kind, field))) if finer(schema, kind) => (kind, field),
        (Some(decided), _) => decided,
        (None, Some((COMMAND_JOB, field))) if COMPONENT_KEYS.iter().any(|key| has(key)) => {
            ("component.command", field)
        }
        (None, Some(decided)) => decided,
        (None, None) => match written {
            Some((word, field)) => return Err(unknown_type(word, &field)),
            None => (by_keys(root, has)?, root.clone()),
        },
    };
    Ok((kind.to_owned(), field))
}

/// Whether a `type` tells more than the schema does.
fn finer(schema: &str, kind: &str) -> bool {
    (schema.starts_with("job.") && kind.starts_with("job."))
        || (schema == "data" && kind.starts_with("data."))
}

fn unknown_type(word: &str, field: &Field<'_>) -> SpecError {
    let near = crate::nearest::nearest(word, TYPES.iter().map(|(name, _)| *name));
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let what = format!("`{}` is not a type of document{near}", crate::tree::shorten(word));
    field.error(Problem::UnknownKind { what })
}

fn by_keys(root: &Field<'_>, has: impl Fn(&str) -> bool) -> Result<&'static str, SpecError> {
    let known = KEYS.iter().find(|(key, _)| has(key)).map(|(_, kind)| *kind);
    known.ok_or_else(|| {
        let what = "what the document describes cannot be told: it has no `type`, no known `$schema` and no `command`";
        root.error(Problem::UnknownKind { what: what.to_owned() })
    })
}

fn lookup(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// The last part of a schema's address, `https://…/commandJob.schema.json`, in lower case.
fn schema_name(url: &str) -> String {
    let file = url.rsplit('/').next().unwrap_or(url).to_lowercase();
    let name = file.strip_suffix(".json").unwrap_or(&file);
    let name = name.strip_suffix(".schema").unwrap_or(name);
    match name {
        // Datastores have a schema for each type.
        "azureblob" | "azurefile" | "azuredatalakegen1" | "azuredatalakegen2" | "onelake" => {
            "datastore".to_owned()
        }
        name => name.to_owned(),
    }
}
