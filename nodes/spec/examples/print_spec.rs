//! Prints what a job or pool file says, as the body that Azure ML's REST API takes.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: print_spec FILE");
        return ExitCode::from(2);
    };
    match tidegate_spec::read_file(path) {
        Ok(document) => {
            println!("{:#}", tidegate_spec::rest_body(&document));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{:?}", miette::Report::new(error));
            ExitCode::FAILURE
        }
    }
}
