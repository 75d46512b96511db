//! The floor as two programs: `floor serve ADDRESS FILE always|never`, and
//! `floor send ADDRESS FILE pipelined|plain AGENCY`. For the bench `ingest`, which starts them.

use std::fs::File;
use std::process::ExitCode;

use benches::floor;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("floor: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    match *arguments {
        ["serve", address, file, durability] => {
            let durable = durability == "always";
            floor::serve(address.parse()?, File::create(file)?, durable)?;
        }
        ["send", address, file, "pipelined", agency] => {
            floor::send_pipelined(address.parse()?, File::open(file)?, agency.parse()?)?;
        }
        ["send", address, file, "plain", agency] => {
            floor::send_one_by_one(address.parse()?, File::open(file)?, agency.parse()?)?;
        }
        _ => return Err("serve or send, and what".into()),
    }
    Ok(())
}
