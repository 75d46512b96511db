//! The floor as two programs: `floor serve ADDRESS FILE always|never single|together`, and
//! `floor send ADDRESS FILE pipelined|plain AGENCY single|together`. For the bench `ingest`, which starts them.

use std::fs::File;
use std::process::ExitCode;

use benches::floor::{self, Hashing};

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
        ["serve", address, file, durability, hashing] => {
            let durable = durability == "always";
            let hashing = Hashing::named(hashing).ok_or("single or together?")?;
            floor::serve(address.parse()?, File::create(file)?, durable, hashing)?;
        }
        ["send", address, file, "pipelined", agency, hashing] => {
            let hashing = Hashing::named(hashing).ok_or("single or together?")?;
            let file = File::open(file)?;
            floor::send_pipelined(address.parse()?, file, agency.parse()?, hashing)?;
        }
        ["send", address, file, "plain", agency, _] => {
            floor::send_one_by_one(address.parse()?, File::open(file)?, agency.parse()?)?;
        }
        _ => return Err("serve or send, and what".into()),
    }
    Ok(())
}
