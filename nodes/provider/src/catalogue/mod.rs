//! VM sizes: their family, vCPUs, memory, GPUs and price.

mod error;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use tidegate_scheduler::resources::VmSize;

pub use error::{BadSize, UnknownSize};

const AZURE: &str = include_str!("../../catalogue/azure.txt");

/// How many sizes an error proposes at most.
const PROPOSALS: usize = 3;

/// The VM sizes that pools can be made of. Sizes and families are found whatever the case of their letters, as with
/// Azure, and given back in Azure's spelling.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// By name in lower case.
    sizes: BTreeMap<String, Entry>,
    /// Spelling by name in lower case.
    families: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    size: VmSize,
    gpu_model: Option<String>,
}

impl Catalogue {
    /// What the project ships: Azure's sizes. Prices are in USD, of dedicated VMs.
    ///
    /// # Panics
    ///
    /// Never in a build whose tests pass: the text is part of the program.
    pub fn builtin() -> Catalogue {
        let mut catalogue = Catalogue { sizes: BTreeMap::new(), families: BTreeMap::new() };
        for entry in text::parse(AZURE) {
            catalogue.insert(entry.unwrap_or_else(|error| panic!("catalogue/azure.txt: {error}")));
        }
        catalogue
    }

    /// Adds sizes of the owner's; one with a known name takes that one's place.
    ///
    /// # Errors
    ///
    /// A size without name, family, vCPU or memory, or one that is given twice.
    pub fn with(mut self, extra: Vec<VmSize>) -> Result<Catalogue, BadSize> {
        let mut names = std::collections::BTreeSet::new();
        for size in extra {
            BadSize::check(&size)?;
            if !names.insert(size.name.to_lowercase()) {
                return Err(BadSize::Twice { name: size.name });
            }
            self.insert(Entry { size, gpu_model: None });
        }
        Ok(self)
    }

    fn insert(&mut self, mut entry: Entry) {
        let family = self.families.entry(entry.size.family.to_lowercase());
        // One spelling, since quota is counted by it.
        entry.size.family = family.or_insert(entry.size.family).clone();
        self.sizes.insert(entry.size.name.to_lowercase(), entry);
    }

    /// A size by its name, for example `Standard_DS3_v2`.
    ///
    /// # Errors
    ///
    /// There is none of this name; the error names the nearest ones.
    pub fn find(&self, size: &str) -> Result<VmSize, UnknownSize> {
        match self.sizes.get(&size.to_lowercase()) {
            Some(entry) => Ok(entry.size.clone()),
            None => Err(self.unknown(size)),
        }
    }

    /// The model of a size's GPUs, for people: for example `A100-80GB`.
    pub fn gpu_model(&self, size: &str) -> Option<&str> {
        self.sizes.get(&size.to_lowercase())?.gpu_model.as_deref()
    }

    /// A family in the catalogue's spelling.
    pub fn family(&self, name: &str) -> Option<&str> {
        self.families.get(&name.to_lowercase()).map(String::as_str)
    }

    /// All families, in the order of their names.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.families.values().map(String::as_str)
    }

    /// All sizes, in the order of their names.
    pub fn sizes(&self) -> impl Iterator<Item = &VmSize> {
        self.sizes.values().map(|entry| &entry.size)
    }

    fn unknown(&self, name: &str) -> UnknownSize {
        let plain = |name: &str| name.to_lowercase().replace([' ', '-'], "_");
        let bare = |name: &str| plain(name).trim_start_matches("standard_").to_owned();
        // No name is that long; comparing costs by length.
        let wanted = bare(&name.chars().take(64).collect::<String>());
        let names = self.sizes.values().map(|entry| &entry.size.name);
        let mut nearest: Vec<(usize, &String)> = names
            .map(|name| (strsim::damerau_levenshtein(&wanted, &bare(name)), name))
            .filter(|(distance, name)| *distance <= bare(name).len().max(wanted.len()).div_ceil(3))
            .collect();
        nearest.sort();
        UnknownSize {
            name: name.chars().take(64).collect(),
            nearest: nearest.into_iter().take(PROPOSALS).map(|(_, name)| name.clone()).collect(),
            known: self.sizes.len(),
        }
    }
}
