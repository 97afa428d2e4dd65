use std::path::Path;

use tidegate_scheduler::resources::Resources;

use super::*;

fn own(name: &str, family: &str) -> VmSize {
    VmSize {
        name: name.into(),
        family: family.into(),
        capacity: Resources { vcpu: 2, memory_mib: 512, gpu_milli: 0 },
        hourly_price_micros: 0,
    }
}

#[test]
fn every_line_parses_and_no_size_is_there_twice() {
    let entries: Vec<Entry> = text::parse(AZURE).collect::<Result<_, _>>().unwrap();
    let catalogue = Catalogue::builtin();
    assert_eq!(entries.len(), catalogue.sizes().count());
    assert!(entries.len() > 1000, "{} sizes", entries.len());
    assert!(catalogue.families().count() > 100);
    for entry in entries {
        BadSize::check(&entry.size).unwrap();
    }
}

#[test]
fn sizes_are_as_azure_gives_them_in_any_case() {
    let catalogue = Catalogue::builtin();
    let size = catalogue.find("STANDARD_ds3_V2").unwrap();
    assert_eq!((size.name.as_str(), size.family.as_str()), ("Standard_DS3_v2", "standardDSv2Family"));
    let (vcpu, memory_mib) = (4, 14 * 1024);
    assert_eq!(size.capacity, Resources { vcpu, memory_mib, gpu_milli: 0 });
    assert_eq!(size.hourly_price_micros, 293_000);
    let gpus = catalogue.find("Standard_NC24rs_v3").unwrap();
    assert_eq!(gpus.capacity.gpu_milli, 4000);
    assert_eq!(catalogue.gpu_model(&gpus.name), Some("V100-16GB"));
    assert_eq!(catalogue.family("STANDARDDSV2FAMILY"), Some("standardDSv2Family"));
    assert_eq!(catalogue.find("standard_m832ds_12_v3").unwrap().hourly_price_micros, 116_505_984);
}

#[test]
fn an_unknown_size_is_refused_with_the_nearest() {
    let catalogue = Catalogue::builtin();
    for slip in ["Standard_DS3v2", "DS3_v2", "standard-ds3-v2"] {
        let error = catalogue.find(slip).unwrap_err();
        assert_eq!(error.nearest.first().map(String::as_str), Some("Standard_DS3_v2"), "{error}");
    }
    let error = catalogue.find("Standard_DS3v2").unwrap_err().to_string();
    assert!(
        error.starts_with("unknown VM size \"Standard_DS3v2\": did you mean Standard_DS3_v2, "),
        "{error}"
    );
    let stranger = catalogue.find(&"y".repeat(1_000_000)).unwrap_err();
    assert!(stranger.nearest.is_empty() && stranger.to_string().len() < 300);
}

#[test]
fn own_sizes_are_added_or_take_a_known_ones_place() {
    let many = Catalogue::builtin().sizes().count();
    let extra = vec![own("tiny", "mine"), own("standard_ds3_v2", "STANDARDdsv2FAMILY")];
    let catalogue = Catalogue::builtin().with(extra).unwrap();
    assert_eq!(catalogue.sizes().count(), many + 1);
    assert_eq!(catalogue.find("TINY").unwrap().family, "mine");
    let replaced = catalogue.find("Standard_DS3_v2").unwrap();
    assert_eq!((replaced.capacity.vcpu, replaced.family.as_str()), (2, "standardDSv2Family"));
}

#[test]
fn own_sizes_that_make_no_sense_are_refused() {
    let refused = |extra: Vec<VmSize>| Catalogue::builtin().with(extra).unwrap_err().to_string();
    assert_eq!(refused(vec![own("a", "")]), "VM size \"a\" needs a family, which quota counts by");
    let mut none = own("b", "f");
    none.capacity.vcpu = 0;
    assert_eq!(refused(vec![none]), "VM size \"b\" needs at least one vCPU");
    let twice = refused(vec![own("c", "f"), own("C", "f")]);
    assert_eq!(twice, "VM size \"C\" is given twice (upper and lower case are the same)");
}

#[test]
fn a_broken_text_is_told_by_line() {
    let broken = |text| text::parse(text).find_map(Result::err).unwrap();
    assert!(broken("X 1 1 1").starts_with("line 1: a size before"));
    assert!(broken("[f]\nX 1 1").starts_with("line 2: needs a size"));
    assert!(broken("[f]\nX 1 1 0.1234567").contains("more than six decimals"));
    assert!(broken("[f]\n\nX one 1 1").starts_with("line 3: one is not a number of vCPUs"));
    assert!(broken("[f]\nX 1 1 1 2").contains("a number and a model"));
}

#[test]
fn the_catalogue_says_what_its_source_says() {
    let shared = std::env::var_os("TIDEGATE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), Into::into);
    let Ok(table) = std::fs::read_to_string(shared.join("data/vm_sizes.csv")) else {
        println!(
            "skipped: the_catalogue_says_what_its_source_says: no data/vm_sizes.csv in {}",
            shared.display()
        );
        return;
    };
    let catalogue = Catalogue::builtin();
    let mut compared = 0;
    for line in table.lines().filter(|line| line.starts_with("azure,")) {
        let fields: Vec<&str> = line.split(',').collect();
        let &[_, family, name, vcpus, memory, gpus, model, price, ..] = fields.as_slice() else {
            panic!("a short line: {line}");
        };
        if vcpus == "0" || memory == "0" {
            assert!(catalogue.find(name).is_err(), "{name}");
            continue;
        }
        let size = catalogue.find(name).unwrap();
        assert_eq!((size.name.as_str(), size.family.as_str()), (name, family));
        assert_eq!(size.capacity.vcpu.to_string(), vcpus);
        assert_eq!(size.capacity.memory_mib, memory.parse::<u64>().unwrap() * 1024);
        assert_eq!(size.capacity.gpu_milli, gpus.parse::<u32>().unwrap() * 1000);
        assert_eq!(catalogue.gpu_model(name).unwrap_or_default(), model);
        let dollars = price.parse::<f64>().unwrap_or(0.0);
        assert!((size.hourly_price_micros as f64 - dollars * 1e6).abs() < 0.5, "{line}");
        compared += 1;
    }
    assert_eq!(compared, catalogue.sizes().count());
}
