//! Prints what a job or pool file says, as the body that Azure ML's REST API takes; what of it cannot be run yet
//! goes to stderr.

use std::process::ExitCode;

use tidegate_spec::{Document, unsupported, unsupported_pool};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: print_spec FILE");
        return ExitCode::from(2);
    };
    match tidegate_spec::read_file(path) {
        Ok(document) => {
            println!("{:#}", tidegate_spec::rest_body(&document));
            let findings = match &document {
                Document::Command(job) => unsupported(job),
                Document::Pool(pool) => unsupported_pool(pool),
            };
            for finding in findings {
                eprintln!("{finding}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{:?}", miette::Report::new(error));
            ExitCode::FAILURE
        }
    }
}
