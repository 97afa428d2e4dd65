//! The cluster's nodes and the pods that are to run on it, from lists in the form of Alibaba's `openb` traces.

use super::records::{Records, Row};
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_scheduler::plan::pack::{GpuNeed, Gpus, Model, Models, Room, Shape};

/// The nodes.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// By name, so that a smaller number is a smaller name. CPU in thousandths.
    pub(crate) nodes: Vec<Room>,
    /// Thousandths of GPU on all nodes.
    pub(crate) gpu_milli: u64,
    models: BTreeMap<String, Model>,
}

/// The pods, in the order of the list.
#[derive(Debug)]
pub(crate) struct Pods {
    /// What each asks for. CPU in thousandths.
    pub(crate) shapes: Vec<Shape>,
}

impl Cluster {
    /// Reads the list of nodes: columns `sn`, `cpu_milli`, `memory_mib`, `gpu`, `model`.
    pub(crate) fn open(path: &Path) -> Result<Cluster, String> {
        Cluster::read(&Records::open(path)?)
    }

    fn read(list: &Records) -> Result<Cluster, String> {
        let (sn, cpu, memory) = (list.column("sn")?, list.column("cpu_milli")?, list.column("memory_mib")?);
        let (gpu, model) = (list.column("gpu")?, list.column("model")?);
        let mut models = BTreeMap::new();
        let mut nodes = BTreeMap::new();
        for row in list.rows() {
            let gpus = Gpus::idle(row.number(gpu)?)
                .ok_or_else(|| row.wrong(gpu, &format!("a node may have up to {} GPUs", Gpus::COUNT)))?;
            let model = match row.text(model)? {
                "" => None,
                name => Some(number_of(name, &mut models).ok_or_else(|| {
                    row.wrong(model, &format!("there may be up to {} models", Model::COUNT))
                })?),
            };
            let (cpu, memory_mib) = (amount(row, cpu)?, amount(row, memory)?);
            let room = Room { cpu, memory_mib, gpus, model };
            if nodes.insert(row.text(sn)?, room).is_some() {
                return Err(row.wrong(sn, "another node has the same name"));
            }
        }
        let nodes: Vec<Room> = nodes.into_values().collect();
        let gpu_milli = nodes.iter().map(|node| u64::from(node.gpus.milli())).sum();
        match gpu_milli {
            0 => Err(format!("{}: no node has a GPU, so there is nothing to measure", list.file())),
            _ => Ok(Cluster { nodes, gpu_milli, models }),
        }
    }
}

/// No node has more than four million cores or four pebibytes.
fn amount(row: Row<'_>, column: usize) -> Result<u64, String> {
    row.number::<u32>(column).map(u64::from)
}

fn number_of(name: &str, models: &mut BTreeMap<String, Model>) -> Option<Model> {
    if let Some(model) = models.get(name) {
        return Some(*model);
    }
    let model = Model::new(models.len())?;
    models.insert(name.to_owned(), model);
    Some(model)
}

impl Pods {
    /// Reads the list of pods: columns `cpu_milli`, `memory_mib`, `num_gpu`, `gpu_milli`, and `gpu_spec` where the
    /// list has it.
    pub(crate) fn open(path: &Path, cluster: &Cluster) -> Result<Pods, String> {
        Pods::read(&Records::open(path)?, cluster)
    }

    fn read(list: &Records, cluster: &Cluster) -> Result<Pods, String> {
        let (cpu, memory) = (list.column("cpu_milli")?, list.column("memory_mib")?);
        let (count, each) = (list.column("num_gpu")?, list.column("gpu_milli")?);
        let spec = list.find("gpu_spec");
        let shape = |row: Row<'_>| -> Result<Shape, String> {
            Ok(Shape {
                cpu: amount(row, cpu)?,
                memory_mib: amount(row, memory)?,
                gpu: gpu_need(row, count, each)?,
                models: spec.map_or(Ok(Models::ANY), |spec| models(row, spec, cluster))?,
            })
        };
        let shapes = list.rows().map(shape).collect::<Result<Vec<Shape>, String>>()?;
        if shapes.iter().all(|shape| shape.gpu == GpuNeed::None) {
            return Err(format!("{}: no pod asks for a GPU, so there is nothing to measure", list.file()));
        }
        Ok(Pods { shapes })
    }
}

fn gpu_need(row: Row<'_>, count: usize, each: usize) -> Result<GpuNeed, String> {
    match (row.number::<u8>(count)?, row.number::<u16>(each)?) {
        (0, 0) => Ok(GpuNeed::None),
        (0, _) => Err(row.wrong(each, "a pod with num_gpu 0 has 0 here")),
        (count, Gpus::WHOLE) => Ok(GpuNeed::Whole(count)),
        (1, milli @ 1..Gpus::WHOLE) => Ok(GpuNeed::Share(milli)),
        (_, 1..Gpus::WHOLE) => Err(row.wrong(each, "a pod with more than one GPU has whole ones: 1000 here")),
        _ => Err(row.wrong(each, "of each GPU a pod takes from 1 to 1000 thousandths")),
    }
}

