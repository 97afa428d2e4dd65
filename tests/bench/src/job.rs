//! Jobs that are measured.

use serde_json::{Value, json};

use crate::server::POOL;

/// The least that a job can be: a command that does nothing, on one vCPU.
pub(crate) fn smallest(command: &str) -> Value {
    json!({
        "type": "command",
        "command": command,
        "environment": "azureml:host@latest",
        "compute": format!("azureml:{POOL}"),
        "resources": { "cpus": 1 },
    })
}

/// A job as people write them, unlike any other: one of a search for hyperparameters.
pub(crate) fn realistic(number: u64) -> Value {
    json!({
        "type": "command",
        "display_name": format!("resnet50-imagenet-sweep-{number}"),
        "description": "One trial of the sweep over learning rate, weight decay and seed.",
        "experiment_name": "resnet50-imagenet",
        "command": "python train.py --data ${{inputs.data}} --epochs ${{inputs.epochs}} --learning-rate \
            ${{inputs.learning_rate}} --weight-decay ${{inputs.weight_decay}} --seed ${{inputs.seed}} --output ${{outputs.model}}",
        "environment": "azureml:AzureML-acpt-pytorch-2.2-cuda12.1@latest",
        "environment_variables": { "NCCL_DEBUG": "WARN", "OMP_NUM_THREADS": "8" },
        "inputs": {
            "data": "/mnt/datasets/imagenet/2012",
            "epochs": 90,
            "learning_rate": 0.1 / (1.0 + number as f64),
            "weight_decay": 1e-4,
            "seed": number,
        },
        "outputs": { "model": { "type": "uri_folder" } },
        "compute": format!("azureml:{POOL}"),
        "resources": { "cpus": 1 },
        "limits": { "timeout": 86_400 },
        "tags": { "team": "vision", "sweep": "2026-11-a", "trial": number.to_string() },
    })
}
