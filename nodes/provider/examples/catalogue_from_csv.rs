//! Writes the catalogue's text from a table: `catalogue_from_csv TABLE.csv > catalogue/azure.txt`.
//!
//! The table's columns are found by name: provider, family, size, vcpus, memory_gib, gpus, gpu_model,
//! price_dedicated_usd_h; the rows of other providers are left out, and so are sizes without vCPU or memory.

use std::{collections::BTreeMap, error::Error};

const HEADER: &str = include_str!("../catalogue/header.txt");

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: catalogue_from_csv TABLE.csv")?;
    let table = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next().ok_or("the table is empty")?.split(',').collect();
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |name: &str| {
            let at = columns.iter().position(|column| *column == name)?;
            fields.get(at).copied()
        };
        let get = |name: &str| field(name).ok_or(format!("line {}: no {name}", number + 2));
        if get("provider")? != "azure" || get("vcpus")? == "0" || get("memory_gib")? == "0" {
            continue;
        }
        let size = get("size")?.strip_prefix("Standard_").ok_or("a size without its prefix")?;
        let price = Some(get("price_dedicated_usd_h")?).filter(|price| !price.is_empty()).unwrap_or("-");
        let mut text = format!("{size} {} {} {price}", get("vcpus")?, get("memory_gib")?);
        let model = get("gpu_model")?;
        if !model.is_empty() {
            text += &format!(" {} {model}", get("gpus")?);
        }
        families.entry(get("family")?.to_owned()).or_default().push(text);
    }
    print!("{HEADER}");
    for (family, sizes) in families {
        println!("\n[{family}]\n{}", sizes.join("\n"));
    }
    Ok(())
}