/// `A|B`: these alone; nothing: any. A model that no node has is one on which nothing runs.
fn models(row: Row<'_>, spec: usize, cluster: &Cluster) -> Result<Models, String> {
    let text = row.text(spec)?;
    if text.is_empty() {
        return Ok(Models::ANY);
    }
    let names: Vec<&str> = text.split('|').map(str::trim).collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err(row.wrong(spec, &format!("`{text}` is no list of models such as T4|P100")));
    }
    Ok(Models::only(names.iter().filter_map(|name| cluster.models.get(*name).copied())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Records {
        Records::read("list.csv".to_owned(), text.as_bytes()).expect("a table")
    }

    /// Columns in another order, a node without GPUs, names not in order.
    fn cluster() -> Cluster {
        let text = "model,gpu,sn,cpu_milli,memory_mib\nT4,2,b,8000,64\n,0,c,4000,32\nP100,1,a,1000,16\n";
        Cluster::read(&records(text)).expect("a cluster")
    }

    #[test]
    fn nodes_are_read_by_the_names_of_the_columns_and_ordered_by_name() {
        let cluster = cluster();
        assert_eq!(cluster.gpu_milli, 3000);
        assert_eq!(cluster.nodes.iter().map(|node| node.cpu).collect::<Vec<_>>(), [1000, 8000, 4000]);
        assert_eq!(cluster.nodes[2].model, None);
        assert_ne!(cluster.nodes[0].model, cluster.nodes[1].model);
    }

    #[test]
    fn pods_are_read_with_and_without_the_models_they_allow() {
        let cluster = cluster();
        let short = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,2,1,500\nq,3,4,0,0\nr,5,6,8,1000\n";
        let pods = Pods::read(&records(short), &cluster).expect("pods");
        let gpus: Vec<GpuNeed> = pods.shapes.iter().map(|shape| shape.gpu).collect();
        assert_eq!(gpus, [GpuNeed::Share(500), GpuNeed::None, GpuNeed::Whole(8)]);
        let long = "gpu_spec,name,cpu_milli,memory_mib,num_gpu,gpu_milli\nT4|V100,p,1,2,1,500\n,q,1,2,1,500\nV100,r,1,2,1,500\n";
        let pods = Pods::read(&records(long), &cluster).expect("pods");
        let fits = |shape: &Shape| cluster.nodes.iter().map(|node| node.fits(shape)).collect::<Vec<_>>();
        let fits: Vec<_> = pods.shapes.iter().map(fits).collect();
        assert_eq!(fits, [[false, true, false], [true, true, false], [false; 3]]);
    }

    #[test]
    fn bad_lists_are_refused_with_the_place() {
        let cluster = cluster();
        let pods = |row: &str| {
            let text = format!("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n{row}\n");
            Pods::read(&records(&text), &cluster).expect_err("refused")
        };
        assert_eq!(
            pods("p,x,1,1,1000,"),
            "list.csv:2: column 2 (cpu_milli): `x` is no number that fits here"
        );
        assert!(pods("p,1,-1,1,1000,").starts_with("list.csv:2: column 3 (memory_mib): "));
        assert!(
            pods("p,1,1,2,500,").starts_with("list.csv:2: column 5 (gpu_milli): a pod with more than one")
        );
        assert!(pods("p,1,1,0,500,").starts_with("list.csv:2: column 5 (gpu_milli): a pod with num_gpu 0"));
        assert!(pods("p,1,1,1,0,").starts_with("list.csv:2: column 5 (gpu_milli): of each GPU"));
        assert!(pods("p,1,1,1,1001,").starts_with("list.csv:2: column 5 (gpu_milli): of each GPU"));
        assert!(pods("p,1,1,1,500,T4||A10").starts_with("list.csv:2: column 6 (gpu_spec): "));
        assert!(pods("p,1,1,0,0,").contains("no pod asks for a GPU"));
        let nodes = |rows: &str| {
            let text = format!("sn,cpu_milli,memory_mib,gpu,model\n{rows}\n");
            Cluster::read(&records(&text)).expect_err("refused")
        };
        assert!(nodes("a,1,1,17,T4").starts_with("list.csv:2: column 4 (gpu): a node may have up to 16"));
        assert!(nodes("a,1,1,1,T4\na,1,1,1,T4").starts_with("list.csv:3: column 1 (sn): another node"));
        assert!(nodes("a,1,1,0,").contains("no node has a GPU"));
    }
}
